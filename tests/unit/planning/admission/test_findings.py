"""Findings are sorted, told once, and not sought beyond what is shown."""

from collections.abc import Iterator

from controller.api.messages import Problem
from controller.api.reasons import Reason
from controller.planning.admission.findings import MAX_PROBLEMS, Finding, Findings, collect


def problem(number: int) -> Problem:
    return Problem(Reason.COUNT_INVALID, f"field[{number}]", f"field[{number}] is wrong")


def test_problems_and_warnings_keep_their_order_and_are_told_once() -> None:
    assert collect([problem(2), "b", problem(1), "a", problem(2), "b"]) == Findings(
        (problem(2), problem(1)), ("b", "a")
    )


def test_the_search_ends_with_the_last_problem_that_is_shown() -> None:
    sought: list[int] = []

    def endless() -> Iterator[Finding]:
        while True:
            sought.append(len(sought))
            yield problem(len(sought))

    assert len(collect(endless()).problems) == MAX_PROBLEMS
    assert len(sought) == MAX_PROBLEMS
