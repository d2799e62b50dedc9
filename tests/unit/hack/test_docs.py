"""The generated pages are those that code and data give now."""

import re

import pytest

from controller.api.claims import DEFAULT_NODE_CLASS
from hack.docs.markdown import GENERATED, notes, number, table
from hack.docs.pages import PAGES, REPOSITORY, stale_pages
from hack.docs.registry import all_metrics, series_names
from hack.prometheus.monitoring import alerts, recordings
from tests.docs.test_pages import words_like

METRIC = re.compile(r"^(?:(?:kaito|karpenter|controller_runtime|rest_client|workqueue)_\w+|kaito:[\w:]+)")
ALERT = re.compile(r"^Kaito[A-Z]\w+$")


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


def test_metrics_and_alerts_that_pages_name_exist() -> None:
    metrics = series_names() | all_metrics().keys() | recordings().keys()
    assert {word: page for word, page in words_like(METRIC).items() if word not in metrics} == {}
    known = {*alerts(), DEFAULT_NODE_CLASS.kind}
    assert {word: page for word, page in words_like(ALERT).items() if word not in known} == {}
