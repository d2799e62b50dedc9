"""Claims, pools, nodes and views of them, complete enough to be real and easy to vary."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.api.claims import MACHINE, NODE_CLAIM, Claim, ClaimKind, Taint, parse_claim
from controller.api.json import Json
from controller.api.labels import LAUNCH_FAILURE
from provisioner.errors import Fault
from provisioner.history import Failure
from provisioner.nodes import Node, parse_node
from provisioner.offerings import Offering, Place
from provisioner.policy import Policy
from provisioner.pools import ATTEMPT_TAG, CLAIM_UID_TAG, REQUESTED_TAG, Pool
from provisioner.sizes import Size
from provisioner.steps import Observed
from provisioner.times import label_time, rfc3339

NAME = "ws1a2b3c4d5"
UID = "11111111-0000-0000-0000-000000000001"
WORKSPACE_UID = "22222222-0000-0000-0000-000000000001"
SIZE = "Standard_NC6s_v3"
V100 = Size(SIZE, "amd64", 6, 112 * 1024, "standardNCSv3Family", "nvidia", "NVIDIA Tesla V100", "nvidia.com/gpu", 1)
SIZES = {SIZE.lower(): V100}
START = datetime(2026, 8, 21, 10, 0, 0, tzinfo=UTC)
NODE = f"aks-{NAME}-12345678-vmss000000"
PROVIDER_ID = (
    "azure:///subscriptions/s/resourceGroups/mc_g/providers/Microsoft.Compute/virtualMachineScaleSets/"
    f"aks-{NAME}-12345678-vmss/virtualMachines/0"
)
OWNER_LABELS = {
    "kaito.sh/workspace": "phi",
    "kaito.sh/workspacenamespace": "default",
    "kaito.sh/workspace-uid": WORKSPACE_UID,
}
FINALIZER = "karpenter.sh/termination"
A_MACHINE = {"apiVersion": "karpenter.sh/v1alpha5", "kind": "Machine"}
A_NODE_CLAIM = {"apiVersion": "karpenter.sh/v1", "kind": "NodeClaim"}
NODE_CLASS = {"group": "kaito.sh", "kind": "KaitoNodeClass", "name": "default"}


def at(seconds: float) -> datetime:
    """A moment after the claim's creation."""
    return START + timedelta(seconds=seconds)


def condition(type_: str, status: str, reason: str, since: float = 0.0, message: str = "m") -> Json:
    """A stored condition."""
    return {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "observedGeneration": 1,
        "lastTransitionTime": rfc3339(at(since)),
    }


def machine(
    *,
    sizes: Sequence[str] = (SIZE,),
    done: Sequence[str] = (),
    conditions: Sequence[Json] = (),
    failure: Failure | None = None,
    deleted_at: float | None = None,
    finalizers: Sequence[str] = (FINALIZER,),
    labels: Mapping[str, str] = OWNER_LABELS,
    annotations: Mapping[str, str] | None = None,
    name: str = NAME,
    uid: str = UID,
    node_name: str = "",
    provider_id: str = "",
    **spec: Any,
) -> Json:
    """A stored Machine; `done` names phases (Launched, …) that are True since the creation."""
    metadata: Json = {
        "name": name,
        "uid": uid,
        "generation": 1,
        "resourceVersion": "7",
        "creationTimestamp": rfc3339(START),
        "labels": {"karpenter.sh/provisioner-name": "default", "apps": "phi", **labels},
        "annotations": {**(annotations or {}), **({LAUNCH_FAILURE: failure.as_text()} if failure else {})},
        "finalizers": list(finalizers),
    }
    if deleted_at is not None:
        metadata["deletionTimestamp"] = rfc3339(at(deleted_at))
    requirements = [{"key": "node.kubernetes.io/instance-type", "operator": "In", "values": list(sizes)}]
    return {
        "apiVersion": "karpenter.sh/v1alpha5",
        "kind": "Machine",
        "metadata": metadata,
        "spec": {
            "requirements": requirements if sizes else [],
            "taints": [{"key": "sku", "value": "gpu", "effect": "NoSchedule"}],
            "resources": {"requests": {"storage": "87G"}},
            **spec,
        },
        "status": {
            "conditions": [*(condition(f"Machine{phase}", "True", phase) for phase in done), *conditions],
            **({"nodeName": node_name} if node_name else {}),
            **({"providerID": provider_id} if provider_id else {}),
        },
    }


