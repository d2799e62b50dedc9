"""Leader election: never two leaders, quick hand-over, and a process that ends rather than doubt."""

import asyncio
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.runtime.election import Elector
from controller.runtime.lease import RETRY_JITTER, LeaseTiming
from controller.runtime.metrics import REGISTRY
from tests.unit.runtime.lease_world import LATENCY, TIMING, WORKERS, Connection, World, on_stage

NAMES = ("a", "b", "c")
MICROTIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z"

actions = st.tuples(
    st.sampled_from(["down", "hang", "lost", "late", "", "slow", "freeze", "thaw", "cut", "stop", "start"]),
    st.sampled_from(NAMES),
    st.floats(0.0, 0.8),
)
"""What, to whom, and how long until the next: a share of the lease duration."""


@st.composite
def timings(draw: st.DrawFn) -> LeaseTiming:
    """Any timing that is accepted, as long as a lease is not renewed hundreds of times: that only takes long."""
    lease = draw(st.integers(3, 300))
    longest = lease - max(0.2, 0.02 * lease) - 0.2
    renew = draw(st.floats(max(1.0, lease / 10), longest))
    return LeaseTiming(lease, renew, renew / RETRY_JITTER * draw(st.floats(0.15, 0.9)))


def act(world: World, action: str, name: str) -> None:
    """One thing that happens to the candidates."""
    alive = not world.processes[name].done()
    if action in ("", "down", "hang", "lost", "late"):
        world.connections[name].fault = action
    elif action == "slow":
        world.connections[name].latency = 0.15 * world.timing.renew_deadline
    elif action == "freeze":
        world.freeze(name)
    elif action == "thaw":
        world.thaw(name)
    elif action == "cut":
        world.server.cut_watches()
    elif action == "stop":
        world.processes[name].cancel()
    elif not alive:
        world.start(name)


async def settle(world: World) -> None:
    """Heals everything and gives the candidates time for one more election."""
    for name in NAMES:
        world.thaw(name)
        world.connections[name].fault = ""
        world.connections[name].latency = LATENCY
    await asyncio.sleep(0.1)
    for name in NAMES:
        if world.processes[name].done():
            world.start(name)
    await asyncio.sleep(4 * world.timing.lease)


async def ticking(world: World) -> None:
    while True:
        world.check()
        await asyncio.sleep(world.timing.lease / 25)


@settings(max_examples=50, deadline=None)
@given(timings(), st.lists(actions, max_size=25))
def test_there_are_never_two_leaders_and_in_the_end_there_is_one(
    timing: LeaseTiming, story: list[tuple[str, str, float]]
) -> None:
    async def scenario() -> None:
        world = World(timing=timing)
        for name in NAMES:
            world.start(name)
        checks = asyncio.create_task(ticking(world))
        for action, name, share in story:
            act(world, action, name)
            await asyncio.sleep(share * timing.lease)
        await settle(world)
        checks.cancel()
        assert len(world.working) == 1, f"{world.working} work after everything healed"
        assert [name for name in NAMES if world.electors[name].leading] == world.working
        await asyncio.wait([checks])
        assert checks.cancelled(), checks.exception()

    on_stage(scenario)


async def lead(world: World, *names: str) -> None:
    """Starts `names`; the first of them leads."""
    for name in names:
        world.start(name)
        await asyncio.sleep(0.5)
    assert world.working == [names[0]]


async def led(*names: str, clean_up: float = 0.2) -> World:
    """A world in which the first of `names` leads."""
    world = World(clean_up=clean_up)
    await lead(world, *names)
    return world


def test_the_standby_moves_as_soon_as_the_lease_is_released() -> None:
    async def scenario() -> None:
        world = await led("a", "b", "c")
        await asyncio.sleep(20)
        await world.stop("a")
        (stopped, _), asked = world.ended[-1], world.loop.time()
        await asyncio.sleep(0.5)
        assert len(world.working) == 1, "a standby that polls would still be waiting"
        assert world.began[-1][0] >= stopped, "nobody may begin before the old leader has ended"
        assert world.began[-1][0] - asked < 0.2

    on_stage(scenario)


outages = pytest.mark.parametrize("fault", ["down", "hang", "lost"])


