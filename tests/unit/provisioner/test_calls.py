"""Only passing time permits the next call."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from provisioner.calls import ABORT_PATIENCE, Aborts, Pauses
from tests.unit.provisioner.builders import NAME, pool
from tests.unit.virtual_time import run_virtual


@given(st.floats(min_value=0, max_value=300), st.integers(min_value=1, max_value=40))
def test_however_often_a_claim_is_woken_its_call_waits_for_what_was_asked(retry_after: float, wakes: int) -> None:
    async def scenario() -> int:
        pauses: Pauses[str] = Pauses()
        wait, calls = pauses.fail(NAME, "busy", retry_after), 0
        for _ in range(wakes):
            await asyncio.sleep(wait / (wakes + 1))
            calls += pauses.current(NAME) is None
        return calls

    assert run_virtual(scenario()) == 0


def test_a_pause_ends_by_itself_and_the_next_failure_counts_on() -> None:
    async def scenario() -> list[float]:
        pauses: Pauses[str] = Pauses()
        waits = []
        for _ in range(7):
            waits.append(pauses.fail(NAME, "busy"))
            await asyncio.sleep(waits[-1] + 0.01)
            assert pauses.current(NAME) is None
        pauses.end(NAME)
        return [*waits, pauses.fail(NAME, "busy")]

    assert run_virtual(scenario()) == [2, 4, 8, 16, 32, 60, 60, 2]


def test_a_pause_tells_its_cause_and_what_is_left_of_it() -> None:
    async def scenario() -> tuple[str, float] | None:
        pauses: Pauses[str] = Pauses()
        pauses.fail(NAME, "busy", 60.0)
        await asyncio.sleep(20)
        return pauses.current(NAME)

    assert run_virtual(scenario()) == ("busy", 40.0)


def test_a_creation_told_to_stop_does_not_look_like_one_that_runs_for_a_while() -> None:
    async def scenario() -> list[str]:
        aborts, states = Aborts(), []
        aborts.note(NAME)
        for state, pause in (("Creating", 30.0), ("Succeeded", 0.0), ("Canceled", 0.0), ("Creating", ABORT_PATIENCE)):
            await asyncio.sleep(pause)
            found = aborts.view(pool(state))
            states.append(found.state if found else "")
        return states

    assert run_virtual(scenario()) == ["Canceling", "Succeeded", "Canceled", "Creating"]


def test_other_pools_are_seen_as_they_are() -> None:
    async def scenario() -> bool:
        aborts = Aborts()
        aborts.note("other")
        return aborts.view(pool("Creating")) == pool("Creating") and aborts.view(None) is None

    assert run_virtual(scenario())
