"""Pods that take too long until their own containers run, of kinds that have no deadline for it themselves.

A Deployment says when its roll-out takes too long; a StatefulSet or a Job waits for ever, and so does a node that pulls
an image. Once a pod's own containers have run, their probes and the kubelet's pauses tell the rest.
"""

from typing import Final

from controller.api.json import Json, name_of
from controller.api.resources import DEPLOYMENTS
from controller.planning.containers import is_running
from controller.planning.moments import created, remaining
from controller.planning.observed import Observed
from controller.planning.pods import initial_containers, is_over, is_ready, main_containers, placed_at, standing_of
from controller.planning.progress import job_of, server_of
from controller.planning.rendering.serving import PULL_SECONDS

COME_SECONDS: Final = 2 * PULL_SECONDS
"""How long placing a pod and pulling an image may take until that is told; a Deployment tells it about as early."""

FETCH_SECONDS: Final = 6 * 3600
"""How long one initial container may take: at 50 MB/s it fetches a TiB."""


def overdue(observed: Observed) -> str:
    """At what the first pod that takes too long is, and since when; empty where none does."""
    workload = _workload(observed)
    for pod in _starting(observed, workload):
        since, seconds = _step(pod, workload)
        if since and not remaining(since, seconds, observed.now):
            return f"pod {name_of(pod)} {standing_of(pod, workload)}, for more than {seconds // 60} min: since {since}"
    return ""


def waits(observed: Observed) -> list[float]:
    """For each pod that is being started, the seconds until it takes too long."""
    workload = _workload(observed)
    steps = (_step(pod, workload) for pod in _starting(observed, workload))
    return [wait for since, seconds in steps if (wait := remaining(since, seconds, observed.now))]


def _starting(observed: Observed, workload: Json) -> list[Json]:
    """The pods whose own containers have yet to run, by name."""
    if not workload:
        return []
    return [pod for pod in sorted(observed.pods, key=name_of) if not (is_over(pod) or is_ready(pod) or _has_run(pod))]


def _workload(observed: Observed) -> Json:
    """What makes the pods, where it has no deadline itself; empty where it has."""
    server = server_of(observed) or {}
    has_deadline = bool(server) and (DEPLOYMENTS.kind, name_of(server)) in observed.objects
    return job_of(observed) or ({} if has_deadline else server)


def _has_run(pod: Json) -> bool:
    """Whether each of the pod's own containers runs or has run."""
    found = main_containers(pod)
    return bool(found) and all(
        is_running(each) or int(each.get("restartCount") or 0) or (each.get("state") or {}).get("terminated")
        for each in found
    )


def _step(pod: Json, workload: Json) -> tuple[str, int]:
    """When the step began at which the pod is, and how many seconds it may take."""
    ends = [placed_at(pod) or created(pod)]
    for container in initial_containers(pod, workload):
        state = container.get("state") or {}
        if is_running(container):
            return str(state["running"].get("startedAt") or ""), FETCH_SECONDS
        ends.append(str((state.get("terminated") or {}).get("finishedAt") or ""))
    return max(ends), COME_SECONDS
