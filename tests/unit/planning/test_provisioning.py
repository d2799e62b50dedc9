from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.claims import MACHINE, Claim
from controller.api.conditions import FALSE, TRUE, UNKNOWN, Condition
from controller.api.reasons import Reason
from controller.planning.provisioning import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    STALLED_AFTER,
    UNTRIED,
    Provisioning,
    concluded,
    digest,
    follow,
    gave_up,
    parse_provisioning,
)
from tests.unit.planning.builders import claim, workspace

OWNER = workspace()
NOW = datetime(2026, 1, 5, 10, 0, 0, tzinfo=UTC)
GONE = "2026-01-01T00:00:00Z"
FIRST = claim(OWNER, 0)
TRIED = Provisioning(order="o", under_way=(FIRST.uid,))


def saying(type_: str, status: str, reason: str, message: str = "words") -> Claim:
    """A claim that is not ready and says one thing."""
    return replace(FIRST, conditions={type_: Condition(type_, status, reason, message)})


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_a_claim_under_way_is_no_failure() -> None:
    assert follow(TRIED, (FIRST,), order="o", now=NOW).failures == 0


def test_a_pause_that_began_by_a_clock_that_was_set_back_ends_in_time_all_the_same() -> None:
    ahead = replace(TRIED, failures=1, last_failure="2026-01-06T10:00:00Z")
    known = follow(ahead, (FIRST,), order="o", now=NOW)
    assert known.wait(later(FIRST_PAUSE)) == 0, "a day that clocks were ahead must not be waited for"


@pytest.mark.parametrize(
    "claims",
    [
        (),
        (claim(OWNER, 0, deletion_time=GONE),),
    ],
    ids=["vanished", "going"],
)
def test_a_claim_that_ends_before_its_node_was_ready_is_a_failure(claims: tuple[Claim, ...]) -> None:
    known = follow(TRIED, claims, order="o", now=NOW)
    assert (known.failures, known.last_failure) == (1, "2026-01-05T10:00:00Z")
    assert known.wait(NOW) == FIRST_PAUSE


def test_a_claim_of_which_nothing_will_come_is_a_failure_while_it_stands() -> None:
    late = saying(MACHINE.registered, FALSE, Reason.REGISTRATION_TIMEOUT)
    assert follow(TRIED, (late,), {late.uid}, order="o", now=NOW).failures == 1
    assert follow(TRIED, (late,), order="o", now=NOW).failures == 0


def test_a_claim_that_once_was_ready_is_lost_and_no_failure() -> None:
    """As a spot node is, or one deleted by hand: it is replaced at once."""
    served = Condition(MACHINE.initialized, TRUE, "Initialized")
    leaving = claim(OWNER, 0, deletion_time=GONE, conditions={MACHINE.initialized: served})
    assert follow(TRIED, (leaving,), order="o", now=NOW).failures == 0
    assert concluded(TRIED, (claim(OWNER, 0, ready=True),), complete=True) == UNTRIED
    assert follow(UNTRIED, (), order="o", now=NOW).failures == 0


def test_claims_that_end_together_or_within_the_pause_are_one_failure() -> None:
    two = replace(TRIED, under_way=(FIRST.uid, "other"))
    once = follow(two, (), order="o", now=NOW)
    assert once.failures == 1
    again = replace(once, under_way=("third",))
    assert follow(again, (), order="o", now=later(1)) == again, "the pause is not over, nothing was tried in between"
    assert follow(again, (), order="o", now=later(FIRST_PAUSE)).failures == 2


def test_the_claims_own_words_outlive_it() -> None:
    complaining = saying(MACHINE.launched, FALSE, "SubscriptionQuotaReached", "24 vCPUs are needed")
    seen = follow(TRIED, (complaining,), order="o", now=NOW)
    failed = follow(seen, (), order="o", now=later(60))
    assert failed.reason == "SubscriptionQuotaReached"
    assert failed.message == f"{FIRST.name}: 24 vCPUs are needed"


def test_a_trouble_that_passed_is_not_told_of_a_claim_that_ends_later() -> None:
    seen = follow(TRIED, (saying(MACHINE.launched, FALSE, "AllocationFailure"),), order="o", now=NOW)
    passed = follow(seen, (saying(MACHINE.launched, UNKNOWN, Reason.AGENT_POOL_CREATING),), order="o", now=later(1))
    assert follow(passed, (), order="o", now=later(2)).reason == Reason.CLAIM_LOST


def test_another_order_begins_anew() -> None:
    failed = Provisioning(3, "2026-01-05T10:00:00Z", "AllocationFailure", "m", "o", ())
    assert follow(failed, (), order="o", now=NOW).wait(NOW) > 0
    assert follow(failed, (), order="other", now=NOW).wait(NOW) == 0


def test_only_a_claim_that_is_not_ready_can_have_been_given_up() -> None:
    late = saying(MACHINE.registered, FALSE, Reason.REGISTRATION_TIMEOUT)
    assert gave_up(late)
    assert gave_up(saying(MACHINE.initialized, UNKNOWN, Reason.INITIALIZATION_TIMEOUT))
    ready = Condition("Ready", TRUE, "Ready")
    assert not gave_up(replace(late, conditions={**late.conditions, "Ready": ready}))
    assert not gave_up(saying(MACHINE.launched, FALSE, "SubscriptionQuotaReached")), "its provisioner tries again"


@given(st.integers(min_value=0, max_value=10**6))
def test_the_pause_grows_and_ends(failures: int) -> None:
    one, more = Provisioning(failures), Provisioning(failures + 1)
    assert one.pause <= more.pause <= LONGEST_PAUSE
    assert one.stalled == (failures >= STALLED_AFTER)


@given(
    st.integers(min_value=0, max_value=20),
    st.sampled_from(["", "2026-01-05T10:00:00Z", "never"]),
    st.lists(st.uuids().map(str), max_size=3, unique=True),
)
def test_what_is_stored_is_read_again(failures: int, last: str, under_way: list[str]) -> None:
    known = Provisioning(failures, last, "R", "m", "o", tuple(under_way))
    read = parse_provisioning({"provisioning": known.as_json()})
    assert read == (known if failures or under_way else UNTRIED)


@pytest.mark.parametrize("odd", [None, [], "x", {"failures": "3", "underWay": "u"}, {"failures": -1}])
def test_an_unreadable_memory_is_none(odd: object) -> None:
    assert parse_provisioning({"provisioning": odd}) == UNTRIED


def test_a_claim_that_is_not_listed_is_missed() -> None:
    assert TRIED.misses(())
    assert not TRIED.misses((claim(OWNER, 0, deletion_time=GONE),))


def test_what_is_asked_for_has_one_digest_whatever_its_order() -> None:
    assert digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1}) != digest({"a": 1})


def test_the_next_try_is_told_as_a_moment() -> None:
    assert Provisioning(2, "2026-01-05T10:00:00Z").next_try == "2026-01-05T10:00:10Z"


def test_claims_under_way_are_remembered_until_all_is_there() -> None:
    made = replace(UNTRIED, order="o")
    assert concluded(made, (FIRST,), complete=True).under_way == (FIRST.uid,)
    assert concluded(replace(made, failures=1), (), complete=False).failures == 1
