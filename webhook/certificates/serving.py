"""The webhook's serving certificate: which one it is, and whether TLS can be served with it."""

from datetime import datetime

from controller.runtime.tls import Handshakes
from webhook.certificates.issuing import Pair, Validity, validity


class Serving:
    """The certificate that is served at present, and the listener's context that serves it."""

    def __init__(self) -> None:
        self._handshakes = Handshakes()
        self.context = self._handshakes.context
        self.issuer = b""
        self._leaf = b""

    @property
    def ready(self) -> bool:
        """Whether there is a certificate to serve with."""
        return self._handshakes.ready

    @property
    def validity(self) -> Validity | None:
        """When the certificate is meant to be used; None when there is none."""
        return validity(self._leaf) if self._leaf else None

    def problem(self, now: datetime) -> str:
        """Why TLS cannot be served; empty when it can."""
        times = self.validity
        if times is None:
            return "no serving certificate yet"
        if times.accepted_from > now:
            return f"the serving certificate is not valid before {times.accepted_from.isoformat()}"
        return "the serving certificate has expired" if times.ends <= now else ""

    def install(self, leaf: Pair, issuer: bytes) -> None:
        """Serves with `leaf` from the next handshake on.

        Raises:
            ssl.SSLError: certificate and key do not belong together; the previous one stays.
        """
        self._handshakes.use(leaf.certificate, leaf.key)
        self._leaf, self.issuer = leaf.certificate, issuer
