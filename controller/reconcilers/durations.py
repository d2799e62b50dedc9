"""How long the phases of a Workspace's start take, measured when it is ready for the first time."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final

from controller.api.conditions import TRUE, conditions_of, is_true
from controller.api.json import Json, metadata_of
from controller.api.workspace import ConditionType
from controller.runtime.cache import Informer
from controller.runtime.metrics import histogram

TOTAL: Final = "total"
PHASES: Final = ("machines", "nodes", "workload", TOTAL)
"""Until the claims are ready, then until the nodes are, then until the workload serves or has ended; and all of it."""

WORKLOADS: Final = ("inference", "tuning")

_ENDS: Final = {
    "inference": (ConditionType.MACHINE_READY, ConditionType.RESOURCE_READY, ConditionType.INFERENCE_READY),
    "tuning": (ConditionType.MACHINE_READY, ConditionType.RESOURCE_READY, ConditionType.WORKSPACE_SUCCEEDED),
}
_BEFORE: Final = ("", "Pending", "Running")
"""Values of status.state before a Workspace is ready for the first time."""

_MINUTE: Final = 60.0

_seconds = histogram(
    "kaito_workspace_phase_duration_seconds",
    "Duration of the phases of a Workspace's first start, counted by the leader in whole seconds.",
    ("workload", "phase"),
    buckets=(1, 5, 15, 30, *(minutes * _MINUTE for minutes in (1, 2, 3, 5, 7, 10, 15, 20, 30, 45, 60, 120, 360, 1440))),
)
for _workload in WORKLOADS:
    for _phase in PHASES:
        _seconds.labels(_workload, _phase)


def seconds_of(text: object) -> float | None:
    """The moment of an RFC 3339 text in seconds since 1970; None when it is none."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return None


def phases_of(old: Json, new: Json) -> Iterator[tuple[str, str, float]]:
    """Workload, phase and seconds, when the change is the one that makes a Workspace ready for the first time.

    Args:
        old: the Workspace before the change.
        new: the Workspace after it.
    """
    first = (old.get("status") or {}).get("state") or ""
    if first not in _BEFORE or is_true(old, ConditionType.READY) or not is_true(new, ConditionType.READY):
        return
    workload = "tuning" if new.get("tuning") else "inference"
    created, held = seconds_of(metadata_of(new).get("creationTimestamp")), conditions_of(new)
    if created is None:
        return
    since = created
    for phase, type_ in zip(PHASES, _ENDS[workload], strict=False):
        condition = held.get(type_) or (held.get(ConditionType.NODE_CLAIM_READY) if phase == PHASES[0] else None)
        ended = seconds_of(condition.last_transition_time) if condition and condition.status == TRUE else None
        if ended is not None:
            yield workload, phase, max(0.0, ended - since)
            since = max(since, ended)
    yield workload, TOTAL, since - created


def measure_starts(workspaces: Informer, leading: Callable[[], bool]) -> None:
    """Observes the phases of every start from now on, while this replica leads."""

    def changed(old: Json | None, new: Json | None) -> None:
        if old is not None and new is not None and leading():
            for workload, phase, seconds in phases_of(old, new):
                _seconds.labels(workload, phase).observe(seconds)

    workspaces.on_change(changed)