async def cut_off(world: World, fault: str) -> None:
    """Waits until `a`, cut off now, has ended its work and `b` has begun; judges the moments of both."""
    timing, renewed = world.timing, world.server.history[-1][0]
    world.connections["a"].fault = fault
    await asyncio.sleep(2.5 * timing.lease)
    assert world.lost == ["a"]
    assert world.working == ["b"]
    ended, began = world.ended[0][0], world.began[1][0]
    assert ended <= renewed + timing.renew_deadline + 2 * timing.stop_grace + 0.01, "its work went on too long"
    assert ended <= renewed + timing.safe, "its work came too near to the end of the lease"
    assert began >= renewed + timing.lease, "the lease was taken before it had expired"
    world.check()


@outages
@settings(max_examples=10, deadline=None)
@given(timing=timings(), clean_up=st.sampled_from([0.0, 1000.0]), phase=st.floats(1.0, 1.5))
def test_a_leader_cut_off_stops_work_before_another_can_start(
    fault: str, timing: LeaseTiming, clean_up: float, phase: float
) -> None:
    async def scenario() -> None:
        world = World(timing=timing, clean_up=clean_up)
        await lead(world, "a", "b")
        await asyncio.sleep(phase * timing.lease)
        await cut_off(world, fault)

    on_stage(scenario)


@outages
def test_a_takeover_takes_no_longer_than_the_lease_and_one_attempt(fault: str) -> None:
    async def scenario() -> None:
        world = await led("a", "b")
        await asyncio.sleep(30)
        cut = world.loop.time()
        await cut_off(world, fault)
        assert world.began[1][0] <= cut + TIMING.lease + TIMING.renew_deadline / 2 + 2, "the takeover came late"

    on_stage(scenario)


@outages
@settings(max_examples=10, deadline=None)
@given(timing=timings(), phase=st.floats(1.0, 1.5), head_start=st.floats(0.0, 1.5))
def test_an_outage_during_an_orderly_stop_ends_it_in_time(
    fault: str, timing: LeaseTiming, phase: float, head_start: float
) -> None:
    async def scenario() -> None:
        world = World(timing=timing, clean_up=1000 * timing.lease)
        await lead(world, "a", "b")
        await asyncio.sleep(phase * timing.lease)
        world.processes["a"].cancel()
        await asyncio.sleep(head_start * timing.lease)
        assert world.working == ["a"], "it takes its time, and holds the lease meanwhile"
        await cut_off(world, fault)

    on_stage(scenario)


@settings(max_examples=30, deadline=None)
@given(latency=st.floats(0.01, 1.0), moment=st.floats(0.0, 6.0))
def test_a_candidate_stopped_at_any_moment_leaves_no_lease_behind(latency: float, moment: float) -> None:
    async def scenario() -> None:
        world = World()
        world.connections["a"] = Connection(world.server)
        world.connections["a"].latency = latency
        world.start("a")
        await asyncio.sleep(moment)
        await world.stop("a")
        await asyncio.sleep(5 * latency)
        holder = world.server.spec["holderIdentity"] if world.server.lease else None
        assert holder is None, "a standby would wait for the expiry of a lease nobody uses"

    on_stage(scenario)


def test_the_deadline_counts_from_the_start_of_an_attempt_not_from_its_late_reply() -> None:
    async def scenario() -> None:
        world = World(clean_up=30)
        for name in ("a", "b"):
            world.start(name)
            await asyncio.sleep(0.5)
        world.connections["a"].fault = "late"
        written = len(world.server.history)
        while len(world.server.history) == written:  # noqa: ASYNC110 - on a virtual clock
            await asyncio.sleep(0.05)
        world.connections["a"].fault = "down"
        await asyncio.sleep(2 * TIMING.lease)
        assert world.ended[0][0] < world.began[1][0], "the reply came late, the others' clocks did not"

    on_stage(scenario)


def test_a_killed_leader_is_replaced_within_the_lease_duration() -> None:
    async def scenario() -> None:
        world = await led("a", "b")
        await asyncio.sleep(30)
        last_write = world.server.history[-1][0]
        world.freeze("a")  # nothing of it runs any more
        await asyncio.sleep(2 * TIMING.lease)
        took_over, name = world.began[-1]
        assert name == "b"
        assert last_write + TIMING.lease <= took_over <= last_write + TIMING.lease + 0.2
        world.thaw("a")
        await asyncio.sleep(2)
        assert world.working == ["b"], "a frozen leader that wakes must see that its time is over"
        assert world.lost == ["a"]

    on_stage(scenario)


