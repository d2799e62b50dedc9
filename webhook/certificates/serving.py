"""The TLS side: a listener whose certificate can be replaced between two handshakes."""

import os
import ssl
from datetime import datetime

from webhook.certificates.issuing import Pair, Validity, validity


class Serving:
    """Hands out the newest certificate to every handshake.

    The listener keeps one context for ever. It holds no certificate: each handshake is given the current inner context,
    and a new pair gets a context of its own, because loading into a live one is not atomic.
    """

    def __init__(self) -> None:
        self.context = _server_context()
        self.context.sni_callback = self._choose
        self.issuer = b""
        self._inner: ssl.SSLContext | None = None
        self._leaf = b""

    @property
    def ready(self) -> bool:
        """Whether there is a certificate to serve with."""
        return self._inner is not None

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
        context = _server_context()
        _load(context, leaf)
        self._inner, self._leaf, self.issuer = context, leaf.certificate, issuer

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> int | None:
        if self._inner is None:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        connection.context = self._inner
        return None


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _load(context: ssl.SSLContext, pair: Pair) -> None:
    """Loads the pair through anonymous memory: the interface takes paths only, and the key must touch no disk."""
    descriptor = os.memfd_create("leaf", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, pair.certificate + pair.key)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
