"""Figures: quantiles, what they are compared with, and how both are shown and kept."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

TARGETS: Final = Path(__file__).with_name("targets.json")
"""What the figures must reach, by their keys: `at_most` or `at_least`."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number.

    Attributes:
        key: its name in the JSON and among the targets, such as `logic.p99_ms`.
        title: what was measured, for people.
        value: the number, in the unit its key ends with.
    """

    key: str
    title: str
    value: float


@dataclass(frozen=True, slots=True)
class Record:
    """The figures of one run, with what is to be known about the machine and the run."""

    about: dict[str, Any]
    figures: Sequence[Figure]


@dataclass(frozen=True, slots=True)
class Target:
    """The bound of a figure; exactly one of both is set."""

    at_most: float | None = None
    at_least: float | None = None

    def reached(self, value: float) -> bool:
        """Whether a figure is within the bound."""
        below = self.at_most is None or value <= self.at_most
        return below and (self.at_least is None or value >= self.at_least)

    @property
    def text(self) -> str:
        """The bound in words."""
        return f"at most {self.at_most:g}" if self.at_most is not None else f"at least {self.at_least:g}"


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all do not exceed.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values to take a quantile of")
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


def latencies(key: str, title: str, seconds: Sequence[float]) -> list[Figure]:
    """Median and 99th percentile of durations, as figures in milliseconds."""
    shares = ((0.5, "p50"), (0.99, "p99"))
    return [Figure(f"{key}.{name}_ms", f"{title}, {name}", 1000 * quantile(seconds, share)) for share, name in shares]


def load_targets() -> dict[str, Target]:
    """The bounds by key."""
    return {key: Target(**bounds) for key, bounds in json.loads(TARGETS.read_text(encoding="utf-8")).items()}


def report(figures: Sequence[Figure], targets: Mapping[str, Target]) -> str:
    """The figures as a table: what was measured, its bound, and whether it is within."""
    width = max(len("figure"), *(len(figure.title) for figure in figures))
    head = f"{'figure':<{width}}  {'measured':>10} {'':<13}  {'target':<15} verdict"
    return "\n".join([head, *(_line(figure, targets.get(figure.key), width) for figure in figures)])


def missed(figures: Sequence[Figure], targets: Mapping[str, Target]) -> list[str]:
    """Keys of the figures that are out of their bounds."""
    return [each.key for each in figures if each.key in targets and not targets[each.key].reached(each.value)]


def save(path: Path, record: Record) -> Path:
    """Keep the figures of a run as JSON; gives the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figures = [{**dataclasses.asdict(figure), "value": round(figure.value, 4)} for figure in record.figures]
    path.write_text(json.dumps({**record.about, "figures": figures}, indent=2) + "\n", encoding="utf-8")
    return path


def load(path: Path) -> Record:
    """What `save` kept."""
    content = json.loads(path.read_text(encoding="utf-8"))
    figures = [Figure(**each) for each in content.pop("figures")]
    return Record(content, figures)


def unit(key: str) -> str:
    """The unit of a figure, which its key ends with, as people write it; empty for a plain number."""
    named = {"per-second": "/s", "percent": "%", "count": "", "ratio": ""}
    found = key.rpartition("_")[2]
    return named.get(found, found.replace("per-", "per ").replace("ms-", "ms "))


def _line(figure: Figure, target: Target | None, width: int) -> str:
    shown = f"{figure.title:<{width}}  {figure.value:>10,.3f} {unit(figure.key):<13}"
    if target is None:
        return shown.rstrip()
    return f"{shown}  {target.text:<15} {'ok' if target.reached(figure.value) else 'MISSED'}"
