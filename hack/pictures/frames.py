"""What the queries of a dashboard gave: series over time, or values of one moment, under the names people read."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hack.prometheus.monitoring import filled_in
from hack.prometheus.server import Prometheus

Json = dict[str, Any]

STEPS: Final = 180
"""Points of a series in a picture."""

_LABEL: Final = re.compile(r"{{\s*(\w+)\s*}}")


@dataclass(frozen=True, slots=True)
class Series:
    """One line of a panel.

    Attributes:
        name: as the legend shows it.
        labels: of the series, its metric's name left out.
        points: moment in seconds since 1970, and value; values that are no number are left out.
    """

    name: str
    labels: Mapping[str, str]
    points: tuple[tuple[float, float], ...]

    @property
    def last(self) -> float:
        """The newest value."""
        return self.points[-1][1]


@dataclass(frozen=True, slots=True)
class Frame:
    """One panel's data.

    Attributes:
        panel: as the dashboard describes it.
        series: in the order of its queries; each has a point.
        begin: of the time shown, in seconds since 1970.
        end: of it.
        step: seconds between two points.
    """

    panel: Json
    series: tuple[Series, ...]
    begin: float
    end: float
    step: float


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, in seconds since 1970."""

    begin: float
    end: float

    @property
    def step(self) -> float:
        """Seconds between two points."""
        return max(1.0, (self.end - self.begin) / STEPS)


async def record(
    prometheus: Prometheus, dashboard: Json, span: Span, variables: Mapping[str, str]
) -> tuple[Frame, ...]:
    """The data of every panel that shows any, with the dashboard's variables filled in.

    Raises:
        PrometheusError: a query that cannot be evaluated.
    """
    frames = []
    for panel in dashboard["panels"]:
        series: list[Series] = []
        for target in panel.get("targets", ()):
            expression = filled_in(target["expr"], variables)
            if target.get("instant"):
                found = [
                    {**item, "values": [item["value"]]} for item in await prometheus.query(expression, at=span.end)
                ]
            else:
                found = await prometheus.query_range(expression, span.begin, span.end, span.step)
            series += series_of(found, target.get("legendFormat") or "")
        if panel["type"] != "row":
            frames.append(Frame(panel, tuple(series), span.begin, span.end, span.step))
    return tuple(frames)


def series_of(found: Sequence[Json], legend: str) -> list[Series]:
    """A query's answer; series without any number are left out."""
    made = []
    for item in found:
        labels = {name: value for name, value in item["metric"].items() if name != "__name__"}
        numbers = ((float(moment), float(value)) for moment, value in item["values"])
        points = tuple((moment, value) for moment, value in numbers if math.isfinite(value))
        if points:
            made.append(Series(named(legend, labels), labels, points))
    return made


def named(legend: str, labels: Mapping[str, str]) -> str:
    """The legend's text with the labels filled in, `{{label}}` as in Grafana."""
    return _LABEL.sub(lambda match: labels.get(match[1], ""), legend).strip()
