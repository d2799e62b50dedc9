"""What keeps a Workspace's pods from serving, read from their status and put into one reason and one sentence."""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from controller.api.conditions import FALSE, TRUE
from controller.api.json import Json, generation_of, is_deleting, metadata_of, name_of, uid_of
from controller.api.reasons import Reason
from controller.planning.containers import (
    Trouble,
    container_trouble,
    cut,
    is_running,
    running_since,
    startup_budgets,
)
from controller.planning.endings import unended
from controller.planning.moments import BEGINNING, created, read, remaining
from controller.planning.observed import is_owned_by

_ENDED: Final = frozenset({"Failed", "Succeeded"})
"""Phases of pods that lie about until they are collected, such as evicted ones; their successors tell the present."""

_MOUNTS: Final = (
    ("configMap", "ConfigMap", "name"),
    ("secret", "Secret", "secretName"),
    ("persistentVolumeClaim", "PersistentVolumeClaim", "claimName"),
)
"""Volumes that stand for another object: the field, the kind, and where its name is."""

NOTHING_KNOWN: Final[Json] = {}
"""A workload of which nothing is known."""

NO_REPORTS: Final[Mapping[str, Trouble]] = MappingProxyType({})
"""No node has said anything."""

_DISRUPTED: Final = "DisruptionTarget"
"""The pod condition that tells that something took, or is about to take, the pod off its node."""

_SUCCEEDS_WITHIN: Final = 120.0
"""Seconds within which a pod that was made after another had been evicted counts as its successor."""

_OF_VOLUMES: Final = re.compile(
    r"persistentvolumeclaim|persistent volume|volume node affinity|binding volumes", re.IGNORECASE
)
"""The scheduler's words where it is volumes that keep a pod from a node."""

_HELD_BY_OTHERS: Final = re.compile(r"Insufficient \S+/\S")
"""The scheduler's words where devices that other pods hold keep a pod from a node."""

_VERDICT_SECONDS: Final = 15.0
"""Seconds until the scheduler has looked again at a pod it found no place for: its pauses grow to 10 s."""

_ENDING_SECONDS: Final = 30
"""Seconds a pod has to end where its template does not say, as the API has it."""

_ENDING_LIMIT: Final = 60
"""Seconds of a pod's end that are minded at most: for longer ends a real lack would be told too late."""

_FIRST_SECONDS: Final = 5.0
"""Seconds within which a new workload has its first pods; later ones follow others."""

_GRAVEST_FIRST: Final = (
    Reason.POD_DELETION_STUCK,  # what keeps a pod from being made, not what its fellows suffer from that
    Reason.OUT_OF_MEMORY,
    Reason.CONTAINER_CRASHING,
    Reason.CONTAINER_NOT_CREATED,
    Reason.IMAGE_PULL_FAILED,
    Reason.STARTUP_TIMEOUT,
    Reason.OBJECT_REFUSED,
    Reason.VOLUME_NOT_MOUNTED,
    Reason.POD_NETWORK_FAILED,
    Reason.VOLUME_NOT_BOUND,
    Reason.UNSCHEDULABLE,
    Reason.IMAGE_PULL_THROTTLED,
    Reason.READINESS_LOST,
    Reason.POD_EVICTED,
)


def is_ready(pod: Json) -> bool:
    """Whether the pod is Ready and staying."""
    return not is_deleting(pod) and _condition(pod, "Ready").get("status") == TRUE


def ready_since(pod: Json) -> str:
    """Since when the pod is Ready, as RFC 3339; empty while it is not."""
    return str(_condition(pod, "Ready").get("lastTransitionTime") or "") if is_ready(pod) else ""


def main_containers(pod: Json) -> list[Json]:
    """The statuses of the pod's own containers, without the initial ones."""
    return (pod.get("status") or {}).get("containerStatuses") or []


