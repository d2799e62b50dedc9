"""The page of scenarios names the very rows that are played, and each row is played by one test."""

import re

from controller.api.reasons import Reason
from tests.cluster import provisioner_rows
from tests.cluster.provisioner_rows import PAGE, ROWS, render, seconds_on

PLAYED = "\n".join(
    path.read_text(encoding="utf-8")
    for path in sorted((PAGE.parents[2] / "tests" / "cluster").glob("test_provisioner_*.py"))
)


def test_the_page_says_what_the_rows_say() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == render(seconds_on(page)), "KAITO_UPDATE_GOLDEN=1 and a run of the scenarios write the page anew"


def test_every_row_was_played_for_the_page() -> None:
    known = seconds_on(PAGE.read_text(encoding="utf-8"))
    assert [row.name for row in ROWS if not known.get(row.name)] == []


def test_every_row_is_played_by_a_test() -> None:
    names = {id(value): name for name, value in vars(provisioner_rows).items()}
    missing = [names[id(row)] for row in ROWS if not re.search(rf"\brows\.{names[id(row)]}\b", PLAYED)]
    assert missing == []


def test_rows_have_names_of_their_own_and_known_reasons() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert {row.event for row in ROWS if row.event is not None} <= set(Reason)
