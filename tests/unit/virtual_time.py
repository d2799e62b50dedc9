"""An asyncio event loop whose clock jumps to the next timer as soon as nothing is left to run.

Code that takes its time from `asyncio.get_running_loop().time()` and `asyncio.sleep` runs on it unchanged: hours of
backoff pass in milliseconds, and the order of events is the same in every run. Sockets, subprocesses and executors do
not belong here; their readiness has no place on a virtual clock.

    def test_backoff() -> None:
        async def scenario() -> float:
            await asyncio.sleep(3600)
            return asyncio.get_running_loop().time()

        assert run_virtual(scenario()) == 3600
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualDeadlockError(RuntimeError):
    """Every task waits and no timer is set: the run would hang for ever."""


class _JumpingSelector(selectors.DefaultSelector):
    """A selector that turns waiting into a jump of its loop's clock."""

    now: float = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready: list[tuple[selectors.SelectorKey, int]] = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise VirtualDeadlockError(f"at virtual time {self.now:.3f} s all tasks wait and no timer will wake one")
        self.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop; `time()` starts at 0 and moves only when everything waits for a timer."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._jumping.now


def run_virtual(coro: Coroutine[Any, Any, T], *, until: float | None = 1e7) -> T:
    """Runs `coro` to its end on a fresh virtual loop and returns its result; tasks left over are cancelled.

    Args:
        coro: the scenario.
        until: virtual seconds after which a scenario that polls for ever fails with TimeoutError; None sets no such
            timer, so that a deadlock is named.

    Raises:
        VirtualDeadlockError: everything waits and no timer is set.
    """

    async def bounded() -> T:
        async with asyncio.timeout(until):
            return await coro

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(bounded())
