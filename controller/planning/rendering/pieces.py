"""Pods of one model that was cut into pieces beforehand: one process for each, all started together by torchrun.

The pods find one another at the first of them. Where the processes number themselves, as they do here, they do so by
their hosts' names, so that the first pod is the one that serves. Unless told otherwise they give up after 60 s without
the first of them and after 600 s without the others. Source: kaito-project/kaito v0.4.5 `presets/models`, PyTorch's
elastic launch and its rendezvous `c10d`.
"""

from dataclasses import replace
from typing import Final

from controller.api.json import Json
from controller.api.workspace import Workspace
from controller.planning.rendering.names import leader_address
from controller.planning.rendering.parts import INDEX, pod_index
from controller.planning.rendering.serving import JOIN_SECONDS, PERIOD_SECONDS, startup_failures
from controller.planning.target import Serving

RENDEZVOUS_PORT: Final = 29500

_PROBES: Final = ("livenessProbe", "readinessProbe")

_SERVES: Final = f"""[ "${INDEX}" = 0 ] || exit 0
exec python3 -c 'import sys, urllib.request; urllib.request.urlopen(sys.argv[1])' "$1"
"""
"""Whether the model answers. The other pods always count as ready: a StatefulSet replaces the last pod first and waits
for it, which answers nobody until the first one joins it. If that is the broken one, no repair would ever reach it."""


def piece_member(workspace: Workspace, serving: Serving, server: Json) -> Json:
    """The container of each pod, which runs its node's share of the pieces."""
    spec, leader = serving.preset.runtimes[serving.runtime.runtime], leader_address(workspace)
    launch = {
        **spec.launch_params,
        "nnodes": str(serving.nodes),
        "nproc_per_node": str((serving.preset.fixed_gpus or serving.nodes) // serving.nodes),
        "node_rank": f"$({INDEX})",
        "master_addr": leader,
        "master_port": str(RENDEZVOUS_PORT),
        "rdzv_id": workspace.uid,
        "rdzv_endpoint": f"{leader}:{RENDEZVOUS_PORT}",
        "rdzv_conf": f"join_timeout={JOIN_SECONDS},read_timeout={JOIN_SECONDS}",
    }
    address = f"http://127.0.0.1:{serving.preset.port}{serving.preset.health_path}"
    serves = {
        "exec": {"command": ["/bin/sh", "-c", _SERVES, "serves", address]},
        "periodSeconds": PERIOD_SECONDS,
        "timeoutSeconds": 10,
    }
    return {
        **server,
        "command": list(replace(spec, launch_params=launch).argv()),
        "env": [pod_index(), *server.get("env", [])],
        "startupProbe": {**serves, "failureThreshold": startup_failures(serving.preset, joins=True)},
        **{probe: {**serves, "failureThreshold": server[probe]["failureThreshold"]} for probe in _PROBES},
    }
