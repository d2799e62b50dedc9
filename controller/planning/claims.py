"""The claims a Workspace should have: names that cannot collide, and what each one asks for.

The shape of a Machine follows what KAITO v0.2 writes and gpu-provisioner reads, that of a NodeClaim what KAITO v0.12
writes, less the requirements only one provisioner knows. The UID label is ours, so that a claim is never mistaken for
that of a deleted Workspace of the same name.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from controller.api import labels
from controller.api.claims import DEFAULT_NODE_CLASS, MACHINE, NODE_CLAIM, Claim, ClaimKind, NodeClass, Taint
from controller.api.json import Json
from controller.api.workspace import Workspace

NAME_PREFIX: Final = "ws"
HASH_DIGITS: Final = 9

PROVISIONER: Final = "default"
"""Value of karpenter.sh/provisioner-name on claims nobody's Provisioner object made."""


def claim_name(workspace_uid: str, ordinal: int) -> str:
    """The name of a Workspace's n-th claim: 11 characters, valid as an AKS agent-pool name, and the same every time."""
    digest = hashlib.sha256(f"{workspace_uid}/{ordinal}".encode()).hexdigest()
    return NAME_PREFIX + digest[:HASH_DIGITS]


def free_ordinals(workspace_uid: str, claims: Iterable[Claim], count: int) -> list[int]:
    """The lowest ordinals no existing claim holds; terminating claims hold theirs until they are gone."""
    taken = {claim.name for claim in claims}
    found: list[int] = []
    ordinal = 0
    while len(found) < count:
        if claim_name(workspace_uid, ordinal) not in taken:
            found.append(ordinal)
        ordinal += 1
    return found


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of the node a claim is made for.

    Attributes:
        kind: the kind of claim.
        instance_types: VM sizes as the catalogue spells them, best first.
        arch: CPU architecture of all of them, as in the label `kubernetes.io/arch`.
        disk_gib: disk the model needs, in GiB.
        zones: zones to try, best first; empty leaves the choice to the provisioner.
        capacity_types: ways of paying to try, best first; empty leaves the choice to the provisioner.
        node_class: which provisioner is asked, where the kind of claim says so.
    """

    kind: ClaimKind
    instance_types: tuple[str, ...]
    arch: str
    disk_gib: int
    zones: tuple[str, ...] = ()
    capacity_types: tuple[str, ...] = ()
    node_class: NodeClass = DEFAULT_NODE_CLASS


def render_claim(workspace: Workspace, ordinal: int, order: Order) -> Json:
    """The claim for one missing node.

    Args:
        workspace: who it is for; its UID must be known.
        ordinal: which of the Workspace's claims this is.
        order: what is asked of the node.
    """
    name = claim_name(workspace.uid, ordinal)
    own, pool, asked = _of_kind(order, name)
    annotations = {**(own.get("annotations") or {}), **_image_family(workspace)}
    found = {**claim_labels(workspace, ordinal, order.kind), **(own.get("labels") or {})}
    return {
        "apiVersion": order.kind.resource.api_version,
        "kind": order.kind.resource.kind,
        "metadata": {"name": name, "labels": found, **({"annotations": annotations} if annotations else {})},
        "spec": {
            **asked,
            "requirements": _requirements(order, pool),
            "resources": {"requests": {_disk_resource(order): f"{order.disk_gib}Gi"}},
            "taints": [Taint(*labels.GPU_TAINT).as_json()],
        },
    }


def _disk_resource(order: Order) -> str:
    """What the disk of a node is called.

    gpu-provisioner reads `storage`. Karpenter's core takes every request for one its instance types must offer, and the
    disk of those is `ephemeral-storage` (kubernetes-sigs/karpenter, `resources.Fits`).
    """
    of_kaito = order.kind == MACHINE or order.node_class.group == DEFAULT_NODE_CLASS.group
    return "storage" if of_kaito else "ephemeral-storage"


def _of_kind(order: Order, name: str) -> tuple[Json, Json, Json]:
    """What only claims of the kind have: metadata, the requirement on their pool, and fields of the spec."""
    if order.kind == NODE_CLAIM:
        key, value = order.node_class.label
        # Karpenter must neither empty nor replace a node by itself: the model on it would have to load again.
        own = {"labels": {key: value}, "annotations": {labels.DO_NOT_DISRUPT: "true"}}
        reference = {"group": order.node_class.group, "kind": order.node_class.kind, "name": order.node_class.name}
        pool = _requirement(labels.NODE_POOL, labels.NODE_POOL_NAME)
        return own, pool, {"nodeClassRef": reference, "expireAfter": "Never"}
    return {}, _requirement(labels.PROVISIONER_NAME, PROVISIONER), {"machineTemplateRef": {"name": name}}


def _requirements(order: Order, pool: Json) -> list[Json]:
    # AKS labels its nodes with the machine type, other clouds do not: only the kind Azure alone serves asks for it.
    gpu = [_requirement(labels.MACHINE_TYPE, "gpu")] if order.kind == MACHINE else []
    wished = ((labels.CAPACITY_TYPE, order.capacity_types), (labels.ZONE, order.zones))
    return [
        _requirement(labels.INSTANCE_TYPE, *order.instance_types),
        pool,
        *gpu,
        _requirement(labels.ARCH, order.arch),
        _requirement(labels.OS, "linux"),
        *(_requirement(key, *values) for key, values in wished if values),
    ]


def _image_family(workspace: Workspace) -> Json:
    family = workspace.annotations.get(labels.NODE_IMAGE_FAMILY, "").strip().lower()
    return {labels.NODE_IMAGE_FAMILY: family} if family else {}


def claim_labels(workspace: Workspace, ordinal: int, kind: ClaimKind = MACHINE) -> dict[str, str]:
    """Labels of a claim, and through it of its node: the user's selector first, ownership last so that it wins."""
    return {**selector_labels(workspace), **ownership_labels(workspace), **_claim_identity(ordinal, kind)}


def _claim_identity(ordinal: int, kind: ClaimKind) -> dict[str, str]:
    pool = (labels.NODE_POOL, labels.NODE_POOL_NAME) if kind == NODE_CLAIM else (labels.PROVISIONER_NAME, PROVISIONER)
    return {pool[0]: pool[1], labels.CLAIM_ORDINAL: str(ordinal)}


def ownership_labels(workspace: Workspace) -> dict[str, str]:
    """The labels that say which Workspace a claim or node serves."""
    return {
        labels.WORKSPACE: workspace.name,
        labels.WORKSPACE_NAMESPACE: workspace.namespace,
        labels.WORKSPACE_UID: workspace.uid,
    }


def selector_labels(workspace: Workspace) -> dict[str, str]:
    """The labels a node must carry to satisfy the Workspace's selector, as far as labels can be derived from it."""
    wanted = dict(workspace.resource.match_labels)
    for expression in workspace.resource.match_expressions:
        if expression.operator == "In" and expression.values:
            wanted.setdefault(expression.key, expression.values[0])
    return {key: value for key, value in wanted.items() if key not in labels.RESERVED_SELECTOR_KEYS}


def _requirement(key: str, *values: str) -> Json:
    return {"key": key, "operator": "In", "values": list(values)}
