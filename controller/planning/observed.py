"""What the controller sees of a Workspace's surroundings, as plain typed values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from controller.api import labels
from controller.api.claims import Claim, Taint, parse_taint
from controller.api.json import Json, is_deleting, labels_of, metadata_of, name_of, uid_of
from controller.api.quantity import count_of
from controller.api.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Node:
    """A node, reduced to what choosing and judging it needs."""

    name: str
    uid: str = ""
    resource_version: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    allocatable: Mapping[str, str] = field(default_factory=dict)
    ready: bool = False
    not_ready_message: str = ""
    unschedulable: bool = False
    deleting: bool = False
    taints: tuple[Taint, ...] = ()
    created: str = ""

    @property
    def instance_type(self) -> str:
        """The VM size the cloud's label names; empty without the label."""
        return self.labels.get(labels.INSTANCE_TYPE, "")

    @property
    def owner_uid(self) -> str:
        """UID of the Workspace the node serves; empty for a free node."""
        return self.labels.get(labels.WORKSPACE_UID, "")

    @property
    def free(self) -> bool:
        """Whether the node serves nobody: no Workspace and no RAG engine is named on it."""
        return not any(key in self.labels for key in (labels.WORKSPACE_UID, labels.WORKSPACE, labels.RAG_ENGINE))

    def gpus(self, resource: str) -> int:
        """How many devices of the extended resource the node offers."""
        return count_of(dict(self.allocatable), resource)


Ref: TypeAlias = tuple[str, str]
"""Kind and name of an object in the Workspace's namespace."""


def ref_of(obj: Json) -> Ref:
    """What an object with a kind is referred to by."""
    return str(obj["kind"]), name_of(obj)


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything about one Workspace that is not in the Workspace itself.

    Attributes:
        claims: claims that carry the Workspace's UID, terminating ones included.
        nodes: nodes that carry the Workspace's UID, and free nodes that match its selector and instance type.
        objects: workloads and Services under the names the Workspace's own have, whoever owns them.
        pods: pods that carry the Workspace's name as label.
        trained: whether the status says that the training run of this very manifest ended well; its Job may be gone.
    """

    claims: tuple[Claim, ...] = ()
    nodes: tuple[Node, ...] = ()
    objects: Mapping[Ref, Json] = field(default_factory=dict)
    pods: tuple[Json, ...] = ()
    trained: bool = False

    def like(self, wanted: Json) -> Json | None:
        """The object of the same kind and name; None when there is none."""
        return self.objects.get(ref_of(wanted))


def parse_node(obj: Json) -> Node:
    """The typed view of a Node object."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    ready: Json = next((entry for entry in status.get("conditions") or [] if entry.get("type") == "Ready"), {})
    return Node(
        name=name_of(obj),
        uid=uid_of(obj),
        resource_version=str(metadata_of(obj).get("resourceVersion") or ""),
        labels=labels_of(obj),
        allocatable=status.get("allocatable") or {},
        ready=ready.get("status") == "True",
        not_ready_message=str(ready.get("message") or ready.get("reason") or ""),
        unschedulable=bool(spec.get("unschedulable")),
        deleting=is_deleting(obj),
        taints=tuple(parse_taint(entry) for entry in spec.get("taints") or []),
        created=str(metadata_of(obj).get("creationTimestamp") or ""),
    )


def selects(workspace: Workspace, node_labels: Mapping[str, str]) -> bool:
    """Whether the Workspace's whole label selector accepts the labels; reserved keys in it are ignored."""
    resource = workspace.resource
    wanted = {key: value for key, value in resource.match_labels.items() if key not in labels.RESERVED_SELECTOR_KEYS}
    if any(node_labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_holds(entry.key, entry.operator, entry.values, node_labels) for entry in resource.match_expressions)


def _holds(key: str, operator: str, values: tuple[str, ...], node_labels: Mapping[str, str]) -> bool:
    match operator:
        case "In":
            return node_labels.get(key) in values
        case "NotIn":
            return node_labels.get(key) not in values
        case "Exists":
            return key in node_labels
        case "DoesNotExist":
            return key not in node_labels
        case _:
            return False


def is_owned_by(obj: Json, uid: str) -> bool:
    """Whether the object's controlling owner has the UID."""
    references = metadata_of(obj).get("ownerReferences") or []
    return any(reference.get("uid") == uid and reference.get("controller") for reference in references)
