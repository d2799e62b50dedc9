"""The quota is looked at before a pool is asked for, seldom, and never in the way when it cannot be read."""

import asyncio

import pytest

from provisioner.errors import CloudError, ErrorKind, Fault, quota_figures
from provisioner.offerings import Offering
from provisioner.quota import FRESH, Quotas, Usage, Usages
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
    fault = run_virtual(Quotas(Subscription(usages).read).shortage(offering, V100))
    assert (quota_figures(fault.text) if fault else "") == figures


def test_one_reading_serves_all_claims_for_a_while() -> None:
    subscription = Subscription({FAMILY: Usage(0, 6), "cores": ROOM})

    async def scenario() -> list[int]:
        quotas = Quotas(subscription.read)
        await asyncio.gather(*(quotas.shortage(A, V100) for _ in range(20)))
        before = subscription.reads
        await asyncio.sleep(FRESH)
        await quotas.shortage(A, V100)
        return [before, subscription.reads]

    assert run_virtual(scenario()) == [1, 2]


def test_what_was_asked_for_since_the_reading_counts() -> None:
    subscription = Subscription({FAMILY: Usage(0, 6), "cores": ROOM})

    async def scenario() -> list[bool]:
        quotas = Quotas(subscription.read)
        free = await quotas.shortage(A, V100) is None
        quotas.spend(A, V100)
        full = await quotas.shortage(A, V100) is None
        await asyncio.sleep(FRESH)
        return [free, full, await quotas.shortage(A, V100) is None]

    assert run_virtual(scenario()) == [True, False, True], "until the list itself shows it, or not"


@pytest.mark.parametrize(("kind", "reads"), [(ErrorKind.PERMISSION, 1), (ErrorKind.UNAVAILABLE, 3)])
def test_a_list_that_cannot_be_read_stands_in_nobodys_way(kind: ErrorKind, reads: int) -> None:
    subscription = Subscription({}, CloudError(Fault(kind), status=403))

    async def scenario() -> None:
        quotas = Quotas(subscription.read)
        for _ in range(3):
            assert await quotas.shortage(A, V100) is None
            await asyncio.sleep(FRESH + 1)

    run_virtual(scenario())
    assert subscription.reads == reads, "a missing right is not asked for again and again"


def test_a_size_nothing_is_known_of_is_not_counted() -> None:
    subscription = Subscription({"cores": Usage(0, 0)})
    assert run_virtual(Quotas(subscription.read).shortage(Offering("odd"), Size("odd"))) is None
    assert subscription.reads == 0