def initial_containers(pod: Json, workload: Json) -> list[Json]:
    """The statuses of the containers that come before the pod's own, without those that then run beside them.

    Args:
        pod: the pod.
        workload: what makes it; it tells which ones stay.
    """
    found: list[Json] = (pod.get("status") or {}).get("initContainerStatuses") or []
    template = (workload.get("spec") or {}).get("template") or {}
    known = (template.get("spec") or {}).get("initContainers") or []
    staying = {each.get("name") for each in known if each.get("restartPolicy") == "Always"}
    return [each for each in found if each.get("name") not in staying]


def placed_at(pod: Json) -> str:
    """When the pod got its node, as RFC 3339; empty while it has none."""
    return str(_condition(pod, "PodScheduled").get("lastTransitionTime") or "") if _is_placed(pod) else ""


def first_trouble(
    pods: Iterable[Json],
    workload: Json,
    reports: Mapping[str, Trouble] = NO_REPORTS,
    now: datetime = BEGINNING,
    *,
    succeeds: bool = False,
) -> Trouble | None:
    """The gravest trouble among pods that are not ready, in a stable order; None when they merely start.

    A pod that finds no place while an older one still goes away waits for its place, as in every roll-out where the
    old pod goes first, and so it does until the scheduler has looked again.

    Args:
        pods: the pods.
        workload: what makes them.
        reports: what nodes said of pods, by their UID.
        now: the moment of the look.
        succeeds: whether the workload itself may have taken the place of another one.
    """
    found = sorted(pods, key=name_of)
    decided = [pod for pod in found if not undecided(pod, workload, now, succeeds=succeeds)]
    troubles = [trouble for pod in decided if (trouble := trouble_of(pod, workload, reports)) is not None]
    if any(is_deleting(pod) for pod in found):
        troubles = [trouble for trouble in troubles if trouble.reason is not Reason.UNSCHEDULABLE]
    troubles += [*_evictions(found), *filter(None, [unended(found, workload, now)])]
    return min(troubles, key=lambda trouble: _GRAVEST_FIRST.index(trouble.reason), default=None)


def trouble_of(
    pod: Json, workload: Json = NOTHING_KNOWN, reports: Mapping[str, Trouble] = NO_REPORTS
) -> Trouble | None:
    """What is wrong with one pod; None when it is ready, over, leaving, or merely starting.

    Args:
        pod: the pod.
        workload: what made it.
        reports: what nodes said of pods, by their UID.
    """
    if is_ready(pod) or is_over(pod):
        return None
    trouble = _first_container_trouble(pod, startup_budgets(workload))
    if trouble is not None:
        return trouble
    verdict = _verdict(pod)
    if verdict is not None:
        return _unplaced(pod, verdict, workload)
    if waits_for_its_node(pod):
        return reports.get(uid_of(pod))
    return _readiness_lost(pod)


def undecided(pod: Json, workload: Json, now: datetime, *, succeeds: bool = False) -> float:
    """Seconds for which the scheduler's word that a pod's devices are held may speak of the pod's predecessor.

    The successor is made when the old pod begins to end, and the scheduler comes back to it only after a pause.

    Args:
        pod: the pod.
        workload: what made it.
        now: the moment of the look.
        succeeds: whether the workload itself may have taken the place of another one.

    Returns:
        0 where the word counts, or there is none.
    """
    if is_over(pod) or not _HELD_BY_OTHERS.search(_verdict(pod) or ""):
        return 0.0
    if not (succeeds or _follows(pod, workload)):
        return 0.0
    template = (workload.get("spec") or {}).get("template") or {}
    ending = (template.get("spec") or {}).get("terminationGracePeriodSeconds")
    minded = min(_ENDING_SECONDS if ending is None else int(ending), _ENDING_LIMIT)
    return remaining(created(pod), _VERDICT_SECONDS + minded, now)


