"""The virtual clock the state-machine tests stand on."""

import asyncio
import time

import pytest

from tests.unit.virtual_time import VirtualDeadlockError, run_virtual


def test_hours_pass_at_once_and_in_order() -> None:
    woke: list[tuple[float, str]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        woke.append((round(asyncio.get_running_loop().time(), 6), name))

    async def scenario() -> None:
        await asyncio.gather(sleeper("late", 7200.5), sleeper("early", 60), sleeper("first", 0.001))

    started = time.process_time()
    run_virtual(scenario())
    assert woke == [(0.001, "first"), (60.0, "early"), (7200.5, "late")]
    assert time.process_time() - started < 60, "two virtual hours must not cost real ones"


def test_a_deadline_fires_at_its_virtual_moment() -> None:
    async def scenario() -> float:
        try:
            async with asyncio.timeout(15):
                await asyncio.sleep(100)
        except TimeoutError:
            return asyncio.get_running_loop().time()
        return -1

    assert run_virtual(scenario()) == pytest.approx(15)


def test_a_scenario_that_never_ends_fails_by_its_limit() -> None:
    async def scenario() -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        run_virtual(scenario(), until=10)


def test_without_any_timer_the_deadlock_is_named() -> None:
    async def scenario() -> None:
        await asyncio.Event().wait()

    with pytest.raises(VirtualDeadlockError, match="no timer"):
        run_virtual(scenario(), until=None)


def test_leftover_tasks_are_cancelled() -> None:
    ended: list[str] = []

    async def background() -> None:
        try:
            await asyncio.sleep(1e6)
        finally:
            ended.append("background")

    async def scenario() -> None:
        task = asyncio.create_task(background())
        await asyncio.sleep(0)
        assert not task.done()

    run_virtual(scenario())
    assert ended == ["background"]
