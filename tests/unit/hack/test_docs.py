"""The generated pages are those that code and data give now."""

import pytest

from hack.docs.markdown import GENERATED, notes, number, table
from hack.docs.pages import PAGES, REPOSITORY, stale_pages


def test_no_page_is_stale() -> None:
    assert stale_pages() == (), "run python -m hack.docs"


@pytest.mark.parametrize("path", list(PAGES))
def test_a_page_says_that_it_is_generated(path: str) -> None:
    assert (REPOSITORY / path).read_text(encoding="utf-8").startswith(GENERATED)


def test_a_cell_cannot_break_its_table() -> None:
    assert table(("a",), [("x|y",), ("",)]) == "| a |\n| --- |\n| x\\|y |\n|   |"


@pytest.mark.parametrize(("value", "text"), [(None, "-"), (7.0, "7"), (7.12, "7.12"), (1234.5, "1,234.5")])
def test_figures_carry_no_needless_zeros(value: float | None, text: str) -> None:
    assert number(value) == text


def test_a_note_stands_once_with_all_it_is_about() -> None:
    assert notes({"a": ("x", "y"), "b": ("x",)}) == "- a, b: x\n- a: y"
