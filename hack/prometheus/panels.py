"""What the panels of a dashboard show, as lines of text."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from hack.prometheus.monitoring import filled_in

Json = dict[str, Any]

SHOWN: Final = 8
"""Series that are shown of one panel; how many more there are, and how many are 0, is told."""

MOMENTS: Final = (1e9, 1e12)
"""From here on a plain figure is taken for a moment, in seconds or milliseconds since 1970."""

_LEGEND: Final = re.compile(r"{{\s*(\w+)\s*}}")
_LONG: Final = (("d", 86_400), ("h", 3_600), ("min", 60))
_LARGE: Final = (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10))
_PLAIN: Final = {"reqps": "/s", "ops": "/s", "cores": " cores"}


def expressions(dashboard: Json, variables: Mapping[str, str]) -> dict[str, str]:
    """The queries of a dashboard as they stand in it, each with Grafana's variables replaced."""
    return {
        target["expr"]: filled_in(target["expr"], variables)
        for panel in dashboard["panels"]
        for target in panel.get("targets", [])
    }


def lines(dashboard: Json, answers: Mapping[str, Sequence[Json]]) -> list[str]:
    """The dashboard as text: a line for each row and panel, and under a panel with several series one for each.

    Args:
        dashboard: as it ships.
        answers: what each of its queries gave, by the query as it stands in the dashboard.
    """
    found = [dashboard["title"]]
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            found.append(f"  {panel['title']}")
            continue
        unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit", "")
        series = [each for target in panel.get("targets", []) for each in _series(target, answers, unit)]
        found += _panel(panel["title"], series)
    return found


def shown(value: float, unit: str) -> str:
    """A figure as people read it, in the unit of the panel."""
    if unit == "short" and value >= MOMENTS[0]:
        moment = datetime.fromtimestamp(value / 1000 if value >= MOMENTS[1] else value, UTC)
        return f"since {moment:%Y-%m-%d %H:%M:%S}Z"
    if unit in ("s", "dtdurations"):
        return _scaled(value, _LONG, "s") if value >= 60 else _scaled(value * 1000, (("s", 1000),), "ms")
    return _scaled(value, _LARGE, "B") if unit == "bytes" else f"{value:.3g}{_PLAIN.get(unit, '')}"


def _panel(title: str, series: Sequence[tuple[str, float, str]]) -> list[str]:
    if len(series) == 1:
        ((name, _, figure),) = series
        return [f"    {title:<34}  {figure} {name}".rstrip()]
    found = [each for each in series if each[1]]
    left = [f"… and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    left += [f"{len(series) - len(found)} at 0"] if len(found) < len(series) else []
    return [
        f"    {title:<34}  {'' if series else '-'}".rstrip(),
        *(f"      {name:<40}  {figure}" for name, _, figure in found[:SHOWN]),
        *(f"      {text}" for text in left),
    ]


def _series(target: Json, answers: Mapping[str, Sequence[Json]], unit: str) -> list[tuple[str, float, str]]:
    """Name, value and figure of each series that has a value."""
    pairs = [(_name(target, each["metric"]), float(each["value"][1])) for each in answers[target["expr"]]]
    return [(name, value, shown(value, unit)) for name, value in pairs if not math.isnan(value)]


def _name(target: Json, labels: Mapping[str, str]) -> str:
    """The legend, filled in; without one the labels themselves."""
    legend = target.get("legendFormat") or ""
    if not legend or legend == "__auto":
        return " ".join(value for name, value in sorted(labels.items()) if name != "__name__")
    return _LEGEND.sub(lambda match: labels.get(match[1], ""), legend).strip()


def _scaled(value: float, units: Sequence[tuple[str, float]], smallest: str) -> str:
    for name, size in units:
        if value >= size:
            return f"{value / size:.3g} {name}"
    return f"{value:.3g} {smallest}"
