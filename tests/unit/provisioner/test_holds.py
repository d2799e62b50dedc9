"""What a failure speaks against, for how long, and for whom."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.errors import ErrorKind, Fault
from provisioner.holds import (
    Hold,
    Holds,
    Unavailable,
    after_failure,
    bounded,
    choose,
    credible,
    merged,
    scope_of,
    scopes,
)
from provisioner.offerings import Offering
from provisioner.policy import FALLBACK_KINDS, Policy
from provisioner.times import CLOCKS_DIFFER, rfc3339
from tests.unit.provisioner.builders import SIZE, SIZES, at

POLICY = Policy(retry_initial=30, retry_max=300)
OTHER = "Standard_NC12s_v3"
FAMILY = {**SIZES, OTHER.lower(): SIZES[SIZE.lower()]}
A, B, A1, A2 = Offering(SIZE), Offering(OTHER), Offering(SIZE, "1"), Offering(SIZE, "2")
A_SPOT, B_SPOT = Offering(SIZE, "", "spot"), Offering(OTHER, "", "spot")
REGIONAL = "exceeding approved Total Regional Cores quota"


@pytest.mark.parametrize(
    ("fault", "failed", "also", "not_at_all"),
    [
        (Fault(ErrorKind.QUOTA), A, [B, A1], [A_SPOT]),
        (Fault(ErrorKind.QUOTA), A_SPOT, [B_SPOT], [A, B]),
        (Fault(ErrorKind.QUOTA, "", REGIONAL), A, [B, Offering("Standard_D4s_v5")], [A_SPOT]),
        (Fault(ErrorKind.CAPACITY), A, [A1, A2], [B, A_SPOT]),
        (Fault(ErrorKind.CAPACITY), A1, [], [A, A2, B]),
        (Fault(ErrorKind.SKU), A2, [], [A, A1]),
    ],
    ids=[
        "family quota",
        "spot quota",
        "regional quota",
        "size without room",
        "zone without room",
        "no such size there",
    ],
)
def test_a_failure_covers_as_much_as_its_cause(
    fault: Fault, failed: Offering, also: list[Offering], not_at_all: list[Offering]
) -> None:
    scope = scope_of(fault, failed, FAMILY)
    assert all(scope in scopes(offering, FAMILY) for offering in [failed, *also])
    assert not any(scope in scopes(offering, FAMILY) for offering in not_at_all)


@pytest.mark.parametrize("kind", sorted(set(ErrorKind) - FALLBACK_KINDS))
def test_what_would_hit_any_offering_speaks_against_none(kind: ErrorKind) -> None:
    assert scope_of(Fault(kind), A, SIZES) == ""


def held(offering: Offering, since: float, count: int = 1, kind: ErrorKind = ErrorKind.CAPACITY) -> Holds:
    """A hold on one offering."""
    return {scope_of(Fault(kind), offering, SIZES): Hold(kind, rfc3339(at(since)), count)}


@pytest.mark.parametrize(
    ("holds", "now", "offering", "after"),
    [
        ({}, 0, A1, None),
        (held(A1, 0), 10, A2, None),
        (held(A1, 0), 30, A1, None),
        ({**held(A1, 0, 3), **held(A2, 0)}, 10, A2, 30),
        ({**held(A1, 0), **held(A, 0, 2, ErrorKind.QUOTA)}, 10, A1, 60),
        ({"on-demand/region": Hold(ErrorKind.QUOTA, "soon")}, 0, A1, None),
    ],
    ids=[
        "nothing failed",
        "the next is free",
        "the hold is over",
        "the first to be free",
        "the longest of several holds",
        "a hold that states no time",
    ],
)
def test_the_first_free_offering_is_taken_else_the_one_free_first(
    holds: Holds, now: float, offering: Offering, after: float | None
) -> None:
    choice = choose([A1, A2], holds, SIZES, POLICY, at(now))
    assert (choice.offering, choice.after) == (offering, None if after is None else at(after))


def test_failures_in_a_row_count_and_only_the_latest_are_kept() -> None:
    holds: Holds = {}
    for second in range(3):
        holds = after_failure(holds, "s", ErrorKind.QUOTA, rfc3339(at(second)))
    assert holds == {"s": Hold(ErrorKind.QUOTA, rfc3339(at(2)), 3)}
    many = {f"s{second}": Hold(ErrorKind.QUOTA, rfc3339(at(second))) for second in range(9)}
    assert set(bounded(many, 2)) == {"s7", "s8"}


times = st.integers(min_value=0, max_value=50).map(lambda second: rfc3339(at(second)))
some_holds = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.builds(Hold, st.just(ErrorKind.QUOTA), times, st.integers(1, 5))
)


@given(some_holds, some_holds)
def test_it_does_not_matter_who_is_heard_first(one: dict[str, Hold], other: dict[str, Hold]) -> None:
    assert merged(one, other) == merged(other, one)
    assert merged(one, one) == one


def known(**options: Any) -> Unavailable:
    """A process that knows of one failure of A at second 0."""
    made = Unavailable()
    made.learn(held(A, 0, **options), at(0))
    return made


def test_whoever_tries_again_keeps_the_others_waiting() -> None:
    made = known()
    made.trying(A, SIZES, at(30))
    assert choose([A], made.view(), SIZES, POLICY, at(31)).after == at(60)


def test_to_try_what_never_failed_holds_nobody_up() -> None:
    made = known()
    made.trying(B, SIZES, at(30))
    assert made.view() == held(A, 0)


def test_a_success_ends_what_was_held_against_it_even_if_an_old_claim_still_remembers() -> None:
    made = known()
    made.succeeded(A, SIZES, rfc3339(at(40)), at(90))
    made.learn(held(A, 0), at(90))
    assert made.view() == {}
    made.learn(held(A, 50), at(90))
    assert made.view() == held(A, 50), "what fails later is news"


def test_a_success_says_nothing_about_what_failed_after_it_was_asked_for() -> None:
    made = Unavailable()
    made.learn(held(A, 60), at(90))
    made.succeeded(A, SIZES, rfc3339(at(40)), at(90))
    assert made.view() == held(A, 60)


def test_what_was_noted_before_a_clock_was_set_back_holds_nobody_and_is_replaced_by_what_fails_next() -> None:
    made = Unavailable()
    made.learn(held(A, 3600), at(3600))
    made.learn(held(A, 3600), at(0))
    made.learn(held(A, 1), at(2))
    assert made.view() == held(A, 1)
    made.succeeded(A, SIZES, rfc3339(at(3600)), at(3))
    assert made.view() == held(A, 1), "nor does a success of that time speak for it"


@given(some_holds, st.integers(0, 50))
def test_no_hold_outlasts_the_longest_wait_of_its_class(holds: dict[str, Hold], second: int) -> None:
    now = at(second - 3600)
    kept = [hold.ends(POLICY) for hold in credible(holds, now).values()]
    assert kept == [], "all of them were noted an hour ahead"
    later = credible(holds, at(second))
    longest = at(second + POLICY.retry_max) + CLOCKS_DIFFER
    assert all((ends := hold.ends(POLICY)) is not None and ends <= longest for hold in later.values())
