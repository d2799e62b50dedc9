"""What keeps a Workspace's pods from serving, read from their status and put into one reason and one sentence."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from controller.api.json import Json, is_deleting, name_of
from controller.api.messages import shorten
from controller.api.reasons import Reason

_IMAGE_REASONS: Final = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "RegistryUnavailable"}
)
_CRASH_REASONS: Final = frozenset({"CrashLoopBackOff", "StartError"})
_CREATE_REASONS: Final = frozenset({"CreateContainerConfigError", "CreateContainerError"})
"""States of a container that cannot be made: a Secret or ConfigMap that is missing, a folder that is not there."""
_START_REASONS: Final = frozenset({"RunContainerError"})
_OUT_OF_MEMORY: Final = "OOMKilled"

_STOPPED: Final = frozenset({0, 137, 143})
"""Exit codes of a server that was told to stop, as the kubelet does once the start-up probe has run out."""

_LOOP: Final = 2
"""Restarts after which a container that runs again is still told to crash, until its pod is ready."""

_ENDED: Final = frozenset({"Failed", "Succeeded"})
"""Phases of pods that lie about until they are collected, such as evicted ones; their successors tell the present."""

MESSAGE_CHARACTERS: Final = 256
"""Characters of a foreign message that are passed on."""


_MOUNTS: Final = (
    ("configMap", "ConfigMap", "name"),
    ("secret", "Secret", "secretName"),
    ("persistentVolumeClaim", "PersistentVolumeClaim", "claimName"),
)
"""Volumes that stand for another object: the field, the kind, and where its name is."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a pod does not serve."""

    reason: Reason
    message: str


def is_ready(pod: Json) -> bool:
    """Whether the pod is Ready and staying."""
    return not is_deleting(pod) and _condition(pod, "Ready").get("status") == "True"


def ready_since(pod: Json) -> str:
    """Since when the pod is Ready, as RFC 3339; empty while it is not."""
    return str(_condition(pod, "Ready").get("lastTransitionTime") or "") if is_ready(pod) else ""


def main_containers(pod: Json) -> list[Json]:
    """The statuses of the pod's own containers, without the initial ones."""
    return (pod.get("status") or {}).get("containerStatuses") or []


_GRAVEST_FIRST: Final = (
    Reason.OUT_OF_MEMORY,
    Reason.CONTAINER_CRASHING,
    Reason.CONTAINER_NOT_CREATED,
    Reason.IMAGE_PULL_FAILED,
    Reason.STARTUP_TIMEOUT,
    Reason.UNSCHEDULABLE,
)


def first_trouble(pods: Iterable[Json]) -> Trouble | None:
    """The gravest trouble among pods that are not ready, in a stable order; None when they merely start.

    A pod that finds no place while an older one still goes away waits for its place, as in every roll-out where the
    old pod goes first.
    """
    found = sorted(pods, key=name_of)
    troubles = [trouble for pod in found if (trouble := trouble_of(pod)) is not None]
    if any(is_deleting(pod) for pod in found):
        troubles = [trouble for trouble in troubles if trouble.reason is not Reason.UNSCHEDULABLE]
    return min(troubles, key=lambda trouble: _GRAVEST_FIRST.index(trouble.reason), default=None)


def standing(pods: Iterable[Json], workload: Json) -> str:
    """What the first pod that is not ready, and in no trouble, is at; empty when there is none.

    Args:
        pods: the pods.
        workload: what makes them; it tells what they mount.
    """
    for pod in sorted(pods, key=name_of):
        if is_deleting(pod):
            return f"pod {name_of(pod)} is ending first"
        if not is_ready(pod) and (pod.get("status") or {}).get("phase") not in _ENDED:
            return f"pod {name_of(pod)} {_standing_of(pod, workload)}"
    return ""


def _standing_of(pod: Json, workload: Json) -> str:
    containers = main_containers(pod)
    running = [container for container in containers if _running(container)]
    if _condition(pod, "PodScheduled").get("status") != "True" and not containers:
        return "is being placed on a node"
    if containers and len(running) == len(containers):
        since = str(running[0]["state"]["running"].get("startedAt") or "")
        return f"runs{f' since {since}' if since else ''} and is not ready yet: the model is being loaded"
    initial = (pod.get("status") or {}).get("initContainerStatuses") or []
    busy = next((str(each.get("name")) for each in initial if _running(each)), "")
    if busy:
        return f"is prepared by its container {busy}"
    if _condition(pod, "PodReadyToStartContainers").get("status") == "False":
        needed = mounted(workload)
        return "waits for its network and volumes" + (f": {', '.join(needed)}" if needed else "")
    return "pulls its image"