def _verdict(pod: Json) -> str | None:
    """What the scheduler says of a pod it finds no place for; None where it does not say so."""
    scheduled = _condition(pod, "PodScheduled")
    refused = scheduled.get("status") == FALSE and scheduled.get("reason") == "Unschedulable"
    return str(scheduled.get("message") or "") if refused else None


def _follows(pod: Json, workload: Json) -> bool:
    """Whether there were pods of the workload before this one: it has been changed since, or is older."""
    made, begun = read(created(pod)), read(created(workload))
    older = made is not None and begun is not None and (made - begun).total_seconds() > _FIRST_SECONDS
    return older or generation_of(workload) > 1


def has_worked(pods: Iterable[Json], job: Json) -> bool:
    """Whether a pod of the Job runs, or its own containers have ended well; the Job tells so a moment later."""
    return any(is_owned_by(pod, uid_of(job)) and (is_ready(pod) or _has_ended_well(pod)) for pod in pods)


def _has_ended_well(pod: Json) -> bool:
    """Whether the pod's own containers ended well; a sidecar may take its time."""
    ends = [(container.get("state") or {}).get("terminated") for container in main_containers(pod)]
    return _phase(pod) == "Succeeded" or (bool(ends) and all(end and end.get("exitCode") == 0 for end in ends))


def first_failure(pods: Iterable[Json]) -> Trouble | None:
    """What the first container that failed in a pod that is over ended with; None when none did."""
    for pod in sorted(pods, key=name_of):
        if _phase(pod) == "Failed" and (trouble := _first_container_trouble(pod, {})) is not None:
            return trouble
    return None


def standing(pods: Iterable[Json], workload: Json) -> str:
    """What the first pod that is not ready, and in no trouble, is at; empty when there is none.

    Args:
        pods: the pods.
        workload: what makes them; it tells what they mount.
    """
    for pod in sorted(pods, key=name_of):
        if is_deleting(pod):
            cause = _disruption(pod)
            return f"pod {name_of(pod)} is ending first" + (f": {cause}" if cause else "")
        if not is_ready(pod) and _phase(pod) not in _ENDED:
            return f"pod {name_of(pod)} {standing_of(pod, workload)}"
    return ""


def waits_for_its_node(pod: Json) -> bool:
    """Whether its node has yet to prepare the pod's network and volumes; only the node tells what keeps it."""
    unprepared = _condition(pod, "PodReadyToStartContainers").get("status") == FALSE
    return unprepared and _is_placed(pod) and not is_over(pod)


def is_over(pod: Json) -> bool:
    """Whether the pod has ended or is on its way out."""
    return is_deleting(pod) or _phase(pod) in _ENDED


def mounted(workload: Json) -> list[str]:
    """What must be in the namespace before the pods can start, such as `Secret data-key`."""
    template = (workload.get("spec") or {}).get("template") or {}
    found = []
    for volume in (template.get("spec") or {}).get("volumes") or []:
        for field, kind, key in _MOUNTS:
            source = volume.get(field) or {}
            if source.get(key) and not source.get("optional"):
                found.append(f"{kind} {source[key]}")
    return sorted(found)


def standing_of(pod: Json, workload: Json) -> str:
    """What a pod that stays and is not ready is at, as the rest of a sentence about it."""
    containers = main_containers(pod)
    running = [container for container in containers if is_running(container)]
    if not _is_placed(pod) and not containers:
        return "is being placed on a node"
    if containers and len(running) == len(containers):
        since = running_since(running[0])
        return f"runs{f' since {since}' if since else ''} and is not ready yet: {_probed(running, workload)}"
    busy = next((str(each.get("name")) for each in initial_containers(pod, workload) if is_running(each)), "")
    if busy:
        return f"is prepared by its container {busy}"
    if _condition(pod, "PodReadyToStartContainers").get("status") == FALSE:
        needed = mounted(workload)
        return "waits for its network and volumes" + (f": {', '.join(needed)}" if needed else "")
    return "pulls its image"


