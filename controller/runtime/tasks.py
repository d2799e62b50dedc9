"""Groups of tasks that live and die together, with endings that are bounded and named."""

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Final, NoReturn, TypeAlias

Loop: TypeAlias = Callable[[], Awaitable[None]]
"""Work that goes on until it is cancelled."""

LAST_WORDS_SECONDS: Final = 1.0
"""How long a task may still run after its second cancellation."""


DEATH_GRACE_SECONDS: Final = 3.0
"""How long the others get to finish when one of them has died."""


class TaskDied(Exception):  # noqa: N818 - what happened, not a mistake of the caller
    """A task that should run for ever raised or returned; `name` says which, `__cause__` why.

    `still_working` tells that another one ignores its end: then the process must end at once.
    """

    def __init__(self, name: str, cause: BaseException | None) -> None:
        what = f"failed: {str(cause) or type(cause).__name__}" if cause else "ended although nobody stopped it"
        super().__init__(f"{name} {what}")
        self.name = name
        self.still_working = False


def start(loops: Mapping[str, Loop]) -> list[asyncio.Task[None]]:
    """Starts every loop as a task of its name."""
    return [asyncio.create_task(_call(loop), name=name) for name, loop in loops.items()]


async def run_together(loops: Mapping[str, Loop]) -> NoReturn:
    """Runs all loops until one dies or this task is cancelled; ends the others and waits for them.

    Every further cancellation is passed on, so that the caller decides how long an orderly end may take. After a death
    nobody decides: the others are cancelled once more after DEATH_GRACE_SECONDS and waited for no longer.

    Raises:
        TaskDied: a loop raised or returned.
    """
    tasks = start(loops)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        await _end(tasks)
        raise
    death = death_among(tasks)
    assert death is not None, "one task has ended, or this line is not reached"
    for grace in (DEATH_GRACE_SECONDS, LAST_WORDS_SECONDS):
        death.still_working = not await _end(tasks, grace)
    raise death


def death_among(tasks: Collection[asyncio.Task[None]]) -> TaskDied | None:
    """The end of one of the tasks that have ended, the first in the order given; None when all are running."""
    for task in tasks:
        if task.done():
            cause = None if task.cancelled() else task.exception()
            death = TaskDied(task.get_name(), cause)
            death.__cause__ = cause
            return death
    return None


async def stop(tasks: Collection[asyncio.Task[None]], grace: float) -> list[str]:
    """Cancels the tasks, again after `grace` seconds, and returns the names of those that needed it."""
    pending = _cancel(tasks)
    if pending:
        _, pending = await asyncio.wait(pending, timeout=max(grace, 0.0))
    late = sorted(task.get_name() for task in pending)
    if pending:
        await asyncio.wait(_cancel(pending), timeout=LAST_WORDS_SECONDS)
    _settle(tasks)
    return late


async def _end(tasks: Collection[asyncio.Task[None]], grace: float | None = None) -> bool:
    """Cancels the tasks, again whenever the caller is cancelled; whether all ended within the grace in seconds."""
    now = asyncio.get_running_loop().time
    pending, until = _cancel(tasks), math.inf if grace is None else now() + grace
    while pending and now() < until:
        try:
            _, pending = await asyncio.wait(pending, timeout=None if grace is None else until - now())
        except asyncio.CancelledError:
            pending = _cancel(pending)
    _settle(tasks)
    return not pending


def _settle(tasks: Collection[asyncio.Task[None]]) -> None:
    """Asks for the exceptions of what has ended, so that asyncio does not report them as never retrieved."""
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()


def _cancel(tasks: Collection[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    pending = {task for task in tasks if not task.done()}
    for task in pending:
        task.cancel()
    return pending


async def _call(loop: Loop) -> None:
    await loop()
