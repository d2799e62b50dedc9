"""How Pods live on simulated Nodes: the stages kwok plays, with times and failures of ours.

kwok (sigs.k8s.io/kwok) adopts every Node that was *created* with the annotation `kwok.x-k8s.io/node: fake`. Of the Node
it only keeps Lease and heartbeat fresh; readiness, capacity and GPUs belong to whoever made the Node. On these Nodes it
plays the kubelet's part for Pods, steered by annotations of the Pod (a Namespace's annotations are copied to its new
Pods):

| annotation `devcluster.kaito.sh/...` | meaning | default |
|---|---|---|
| `image-pull-seconds` | from the sandbox to the running container | 6 |
| `start-seconds` | from running to ready | 4 |
| `run-seconds` | until a Pod that may end ends | 10 |
| `stop-seconds` | from deletion to gone, at most the grace period | 1 |
| `fail` | `image-pull`, `crash`, `oom` or `unready`; set or removed at any time | |
| `exit-code` | of `crash` | 1 |
| `last-words` | the end of the log of a container that fails | none |
| `pull-error` | what the registry answers to `image-pull` | 403 Forbidden |

All seconds are divided by the cluster's speed. A change of the Pod restarts the wait that is running.
"""

from collections.abc import Sequence
from typing import Any

from hack.devcluster import templates

Json = dict[str, Any]

NODE_ANNOTATION = "kwok.x-k8s.io/node"
"""The annotation by which kwok knows its Nodes; it must be there when the Node is created."""

NODE_ANNOTATION_VALUE = "fake"
PREFIX = "devcluster.kaito.sh/"
"""What the annotations read here begin with."""

NODE_LEASE_SECONDS = 40
"""As the kubelet's default; renewed every quarter of it (kubernetes.io/docs/concepts/architecture/leases)."""

Requirement = tuple[str, str] | tuple[str, str, Sequence[str]]
"""A jq key, an operator (In, NotIn, Exists, DoesNotExist) and the values the operator needs."""

Event = tuple[str, str, str]
"""Type, reason and message."""

_PULL, _START, _RUN, _STOP = 6.0, 4.0, 10.0, 1.0
_FAILURE_SECONDS = 2.0
_CRASH_BACKOFF_SECONDS, _CRASH_BACKOFF_LIMIT_SECONDS = 10, 300
_HEARTBEAT = '"300s"'
_AT_ONCE = '"0s"'

_FAIL = f'.metadata.annotations["{PREFIX}fail"]'
_CONTAINER = ".status.containerStatuses[0]"
_WAITING = f"{_CONTAINER}.state.waiting.reason"
_RUNNING = f"{_CONTAINER}.state.running.startedAt"
_READY = f"{_CONTAINER}.ready"
_DELETED: Requirement = (".metadata.deletionTimestamp", "Exists")
_LIVING: Requirement = (".metadata.deletionTimestamp", "DoesNotExist")
_PULLING: Event = ("Normal", "Pulling", "Pulling image")
_STARTED: Event = ("Normal", "Started", "Container started")


def kwok_stages(speed: float) -> list[Json]:
    """Every stage, as documents of a kwok configuration file; for each Pod at most one of them matches.

    Args:
        speed: what all times are divided by; greater than 0.
    """
    return [_heartbeat(), *_starting(speed), *_pull_failures(speed), *_crashes(speed), *_ends(speed)]


def _heartbeat() -> Json:
    ready = '.status.conditions[] | select(.type == "Ready") | .status'
    steps = [_patch("conditions: [{type: Ready, lastHeartbeatTime: {{ Now | Quote }}}]")]
    return _stage("Node", "node-heartbeat", [_LIVING, (ready, "In", ["True"])], _HEARTBEAT, steps)


