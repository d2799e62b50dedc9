"""The certificate /metrics is served with: mounted by somebody, else one of our own that is never written anywhere."""

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from controller.runtime import logs
from controller.runtime.metrics import CERTIFICATE_READ_ERRORS, CERTIFICATE_READS
from controller.runtime.tls import Handshakes

CERTIFICATE_FILE: Final = "tls.crt"
KEY_FILE: Final = "tls.key"
"""As in Secrets of type kubernetes.io/tls."""

LOOK_SECONDS: Final = 10.0
"""Pause between two looks; a kubelet brings a changed Secret within about a minute."""

log = logs.get_logger(__name__)


class MetricsCertificate:
    """Keeps the listener's certificate current.

    Args:
        name: what our own certificate names.
        directory: where `tls.crt` and `tls.key` are, and their successors will be; None for one of our own. Until the
            files can be used no handshake succeeds: another certificate than the one asked for would hide the mistake.
    """

    def __init__(self, name: str, directory: Path | None) -> None:
        self.handshakes = Handshakes()
        self._name, self._directory = name, directory
        self._seen = (b"", b"")
        self._renewal: datetime | None = None
        self._complaint = ""

    async def run(self) -> None:
        """Looks after the certificate until cancelled."""
        while True:
            self.look(datetime.now(UTC))
            await asyncio.sleep(LOOK_SECONDS)

    def look(self, now: datetime) -> None:
        """Serves with a newer certificate where there is one, or where ours has lived two thirds of its life."""
        if self._directory is not None:
            self._read(self._directory)
        elif self._renewal is None or now >= self._renewal:
            from controller.runtime.self_signed import issue  # loaded by those only who need it

            made = issue(self._name, now)
            self.handshakes.use(made.certificate, made.key)
            self._renewal = made.renewal
            CERTIFICATE_READS.inc()

    def _read(self, directory: Path) -> None:
        try:
            pair = (directory / CERTIFICATE_FILE).read_bytes(), (directory / KEY_FILE).read_bytes()
            if pair == self._seen:
                return
            self.handshakes.use(*pair)
        except (OSError, ssl.SSLError) as error:
            self._complain(f"the certificate for metrics in {directory} cannot be used: {error}")
            return
        self._seen, self._complaint = pair, ""
        CERTIFICATE_READS.inc()
        log.info("certificate for metrics read", extra=logs.fields(directory=str(directory)))

    def _complain(self, complaint: str) -> None:
        CERTIFICATE_READ_ERRORS.inc()
        if complaint != self._complaint:
            self._complaint = complaint
            log.warning("%s", complaint)
