"""How long a failing key waits before its next try.

Two rules, the larger wins: every key backs off exponentially on its own, and all retries together pass a token
bucket, so that a thousand keys failing at once do not become a storm (defaults as in client-go `util/workqueue`:
5 ms doubling to 1,000 s; 10 per second with a burst of 100).
"""

from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

MAX_EXPONENT = 64
"""Failures beyond this count no longer lengthen the wait; keeps the power a finite float."""


class TokenBucket:
    """Reservations at `rate` per second after a first `burst`; knows no clock, callers say what time it is."""

    __slots__ = ("_burst", "_rate", "_tokens", "_updated")

    def __init__(self, rate: float, burst: int) -> None:
        if rate <= 0 or burst < 1:
            raise ValueError(f"a token bucket needs a positive rate and a burst of at least 1, got {rate} and {burst}")
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._updated = float("-inf")

    def reserve(self, now: float) -> float:
        """Takes one token and returns the seconds until it exists; 0 while the burst lasts."""
        if now > self._updated:
            self._tokens = min(float(self._burst), self._tokens + (now - self._updated) * self._rate)
            self._updated = now
        self._tokens -= 1
        return max(0.0, -self._tokens / self._rate)

    def take(self, now: float) -> bool:
        """Takes one token if it exists now; a refusal costs nothing."""
        if self.reserve(now) == 0.0:
            return True
        self._tokens += 1
        return False


class RateLimiter(Generic[K]):
    """Per-key exponential back-off together with a token bucket shared by all keys.

    Args:
        base: seconds after the first failure of a key; doubles with each further one.
        cap: the longest wait of one key, in seconds.
        rate: retries per second over all keys, in the long run.
        burst: retries that may be due at once.
    """

    __slots__ = ("_base", "_bucket", "_cap", "_failures")

    def __init__(self, *, base: float = 0.005, cap: float = 1000.0, rate: float = 10.0, burst: int = 100) -> None:
        if not 0 < base <= cap:
            raise ValueError(f"back-off needs 0 < base <= cap, got base {base} and cap {cap} seconds")
        self._base = base
        self._cap = cap
        self._bucket = TokenBucket(rate, burst)
        self._failures: dict[K, int] = {}

    def delay(self, key: K, now: float) -> float:
        """Counts one more failure of `key` and returns the seconds to wait, measured from `now`."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        backoff: float = min(self._cap, self._base * 2.0 ** min(failures, MAX_EXPONENT))
        return max(backoff, self._bucket.reserve(now))

    def forget(self, key: K) -> None:
        """The key succeeded or no longer matters: its next failure counts as the first."""
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        """Failures in a row since the key was last forgotten."""
        return self._failures.get(key, 0)
