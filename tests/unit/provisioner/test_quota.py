"""The quota is looked at before a pool is asked for, seldom, and never in the way when it cannot be read."""

import asyncio

import pytest

from provisioner.errors import CloudError, ErrorKind, Fault, quota_figures
from provisioner.offerings import Offering
from provisioner.quota import FRESH, LAG, Quotas, Usage, Usages
from provisioner.sizes import Size
from tests.unit.provisioner.builders import SIZE, V100
from tests.unit.virtual_time import run_virtual

FAMILY = V100.family.lower()
A, SPOT = Offering(SIZE), Offering(SIZE, "", "spot")


class Subscription:
    """A usage list that counts how often it is read."""

    def __init__(self, usages: Usages, error: CloudError | None = None) -> None:
        self.usages, self.error, self.reads = usages, error, 0

    async def read(self) -> Usages:
        self.reads += 1
        await asyncio.sleep(0.1)
        if self.error:
            raise self.error
        return self.usages


ROOM = Usage(0, 100)


def never(_: str) -> bool:
    """Every pool is still being made."""
    return False


@pytest.mark.parametrize(
    ("usages", "offering", "figures"),
    [
        ({FAMILY: Usage(0, 6), "cores": ROOM}, A, ""),
        ({FAMILY: Usage(1, 6), "cores": ROOM}, A, "standardNCSv3Family quota: 6 vCPU needed, 1 of 6 used"),
        ({FAMILY: ROOM, "cores": Usage(95, 100)}, A, "Total Regional quota: 6 vCPU needed, 95 of 100 used"),
        ({FAMILY: Usage(6, 6), "cores": Usage(100, 100), "lowprioritycores": ROOM}, SPOT, ""),
        ({"lowprioritycores": Usage(0, 0)}, SPOT, "LowPriority quota: 6 vCPU needed, 0 of 0 used"),
        ({FAMILY: Usage(6, 6), "cores": Usage(6, 6)}, Offering(SIZE, "", "reserved"), ""),
        ({}, A, ""),
    ],
    ids=["just enough", "family full", "region full", "spot has its own", "no spot quota", "reserved", "all unknown"],
)
def test_the_quota_that_has_no_room_is_named_with_its_figures(usages: Usages, offering: Offering, figures: str) -> None:
    fault = run_virtual(Quotas(Subscription(usages).read).take("a", offering, V100, never))
    assert (quota_figures(fault.text) if fault else "") == figures


def test_one_reading_serves_all_claims_for_a_while() -> None:
    subscription = Subscription({FAMILY: Usage(0, 600), "cores": Usage(0, 600)})

    async def scenario() -> list[int]:
        quotas = Quotas(subscription.read)
        await asyncio.gather(*(quotas.take(f"c{number}", A, V100, never) for number in range(20)))
        before = subscription.reads
        await asyncio.sleep(FRESH)
        await quotas.take("last", A, V100, never)
        return [before, subscription.reads]

    assert run_virtual(scenario()) == [1, 2]


class Cloud:
    """A subscription with room for some nodes, whose list shows a node only long after it was asked for."""

    def __init__(self, room: int) -> None:
        self.subscription = Subscription({FAMILY: Usage(0, 6 * room), "cores": Usage(0, 600)})
        self.quotas = Quotas(self.subscription.read)
        self.settled: set[str] = set()

    async def granted(self, *names: str) -> int:
        """How many of the claims find room, all of them asking at once."""
        asked = (self.quotas.take(name, A, V100, self.settled.__contains__) for name in names)
        return [fault is None for fault in await asyncio.gather(*asked)].count(True)

    async def shows(self, nodes: int) -> None:
        """The next reading counts so many nodes."""
        self.subscription.usages = {
            FAMILY: Usage(6 * nodes, self.subscription.usages[FAMILY].limit),
            "cores": Usage(6 * nodes, 600),
        }
        await asyncio.sleep(FRESH)


CLAIMS = tuple(f"claim{number}" for number in range(90))


def test_of_ninety_claims_only_as_many_are_let_through_as_there_is_room_however_late_the_list_is() -> None:
    async def scenario() -> list[int]:
        cloud = Cloud(room=10)
        granted: list[int] = []
        for _ in range(4):
            granted.append(await cloud.granted(*CLAIMS[sum(granted) :]))
            await asyncio.sleep(FRESH)
        return granted

    assert run_virtual(scenario()) == [10, 0, 0, 0]


def test_what_the_list_shows_by_now_is_not_counted_twice() -> None:
    async def scenario() -> list[int]:
        cloud = Cloud(room=3)
        granted = [await cloud.granted(*CLAIMS[:2])]
        await cloud.shows(1)
        granted.append(await cloud.granted(*CLAIMS[2:4]))
        await cloud.shows(3)
        return [*granted, await cloud.granted(CLAIMS[4])]

    assert run_virtual(scenario()) == [2, 1, 0], "one shown and one coming leave room for one more"


@pytest.mark.parametrize(
    ("settled", "seconds", "granted"),
    [((), FRESH, 0), (CLAIMS[:1], FRESH, 1), (CLAIMS[:3], FRESH, 3), ((), LAG + 1, 3)],
    ids=["being made", "one is settled", "all are settled", "so long ago that the list must know"],
)
def test_what_was_asked_for_counts_until_its_pool_is_settled_or_it_is_long_ago(
    settled: tuple[str, ...], seconds: float, granted: int
) -> None:
    async def scenario() -> int:
        cloud = Cloud(room=3)
        await cloud.granted(*CLAIMS[:3])
        cloud.settled.update(settled)
        await asyncio.sleep(seconds)
        return await cloud.granted(*CLAIMS[10:20])

    assert run_virtual(scenario()) == granted


def test_a_claim_that_asks_again_counts_once() -> None:
    async def scenario() -> list[int]:
        cloud = Cloud(room=1)
        return [await cloud.granted("one"), await cloud.granted("one"), await cloud.granted("another")]

    assert run_virtual(scenario()) == [1, 1, 0]


@pytest.mark.parametrize(("kind", "reads"), [(ErrorKind.PERMISSION, 1), (ErrorKind.UNAVAILABLE, 3)])
def test_a_list_that_cannot_be_read_stands_in_nobodys_way(kind: ErrorKind, reads: int) -> None:
    subscription = Subscription({}, CloudError(Fault(kind), status=403))

    async def scenario() -> None:
        quotas = Quotas(subscription.read)
        for _ in range(3):
            assert await quotas.take("a", A, V100, never) is None
            await asyncio.sleep(FRESH + 1)

    run_virtual(scenario())
    assert subscription.reads == reads, "a missing right is not asked for again and again"


def test_a_size_nothing_is_known_of_is_not_counted() -> None:
    subscription = Subscription({"cores": Usage(0, 0)})
    assert run_virtual(Quotas(subscription.read).take("a", Offering("odd"), Size("odd"), never)) is None
    assert subscription.reads == 0
