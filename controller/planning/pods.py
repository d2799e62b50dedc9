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
_START_REASONS: Final = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
"""States of a container that never ran: a Secret that is missing, a folder that cannot be mounted."""
_OUT_OF_MEMORY: Final = "OOMKilled"

_ENDED: Final = frozenset({"Failed", "Succeeded"})
"""Phases of pods that lie about until they are collected, such as evicted ones; their successors tell the present."""

MESSAGE_CHARACTERS: Final = 256
"""Characters of a foreign message that are passed on."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a pod does not serve."""

    reason: Reason
    message: str


def is_ready(pod: Json) -> bool:
    """Whether the pod is Ready and staying."""
    return not is_deleting(pod) and _condition(pod, "Ready").get("status") == "True"


def first_trouble(pods: Iterable[Json]) -> Trouble | None:
    """The gravest trouble among pods that are not ready, in a stable order; None when they merely start."""
    troubles = [trouble for pod in sorted(pods, key=name_of) if (trouble := trouble_of(pod)) is not None]
    order = [Reason.OUT_OF_MEMORY, Reason.CONTAINER_CRASHING, Reason.IMAGE_PULL_FAILED, Reason.UNSCHEDULABLE]
    return min(troubles, key=lambda trouble: order.index(trouble.reason), default=None)


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
    if waiting.get("reason") in _START_REASONS:
        cause = _cut(waiting.get("message"))
        return Trouble(Reason.CONTAINER_CRASHING, f"{what} cannot be started: {waiting['reason']}: {cause}")
    if ended and ended.get("reason") == _OUT_OF_MEMORY:
        return Trouble(Reason.OUT_OF_MEMORY, f"{what} was killed for lack of memory, {_restarts(container)}")
    if waiting.get("reason") in _CRASH_REASONS or (ended and ended.get("exitCode") and not _running(container)):
        code = ended.get("exitCode") if ended else "unknown"
        output = _cut((ended or {}).get("message") or waiting.get("message"))
        tail = f": {output}" if output else ""
        return Trouble(Reason.CONTAINER_CRASHING, f"{what} ended with exit code {code}, {_restarts(container)}{tail}")
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
