"""Which pods leave a node that is to go, and in which order.

Rules of kubernetes-sigs/karpenter core (`pkg/utils/pod`, node termination): pods that tolerate the disruption stay,
the critical ones leave last, and a pod marked do-not-disrupt is waited for and not evicted. All waiting ends: a node
with GPUs costs money for as long as a pod may hold it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from controller.api import labels
from controller.api.json import Json, annotations_of, is_deleting, metadata_of, name_of, namespace_of, uid_of
from provisioner.times import parse_time, seconds_since

STUCK_AFTER: Final = 60.0
"""Seconds beyond its own grace after which a terminating pod no longer counts: its kubelet is dead."""

_LONGEST_GRACE: Final = 366 * 86400.0
"""Seconds; the API server takes any number for a pod's grace, more than a moment can be reckoned with."""

_CRITICAL: Final = frozenset({"system-cluster-critical", "system-node-critical"})
_OVER: Final = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod on a node that is to go.

    Attributes:
        leaving: whether it is being deleted.
        held: whether a mark forbids its eviction.
        stays: whether it is left alone: over, a static pod, tolerant of the disruption, or stuck.
        grace: seconds it may take to end.
        ends: when its deletion is to be over; None for one that is not being deleted.
        volumes: persistent volume claims it goes on using as long as it runs.
        rank: its place in the order; lower ones leave first.
    """

    namespace: str
    name: str
    uid: str
    leaving: bool
    held: bool
    stays: bool
    rank: int
    grace: float = 30.0
    ends: datetime | None = None
    volumes: tuple[str, ...] = ()

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
        grace=min(float(spec.get("terminationGracePeriodSeconds") or 0), _LONGEST_GRACE),
        ends=parse_time(str(metadata_of(obj)["deletionTimestamp"])) if is_deleting(obj) else None,
        volumes=() if over else tuple(_claimed(name_of(obj), spec.get("volumes") or ())),
    )


def _claimed(pod: str, volumes: Iterable[Json]) -> Iterable[str]:
    """Names of the persistent volume claims among a pod's volumes.

    That of a generic ephemeral volume is made with the pod and named after both (Kubernetes documentation).
    """
    for volume in volumes:
        if name := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
            yield str(name)
        elif volume.get("ephemeral"):
            yield f"{pod}-{volume.get('name')}"


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
    """What to do with the pods of a node.

    Attributes:
        evict: to be evicted now.
        waiting: still on the node.
        overdue: to be deleted past every budget, because their time is over.
        due: when the next of the others will be; None for none.
    """

    evict: tuple[Pod, ...]
    waiting: tuple[Pod, ...]
    overdue: tuple[Pod, ...]
    due: datetime | None


def plan_drain(pods: Iterable[Pod], now: datetime, end: datetime) -> DrainPlan:
    """The first rank that still has pods leaves now; the drain is over when nothing waits.

    A pod that could not end in time if it were evicted any later is deleted, so that it ends in order and not with its
    node: neither budgets nor marks hold it then.

    Args:
        pods: all of the node's.
        now: the present moment.
        end: when the node goes, whatever is on it.
    """
    waiting = tuple(pod for pod in pods if not pod.stays)
    overdue = tuple(pod for pod in waiting if _is_overdue(pod, now, end))
    first = min((pod.rank for pod in waiting), default=0)
    evict = tuple(pod for pod in waiting if pod.rank == first and not (pod.leaving or pod.held) and pod not in overdue)
    due = (end - timedelta(seconds=pod.grace) for pod in waiting if not pod.leaving and pod not in overdue)
    return DrainPlan(evict, waiting, overdue, min(due, default=None))


def _is_overdue(pod: Pod, now: datetime, end: datetime) -> bool:
    if pod.leaving:
        return pod.ends is not None and pod.ends > end
    return now + timedelta(seconds=pod.grace) >= end


def seconds_left(pod: Pod, now: datetime, end: datetime) -> int:
    """The grace a pod gets that is deleted now: its own, or what is left until the node goes."""
    return max(1, int(min(pod.grace, (end - now).total_seconds())))
