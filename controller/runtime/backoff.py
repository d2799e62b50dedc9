"""How long a watch waits before it tries again."""

import random
from dataclasses import dataclass
from typing import Final

_JITTER: Final = 1.0


@dataclass(slots=True)
class Backoff:
    """Delays that double with every failure and start over after a calm time; client-go's figures for reflectors.

    Attributes:
        first: seconds before the second attempt.
        longest: seconds the delay stops growing at; jitter adds up to 100 %, so that replicas spread.
        calm: seconds without a failure after which the next one counts as the first.
    """

    first: float = 0.8
    longest: float = 30.0
    calm: float = 120.0
    _failures: int = 0
    _calm_from: float = float("-inf")

    def next(self, now: float) -> float:
        """Seconds to wait after a failure at loop time `now`."""
        if now >= self._calm_from + self.calm:
            self._failures = 0
        base = min(self.longest, self.first * 2.0 ** min(self._failures, 32))
        delay = base * random.uniform(1.0, 1.0 + _JITTER)  # noqa: S311 - spreads load, guards nothing
        self._failures += 1
        self._calm_from = now + delay
        return delay
