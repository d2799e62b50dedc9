"""A leader and its work: whichever ends first, the other is not left behind."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from controller.runtime.election import Elector, LeadershipLost
from controller.runtime.tasks import TaskDied
from tests.unit.runtime.lease_world import TIMING, Connection, LeaseServer, World, on_stage


async def fails() -> None:
    await asyncio.sleep(5)
    raise KeyError("defect")


async def ends() -> None:
    await asyncio.sleep(5)


@pytest.mark.parametrize(("work", "outcome"), [(fails, KeyError), (ends, type(None))])
def test_work_that_ends_by_itself_releases_the_lease_and_its_outcome_is_that_of_run(
    work: Callable[[], Awaitable[None]], outcome: type
) -> None:
    async def scenario() -> None:
        server = LeaseServer()
        candidate = Elector(Connection(server), name="alone", namespace="test", identity="a", timing=TIMING)
        (result,) = await asyncio.gather(candidate.run(work), return_exceptions=True)
        assert isinstance(result, outcome), result
        assert server.spec["holderIdentity"] is None
        assert not candidate.leading

    on_stage(scenario)


def test_the_lease_is_kept_when_a_part_of_the_work_cannot_be_ended() -> None:
    async def scenario() -> None:
        server = LeaseServer()
        candidate = Elector(Connection(server), name="alone", namespace="test", identity="a", timing=TIMING)
        death = TaskDied("pools", None)
        death.still_working = True

        async def half_dead() -> None:
            raise death

        with pytest.raises(TaskDied):
            await candidate.run(half_dead)
        assert server.spec["holderIdentity"] == "a", "another one would start beside the part that goes on"

    on_stage(scenario)


def test_the_lease_is_renewed_while_the_work_takes_its_time_to_end() -> None:
    async def scenario() -> None:
        world = World(clean_up=60)
        world.start("a")
        await asyncio.sleep(1)
        world.start("b")
        await asyncio.sleep(1)
        await world.stop("a")
        assert world.ended[0][0] == pytest.approx(62, abs=0.1)
        assert [name for _, name in world.began] == ["a"], "the standby took over from a leader that was still at work"
        await asyncio.sleep(1)
        assert world.working == ["b"]

    on_stage(scenario)


def test_a_second_cancellation_reaches_the_work() -> None:
    async def scenario() -> None:
        world = World(clean_up=60)
        world.start("a")
        await asyncio.sleep(1)
        asyncio.get_running_loop().call_later(5, world.processes["a"].cancel)
        await world.stop("a")
        assert world.ended[0][0] == pytest.approx(6)

    on_stage(scenario)


def test_work_that_ignores_its_end_is_reported_as_such() -> None:
    async def scenario() -> None:
        connection = Connection(LeaseServer())
        candidate = Elector(connection, name="alone", namespace="test", identity="a", timing=TIMING)
        released = asyncio.Event()

        async def stubborn() -> None:
            while not released.is_set():
                try:
                    await released.wait()
                except asyncio.CancelledError:
                    continue

        running = asyncio.create_task(candidate.run(stubborn))
        await asyncio.sleep(1)
        connection.fault = "down"
        with pytest.raises(LeadershipLost, match="not renewed within 10 s: connection refused") as lost:
            await running
        assert lost.value.still_working, "the caller must know that only the end of the process helps"
        released.set()

    on_stage(scenario)
