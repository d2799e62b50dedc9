"""What only events tell: why a pod's node does not start it, and why a controller makes no pods.

A StatefulSet or Job whose pods a quota, a LimitRange or PodSecurity refuses says so nowhere but in an event, and so
does a node that waits for a Secret a volume stands for. Such events are asked for one object at a time, and only while
nothing else explains what is waited for.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from controller.api.json import Json, name_of, uid_of
from controller.api.reasons import Reason
from controller.api.resources import JOBS, STATEFUL_SETS
from controller.planning import lateness
from controller.planning.containers import Trouble, cut
from controller.planning.endings import patience
from controller.planning.observed import Observed
from controller.planning.pods import has_worked, is_over, undecided, waits_for_its_node
from controller.planning.progress import job_of, read_job, read_server, server_of

_REASONS: Final = {
    "FailedCreate": Reason.OBJECT_REFUSED,
    "FailedMount": Reason.VOLUME_NOT_MOUNTED,
    "FailedAttachVolume": Reason.VOLUME_NOT_MOUNTED,
    "FailedMapVolume": Reason.VOLUME_NOT_MOUNTED,
    "FailedCreatePodSandBox": Reason.POD_NETWORK_FAILED,
    "NetworkNotReady": Reason.POD_NETWORK_FAILED,
}
"""Reasons of events, as the kubelet and the controllers of Kubernetes write them, and what they come to."""

_PASSING: Final = "failed to sync"
"""What the kubelet says of a Secret or ConfigMap it has not read yet, as on every new node."""


@dataclass(frozen=True, slots=True)
class Question:
    """An object whose events are asked for."""

    kind: str
    name: str
    uid: str


def questions(observed: Observed) -> list[Question]:
    """The objects that only events explain, at most one pod and one workload; mostly none."""
    pods = sorted((pod for pod in observed.pods if waits_for_its_node(pod)), key=name_of)
    found = [Question("Pod", name_of(pod), uid_of(pod)) for pod in pods[:1]]
    workload = _without_pods(observed)
    return found if workload is None else [*found, workload]


def recheck(observed: Observed) -> float | None:
    """Seconds until the time of a pod is up of which no watch tells; None where nothing of the kind is waited for.

    That is until what the scheduler says of it counts, until it should have been gone, or until it takes too long.
    """
    job, now = job_of(observed), observed.now
    workload = job or server_of(observed) or {}
    found = [undecided(pod, workload, now, succeeds=job is not None) for pod in observed.pods]
    found += [patience(pod, now) for pod in observed.pods]
    waits = [wait for wait in (*found, *lateness.waits(observed)) if wait]
    return max(1.0, min(waits)) if waits else None


def answer(question: Question, events: Iterable[Json]) -> Trouble | None:
    """What the latest telling event says of the object; None where there is none.

    Args:
        question: the object.
        events: events about it, of API version events.k8s.io/v1.
    """
    telling = [event for event in events if event.get("reason") in _REASONS and _PASSING not in str(event.get("note"))]
    if not telling:
        return None
    latest = max(telling, key=_moment)
    told = cut(latest.get("note"))
    return Trouble(_REASONS[latest["reason"]], f"{question.kind} {question.name}: {told}")


def _without_pods(observed: Observed) -> Question | None:
    """The StatefulSet or Job that lacks pods its controller should have made; a Deployment tells by itself."""
    living = sum(not is_over(pod) for pod in observed.pods)
    job, server = job_of(observed), server_of(observed)
    if job is not None:
        begun = bool((job.get("status") or {}).get("startTime"))
        asks = begun and not living and not read_job(job).ended and not has_worked(observed.pods, job)
        return Question(JOBS.kind, name_of(job), uid_of(job)) if asks else None
    if server is None or (STATEFUL_SETS.kind, name_of(server)) not in observed.objects:
        return None
    progress = read_server(server)
    asks = progress.seen and len(observed.pods) == living < progress.wanted
    return Question(STATEFUL_SETS.kind, name_of(server), uid_of(server)) if asks else None


def _moment(event: Json) -> str:
    """When the event was last seen, as RFC 3339; events of older clients have the second or third field only."""
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("deprecatedLastTimestamp") or event.get("eventTime") or "")
