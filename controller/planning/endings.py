"""Pods that are to end and do not: their node is gone or hangs, and only people know which.

A StatefulSet or a Job makes no other pod before the old one is gone, and a pod that hangs on its node keeps the GPUs
from the next one.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from controller.api.json import Json, is_deleting, metadata_of, name_of, namespace_of
from controller.api.reasons import Reason
from controller.planning.containers import Trouble
from controller.planning.moments import remaining
from controller.planning.observed import has_ended, host_of

BEYOND_SECONDS: Final = 60.0
"""Seconds a pod may take beyond the moment by which it is to have ended; nodes that are well take a few."""


def unended(pods: Iterable[Json], workload: Json, now: datetime) -> Trouble | None:
    """The first pod that does not end while another has yet to take its place; None where there is none.

    Args:
        pods: the pods of the workload.
        workload: what makes them.
        now: the moment of the look.
    """
    found = [pod for pod in sorted(pods, key=name_of) if host_of(pod) and not has_ended(pod)]
    replicas = (workload.get("spec") or {}).get("replicas")
    if sum(not is_deleting(pod) for pod in found) >= (1 if replicas is None else int(replicas)):
        return None
    stuck = next((pod for pod in found if is_deleting(pod) and not patience(pod, now)), None)
    return None if stuck is None else Trouble(Reason.POD_DELETION_STUCK, _told(stuck))


def patience(pod: Json, now: datetime) -> float:
    """Seconds for which a pod that is being deleted is still waited for; 0 once it should have been gone, or stays."""
    return remaining(_deadline(pod), BEYOND_SECONDS, now)


def _deadline(pod: Json) -> str:
    """By when the pod is to have ended, its grace included."""
    return str(metadata_of(pod).get("deletionTimestamp") or "")


def _told(pod: Json) -> str:
    name, host = name_of(pod), host_of(pod)
    return (
        f"pod {name} was to have ended by {_deadline(pod)} and has not, and no other takes its place before it has: "
        f"its node {host} is gone or hangs. Fix: run kubectl delete node {host} if it is gone for good; else run "
        f"kubectl -n {namespace_of(pod)} delete pod {name} --force"
    )
