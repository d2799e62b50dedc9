"""Existing nodes that went bad under a Workspace: noted when first seen so, replaced once they stay so.

Nodes made for claims are the provisioner's to repair. The moment a node went bad stands in the Workspace's status: a
node says of few troubles since when it has them, and no restart may begin the wait anew.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

from controller.api.json import Json
from controller.planning.moments import past, remaining, written
from controller.planning.observed import Node

PATIENCE: Final = 600.0
"""Seconds a node may stay unusable before it is replaced. Pods on a lost node are evicted after 300 s."""

MOST_NOTED: Final = 1000
"""Nodes whose trouble is noted; as many as a Workspace can name as its own."""


def parse_troubled(status: Json) -> dict[str, str]:
    """Since when nodes are unusable, by name, as a stored status tells it."""
    entries = status.get("troubledNodes")
    known = entries if isinstance(entries, list) else []
    return {str(each.get("name")): str(each.get("since") or "") for each in known if isinstance(each, dict)}


def noted(troubled: Iterable[Node], before: Mapping[str, str], now: datetime) -> dict[str, str]:
    """Since when each of the nodes is unusable; those seen so for the first time are from now on."""
    names = sorted(node.name for node in troubled)[:MOST_NOTED]
    return {name: past(before.get(name) or written(now), now) for name in names}


def overdue(troubled: Mapping[str, str], patience: float, now: datetime) -> frozenset[str]:
    """The nodes that were unusable for longer than the patience, in seconds."""
    return frozenset(name for name, since in troubled.items() if not remaining(since, patience, now))


def next_overdue(troubled: Mapping[str, str], patience: float, now: datetime) -> float | None:
    """Seconds until the next of the nodes is overdue; None when none is waited for."""
    left = [rest for since in troubled.values() if (rest := remaining(since, patience, now))]
    return min(left, default=None)


def as_json(troubled: Mapping[str, str]) -> list[Json]:
    """The value of `status.troubledNodes`."""
    return [{"name": name, "since": since} for name, since in sorted(troubled.items())]
