"""How many nodes in a row were without their GPUs, for whom, and through restarts."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.claims import Claim
from controller.api.labels import GPU_REPLACEMENTS
from provisioner.replacements import MOST_REPLACEMENTS, Replacements, Row, noted_row, with_claim
from provisioner.times import rfc3339
from tests.unit.provisioner.builders import at, claim

ELSEWHERE = {"kaito.sh/workspace": "phi", "kaito.sh/workspacenamespace": "other"}


def count(made: Replacements, looked_at: Claim) -> int:
    """How many count against a claim that is looked at."""
    made.learn(looked_at)
    return len(made.against(looked_at).claims)


def good(uid: str, created: float = 0) -> Claim:
    """A claim that shows its GPUs."""
    return replace(claim(uid=uid, done=["Initialized"]), creation_time=rfc3339(at(created)))


def given_up(*uids: str) -> Replacements:
    """A process that gave these claims up, one after the other."""
    made = Replacements()
    for uid in uids:
        made.give_up(claim(uid=uid))
    return made


def test_nodes_without_gpus_are_counted_by_owner_until_one_is_good() -> None:
    made = given_up("one", "two")
    assert count(made, claim(uid="three")) == 2, "the next claim of the same Workspace"
    assert count(made, claim(uid="elsewhere", labels=ELSEWHERE)) == 0
    assert count(made, good("three", created=60)) == 0
    assert count(made, claim(uid="four")) == 0


def test_a_good_node_that_stood_beside_the_bad_one_all_the_time_does_not_end_the_row() -> None:
    """Else a Workspace of several nodes would have its bad one replaced for ever."""
    made = given_up("bad")
    made.learn(good("sibling"))
    assert count(made, claim(uid="next")) == 1


def test_a_deletion_that_has_to_be_repeated_counts_once_and_not_against_itself() -> None:
    made = Replacements()
    for _ in range(3):
        assert count(made, claim(uid="bad")) == 0
        made.give_up(claim(uid="bad"))
    assert count(made, claim(uid="next")) == 1


def test_the_count_of_a_claim_without_owner_is_its_own() -> None:
    made = Replacements()
    made.give_up(claim(name="one", labels={}))
    assert [count(made, claim(name=name, uid="next", labels={})) for name in ("one", "two")] == [1, 0]


def test_owners_are_remembered_within_bounds() -> None:
    made = Replacements()
    for number in range(1100):
        made.give_up(claim(name=f"ws{number}", labels={}))
    assert [count(made, claim(name=name, uid="next", labels={})) for name in ("ws0", "ws1099")] == [0, 1]


@pytest.mark.parametrize("carrier", ["bad", "next"], ids=["the one that goes", "the one that comes"])
def test_a_new_process_goes_on_counting_from_what_either_claim_carries(carrier: str) -> None:
    row = with_claim(Row(frozenset({"before"}), rfc3339(at(-60))), claim(uid="bad"))
    made = Replacements()
    made.learn(claim(uid=carrier, annotations={GPU_REPLACEMENTS: row.text}))
    assert count(made, claim(uid="next")) == 2


def test_a_row_that_is_over_does_not_come_back_with_a_claim_that_still_carries_it() -> None:
    made, row = Replacements(), with_claim(Row(), claim(uid="bad"))
    made.learn(good("next", created=60))
    assert count(made, claim(uid="sibling", annotations={GPU_REPLACEMENTS: row.text})) == 0


def test_a_claim_whose_gpus_came_after_all_is_no_bad_one() -> None:
    made, row = Replacements(), with_claim(Row(), claim(uid="late"))
    late = replace(good("late"), annotations={GPU_REPLACEMENTS: row.text})
    assert count(made, late) == 0
    assert count(made, claim(uid="next")) == 0


uids = st.text("0123456789abcdef-", min_size=1, max_size=36)


@given(st.frozensets(uids, min_size=1, max_size=MOST_REPLACEMENTS))
def test_a_row_survives_the_annotation(claims: frozenset[str]) -> None:
    row = Row(claims, rfc3339(at(0)))
    assert noted_row(claim(annotations={GPU_REPLACEMENTS: row.text})) == row


@given(st.text(max_size=80) | st.just("2026-08-21T10:00:00Z " + "x" * 99))
def test_an_unreadable_annotation_is_no_row(text: str) -> None:
    found = noted_row(claim(annotations={GPU_REPLACEMENTS: text}))
    assert len(found.claims) <= MOST_REPLACEMENTS
    assert found == Row() or found.latest in text