def _probed(running: list[Json], workload: Json) -> str:
    """What a pod whose containers all run is waited for."""
    budgets = startup_budgets(workload)
    passed = all(container.get("started") for container in running)
    if passed and any(str(container.get("name")) in budgets for container in running):
        return "it has started and its readiness probe does not pass"
    return "the model is being loaded"


def _unplaced(pod: Json, message: str, workload: Json) -> Trouble:
    if not _OF_VOLUMES.search(message):
        return Trouble(Reason.UNSCHEDULABLE, f"pod {name_of(pod)} has no node: {cut(message)}")
    prefix = "PersistentVolumeClaim "
    claims = [each.removeprefix(prefix) for each in mounted(workload) if each.startswith(prefix)]
    of = f" (PersistentVolumeClaim {', '.join(claims)})" if claims else ""
    return Trouble(Reason.VOLUME_NOT_BOUND, f"pod {name_of(pod)} waits for its volume{of}: {cut(message)}")


def _readiness_lost(pod: Json) -> Trouble | None:
    """A pod whose containers all run and that turned unready after their start has been ready in between."""
    ready, containers = _condition(pod, "Ready"), main_containers(pod)
    begins = [running_since(container) for container in containers]
    since = str(ready.get("lastTransitionTime") or "")
    if ready.get("status") != FALSE or not since or not begins or not all(begins) or since <= max(begins):
        return None
    silent = next((str(each.get("name")) for each in containers if not each.get("ready")), "")
    of = f", container {silent}," if silent else ""
    text = f"pod {name_of(pod)}{of} has stopped answering its readiness probe since {since}"
    return Trouble(Reason.READINESS_LOST, text)


def _evictions(pods: list[Json]) -> list[Trouble]:
    """Pods that were taken off their nodes and whose successors are not ready yet."""
    waiting = [pod for pod in pods if not is_ready(pod) and not is_over(pod)]
    return [
        Trouble(
            Reason.POD_EVICTED, f"pod {name_of(pod)} was taken off its node: {_disruption(pod)}{_followed(waiting)}"
        )
        for pod in pods
        if _phase(pod) == "Failed" and _disruption(pod) and any(_succeeds(other, pod) for other in waiting)
    ]


def _followed(waiting: list[Json]) -> str:
    return f"; pod {name_of(waiting[0])} follows" if waiting else ""


def _succeeds(successor: Json, pod: Json) -> bool:
    """Whether the one was made right after the other had been disrupted."""
    made = _seconds(metadata_of(successor).get("creationTimestamp"))
    taken = _seconds(_condition(pod, _DISRUPTED).get("lastTransitionTime"))
    return made is not None and taken is not None and abs(made - taken) <= _SUCCEEDS_WITHIN


def _disruption(pod: Json) -> str:
    """Who took the pod off its node and why; empty where nobody did."""
    target = _condition(pod, _DISRUPTED)
    if target.get("status") != TRUE:
        return ""
    return ": ".join(part for part in (str(target.get("reason") or ""), cut(target.get("message"))) if part)


def _first_container_trouble(pod: Json, budgets: Mapping[str, float]) -> Trouble | None:
    status = pod.get("status") or {}
    for key, initial in (("initContainerStatuses", True), ("containerStatuses", False)):
        for container in status.get(key) or []:
            trouble = container_trouble(name_of(pod), container, budgets, initial=initial)
            if trouble is not None:
                return trouble
    return None


def _is_placed(pod: Json) -> bool:
    return _condition(pod, "PodScheduled").get("status") == TRUE


def _seconds(moment: object) -> float | None:
    try:
        return datetime.fromisoformat(str(moment)).timestamp()
    except ValueError:
        return None


def _phase(pod: Json) -> str:
    return str((pod.get("status") or {}).get("phase") or "")


def _condition(pod: Json, type_: str) -> Json:
    entries = (pod.get("status") or {}).get("conditions") or []
    return next((entry for entry in entries if entry.get("type") == type_), {})
