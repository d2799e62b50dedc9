"""A failure written on a claim is read back as it was; anything else reads as no failure."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.labels import LAUNCH_FAILURE
from provisioner.errors import ErrorKind, Fault
from provisioner.history import Failure, failure_of, one_more
from provisioner.holds import Hold
from provisioner.offerings import Offering
from tests.unit.provisioner.builders import claim

BROKEN = '{"attempts":1,"time":"t","kind":"quota","holds":{"s":3}}'

words = st.text(alphabet=st.characters(codec="ascii", categories=["L", "N"]), max_size=40)


held = st.dictionaries(
    words,
    st.builds(Hold, st.sampled_from(sorted(ErrorKind)), st.just("2026-08-21T10:00:00Z"), st.integers(1, 99)),
    max_size=20,
)


@given(st.integers(min_value=1, max_value=10**6), st.sampled_from(sorted(ErrorKind)), words, words, held)
def test_a_failure_survives_the_annotation(
    attempts: int, kind: ErrorKind, code: str, text: str, holds: dict[str, Hold]
) -> None:
    failure = Failure(
        attempts, "2026-08-21T10:00:00Z", kind, Offering("Standard_NC6s_v3", "2", "spot"), code, text, holds, 3, 2
    )
    assert failure_of(claim(failure=failure)) == failure


@given(
    st.text(max_size=60) | st.sampled_from(["null", "[]", "3", "{}", '{"attempts":"x"}', BROKEN, '{"attempts":1e999}'])
)
def test_an_unreadable_annotation_is_no_failure(text: str) -> None:
    assert failure_of(claim(annotations={LAUNCH_FAILURE: text})) is None


def test_a_long_text_is_cut_so_that_annotations_stay_small() -> None:
    failure = Failure(1, "2026-08-21T10:00:00Z", ErrorKind.UNKNOWN, text="x" * 50_000)
    assert len(failure.as_text()) < 1500


def test_many_attempts_are_remembered_within_bounds_the_latest_of_them() -> None:
    failure = None
    for attempt in range(1, 60):
        time = f"2026-08-21T10:{attempt:02}:00Z"
        tried = Offering(f"Standard_NC{attempt}")
        failure = one_more(claim(failure=failure), attempt, Fault(ErrorKind.CAPACITY), tried, time=time, sizes={})
    assert failure is not None
    assert (failure.attempts, len(failure.holds)) == (59, 20)
    assert "on-demand/size/standard_nc59" in failure.holds
    assert "on-demand/size/standard_nc40 (capacity x1)" in failure.tried


def test_what_was_spent_is_counted_from_the_last_change_of_the_spec() -> None:
    spent = []
    failure = None
    for attempt, generation in enumerate((1, 1, 1, 2, 2), start=1):
        asked = replace(claim(failure=failure), generation=generation)
        failure = one_more(asked, attempt, Fault(ErrorKind.UNKNOWN), Offering("A"), time="t", sizes={})
        spent.append(failure.spent)
    assert spent == [1, 2, 3, 1, 2]


@pytest.mark.parametrize(
    ("kind", "spent"),
    [
        (ErrorKind.PERMISSION, 1),
        (ErrorKind.POLICY, 1),
        (ErrorKind.CLUSTER_NOT_FOUND, 1),
        (ErrorKind.INVALID, 2),
        (ErrorKind.CAPACITY, 2),
    ],
)
def test_a_refusal_that_costs_nothing_counts_as_an_attempt_and_spends_no_budget(kind: ErrorKind, spent: int) -> None:
    first = one_more(claim(), 1, Fault(ErrorKind.BOOTSTRAP), Offering("A"), time="t", sizes={})
    second = one_more(claim(failure=first), 2, Fault(kind), Offering("A"), time="t", sizes={})
    assert (second.attempts, second.spent) == (2, spent)


def test_a_record_of_an_earlier_release_is_read() -> None:
    text = '{"attempts":2,"time":"2026-08-21T10:00:00Z","kind":"quota","vmSize":"A","code":"","text":""}'
    failure = failure_of(claim(annotations={LAUNCH_FAILURE: text}))
    assert failure == Failure(2, "2026-08-21T10:00:00Z", ErrorKind.QUOTA, Offering("A"))


def test_what_was_not_asked_for_is_remembered_but_counts_for_nothing() -> None:
    first = one_more(claim(), None, Fault(ErrorKind.QUOTA), Offering("A"), time="t", sizes={})
    assert (first.attempts, first.spent, first.asked) == (0, 0, False)
    assert failure_of(claim(failure=first)) == first
    tried = one_more(claim(failure=first), 1, Fault(ErrorKind.SKU), Offering("A"), time="t", sizes={})
    again = one_more(claim(failure=tried), None, Fault(ErrorKind.QUOTA), Offering("A"), time="t", sizes={})
    assert (again.attempts, again.spent, again.asked) == (1, 1, False)
