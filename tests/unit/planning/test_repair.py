from datetime import UTC, datetime

import pytest

from controller.planning.repair import as_json, next_overdue, noted, overdue, parse_troubled
from tests.unit.planning.builders import node

NOW = datetime(2026, 1, 5, 10, 10, 0, tzinfo=UTC)
BEFORE, JUST = "2026-01-05T10:00:00Z", "2026-01-05T10:10:00Z"


def test_a_trouble_keeps_the_moment_it_was_first_seen_and_is_forgotten_with_it() -> None:
    assert noted([node("a"), node("b")], {"a": BEFORE, "healed": BEFORE}, NOW) == {"a": BEFORE, "b": JUST}


def test_a_trouble_noted_by_a_clock_that_was_set_back_is_noted_anew() -> None:
    assert noted([node("a")], {"a": "2026-01-06T10:00:00Z"}, NOW) == {"a": JUST}


@pytest.mark.parametrize(
    ("since", "late"), [(BEFORE, True), (JUST, False), ("2026-01-05T10:20:00Z", False), ("unreadable", True)]
)
def test_a_node_is_overdue_once_its_trouble_lasted(since: str, late: bool) -> None:
    assert overdue({"n": since}, 600, NOW) == (frozenset({"n"}) if late else frozenset())


def test_the_next_look_is_when_the_first_of_them_is_overdue() -> None:
    assert next_overdue({"a": JUST, "b": "2026-01-05T10:05:00Z", "late": BEFORE}, 600, NOW) == 300
    assert next_overdue({"late": BEFORE}, 600, NOW) is None, "time alone changes nothing any more"


def test_what_is_stored_is_read_again() -> None:
    troubled = {"a": BEFORE, "b": JUST}
    assert parse_troubled({"troubledNodes": as_json(troubled)}) == troubled
    assert parse_troubled({"troubledNodes": "x"}) == parse_troubled({}) == {}
