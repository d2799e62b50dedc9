"""A share of a budget that others draw on as well."""


class Budget:
    """At most `burst` calls at once and `rate` per second in the long run; knows no clock, callers say what time it is.

    Unlike a reservation, a call that must wait takes nothing: who asks too early loses no place to who asks in time.
    """

    __slots__ = ("_burst", "_left", "_rate", "_updated")

    def __init__(self, *, burst: int, rate: float) -> None:
        self._burst, self._rate = float(burst), rate
        self._left = self._burst
        self._updated = float("-inf")

    def take(self, now: float) -> float:
        """0 when the call may be made, which spends it; otherwise the seconds until one may be."""
        if now > self._updated:
            self._left = min(self._burst, self._left + (now - self._updated) * self._rate)
            self._updated = now
        if self._left >= 1:
            self._left -= 1
            return 0.0
        return (1 - self._left) / self._rate
