"""Which nodes a Workspace's pods may run on: its own and no others, whatever else keeps pods off them."""

from controller.api import labels
from controller.api.json import Json
from controller.api.workspace import Workspace
from controller.planning.nodes import tolerated_keys

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def own_nodes(workspace: Workspace, affinity: Json | None = None) -> Json:
    """The affinity for the Workspace's own nodes.

    Args:
        workspace: whose nodes.
        affinity: what the pod asks for already; all of it still holds.
    """
    wished = affinity or {}
    nodes = wished.get("nodeAffinity") or {}
    terms = (nodes.get(_REQUIRED) or {}).get("nodeSelectorTerms") or [{}]
    own = {"key": labels.WORKSPACE_UID, "operator": "In", "values": [workspace.uid]}
    # A node has to satisfy one of the terms, so each of them is narrowed to the own nodes.
    narrowed = [{**term, "matchExpressions": [*(term.get("matchExpressions") or []), own]} for term in terms]
    return {**wished, "nodeAffinity": {**nodes, _REQUIRED: {"nodeSelectorTerms": narrowed}}}


def tolerations(gpu_resource: str) -> list[Json]:
    """What the pods tolerate: our own taint, that of the GPU's vendor, and that of spot nodes."""
    return [{"key": key, "operator": "Exists", "effect": "NoSchedule"} for key in tolerated_keys(gpu_resource)]


def apart(workspace: Workspace) -> Json:
    """The affinity that keeps any two pods of the Workspace off the same node."""
    others = {"labelSelector": {"matchLabels": {labels.WORKSPACE: workspace.name}}, "topologyKey": labels.HOSTNAME}
    return {"podAntiAffinity": {_REQUIRED: [others]}}