def node_claim(*, done: Sequence[str] = (), labels: Mapping[str, str] = OWNER_LABELS, **options: Any) -> Json:
    """The same claim as a stored NodeClaim."""
    made = machine(labels={"karpenter.sh/nodepool": "kaito", **labels}, **{"nodeClassRef": NODE_CLASS, **options})
    del made["metadata"]["labels"]["karpenter.sh/provisioner-name"]
    made["status"]["conditions"] += [condition(phase, "True", phase) for phase in done]
    return {**made, **A_NODE_CLAIM}


def kind_of(stored: Json) -> ClaimKind:
    """The kind of a stored claim."""
    return NODE_CLAIM if stored["kind"] == "NodeClaim" else MACHINE


def claim(**options: Any) -> Claim:
    """The typed view of `machine`."""
    return parse_claim(machine(**options))


def pool(state: str = "Succeeded", *, attempt: int = 1, requested: float = 0.0, **changes: Any) -> Pool:
    """The claim's agent pool, as this provisioner asks for it."""
    made = Pool(
        name=NAME,
        state=state,
        offering=Offering(SIZE),
        labels={**OWNER_LABELS, "apps": "phi", "kaito.sh/machine-type": "gpu"},
        tags={CLAIM_UID_TAG: UID, ATTEMPT_TAG: str(attempt), REQUESTED_TAG: rfc3339(at(requested))},
    )
    return replace(made, **changes)


BORN = {"kaito.sh/creation-timestamp": label_time(rfc3339(START))}
"""What the pool's labels say of the claim's creation."""

FOREIGN: dict[str, Any] = {"labels": {"team": "other"}, "tags": {}}


def node_json(
    *,
    name: str = NODE,
    ready: bool = True,
    gpus: int = 1,
    registered: bool = True,
    initialized: bool = True,
    deleting: bool = False,
    provider_id: str = PROVIDER_ID,
    taints: Sequence[Taint] = (Taint("sku", "gpu", "NoSchedule"),),
    labels: Mapping[str, str] | None = None,
    finalizers: Sequence[str] | None = None,
    created: float = 120.0,
    owner: str = UID,
    owner_kind: Mapping[str, str] = A_MACHINE,
    annotations: Mapping[str, str] | None = None,
) -> Json:
    """A node of the claim's pool, created so many seconds after the claim and registered for the claim of that UID."""
    marks = {
        **({"karpenter.sh/registered": "true"} if registered else {}),
        **({"karpenter.sh/initialized": "true"} if initialized else {}),
    }
    metadata: Json = {
        "name": name,
        "uid": f"uid-{name}",
        "resourceVersion": "42",
        "creationTimestamp": rfc3339(at(created)),
        "labels": {
            "agentpool": NAME,
            "node.kubernetes.io/instance-type": SIZE,
            **OWNER_LABELS,
            **marks,
            **(labels or {}),
        },
        "annotations": dict(annotations or {}),
        "finalizers": list(finalizers) if finalizers is not None else [FINALIZER] if registered else [],
        "ownerReferences": [{**owner_kind, "name": NAME, "uid": owner}] if registered else [],
    }
    if deleting:
        metadata["deletionTimestamp"] = rfc3339(at(0))
    resources = {"cpu": "6", "memory": "112Gi", "pods": "110", **({"nvidia.com/gpu": str(gpus)} if gpus else {})}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": metadata,
        "spec": {"providerID": provider_id, "taints": [taint.as_json() for taint in taints]},
        "status": {
            "capacity": resources,
            "allocatable": resources,
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def node(**options: Any) -> Node:
    """The typed view of `node_json`."""
    return parse_node(node_json(**options))


def seen(
    stored: Json,
    *,
    pool: Pool | None = None,
    nodes: Sequence[Node] = (),
    after: float = 0.0,
    known: bool = True,
    policy: Policy | None = None,
    fault: Fault | None = None,
    **changes: Any,
) -> Observed:
    """What is seen of a claim so many seconds after its creation."""
    view = Observed(
        stored=stored,
        claim=parse_claim(stored, kind_of(stored)),
        pool=pool,
        pools_known=known,
        nodes=tuple(nodes),
        now=at(after),
        policy=policy or Policy(),
        sizes=SIZES,
        place=Place("eastus"),
        fault=fault,
        fault_wait=9.0 if fault else 0.0,
    )
    return replace(view, **changes)
