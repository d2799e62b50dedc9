"""Dashboards as pictures: values with their units, axes, and a mark for whatever a query gave."""

import math
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hack.pictures.frames import Frame, Series, named, series_of
from hack.pictures.panels import NO_DATA
from hack.pictures.picture import picture
from hack.pictures.svg import cut
from hack.pictures.units import marks, plain, shown, ticks
from hack.prometheus.monitoring import dashboards

SVG = "{http://www.w3.org/2000/svg}"
BEGIN, END, STEP = 1_000_000.0, 1_000_100.0, 1.0


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (0, "short", "0"),
        (3, "short", "3"),
        (0.123456, "short", "0.123"),
        (12345.6, "short", "12346"),
        (0.25, "reqps", "0.25 req/s"),
        (0.004, "s", "4 ms"),
        (90, "dtdurations", "1.5 min"),
        (86_400 * 2, "s", "2 d"),
        (300 * 2**20, "bytes", "300 MiB"),
        (0, "bytes", "0 B"),
        ((END - 60) * 1000, "dateTimeFromNow", "1 min ago"),
    ],
)
def test_a_value_is_shown_with_its_unit(value: float, unit: str, words: str) -> None:
    assert shown(value, unit, END) == words


@given(st.floats(1e-9, 1e12))
def test_plain_figures_keep_what_matters(value: float) -> None:
    assert float(plain(value)) == pytest.approx(value, rel=0.006)


@given(st.floats(1e-6, 1e12))
def test_ticks_are_few_even_and_reach_the_largest_value(top: float) -> None:
    found = ticks(top)
    assert found[0] == 0
    assert 2 <= len(found) <= 7
    assert found[-1] >= top * (1 - 1e-6)
    steps = [after - before for before, after in pairwise(found)]
    assert all(math.isclose(step, steps[0], rel_tol=1e-6) for step in steps)


def test_what_is_almost_nothing_is_marked_like_nothing() -> None:
    assert ticks(5e-324) == ticks(0.0) == (0.0, 1.0)


def test_axes_are_marked_in_the_units_own_steps() -> None:
    assert marks(1.0, "short", whole=True) == (0, 1)
    assert marks(0.9, "short", whole=False) == pytest.approx((0, 0.2, 0.4, 0.6, 0.8, 1.0))
    assert [shown(mark, "bytes") for mark in marks(90 * 2**20, "bytes", whole=True)] == [
        "0 B",
        "20 MiB",
        "40 MiB",
        "60 MiB",
        "80 MiB",
        "100 MiB",
    ]


def test_a_legend_is_filled_in_from_labels() -> None:
    assert named("{{name}}: {{ pod }} {{gone}}", {"name": "a", "pod": "b"}) == "a: b"


def test_what_is_no_number_is_left_out_and_a_series_of_such_entirely() -> None:
    values = [[BEGIN, "NaN"], [BEGIN + 1, "2"], [BEGIN + 2, "+Inf"]]
    one, other = {"metric": {"pod": "a"}, "values": values}, {"metric": {}, "values": [[BEGIN, "NaN"]]}
    (series,) = series_of([one, other], "{{pod}}")
    assert (series.name, series.points, series.last) == ("a", ((BEGIN + 1, 2.0),), 2.0)


def test_text_is_cut_to_its_width() -> None:
    assert cut("short", 100, 10) == "short"
    assert cut("a very long legend indeed", 60, 10).endswith("…")


def frames_of(dashboard: dict[str, Any], count: int, values: list[float]) -> tuple[Frame, ...]:
    """Every panel with the same series in it; the labels are those tables ask for."""
    points = tuple((BEGIN + number * STEP, value) for number, value in enumerate(values))
    labels = {"workspace_namespace": "ml", "workspace_name": "<phi & co>", "condition": "Ready", "reason": "Because"}
    series = tuple(Series(f'series "{number}" <b>', labels, points) for number in range(count))
    return tuple(Frame(panel, series, BEGIN, END, STEP) for panel in dashboard["panels"] if panel["type"] != "row")


@pytest.mark.parametrize("name", dashboards())
@settings(max_examples=15)
@given(count=st.integers(1, 30), values=st.lists(st.floats(0, 1e12), min_size=1, max_size=40))
def test_whatever_the_data_every_panel_is_drawn_with_marks_inside_the_picture(
    name: str, count: int, values: list[float]
) -> None:
    dashboard = dashboards()[name]
    root = ET.fromstring(picture(dashboard, frames_of(dashboard, count, values), "a note & more"))
    width, height = (float(root.attrib[side]) for side in ("width", "height"))
    drawn = {group.attrib["data-panel"]: group for group in root.iter(f"{SVG}g")}
    assert set(drawn) == {panel["title"] for panel in dashboard["panels"] if panel["type"] != "row"}
    for group in drawn.values():
        assert NO_DATA not in "".join(group.itertext())
    for item in root.iter():
        if "x" in item.attrib:
            assert -1 <= float(item.attrib["x"]) <= width + 1
            assert -1 <= float(item.attrib["y"]) <= height + 1


def test_a_panel_without_data_says_so() -> None:
    dashboard = dashboards()["kaito-workspace"]
    frames = tuple(Frame(frame.panel, (), BEGIN, END, STEP) for frame in frames_of(dashboard, 1, [1.0]))
    root = ET.fromstring(picture(dashboard, frames, ""))
    assert all(NO_DATA in "".join(group.itertext()) for group in root.iter(f"{SVG}g"))
