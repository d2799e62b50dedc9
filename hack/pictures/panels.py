"""One panel as a picture: stat, table, time series, or states over time."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hack.pictures.frames import Frame, Series
from hack.pictures.svg import CHARACTER, cut, element, path, text
from hack.pictures.units import marks, shown, ticks

Json = dict[str, Any]

PALETTE: Final = ("#3274d9", "#e0752d", "#37872d", "#8f3bb8", "#e02f44", "#0a9396", "#b88600", "#5f6b7a", "#c2185b")
NAMED: Final = {"green": "#37872d", "red": "#e02f44", "blue": "#3274d9", "text": "#1f2329"}
GREY: Final = "#6e7681"
LINES: Final = "#e3e6ea"
SMALL: Final = 11.0
NO_DATA: Final = "no data"

_LEGEND_LINES: Final = 3
_LINE: Final = 16.0


@dataclass(frozen=True, slots=True)
class Box:
    """Where something is drawn, in pixels."""

    x: float
    y: float
    width: float
    height: float


def contents(frame: Frame, box: Box) -> str:
    """The panel's data, drawn into the box; a panel without data says so."""
    if not frame.series:
        return text(NO_DATA, box.x + box.width / 2, box.y + box.height / 2, fill=GREY, text_anchor="middle")
    return _DRAWN[frame.panel["type"]](frame, box)


def coloured(value: float, defaults: Mapping[str, Any]) -> str:
    """The colour thresholds give a value."""
    chosen = "text"
    for step in defaults.get("thresholds", {}).get("steps", ()):
        if step["value"] is None or value >= step["value"]:
            chosen = step["color"]
    return NAMED[chosen]


def mapped(value: float, defaults: Mapping[str, Any]) -> Json | None:
    """The words a value stands for, if it is mapped to any."""
    for mapping in defaults.get("mappings", ()):
        if found := mapping["options"].get(f"{value:g}"):
            return dict(found)
    return None


def _stat(frame: Frame, box: Box) -> str:
    """The newest value of each series, as large as fits."""
    defaults, mode = frame.panel["fieldConfig"]["defaults"], frame.panel["options"]["textMode"]
    rows, height = [], box.height / len(frame.series)
    for number, series in enumerate(frame.series):
        special = mapped(series.last, defaults)
        value = special["text"] if special else shown(series.last, defaults["unit"], frame.end)
        words = series.name if mode == "name" else value
        if mode == "value_and_name":
            words = f"{series.name}: {value}"
        fill = NAMED[special["color"]] if special and "color" in special else coloured(series.last, defaults)
        size = min(34.0, height * 0.6, box.width * 0.95 / (len(words) * CHARACTER))
        middle = box.y + height * (number + 0.5) + size * 0.35
        rows.append(text(words, box.x + box.width / 2, middle, size=size, fill=fill, text_anchor="middle"))
    return "".join(rows)


def _table(frame: Frame, box: Box) -> str:
    """A row for each series: its labels, and its value where the panel gives that a name."""
    (organized,) = (item["options"] for item in frame.panel["transformations"])
    names, excluded = organized["renameByName"], organized["excludeByName"]
    units = {
        item["matcher"]["options"]: each["value"]
        for item in frame.panel["fieldConfig"]["overrides"]
        for each in item["properties"]
        if each["id"] == "unit"
    }
    columns = [name for name in names if not excluded.get(name)]
    rows = [[names[name] for name in columns]]
    for series in frame.series:
        value = shown(series.last, units.get(names.get("Value", ""), "short"), frame.end)
        rows.append([value if name == "Value" else series.labels.get(name, "") for name in columns])
    widths = _widths(rows, box.width)
    drawn = []
    for number, row in enumerate(rows[: max(2, int(box.height / _LINE / 1.3))]):
        y, x = box.y + (number + 0.8) * _LINE * 1.3, box.x
        for cell, width in zip(row, widths, strict=True):
            drawn.append(text(cut(cell, width - 8, SMALL), x, y, size=SMALL, fill=GREY if number == 0 else "#1f2329"))
            x += width
    return "".join(drawn)


def _widths(rows: Sequence[Sequence[str]], width: float) -> list[float]:
    """Columns as wide as their longest cell asks, scaled to the width there is."""
    longest = [max(map(len, column)) + 2 for column in zip(*rows, strict=True)]
    return [width * each / sum(longest) for each in longest]


def _time_series(frame: Frame, box: Box) -> str:
    """Lines over time, one upon the other where the panel stacks them, with axes and a legend."""
    defaults = frame.panel["fieldConfig"]["defaults"]
    stacked = defaults["custom"]["stacking"]["mode"] == "normal"
    legend, used = _legend([series.name for series in frame.series], box)
    area = Box(box.x + 62, box.y + 6, box.width - 68, box.height - used - 28)
    lines = _stacked(frame.series) if stacked else [series.points for series in frame.series]
    values = [value for points in lines for _, value in points]
    scale = marks(max(values), defaults["unit"], whole=all(value.is_integer() for value in values))
    drawn = [_axes(frame, area, scale, defaults["unit"]), legend]
    for number, points in reversed([*enumerate(lines)]):
        colour = PALETTE[number % len(PALETTE)]
        for piece in _pieces(points, frame.step):
            at = [(_x(frame, area, moment), area.y + area.height * (1 - value / scale[-1])) for moment, value in piece]
            floor = [(at[-1][0], area.y + area.height), (at[0][0], area.y + area.height)]
            opacity = defaults["custom"]["fillOpacity"] / 100
            drawn.append(path([*at, *floor], fill=colour, fill_opacity=f"{opacity:.2f}", stroke="none"))
            drawn.append(path(at, fill="none", stroke=colour, stroke_width=1.5, stroke_linecap="round"))
    return "".join(drawn)


