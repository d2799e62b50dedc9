"""What a Pod's status says of its container."""

from datetime import UTC, datetime

from controller.api.json import Json
from hack.nodeagent.container import Fate
from hack.nodeagent.surroundings import container_of

SCHEME = "process://"
"""What a container's id begins with; the number of its process follows, for whoever wants to kill it."""


def status(pod: Json, address: str, fate: Fate, now: datetime) -> Json:
    """The status to write; conditions of others are kept.

    Args:
        pod: the Pod as last seen.
        address: its address.
        fate: how its container fares.
        now: the present, for conditions that change.
    """
    earlier = {item["type"]: item for item in (pod.get("status") or {}).get("conditions", ())}
    ours = {
        "PodReadyToStartContainers": True,
        "Initialized": True,
        "ContainersReady": fate.ready,
        "Ready": fate.ready,
    }
    conditions = [item for kind, item in earlier.items() if kind not in ours]
    conditions += [_condition(kind, earlier.get(kind), holds=holds, now=now) for kind, holds in ours.items()]
    return {
        "phase": "Running" if fate.running_since or fate.ended_at else "Pending",
        "startTime": pod.get("status", {}).get("startTime") or _time(now),
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": conditions,
        "containerStatuses": [_container(pod, fate)],
    }


def ended(pod: Json, address: str, fate: Fate, now: datetime) -> Json:
    """The last status, once the process of a Pod that was deleted is gone."""
    phase = "Failed" if fate.exit_code else "Succeeded"
    return status(pod, address, fate, now) | {"phase": phase}


def _container(pod: Json, fate: Fate) -> Json:
    container = container_of(pod)
    last = {"terminated": _terminated(fate)} if fate.ended_at else {}
    if fate.running_since:
        state: Json = {"running": {"startedAt": _time(fate.running_since)}}
    elif fate.ended_at:
        state = last
    else:
        state = {"waiting": {"reason": "ContainerCreating"}}
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "containerID": f"{SCHEME}{fate.process}",
        "restartCount": fate.restarts,
        "started": fate.started,
        "ready": fate.ready,
        "state": state,
        "lastState": last if fate.running_since else {},
    }


def _terminated(fate: Fate) -> Json:
    reason = "Error" if fate.exit_code else "Completed"
    return {"exitCode": fate.exit_code % 256, "reason": reason, "finishedAt": _time(fate.ended_at or datetime.now(UTC))}


def _condition(kind: str, earlier: Json | None, *, holds: bool, now: datetime) -> Json:
    word = "True" if holds else "False"
    same = earlier is not None and earlier["status"] == word
    since = earlier["lastTransitionTime"] if earlier is not None and same else _time(now)
    return {"type": kind, "status": word, "lastTransitionTime": since}


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
