"""What keeps one container from running, read from its status and put into one reason and one sentence.

The texts do not change while the kubelet goes round in its circle of trying, waiting and trying again, so that a pod
that keeps failing causes no writes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from controller.api.json import Json
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

_NEARLY: Final = 0.9
"""Share of the start-up probe's time after which a server that was stopped was stopped by it."""

MESSAGE_CHARACTERS: Final = 256
"""Characters of a foreign message that are passed on."""

_PREAMBLES: Final = re.compile(r'^(?:Back-off pulling image "[^"]*"(?::\s*|$)|ErrImagePull(?::\s*|$))+')
"""What the kubelet puts before the cause while it waits for its next try."""

_PULL_CAUSES: Final = (
    (r"too ?many ?requests|\b429\b|rate limit", Reason.IMAGE_PULL_THROTTLED, "the registry asks for fewer pulls"),
    (
        r"\b40[13]\b|unauthorized|forbidden|access denied|authentication required|no basic auth",
        Reason.IMAGE_PULL_FAILED,
        "the registry denies access",
    ),
    (
        r"\b404\b|not found|manifest unknown|name unknown|does not exist|no match for platform",
        Reason.IMAGE_PULL_FAILED,
        "there is no such image",
    ),
    (
        r"no such host|timeout|timed out|connection refused|unreachable|\beof\b|x509|\b50[0-4]\b",
        Reason.IMAGE_PULL_FAILED,
        "the registry cannot be reached",
    ),
    (r"no space left|disk quota", Reason.IMAGE_PULL_FAILED, "the node's disk is full"),
)
"""What registries and container runtimes say, and what it means; the first that fits counts.

Words of containerd's resolver and of the OCI distribution specification's error codes.
"""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a pod does not serve."""

    reason: Reason
    message: str


def container_trouble(pod: str, container: Json, budgets: Mapping[str, float], *, initial: bool) -> Trouble | None:
    """What is wrong with one container; None when it runs, ended well or merely starts.

    Args:
        pod: name of its pod.
        container: its status.
        budgets: by name of a container, the seconds its start-up probe gives it; others have none.
        initial: whether it comes before the pod's own containers.
    """
    waiting = (container.get("state") or {}).get("waiting") or {}
    reason = waiting.get("reason")
    what = f"pod {pod}, container {container.get('name', '')}"
    if reason in _IMAGE_REASONS:
        return _pull_trouble(what, container, waiting)
    if reason in _CREATE_REASONS:
        cause = cut(waiting.get("message"))
        return Trouble(Reason.CONTAINER_NOT_CREATED, f"{what} cannot be made: {reason}: {cause}")
    if reason in _START_REASONS:
        cause = cut(waiting.get("message"))
        return Trouble(Reason.CONTAINER_CRASHING, f"{what} cannot be started: {reason}: {cause}")
    ended = (container.get("state") or {}).get("terminated") or (container.get("lastState") or {}).get("terminated")
    if ended or reason in _CRASH_REASONS:
        budget = None if initial else budgets.get(str(container.get("name")))
        return _ending(what, container, ended or {}, budget)
    return None


def is_running(container: Json) -> bool:
    """Whether the container's process runs."""
    return bool((container.get("state") or {}).get("running"))


def running_since(container: Json) -> str:
    """Since when it runs, as RFC 3339; empty while it does not, or nobody says."""
    return str(((container.get("state") or {}).get("running") or {}).get("startedAt") or "")


def startup_budgets(workload: Json) -> dict[str, float]:
    """By name of a container of the workload, the seconds its start-up probe gives it.

    Absent fields stand for the API's own defaults: a period of 10 s and 3 failures.
    """
    template = (workload.get("spec") or {}).get("template") or {}
    found = {}
    for container in (template.get("spec") or {}).get("containers") or []:
        probe = container.get("startupProbe")
        if probe:
            tries = int(probe.get("periodSeconds") or 10) * int(probe.get("failureThreshold") or 3)
            found[str(container.get("name"))] = float(int(probe.get("initialDelaySeconds") or 0) + tries)
    return found


def cut(text: object) -> str:
    """A foreign message on one line, cut where it is too long."""
    return shorten(str(text or ""), MESSAGE_CHARACTERS)


def _pull_trouble(what: str, container: Json, waiting: Json) -> Trouble:
    image, state = cut(container.get("image")), str(waiting["reason"])
    message = _PREAMBLES.sub("", " ".join(str(waiting.get("message") or "").split()))
    for pattern, reason, meaning in _PULL_CAUSES:
        if re.search(pattern, message, re.IGNORECASE):
            return Trouble(reason, f"{what} cannot pull {image}: {meaning}: {cut(message)}")
    cause = cut(message) or ("the name is no valid image reference" if state == "InvalidImageName" else state)
    return Trouble(Reason.IMAGE_PULL_FAILED, f"{what} cannot pull {image}: {cause}")


def _ending(what: str, container: Json, past: Json, budget: float | None) -> Trouble | None:
    """What a container that ended did not survive; None when it ended well, or runs again for the first time."""
    waiting = (container.get("state") or {}).get("waiting") or {}
    code, restarts = past.get("exitCode"), int(container.get("restartCount") or 0)
    output = cut(past.get("message"))
    tail = f": {output}" if output else ""
    again = f"{restarts} restart{'' if restarts == 1 else 's'}"
    if past.get("reason") == _OUT_OF_MEMORY:
        return Trouble(Reason.OUT_OF_MEMORY, f"{what} was killed for lack of memory, {again}{tail}")
    if code in _STOPPED and restarts and budget is not None and container.get("started") is False:
        ran = _seconds(past)
        if ran is None or ran >= _NEARLY * budget:
            text = f"{what} was stopped before its probe ever passed (exit code {code}), {again}; it has {budget:g} s"
            return Trouble(Reason.STARTUP_TIMEOUT, text + tail)
    looping = waiting.get("reason") in _CRASH_REASONS
    if looping or (code and (not is_running(container) or restarts >= _LOOP)):
        told = "unknown" if code is None else code
        return Trouble(Reason.CONTAINER_CRASHING, f"{what} ended with exit code {told}, {again}{tail}")
    return None


def _seconds(past: Json) -> float | None:
    """How long an ended container ran; None where its status does not say."""
    try:
        begin, end = (datetime.fromisoformat(str(past[key])) for key in ("startedAt", "finishedAt"))
    except (KeyError, ValueError):
        return None
    return (end - begin).total_seconds()
