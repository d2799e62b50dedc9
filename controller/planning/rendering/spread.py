"""The StatefulSet that serves one copy of a model over several nodes: on a Ray cluster, or by torchrun if in pieces.

On Ray the first pod leads: it waits until every node has joined, then serves. The others only lend their GPUs. Programs
and flags are those of the published base image. Source: kaito-project/kaito `presets/workspace/inference/vllm`, and
`docker/presets/models/tfs/Dockerfile`, which takes the program that joins as it is from vLLM's own release. There both
sides give up after `--ray_init_timeout` seconds, 300 unless told.
"""

from typing import Final

from controller.api.json import Json
from controller.api.resources import STATEFUL_SETS
from controller.api.workspace import Runtime, Workspace
from controller.planning.nodes import NodeDemand
from controller.planning.rendering.names import headless_name, leader_address, spread_name
from controller.planning.rendering.objects import make_object, owned_labels
from controller.planning.rendering.parts import INDEX, pod_index
from controller.planning.rendering.pieces import piece_member
from controller.planning.rendering.placing import apart
from controller.planning.rendering.serving import JOIN_SECONDS, PERIOD_SECONDS, render_pod, startup_failures
from controller.planning.target import Serving

RAY_PORT: Final = 6379

_JOIN: Final = "/workspace/vllm/multi-node-serving.sh"
_HEALTH: Final = "/workspace/vllm/multi-node-health-check.py"
_LIVENESS_DELAY_SECONDS: Final = 60

_WITHIN: Final = f"--ray_init_timeout={JOIN_SECONDS}"

START: Final = f"""leader="$1"; nodes="$2"; shift 2
if [ "${INDEX}" = 0 ]; then
  {_JOIN} leader --ray_cluster_size="$nodes" --ray_port={RAY_PORT} {_WITHIN} || exit 1
  exec "$@"
fi
exec {_JOIN} worker --ray_address="$leader" --ray_port={RAY_PORT} {_WITHIN}
"""
"""Leads or joins the Ray cluster, by the pod's number; the leader then runs the command it is given."""

_SERVES: Final = f"""[ "${INDEX}" != 0 ] || exec python3 {_HEALTH} readiness --leader-address="$1" --vllm-port="$2"
"""
"""Whether the model answers. Pods that only lend GPUs always count as ready: a rollout would wait for them for ever."""


def render_stateful_set(workspace: Workspace, serving: Serving, demand: NodeDemand) -> Json:
    """The StatefulSet that serves one copy over all nodes."""
    pod = render_pod(workspace, serving, demand)
    (server,) = pod["spec"]["containers"]
    member = _ray_member if serving.runtime.runtime is Runtime.VLLM else piece_member
    spec = {
        **pod["spec"],
        "affinity": {**pod["spec"]["affinity"], **apart(workspace)},
        "containers": [member(workspace, serving, server)],
    }
    return make_object(
        STATEFUL_SETS,
        workspace,
        {
            "replicas": serving.nodes,
            "serviceName": headless_name(workspace),
            "podManagementPolicy": "Parallel",
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            "selector": {"matchLabels": owned_labels(workspace)},
            "template": {**pod, "spec": spec},
        },
        name=spread_name(workspace),
    )


def _ray_member(workspace: Workspace, serving: Serving, server: Json) -> Json:
    """The container of the leader and of the others: which of them it is, it learns from the pod's number."""
    preset, leader = serving.preset, leader_address(workspace)
    serves = _probe(["/bin/sh", "-c", _SERVES, "serves", leader, str(preset.port)])
    alive = _probe(["python3", _HEALTH, "liveness", f"--leader-address={leader}", f"--ray-port={RAY_PORT}"])
    return {
        **server,
        "command": ["/bin/sh", "-c", START, "start", leader, str(serving.nodes), *server["command"]],
        "env": [pod_index(), *server.get("env", [])],
        "startupProbe": {**serves, "failureThreshold": startup_failures(preset, joins=True)},
        "readinessProbe": {**serves, "failureThreshold": 3},
        "livenessProbe": {**alive, "initialDelaySeconds": _LIVENESS_DELAY_SECONDS, "failureThreshold": 3},
    }


def _probe(command: list[str]) -> Json:
    return {"exec": {"command": command}, "periodSeconds": PERIOD_SECONDS, "timeoutSeconds": 10}
