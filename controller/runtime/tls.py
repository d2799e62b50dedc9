"""The TLS side of a listener: a certificate that can be replaced between two handshakes."""

import os
import ssl


class Handshakes:
    """Hands out the newest certificate to every handshake.

    The listener keeps one context for ever. It holds no certificate: each handshake is given the current inner context,
    and a new pair gets a context of its own, because loading into a live one is not atomic.
    """

    def __init__(self) -> None:
        self.context = _server_context()
        self.context.sni_callback = self._choose
        self._inner: ssl.SSLContext | None = None

    @property
    def ready(self) -> bool:
        """Whether there is a certificate to serve with; without one every handshake is refused."""
        return self._inner is not None

    def use(self, certificate: bytes, key: bytes) -> None:
        """Serves with the pair, both PEM, from the next handshake on.

        Raises:
            ssl.SSLError: certificate and key do not belong together, or are none; the previous pair stays.
        """
        context = _server_context()
        _load(context, certificate + b"\n" + key)  # a file put there by hand may lack the end of its last line
        self._inner = context

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> int | None:
        if self._inner is None:
            return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR
        connection.context = self._inner
        return None


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    return context


def _load(context: ssl.SSLContext, pem: bytes) -> None:
    """Loads the pair through anonymous memory: the interface takes paths only, and the key must touch no disk."""
    descriptor = os.memfd_create("leaf", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, pem)
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
