"""How often a bundle that another writer keeps replacing is put back."""

from dataclasses import dataclass, field
from typing import Final

from controller.runtime.backoff import Backoff
from controller.runtime.logs import fields, get_logger
from webhook.counters import BUNDLE_OVERWRITES

FIRST_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 30.0

log = get_logger(__name__)


@dataclass(slots=True)
class Pace:
    """Puts a bundle back at once the first time, then at growing intervals.

    Attributes:
        target: kind and name of the configuration, for the log.
        seen: the bundle it last showed; empty when none was seen.
        patched: its resourceVersion before our last patch; while the local copy shows that, the patch is on its way.
    """

    target: str
    seen: bytes = b""
    patched: str = ""
    _backoff: Backoff = field(default_factory=lambda: Backoff(first=FIRST_SECONDS, longest=LONGEST_SECONDS))
    _quiet_until: float = float("-inf")

    def wait(self, bundle: bytes, now: float) -> float:
        """Seconds to wait before `bundle` is published, 0 for none; now is loop time.

        A configuration that showed this very bundle and does not any more was overwritten.
        """
        if bundle != self.seen:
            return 0.0
        if now < self._quiet_until:
            return self._quiet_until - now
        BUNDLE_OVERWRITES.inc()
        delay = self._backoff.next(now)
        self._quiet_until = now + delay
        log.warning(
            "another writer replaced the trust bundle, putting it back",
            extra=fields(target=self.target, next_after=round(delay, 1)),
        )
        return 0.0
