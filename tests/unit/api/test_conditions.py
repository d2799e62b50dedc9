from hypothesis import given
from hypothesis import strategies as st

from controller.api.conditions import FALSE, TRUE, UNKNOWN, Condition, conditions_of, merge_conditions, root_condition
from controller.api.reasons import Reason

statuses = st.sampled_from([TRUE, FALSE, UNKNOWN])
conditions = st.builds(Condition, type=st.just("A"), status=statuses, reason=st.sampled_from(["One", "Two"]))


@given(conditions, conditions)
def test_a_transition_time_changes_exactly_when_the_status_does(first: Condition, second: Condition) -> None:
    (before,) = merge_conditions({}, [first], generation=1, now="2026-01-01T00:00:00Z")
    (after,) = merge_conditions({"A": before}, [second], generation=2, now="2026-01-02T00:00:00Z")
    moved = after.last_transition_time != before.last_transition_time
    assert moved == (first.status != second.status)
    assert after.observed_generation == 2


def test_types_no_longer_wanted_are_dropped() -> None:
    before = {"Old": Condition("Old", TRUE, "Here")}
    assert merge_conditions(before, [], generation=1, now="now") == []


@given(st.lists(statuses, min_size=1, max_size=4))
def test_the_root_is_true_only_when_all_are_and_false_when_any_is(found: list[str]) -> None:
    dependents = [Condition(f"T{index}", status, "Cause", "words") for index, status in enumerate(found)]
    root = root_condition("Ready", dependents, Reason.READY)
    expected = FALSE if FALSE in found else UNKNOWN if UNKNOWN in found else TRUE
    assert root.status == expected
    assert root.reason == ("Ready" if expected == TRUE else "Cause")


def test_damaged_conditions_are_read_as_far_as_they_go() -> None:
    obj = {"status": {"conditions": ["no object", {"status": "True"}, {"type": "A"}]}}
    assert conditions_of(obj) == {"A": Condition("A", UNKNOWN, "")}
