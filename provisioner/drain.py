"""Which pods leave a node that is to go, and in which order.

Rules of kubernetes-sigs/karpenter core (`pkg/utils/pod`, node termination): pods that tolerate the disruption stay,
the critical ones leave last, and a pod marked do-not-disrupt is waited for but never evicted.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from controller.api import labels
from controller.api.json import Json, annotations_of, is_deleting, metadata_of, name_of, namespace_of, uid_of
from provisioner.times import seconds_since

STUCK_AFTER: Final = 60.0
"""Seconds beyond its own grace after which a terminating pod no longer counts: its kubelet is dead."""

_CRITICAL: Final = frozenset({"system-cluster-critical", "system-node-critical"})
_OVER: Final = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod on a node that is to go.

    Attributes:
        leaving: whether it is being deleted.
        held: whether a mark forbids its eviction.
        stays: whether it is left alone: over, a static pod, tolerant of the disruption, or stuck.
        rank: its place in the order; lower ones leave first.
    """

    namespace: str
    name: str
    uid: str
    leaving: bool
    held: bool
    stays: bool
    rank: int

    @property
    def shown(self) -> str:
        """namespace/name."""
        return f"{self.namespace}/{self.name}"


def parse_pod(obj: Json, now: datetime) -> Pod:
    """The typed view of a pod."""
    spec = obj.get("spec") or {}
    owners = {str(owner.get("kind")) for owner in metadata_of(obj).get("ownerReferences") or ()}
    critical, daemon = spec.get("priorityClassName") in _CRITICAL, "DaemonSet" in owners
    marks = annotations_of(obj)
    # The deletion timestamp already includes the grace period.
    stuck = is_deleting(obj) and seconds_since(str(metadata_of(obj)["deletionTimestamp"]), now) > STUCK_AFTER
    over = (obj.get("status") or {}).get("phase") in _OVER
    return Pod(
        namespace=namespace_of(obj),
        name=name_of(obj),
        uid=uid_of(obj),
        leaving=is_deleting(obj),
        held="true" in (marks.get(labels.DO_NOT_DISRUPT), marks.get(labels.DO_NOT_EVICT)),
        stays=over or stuck or "Node" in owners or _tolerates(spec.get("tolerations") or ()),
        rank=2 * critical + daemon,
    )


def _tolerates(tolerations: Iterable[Json]) -> bool:
    """Whether one of them tolerates the taint of a node that is to go; the taint has no value."""
    return any(_matches(toleration) for toleration in tolerations)


def _matches(toleration: Json) -> bool:
    if toleration.get("effect") not in (None, "", "NoSchedule"):
        return False
    key = toleration.get("key") or ""
    if toleration.get("operator") == "Exists":
        return key in ("", labels.DISRUPTED_TAINT_KEY)
    return key == labels.DISRUPTED_TAINT_KEY and not toleration.get("value")


@dataclass(frozen=True, slots=True)
class DrainPlan:
    """What to evict now, and what is still on the node."""

    evict: tuple[Pod, ...]
    waiting: tuple[Pod, ...]


def plan_drain(pods: Iterable[Pod]) -> DrainPlan:
    """The first rank that still has pods leaves now; the drain is over when nothing waits."""
    waiting = tuple(pod for pod in pods if not pod.stays)
    first = min((pod.rank for pod in waiting), default=0)
    evict = tuple(pod for pod in waiting if pod.rank == first and not pod.leaving and not pod.held)
    return DrainPlan(evict, waiting)