def _starting(speed: float) -> list[Json]:
    pulled: list[Event] = [
        ("Normal", "Pulled", "Successfully pulled image"),
        ("Normal", "Created", "Container created"),
        _STARTED,
    ]
    return [
        _pod("accept", [(".status.startTime", "DoesNotExist")], _AT_ONCE, templates.ACCEPTED, _PULLING),
        _pod(
            "started",
            [(_WAITING, "In", ["ContainerCreating"]), (_FAIL, "NotIn", ["image-pull"])],
            _text(_wish("image-pull-seconds", _PULL, speed)),
            templates.STARTED,
            *pulled,
        ),
        _pod(
            "ready",
            [(_RUNNING, "Exists"), (_READY, "In", ["false"]), (_FAIL, "NotIn", ["crash", "oom", "unready"])],
            _text(_wish("start-seconds", _START, speed)),
            templates.READY,
        ),
        _pod(
            "unready",
            [(_READY, "In", ["true"]), (_FAIL, "In", ["unready"])],
            _AT_ONCE,
            templates.UNREADY,
            ("Warning", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503"),
        ),
    ]


def _pull_failures(speed: float) -> list[Json]:
    failing: Requirement = (_FAIL, "In", ["image-pull"])
    wait = _text(f"{_FAILURE_SECONDS} / {speed}")
    failed: Event = ("Warning", "Failed", f"Failed to pull image: {templates.PULL_ERROR}")
    return [
        _pod(
            "pull-error",
            [(_WAITING, "In", ["ContainerCreating"]), failing],
            wait,
            templates.PULL_FAILED,
            failed,
            ("Warning", "Failed", "Error: ErrImagePull"),
        ),
        _pod(
            "pull-backoff",
            [(_WAITING, "In", ["ErrImagePull"]), failing],
            wait,
            templates.PULL_BACKOFF,
            ("Normal", "BackOff", "Back-off pulling image"),
            ("Warning", "Failed", "Error: ImagePullBackOff"),
        ),
        _pod(
            "pull-retry",
            [(_WAITING, "In", ["ErrImagePull", "ImagePullBackOff"]), (_FAIL, "NotIn", ["image-pull"])],
            wait,
            templates.PULL_RETRY,
            _PULLING,
        ),
    ]


def _crashes(speed: float) -> list[Json]:
    # The kubelet doubles the wait with every restart, from 10 s to 5 minutes (kubernetes.io, Pod Lifecycle).
    doublings = f"(({_CONTAINER}.restartCount // 1) - 1)"
    backoff = f"([{_CRASH_BACKOFF_SECONDS} * pow(2; {doublings}), {_CRASH_BACKOFF_LIMIT_SECONDS}] | min) / {speed}"
    crashing: list[Requirement] = [(_RUNNING, "Exists"), (_FAIL, "In", ["crash", "oom"])]
    wait = _text(f"{_FAILURE_SECONDS} / {speed}")
    return [
        _pod(
            "crash",
            [*crashing, (".spec.restartPolicy", "NotIn", ["Never"])],
            wait,
            templates.CRASHED,
            ("Warning", "BackOff", "Back-off restarting failed container"),
        ),
        _pod("restart", [(_WAITING, "In", ["CrashLoopBackOff"])], _text(backoff), templates.RESTARTED, _STARTED),
        _pod("failed", [*crashing, (".spec.restartPolicy", "In", ["Never"])], wait, templates.FAILED),
    ]


def _ends(speed: float) -> list[Json]:
    grace = "((.metadata.deletionTimestamp | fromdateiso8601) - now)"
    stop = _text(f"[{_wish('stop-seconds', _STOP, speed)}, {grace}] | min")
    killing: Event = ("Normal", "Killing", "Stopping container")
    return [
        _pod(
            "complete",
            [(_READY, "In", ["true"]), (".spec.restartPolicy", "NotIn", ["Always"])],
            _text(_wish("run-seconds", _RUN, speed)),
            templates.COMPLETED,
        ),
        _stage(
            "Pod",
            "pod-delete",
            [_DELETED, (".metadata.finalizers[0]", "DoesNotExist")],
            stop,
            [_event(killing), {"delete": True}],
        ),
    ]


def _wish(annotation: str, default: float, speed: float) -> str:
    """A jq expression: the seconds an annotation asks for, or the default, divided by the speed."""
    return f'((.metadata.annotations["{PREFIX}{annotation}"] | tonumber?) // {default}) / {speed}'


def _text(seconds: str) -> str:
    """A jq expression that turns a number of seconds into the duration kwok reads; milliseconds, so never `1e-05s`."""
    return f'({seconds}) * 1000 | floor | "\\(.)ms"'


def _pod(name: str, when: Sequence[Requirement], delay: str, status: str, *events: Event) -> Json:
    return _stage("Pod", f"pod-{name}", [_LIVING, *when], delay, [_patch(status), *(_event(event) for event in events)])


def _stage(kind: str, name: str, when: Sequence[Requirement], delay: str, steps: list[Json]) -> Json:
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": kind},
            "selector": {"matchExpressions": [{"jq": _requirement(item)} for item in when]},
            "delay": {"durationFrom": {"jq": {"expression": delay}}},
            "steps": steps,
        },
    }


def _requirement(item: Requirement) -> Json:
    key, operator, *values = item
    return {"key": key, "operator": operator, **({"values": list(values[0])} if values else {})}


def _patch(status: str) -> Json:
    return {"patch": {"subresource": "status", "root": "status", "type": "strategic", "template": status}}


def _event(event: Event) -> Json:
    kind, reason, message = event
    return {"event": {"type": kind, "reason": reason, "message": message}}
