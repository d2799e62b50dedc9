"""Small builders, so that a test states only what it is about."""

from typing import Any

from controller.api import labels
from controller.api.claims import MACHINE, READY, Claim
from controller.api.conditions import FALSE, TRUE, Condition
from controller.api.json import Json
from controller.api.workspace import Workspace, parse_workspace
from controller.planning.claims import claim_labels, claim_name, ownership_labels
from controller.planning.nodes import NodeDemand
from controller.planning.observed import Node

UID = "11111111-2222-3333-4444-555555555555"
V100 = "Standard_NC6s_v3"
GPU = labels.NVIDIA_GPU


def workspace_object(**overrides: Any) -> Json:
    """The mission's example as the API server stores it."""
    return {
        "apiVersion": "kaito.sh/v1alpha1",
        "kind": "Workspace",
        "metadata": {"name": "phi", "namespace": "default", "uid": UID, "generation": 1, "resourceVersion": "1"},
        "resource": {"count": 1, "instanceType": V100, "labelSelector": {"matchLabels": {"apps": "phi-3"}}},
        "inference": {"preset": {"name": "phi-3-mini-4k-instruct"}},
        **overrides,
    }


def workspace(**overrides: Any) -> Workspace:
    return parse_workspace(workspace_object(**overrides))


def demand(count: int = 1, *, provision: bool = True, **more: Any) -> NodeDemand:
    return NodeDemand(count=count, instance_type=V100, gpu_resource=GPU, gpus=1, provision=provision, **more)


def node(name: str, *, of: Workspace | None = None, made_for: int | None = None, **overrides: Any) -> Node:
    """A usable V100 node: free, or taken by a Workspace, or made for the Workspace's n-th claim."""
    own = {} if of is None else claim_labels(of, made_for) if made_for is not None else ownership_labels(of)
    found = {labels.INSTANCE_TYPE: V100, "apps": "phi-3", **own}
    values: dict[str, Any] = {"labels": found, "allocatable": {GPU: "1"}, "ready": True, **overrides}
    return Node(name=name, **values)


def claim(of: Workspace, ordinal: int = 0, *, ready: bool = False, message: str = "", **overrides: Any) -> Claim:
    """A claim of the Workspace, ready or held up at its launch with a message."""
    name = claim_name(of.uid, ordinal)
    conditions = {READY: Condition(READY, TRUE if ready else FALSE, "Ready")}
    if not ready and message:
        conditions[MACHINE.launched] = Condition(MACHINE.launched, FALSE, "SubscriptionQuotaReached", message)
    values: dict[str, Any] = {
        "kind": MACHINE, "name": name, "uid": f"uid-{name}", "generation": 1, "creation_time": "", "deletion_time": "",
        "finalizers": (), "labels": claim_labels(of, ordinal), "annotations": {}, "requirements": (), "taints": (),
        "startup_taints": (), "requests": {}, "provider_id": "", "node_name": "", "conditions": conditions, **overrides,
    }  # fmt: skip
    return Claim(**values)