@pytest.mark.parametrize("fault", ["", "hang"], ids=["between attempts", "within an attempt"])
def test_a_leader_frozen_past_its_lease_ends_its_work_at_the_moment_it_wakes(fault: str) -> None:
    async def scenario() -> None:
        world = await led("a", "b", clean_up=30)
        await asyncio.sleep(20)
        world.connections["a"].fault = fault
        await asyncio.sleep(TIMING.retry * RETRY_JITTER)
        world.freeze("a")
        await asyncio.sleep(2 * TIMING.lease)
        assert world.working == ["a", "b"], "the frozen one has not been able to end"
        world.connections["a"].fault = ""
        woke = world.loop.time()
        world.thaw("a")
        await asyncio.sleep(5)
        late = [moment for moment, name in world.writes if name == "a" and moment >= woke]
        assert len(late) <= WORKERS, f"{len(late)} writes of a leader whose time was over"
        assert world.ended[-1] == (woke, "a"), "there is no time left for a clean-up"

    on_stage(scenario)


def test_a_leader_that_wakes_up_late_knows_it_before_anyone_tells_it() -> None:
    async def scenario() -> None:
        world = await led("a")
        world.freeze("a")
        await asyncio.sleep(TIMING.renew_deadline + 0.1)
        assert not world.electors["a"].leading
        assert not world.electors["a"].healthy(), "liveness must notice a leader that no longer renews"

    on_stage(scenario)


def test_a_single_hanging_request_does_not_cost_the_leadership() -> None:
    async def scenario() -> None:
        world = await led("a", "b")
        await asyncio.sleep(30)
        world.connections["a"].fault = "hang"
        await asyncio.sleep(TIMING.retry * RETRY_JITTER + 1)
        world.connections["a"].fault = ""
        await asyncio.sleep(30)
        assert (world.working, world.lost) == (["a"], [])

    on_stage(scenario)


def test_a_vanished_lease_is_recreated_by_its_holder_and_not_taken() -> None:
    async def scenario() -> None:
        world = await led("a", "b")
        await asyncio.sleep(10)
        world.server.delete()
        await asyncio.sleep(30)
        assert (world.working, world.lost) == (["a"], [])
        assert world.server.spec["holderIdentity"] == "a-0"

    on_stage(scenario)


def test_a_leader_overthrown_by_hand_stops_at_its_next_renewal() -> None:
    async def scenario() -> None:
        world = await led("a", clean_up=30)
        usurped = world.server.get()
        usurped["spec"]["holderIdentity"] = "someone"
        world.server.replace(usurped)
        await asyncio.sleep(TIMING.retry * RETRY_JITTER + 0.2)
        assert (world.working, world.lost) == ([], ["a"]), "another may be at work already: nothing is waited for"

    on_stage(scenario)


def test_the_record_tells_who_leads_since_when_and_in_which_epoch() -> None:
    async def scenario() -> None:
        world = await led("a", "b")
        first = dict(world.server.spec)
        assert re.fullmatch(MICROTIME, first["acquireTime"])
        assert re.fullmatch(MICROTIME, first["renewTime"])
        assert (first["holderIdentity"], first["leaseTransitions"], first["leaseDurationSeconds"]) == ("a-0", 0, 15)
        await asyncio.sleep(10)
        assert world.server.spec["acquireTime"] == first["acquireTime"], "a renewal is no acquisition"
        assert world.server.spec["renewTime"] > first["renewTime"]
        await world.stop("a")
        await asyncio.sleep(1)
        assert (world.server.spec["holderIdentity"], world.server.spec["leaseTransitions"]) == ("b-0", 1)

    on_stage(scenario)


def test_the_status_metric_follows_the_leadership() -> None:
    def status() -> float | None:
        return REGISTRY.get_sample_value("leader_election_master_status", {"name": "stage"})

    async def scenario() -> None:
        world = World()
        Elector(Connection(world.server), name="stage", namespace="test", identity="x", timing=TIMING)
        assert status() == 0, "the series exists before the first election"
        world.start("a")
        await asyncio.sleep(1)
        assert status() == 1
        await world.stop("a")
        assert status() == 0

    on_stage(scenario)


def test_labels_put_on_the_lease_outlive_renewals() -> None:
    async def scenario() -> None:
        world = await led("a")
        labelled = world.server.get()
        labelled["metadata"]["labels"] = {"team": "gpu"}
        world.server.replace(labelled)
        await asyncio.sleep(30)
        assert world.server.get()["metadata"]["labels"] == {"team": "gpu"}
        assert (world.working, world.lost) == (["a"], [])

    on_stage(scenario)
