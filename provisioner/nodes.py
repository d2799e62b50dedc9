"""Nodes as typed values, and the slim form in which they are cached."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from controller.api import labels
from controller.api.claims import Taint, parse_taint
from controller.api.json import (
    Json,
    annotations_of,
    finalizers_of,
    is_deleting,
    labels_of,
    metadata_of,
    name_of,
    uid_of,
)
from controller.api.quantity import count_of
from controller.api.resources import MACHINES, NODE_CLAIMS, NODES

_KEPT_METADATA: Final = (
    "name",
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "labels",
    "annotations",
    "finalizers",
    "ownerReferences",
)
_KEPT_STATUS: Final = ("capacity", "allocatable")

POOL_INDEX: Final = "pool"
"""Name of the informer index `pool_names` fills: nodes by agent pool."""


@dataclass(frozen=True, slots=True)
class Node:
    """A node as last seen."""

    name: str
    uid: str
    resource_version: str
    created: str
    provider_id: str
    ready: bool
    deleting: bool
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    finalizers: tuple[str, ...]
    owners: tuple[Json, ...]
    taints: tuple[Taint, ...]
    capacity: Mapping[str, str]
    allocatable: Mapping[str, str]

    @property
    def finalized(self) -> bool:
        """Whether the node carries the finalizer that keeps it until its instance is gone."""
        return labels.TERMINATION_FINALIZER in self.finalizers

    @property
    def pool(self) -> str:
        """Name of the node's agent pool; empty for a node of no pool."""
        return self.labels.get(labels.AKS_AGENT_POOL) or self.labels.get(labels.AGENT_POOL, "")

    def owned_by_claim(self, name: str) -> bool:
        """Whether a claim of that name registered the node, whatever its kind."""
        return any(is_claim(owner) and owner.get("name") == name for owner in self.owners)

    def owned_by(self, uid: str) -> bool:
        """Whether this very claim registered the node, not a namesake before it."""
        return any(is_claim(owner) and owner.get("uid") == uid for owner in self.owners)

    @property
    def owner_kinds(self) -> frozenset[str]:
        """Kinds of the claims that registered the node."""
        return frozenset(str(owner["kind"]) for owner in self.owners if is_claim(owner))

    @property
    def owner_uids(self) -> frozenset[str]:
        """UIDs of the claims that registered the node."""
        return frozenset(str(owner.get("uid") or "") for owner in self.owners if is_claim(owner))

    def has_taint(self, key: str, effect: str) -> bool:
        """Whether the node carries the taint, whatever its value."""
        return any(taint.key == key and taint.effect == effect for taint in self.taints)

    def offers(self, resource: str) -> int:
        """Allocatable amount of a countable resource."""
        return count_of(dict(self.allocatable), resource)


def is_claim(owner: Json) -> bool:
    """Whether an owner reference names a claim; Cluster API knows a kind Machine too."""
    group = str(owner.get("apiVersion") or "").partition("/")[0]
    return group == MACHINES.group and owner.get("kind") in (MACHINES.kind, NODE_CLAIMS.kind)


def parse_node(obj: Json) -> Node:
    """The typed view of a node."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return Node(
        name=name_of(obj),
        uid=uid_of(obj),
        resource_version=str(metadata_of(obj).get("resourceVersion") or ""),
        created=str(metadata_of(obj).get("creationTimestamp") or ""),
        provider_id=str(spec.get("providerID") or ""),
        ready=any(entry.get("type") == "Ready" and entry.get("status") == "True" for entry in _conditions(status)),
        deleting=is_deleting(obj),
        labels=labels_of(obj),
        annotations=annotations_of(obj),
        finalizers=tuple(finalizers_of(obj)),
        owners=tuple(metadata_of(obj).get("ownerReferences") or ()),
        taints=tuple(parse_taint(entry) for entry in spec.get("taints") or ()),
        capacity=status.get("capacity") or {},
        allocatable=status.get("allocatable") or {},
    )


def slim_node(obj: Json) -> Json:
    """The part of a node that is read here; images, addresses and managed fields are most of the rest."""
    metadata, spec, status = metadata_of(obj), obj.get("spec") or {}, obj.get("status") or {}
    return {
        "apiVersion": NODES.api_version,
        "kind": NODES.kind,
        "metadata": {key: metadata[key] for key in _KEPT_METADATA if key in metadata},
        "spec": {key: spec[key] for key in ("providerID", "taints") if key in spec},
        "status": {
            **{key: status[key] for key in _KEPT_STATUS if key in status},
            "conditions": [
                {"type": "Ready", "status": entry.get("status")}
                for entry in _conditions(status)
                if entry.get("type") == "Ready"
            ],
        },
    }


def _conditions(status: Json) -> list[Json]:
    return status.get("conditions") or []


def slim_claim(obj: Json) -> Json:
    """A claim without its managed fields."""
    return {**obj, "metadata": {key: value for key, value in metadata_of(obj).items() if key != "managedFields"}}


def pool_names(obj: Json) -> Iterable[str]:
    """Index of nodes by agent pool."""
    found = labels_of(obj)
    return [name for name in {found.get(labels.AKS_AGENT_POOL), found.get(labels.AGENT_POOL)} if name]
