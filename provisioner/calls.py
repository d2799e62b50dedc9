"""What this process remembers of its own calls, so that a failed one is repeated when its time has come and not before.

The decisions themselves are made from what is seen; but a status we write wakes the very claim it is about, so that
without this memory a refusal with a varying text would be asked for again at once, and again.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from provisioner.policy import fault_delay
from provisioner.pools import CANCELING, CREATING, Pool

C = TypeVar("C")

ABORT_PATIENCE: Final = 60.0
"""Seconds a pool may still be shown as being created after its creation was told to stop."""


@dataclass(frozen=True, slots=True)
class _Held(Generic[C]):
    cause: C
    failures: int
    until: float


class Pauses(Generic[C]):
    """By name, why no further call is made and until when; only passing time ends a pause."""

    def __init__(self) -> None:
        self._held: dict[str, _Held[C]] = {}

    def fail(self, name: str, cause: C, retry_after: float | None = None) -> float:
        """Begins a pause after one more failure in a row; its seconds.

        Args:
            name: whom the call was made for.
            cause: why it failed.
            retry_after: seconds the other side asked for; None when it did not.
        """
        known = self._held.get(name)
        failures = known.failures + 1 if known else 1
        wait = fault_delay(failures, retry_after)
        self._held[name] = _Held(cause, failures, asyncio.get_running_loop().time() + wait)
        return wait

    def current(self, name: str) -> tuple[C, float] | None:
        """The cause and the seconds left of the pause that holds now; None when a call may be made."""
        held = self._held.get(name)
        if held is None or (rest := held.until - asyncio.get_running_loop().time()) <= 0:
            return None
        return held.cause, rest

    def end(self, name: str) -> None:
        """A call succeeded, or nothing is left to call for: the next failure is the first."""
        self._held.pop(name, None)


class Aborts:
    """Creations that were told to stop; Azure shows it only after a while."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def note(self, name: str) -> None:
        """A pool's creation was told to stop just now."""
        self._since[name] = asyncio.get_running_loop().time()

    def view(self, pool: Pool | None) -> Pool | None:
        """The pool as it is to be understood: one told to stop a moment ago is not being created any more."""
        if pool is None or pool.state != CREATING or pool.name not in self._since:
            return pool
        if asyncio.get_running_loop().time() - self._since[pool.name] >= ABORT_PATIENCE:
            self.forget(pool.name)
            return pool
        return replace(pool, state=CANCELING)

    def forget(self, name: str) -> None:
        """Nothing of that name is left."""
        self._since.pop(name, None)
