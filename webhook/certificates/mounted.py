"""Certificates that somebody else renews, such as cert-manager's Secret mounted into the Pod."""

import asyncio
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from controller.runtime.cache import Informer
from controller.runtime.logs import fields, get_logger
from controller.runtime.metrics import CERTIFICATE_READ_ERRORS, CERTIFICATE_READS
from webhook.certificates.issuing import Pair, validity
from webhook.certificates.serving import Serving
from webhook.counters import CERTIFICATE_EXPIRY

CERTIFICATE_FILE: Final = "tls.crt"
KEY_FILE: Final = "tls.key"
"""As in Secrets of type kubernetes.io/tls."""

LOOK_SECONDS: Final = 10.0
"""Pause between two looks at the files; a kubelet brings a changed Secret within about a minute."""

log = get_logger(__name__)


class Mounted:
    """Serves with the pair of files in a directory, and with its successors from when they appear.

    Who issues them also tells the API server whom to trust: nothing is read or written there.

    Args:
        directory: where `tls.crt` and `tls.key` are; they may come after the program's start.
    """

    informers: tuple[Informer, ...] = ()

    def __init__(self, directory: Path) -> None:
        self.serving = Serving()
        self._directory = directory
        self._seen: Pair | None = None
        self._complaint = ""

    async def run(self) -> None:
        """Looks at the files until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_SECONDS)

    def look(self) -> None:
        """Serves with what the files hold, if that is new; a pair that cannot be used leaves the previous one."""
        try:
            pair = Pair(*((self._directory / name).read_bytes() for name in (CERTIFICATE_FILE, KEY_FILE)))
            if pair == self._seen:
                return
            ends = validity(pair.certificate).ends
            self.serving.install(pair, pair.certificate)
        except (OSError, ValueError, ssl.SSLError) as error:
            self._complain(f"the certificate in {self._directory} cannot be used: {error}")
            return
        self._seen, self._complaint = pair, ""
        CERTIFICATE_READS.inc()
        CERTIFICATE_EXPIRY.labels("leaf").set(ends.timestamp())
        log.info("serving certificate read", extra=fields(directory=str(self._directory), ends=ends.isoformat()))

    def certificate_problem(self) -> str:
        """Why TLS cannot be served; empty when it can."""
        problem = self.serving.problem(datetime.now(UTC))
        return f"{problem}: {self._complaint}" if problem and self._complaint else problem

    def trust_problem(self) -> str:
        """Always empty: whom the API server trusts is the issuer's to say."""
        return ""

    def _complain(self, complaint: str) -> None:
        CERTIFICATE_READ_ERRORS.inc()
        if complaint != self._complaint:
            self._complaint = complaint
            log.warning("%s", complaint)
