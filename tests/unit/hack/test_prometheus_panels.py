"""Dashboards as text: figures in their units, the legend filled in, and nothing silently left out."""

from typing import Any

import pytest

from hack.prometheus.panels import SHOWN, expressions, lines, shown

Json = dict[str, Any]


def panel(title: str, expression: str, *, unit: str = "short", legend: str = "") -> Json:
    target = {"expr": expression, "legendFormat": legend}
    return {"type": "stat", "title": title, "targets": [target], "fieldConfig": {"defaults": {"unit": unit}}}


def sample(value: float | str, **labels: str) -> Json:
    return {"metric": labels, "value": [0, str(value)]}


def page(one: Json, answers: list[Json]) -> list[str]:
    dashboard = {"title": "Board", "panels": [{"type": "row", "title": "Row"}, one]}
    title, row, *rest = lines(dashboard, {one["targets"][0]["expr"]: answers})
    assert (title, row) == ("Board", "  Row")
    return [" ".join(line.split()) for line in rest]


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (3, "short", "3"),
        (0.25, "s", "250 ms"),
        (90, "dtdurations", "1.5 min"),
        (31_536_000, "dtdurations", "365 d"),
        (81.5 * 2**20, "bytes", "81.5 MiB"),
        (0.5, "reqps", "0.5/s"),
        (1_800_000_000, "short", "since 2027-01-15 08:00:00Z"),
        (1_800_000_000_000, "short", "since 2027-01-15 08:00:00Z"),
    ],
)
def test_a_figure_is_shown_in_the_unit_of_its_panel(value: float, unit: str, text: str) -> None:
    assert shown(value, unit) == text


def test_a_single_series_stands_beside_its_panel() -> None:
    assert page(panel("Leader", "x", legend="{{name}}: {{pod}}"), [sample(1, name="a", pod="a-0")]) == [
        "Leader 1 a: a-0"
    ]


def test_several_series_stand_below_it_and_those_at_zero_are_counted() -> None:
    found = [sample(2, reason="A"), sample(0, reason="B"), sample(3, reason="C")]
    assert page(panel("Reasons", "x", legend="{{reason}}"), found) == ["Reasons", "A 2", "C 3", "1 at 0"]


def test_how_many_more_there_are_is_told() -> None:
    found = [sample(1, pod=str(number)) for number in range(SHOWN + 2)]
    assert page(panel("Pods", "x"), found)[-1] == "… and 2 more"


@pytest.mark.parametrize("answers", [[], [sample("NaN")]])
def test_a_panel_without_data_says_so(answers: list[Json]) -> None:
    assert page(panel("Quiet", "x"), answers) == ["Quiet -"]


def test_queries_are_asked_with_the_variables_filled_in() -> None:
    board = {"panels": [panel("A", 'x{w="$workspace"}[$__rate_interval]')]}
    variables = {"workspace": "phi", "__rate_interval": "1m"}
    assert expressions(board, variables) == {'x{w="$workspace"}[$__rate_interval]': 'x{w="phi"}[1m]'}
