"""Pods of one model that was cut into pieces beforehand: one process for each, all started together by torchrun.

The pods find one another at the first of them. Where the processes number themselves, as they do here, they do so by
their hosts' names, so that the first pod is the one that serves. Source: kaito-project/kaito v0.4.5 `presets/models`
and PyTorch's elastic launch.
"""

from dataclasses import replace
from typing import Final

from controller.api.json import Json
from controller.api.workspace import Workspace
from controller.planning.rendering.names import leader_address
from controller.planning.rendering.parts import INDEX, pod_index
from controller.planning.target import Serving

RENDEZVOUS_PORT: Final = 29500


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
    }
    return {
        **server,
        "command": list(replace(spec, launch_params=launch).argv()),
        "env": [pod_index(), *server.get("env", [])],
    }