def mounted(workload: Json) -> list[str]:
    """What must be in the namespace before the pods can start, such as `Secret data-key`.

    The kubelet tells of what is missing in an event only, which is not ours to read; so what is needed is named.
    """
    template = (workload.get("spec") or {}).get("template") or {}
    found = []
    for volume in (template.get("spec") or {}).get("volumes") or []:
        for field, kind, key in _MOUNTS:
            source = volume.get(field) or {}
            if source.get(key) and not source.get("optional"):
                found.append(f"{kind} {source[key]}")
    return sorted(found)


def trouble_of(pod: Json) -> Trouble | None:
    """What is wrong with one pod; None when it is ready, over, leaving, or merely starting."""
    status = pod.get("status") or {}
    if is_ready(pod) or is_deleting(pod) or status.get("phase") in _ENDED:
        return None
    for container in _containers(status):
        trouble = _container_trouble(name_of(pod), container)
        if trouble is not None:
            return trouble
    scheduled = _condition(pod, "PodScheduled")
    if scheduled.get("status") == "False" and scheduled.get("reason") == "Unschedulable":
        return Trouble(Reason.UNSCHEDULABLE, f"pod {name_of(pod)} has no node: {_cut(scheduled.get('message'))}")
    return None


def first_failure(pods: Iterable[Json]) -> Trouble | None:
    """What the first container that failed in a pod that is over ended with; None when none did."""
    for pod in sorted(pods, key=name_of):
        status = pod.get("status") or {}
        if status.get("phase") != "Failed":
            continue
        for container in _containers(status):
            trouble = _container_trouble(name_of(pod), container)
            if trouble is not None:
                return trouble
    return None


def _containers(status: Json) -> list[Json]:
    return [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]


def _container_trouble(pod: str, container: Json) -> Trouble | None:
    waiting = (container.get("state") or {}).get("waiting") or {}
    ended = (container.get("state") or {}).get("terminated") or (container.get("lastState") or {}).get("terminated")
    what = f"pod {pod}, container {container.get('name', '')}"
    if waiting.get("reason") in _IMAGE_REASONS:
        image = _cut(container.get("image"))
        return Trouble(
            Reason.IMAGE_PULL_FAILED, f"{what}: {waiting['reason']} for {image}: {_cut(waiting.get('message'))}"
        )
    if waiting.get("reason") in _CREATE_REASONS:
        cause = _cut(waiting.get("message"))
        return Trouble(Reason.CONTAINER_NOT_CREATED, f"{what} cannot be made: {waiting['reason']}: {cause}")
    if waiting.get("reason") in _START_REASONS:
        cause = _cut(waiting.get("message"))
        return Trouble(Reason.CONTAINER_CRASHING, f"{what} cannot be started: {waiting['reason']}: {cause}")
    return _ending(what, container, waiting, ended) if ended or waiting.get("reason") in _CRASH_REASONS else None


def _ending(what: str, container: Json, waiting: Json, ended: Json | None) -> Trouble | None:
    """What a container that ended did not survive; None when it ended well, or runs again for the first time."""
    past = ended or {}
    code, restarts = past.get("exitCode"), int(container.get("restartCount") or 0)
    output = _cut(past.get("message") or waiting.get("message"))
    tail = f": {output}" if output else ""
    if past.get("reason") == _OUT_OF_MEMORY:
        return Trouble(Reason.OUT_OF_MEMORY, f"{what} was killed for lack of memory, {_restarts(container)}{tail}")
    if code in _STOPPED and restarts and container.get("started") is False:
        text = f"{what} was stopped before its probe ever passed (exit code {code}), {_restarts(container)}{tail}"
        return Trouble(Reason.STARTUP_TIMEOUT, text)
    if waiting.get("reason") in _CRASH_REASONS or (code and (not _running(container) or restarts >= _LOOP)):
        told = "unknown" if code is None else code
        return Trouble(Reason.CONTAINER_CRASHING, f"{what} ended with exit code {told}, {_restarts(container)}{tail}")
    return None


def _running(container: Json) -> bool:
    return bool((container.get("state") or {}).get("running"))


def _restarts(container: Json) -> str:
    count = int(container.get("restartCount") or 0)
    return f"{count} restart{'' if count == 1 else 's'}"


def _condition(pod: Json, type_: str) -> Json:
    entries = (pod.get("status") or {}).get("conditions") or []
    return next((entry for entry in entries if entry.get("type") == type_), {})


def _cut(text: object) -> str:
    return shorten(str(text or ""), MESSAGE_CHARACTERS)
