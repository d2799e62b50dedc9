"""Removals that were taken and then failed, on a virtual clock."""

import asyncio
from dataclasses import replace

import pytest

from controller.api.reasons import Reason
from provisioner.errors import ErrorKind, Fault
from provisioner.pools import Pool
from provisioner.setbacks import Removals, not_removed
from provisioner.texts import HEADLINE
from tests.unit.provisioner.builders import NAME, pool
from tests.unit.virtual_time import run_virtual

LOCKED = Fault(ErrorKind.POLICY, "ScopeLocked", "the scope is locked")
NO_DRAIN = Fault(ErrorKind.UNKNOWN, "PodDrainFailure", "PodDrainFailure: drain of 1 node did not finish in time")
FAILED = pool("Failed", fault=LOCKED)


def test_the_pause_grows_with_every_removal_that_fails_and_not_with_every_look() -> None:
    async def scenario() -> list[float]:
        made, waits = Removals(), []
        for number in range(7):
            made.asked(FAILED if number else pool())
            made.view(pool("Deleting"))
            for _ in range(3):
                made.view(FAILED)
            found = made.setback(FAILED)
            assert found is not None
            waits.append(found[1])
            await asyncio.sleep(found[1])
            assert made.setback(FAILED) == (LOCKED, 0.0), "the cause stays known when the pause is over"
        return waits

    assert run_virtual(scenario()) == [2, 4, 8, 16, 32, 60, 60]


@pytest.mark.parametrize(
    ("after", "fault"),
    [
        (FAILED, LOCKED),
        (pool("Canceled"), Fault(ErrorKind.UNKNOWN, "", "the removal ended and the pool is Canceled")),
        (pool("Succeeded"), Fault(ErrorKind.UNKNOWN, "", "the removal ended and the pool is Succeeded")),
        (pool("Deleting"), None),
        (pool("Creating"), None),
        (replace(FAILED, tags={}), None),
        (pool("Failed", requested=60), None),
        (None, None),
    ],
    ids=["failed", "canceled", "as if nothing had been", "under way", "not shown yet", "another's", "the next", "gone"],
)
def test_only_the_very_pool_that_stands_again_is_a_setback(after: Pool | None, fault: Fault | None) -> None:
    async def scenario() -> Fault | None:
        made = Removals()
        made.asked(pool())
        found = made.setback(made.view(after))
        return None if found is None else found[0]

    assert run_virtual(scenario()) == fault


def test_what_was_wrong_with_a_pool_before_its_removal_is_not_why_that_failed() -> None:
    no_machine = Fault(ErrorKind.CAPACITY, "AllocationFailed", "no machine is free")
    doomed = pool("Failed", fault=no_machine)

    async def scenario() -> list[Fault | None]:
        made, told = Removals(), []
        for before, after in ((doomed, doomed), (doomed, FAILED), (FAILED, FAILED)):
            made.asked(before)
            found = made.setback(made.view(after))
            told.append(found and found[0])
        return told

    assert run_virtual(scenario()) == [
        Fault(ErrorKind.UNKNOWN, "", "the removal ended and the pool is Failed"),
        LOCKED,
        LOCKED,
    ]


def test_a_pool_nobody_asked_to_remove_has_no_setback_and_none_outlives_the_name() -> None:
    async def scenario() -> list[object]:
        made = Removals()
        first = made.setback(made.view(FAILED))
        made.asked(pool())
        made.view(FAILED)
        made.forget(NAME)
        return [first, made.setback(FAILED), made.setback(pool(requested=60))]

    assert run_virtual(scenario()) == [None, None, None]


def test_the_text_says_what_holds_the_removal_up_and_what_to_do() -> None:
    reason, text = not_removed(NAME, NO_DRAIN)
    first, words = text.split("\n")
    assert (reason, first.endswith("(RemovalFailed)"), len(first) <= HEADLINE) == (Reason.REMOVAL_FAILED, True, True)
    assert "PodDrainFailure" in first
    assert "Fix: " in first
    assert words == NO_DRAIN.text
    assert not_removed(NAME, LOCKED)[0] is Reason.POLICY_DENIED, "a cause that is known has its own reason"
