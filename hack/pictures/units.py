"""Values as a dashboard shows them, by Grafana's names for units."""

import math
import sys
from collections.abc import Sequence
from typing import Final

_DURATIONS: Final = ((86400.0, "d"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs"))
_BYTES: Final = ((2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB"))
_PER_SECOND: Final = {"reqps": " req/s", "ops": " ops/s", "cores": " cores"}


def shown(value: float, unit: str, now: float = 0.0) -> str:
    """The value with its unit.

    Args:
        value: as Prometheus gives it.
        unit: short, s, dtdurations, bytes, reqps, ops, cores or dateTimeFromNow.
        now: in seconds since 1970, for what is told relative to it.
    """
    if unit == "dateTimeFromNow":
        return f"{_scaled(max(0.0, now - value / 1000), _DURATIONS[:4], 's')} ago"
    if unit in ("s", "dtdurations"):
        return _scaled(value, _DURATIONS, "s")
    if unit == "bytes":
        return _scaled(value, _BYTES, "B")
    return plain(value) + _PER_SECOND.get(unit, "")


def plain(value: float) -> str:
    """At most three digits that matter, without trailing zeros; whole numbers whole."""
    if value == 0 or abs(value) >= 100:
        return f"{value:.0f}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:.0f}"


def marks(top: float, unit: str, *, whole: bool) -> tuple[float, ...]:
    """The values an axis is marked with, from 0 to at least `top`: round in the unit, whole where all values are."""
    scale = next((size for size, _ in _BYTES if unit == "bytes" and top >= size), 1.0)
    return tuple(mark * scale for mark in ticks(top / scale, least=1.0 if whole else 0.0))


def ticks(top: float, most: int = 5, least: float = 0.0) -> tuple[float, ...]:
    """Round values from 0 up to the first that is no less than `top`, at most `most` and the zero.

    Args:
        top: the largest value.
        most: marks above the zero.
        least: distance of two marks, at least; a power of ten or 0.
    """
    if top < sys.float_info.min * most:  # nothing, or so near to it that a mark between would be nothing
        return 0.0, 1.0
    rough = max(top / most, least)
    decade = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * decade for factor in (1, 2, 5, 10) if factor * decade >= rough * (1 - 1e-9))
    count = math.ceil(top / step - 1e-9)
    return tuple(step * number for number in range(count + 1))


def _scaled(value: float, scales: Sequence[tuple[float, str]], smallest: str) -> str:
    for size, name in scales:
        if abs(value) >= size:
            return f"{plain(value / size)} {name}"
    return f"{plain(value)} {smallest}"