def _stacked(series: Sequence[Series]) -> list[tuple[tuple[float, float], ...]]:
    """Each series upon the sum of those before it."""
    below: dict[float, float] = {}
    lines = []
    for each in series:
        points = tuple((moment, value + below.get(moment, 0.0)) for moment, value in each.points)
        below |= dict(points)
        lines.append(points)
    return lines


def _pieces(points: Sequence[tuple[float, float]], step: float) -> list[list[tuple[float, float]]]:
    """The points in stretches without a gap; a lonely one is drawn as long as a step."""
    pieces: list[list[tuple[float, float]]] = []
    for point in points:
        if pieces and point[0] - pieces[-1][-1][0] <= step * 1.5:
            pieces[-1].append(point)
        else:
            pieces.append([point])
    return [piece if len(piece) > 1 else [*piece, (piece[0][0] + step, piece[0][1])] for piece in pieces]


def _x(frame: Frame, area: Box, moment: float) -> float:
    share = (moment - frame.begin) / (frame.end - frame.begin)
    return area.x + area.width * min(1.0, max(0.0, share))


def _axes(frame: Frame, area: Box, scale: Sequence[float], unit: str) -> str:
    drawn = []
    for mark in scale:
        y = area.y + area.height * (1 - mark / scale[-1])
        drawn.append(path([(area.x, y), (area.x + area.width, y)], stroke=LINES, stroke_width=1))
        drawn.append(text(shown(mark, unit), area.x - 6, y + 4, size=10, fill=GREY, text_anchor="end"))
    return "".join(drawn) + _moments(frame, area)


def _moments(frame: Frame, area: Box) -> str:
    """The time axis, in minutes and seconds since the beginning."""
    drawn = []
    for seconds in ticks(frame.end - frame.begin, 4):
        if seconds <= frame.end - frame.begin:
            x = area.x + area.width * seconds / (frame.end - frame.begin)
            words = f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
            drawn.append(text(words, x, area.y + area.height + 14, size=10, fill=GREY, text_anchor="middle"))
    return "".join(drawn)


def _legend(names: Sequence[str], box: Box) -> tuple[str, float]:
    """The legend at the lower edge and the height it takes; what does not fit is counted."""
    places: list[tuple[int, float, int]] = []
    line, x = 0, 0.0
    for number, name in enumerate(names):
        width = 22 + len(cut(name, box.width / 2, SMALL)) * SMALL * CHARACTER
        if x and x + width > box.width - 60:
            line, x = line + 1, 0.0
        if line == _LEGEND_LINES:
            break
        places.append((line, x, number))
        x += width
    lines = places[-1][0] + 1
    top = box.y + box.height - lines * _LINE
    drawn = []
    for at, left, number in places:
        y = top + (at + 0.7) * _LINE
        colour = PALETTE[number % len(PALETTE)]
        drawn.append(element("rect", x=box.x + left, y=y - 5, width=10, height=3, fill=colour))
        drawn.append(text(cut(names[number], box.width / 2, SMALL), box.x + left + 14, y, size=SMALL))
    if rest := len(names) - len(places):
        drawn.append(text(f"+ {rest}", box.x + box.width - 40, box.y + box.height - 5, size=SMALL, fill=GREY))
    return "".join(drawn), lines * _LINE


def _states(frame: Frame, box: Box) -> str:
    """A bar for each series, in the colour of its value at each moment."""
    defaults = frame.panel["fieldConfig"]["defaults"]
    widest = max(len(series.name) for series in frame.series) * SMALL * CHARACTER + 10
    area = Box(box.x + widest, box.y + 4, box.width - widest - 6, box.height - 26)
    height = area.height / len(frame.series)
    drawn = [_moments(frame, area)]
    for number, series in enumerate(frame.series):
        y = area.y + number * height
        drawn.append(text(series.name, area.x - 8, y + height * 0.6, size=SMALL, text_anchor="end"))
        for begin, end, value in _stretches(series, frame.step):
            left, right = _x(frame, area, begin), _x(frame, area, end)
            bar = {"x": left, "y": y + height * 0.1, "width": right - left, "height": height * 0.8}
            drawn.append(element("rect", **bar, fill=coloured(value, defaults), fill_opacity="0.70"))
    return "".join(drawn)


def _stretches(series: Series, step: float) -> list[tuple[float, float, float]]:
    """Begin, end and value of each time in which the value stays."""
    found: list[tuple[float, float, float]] = []
    for moment, value in series.points:
        if found and found[-1][2] == value and moment <= found[-1][1] + step:
            found[-1] = (found[-1][0], moment + step, value)
        else:
            found.append((moment, moment + step, value))
    return found


_DRAWN: Final[Mapping[str, Callable[[Frame, Box], str]]] = {
    "stat": _stat,
    "table": _table,
    "timeseries": _time_series,
    "state-timeline": _states,
}
"""What knows how to draw a type of panel."""
