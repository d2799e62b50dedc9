"""What each program's /metrics holds, read from its own registry in a process of its own.

`python -m hack.docs.registry PROGRAM` prints the scrape of a program that has one of everything.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.metrics import MetricWrapperBase

REPOSITORY: Final = Path(__file__).parent.parent.parent

PROGRAMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "kaito-webhook": "webhook.__main__",
        "kaito-controller": "controller.__main__",
        "kaito-provisioner": "provisioner.__main__",
    }
)
"""Each program and the module it starts in."""

EXAMPLE: Final = "example"
"""The value of every label in the printed scrape that no program has set."""

_SUFFIX: Final = {"counter": "_total"}


@dataclass(frozen=True, slots=True)
class Described:
    """One metric of one program, under the name that is queried."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str


@cache
def scrape_of(program: str) -> str:
    """The scrape of a program with one of everything, in the text format."""
    return _ask(program, "scrape")


@cache
def described(program: str) -> tuple[Described, ...]:
    """Every metric of a program, by name."""
    return tuple(Described(**(entry | {"labels": tuple(entry["labels"])})) for entry in json.loads(_ask(program, "")))


@cache
def all_metrics() -> Mapping[str, Described]:
    """The metrics of all programs by name; programs that share one describe it alike."""
    return {each.name: each for program in PROGRAMS for each in described(program)}


def series_names() -> frozenset[str]:
    """Every name a query may use: histograms and summaries have several."""
    parts = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}
    return frozenset(each.name + part for each in all_metrics().values() for part in parts.get(each.type, ("",)))


def _ask(program: str, what: str) -> str:
    argv = [sys.executable, "-m", "hack.docs.registry", program, *([what] if what else [])]
    return subprocess.run(argv, cwd=REPOSITORY, capture_output=True, check=True, text=True).stdout


def _describe(registry: CollectorRegistry) -> list[dict[str, Any]]:
    entries = []
    for collector in list(registry._collector_to_names):  # noqa: SLF001 - there is no public way to the label names
        names = collector._labelnames if isinstance(collector, MetricWrapperBase) else None  # noqa: SLF001
        for family in collector.collect():
            labels = list(names if names is not None else _labels(family))
            name = family.name + _SUFFIX.get(family.type, "")
            entries.append({"name": name, "type": family.type, "labels": labels, "help": family.documentation})
    return sorted(entries, key=lambda entry: str(entry["name"]))


def _labels(family: Metric) -> tuple[str, ...]:
    """The label names of a family that is made anew at every scrape."""
    return tuple(getattr(family, "_labelnames", ())) or tuple(family.samples[0].labels if family.samples else ())


def _load(program: str) -> CollectorRegistry:
    """The registry of the program once it runs, with a child of every metric that has labels."""
    from controller.runtime.metrics import REGISTRY, queue_metrics

    queue_metrics(EXAMPLE, _EXAMPLE_QUEUE)
    import_module(PROGRAMS[program])
    if program == "kaito-controller":
        from controller.planning.site import Site
        from controller.reconcilers.statistics import World, count_workspaces

        count_workspaces(World(lambda: [_EXAMPLE_WORKSPACE], lambda *_: [], Site, lambda: 0))
    for collector in list(REGISTRY._collector_to_names):  # noqa: SLF001
        if isinstance(collector, MetricWrapperBase) and collector._labelnames and not collector._metrics:  # noqa: SLF001
            collector.labels(*(EXAMPLE for _ in collector._labelnames))  # noqa: SLF001
    return REGISTRY


class _Queue:
    """A work queue in which one key waits and one is worked on."""

    def depths(self) -> dict[int, int]:
        """One key of the usual priority."""
        return {0: 1}

    def running_since(self) -> list[float]:
        """One key, since the clock began."""
        return [0.0]


_EXAMPLE_QUEUE: Final = _Queue()
_EXAMPLE_WORKSPACE: Final = {
    "metadata": {"namespace": EXAMPLE, "name": EXAMPLE, "creationTimestamp": "2026-01-01T00:00:00Z"},
    "resource": {"instanceType": "Standard_NC6s_v3"},
    "inference": {"preset": {"name": "phi-3-mini-4k-instruct"}},
    "status": {
        "conditions": [
            {
                "type": "WorkspaceReady",
                "status": "True",
                "reason": "WorkspaceReady",
                "lastTransitionTime": "2026-01-01T00:05:00Z",
            }
        ]
    },
}


def main(program: str, what: str = "") -> None:
    """Prints the description as JSON, or the scrape."""
    registry = _load(program)
    print(generate_latest(registry).decode() if what else json.dumps(_describe(registry)), end="")


if __name__ == "__main__":
    main(*sys.argv[1:])
