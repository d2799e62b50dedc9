"""Groups of tasks: the first death ends all, and every end is bounded."""

import asyncio
import contextlib

import pytest

from controller.runtime import tasks
from controller.runtime.tasks import TaskDied
from tests.unit.virtual_time import run_virtual


async def forever() -> None:
    await asyncio.Event().wait()


async def fail_after_a_second() -> None:
    await asyncio.sleep(1)
    raise KeyError("pool")


async def return_after_a_second() -> None:
    await asyncio.sleep(1)


async def slow_to_end() -> None:
    try:
        await forever()
    finally:
        await asyncio.sleep(50)


def now() -> float:
    return round(asyncio.get_running_loop().time(), 3)


def test_a_failing_task_ends_the_group_under_its_name() -> None:
    with pytest.raises(TaskDied, match=r"^pools failed: 'pool'$") as death:
        run_virtual(tasks.run_together({"nodes": forever, "pools": fail_after_a_second}))
    assert isinstance(death.value.__cause__, KeyError)


def test_a_task_that_returns_has_died_too() -> None:
    with pytest.raises(TaskDied, match="pools ended although nobody stopped it"):
        run_virtual(tasks.run_together({"nodes": forever, "pools": return_after_a_second}))


def test_the_group_waits_for_orderly_ends_and_passes_a_second_cancellation_on() -> None:
    async def scenario(second_after: float) -> float:
        group = asyncio.create_task(tasks.run_together({"a": slow_to_end, "b": forever}))
        await asyncio.sleep(1)
        group.cancel()
        asyncio.get_running_loop().call_later(second_after, group.cancel)
        with pytest.raises(asyncio.CancelledError):
            await group
        return now()

    assert run_virtual(scenario(second_after=1000)) == 51
    assert run_virtual(scenario(second_after=10)) == 11


async def stubborn() -> None:
    """Work as it should not be: no cancellation ends it within 1,000 s."""
    until = now() + 1000
    while now() < until:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(until - now())


@pytest.mark.parametrize(
    ("other", "seconds", "still_working"),
    [(forever, 1, False), (slow_to_end, 1 + tasks.DEATH_GRACE_SECONDS, False), (stubborn, 1 + 3 + 1, True)],
)
def test_after_a_death_the_others_are_not_waited_for_without_end(
    other: tasks.Loop, seconds: float, *, still_working: bool
) -> None:
    async def scenario() -> None:
        with pytest.raises(TaskDied, match="pools failed") as death:
            await tasks.run_together({"other": other, "pools": fail_after_a_second})
        assert now() == seconds
        assert death.value.still_working is still_working

    run_virtual(scenario())


def test_a_cancellation_after_a_death_hurries_the_others() -> None:
    async def scenario() -> float:
        group = asyncio.create_task(tasks.run_together({"slow": slow_to_end, "pools": fail_after_a_second}))
        asyncio.get_running_loop().call_later(2, group.cancel)
        with pytest.raises(TaskDied, match="pools failed"):
            await group
        return now()

    assert run_virtual(scenario()) == 2


def test_stop_returns_when_all_have_ended_in_time() -> None:
    async def scenario() -> tuple[list[str], float]:
        running = tasks.start({"a": forever, "b": fail_after_a_second})
        await asyncio.sleep(2)
        return await tasks.stop(running, grace=5), now()

    assert run_virtual(scenario()) == ([], 2)


def test_stop_names_those_that_needed_more_than_the_grace() -> None:
    async def scenario() -> tuple[list[str], float]:
        running = tasks.start({"quick": forever, "slow": slow_to_end})
        await asyncio.sleep(1)
        return await tasks.stop(running, grace=5), now()

    assert run_virtual(scenario()) == (["slow"], 6)


def test_stop_does_not_wait_for_a_task_that_ignores_every_cancellation() -> None:
    async def scenario() -> float:
        running = tasks.start({"stubborn": stubborn})
        await asyncio.sleep(1)
        assert await tasks.stop(running, grace=5) == ["stubborn"]
        return now()

    assert run_virtual(scenario()) == 1 + 5 + tasks.LAST_WORDS_SECONDS
