"""What the controller sees of a Workspace's surroundings, as plain typed values."""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from controller.api import labels
from controller.api.claims import Claim, Taint, parse_taint
from controller.api.conditions import is_true
from controller.api.json import Json, is_deleting, labels_of, metadata_of, name_of, uid_of
from controller.api.quantity import count_of
from controller.api.workspace import Workspace
from controller.planning.containers import Trouble
from controller.planning.moments import BEGINNING
from controller.planning.provisioning import UNTRIED, Provisioning


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
        """Whether the node serves nobody and was made for nobody, as far as its labels tell."""
        return is_free(self.labels)

    def gpus(self, resource: str) -> int:
        """How many devices of the extended resource the node offers."""
        return count_of(dict(self.allocatable), resource)


def is_free(node_labels: Mapping[str, str]) -> bool:
    """Whether no Workspace and no RAG engine is named on a node, and no claim of one it was made for."""
    named = (labels.WORKSPACE_UID, labels.WORKSPACE, labels.RAG_ENGINE, labels.CLAIM_ORDINAL)
    return node_labels.get(labels.NODE_POOL) != labels.NODE_POOL_NAME and not any(key in node_labels for key in named)


Ref: TypeAlias = tuple[str, str]
"""Kind and name of an object in the Workspace's namespace."""


def ref_of(obj: Json) -> Ref:
    """What an object with a kind is referred to by."""
    return str(obj["kind"]), name_of(obj)


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything about one Workspace that is not in the Workspace itself.

    Attributes:
        claims: claims made for the Workspace, terminating ones included.
        nodes: nodes that name the Workspace or were made for its claims, and free nodes that match its selector.
        objects: workloads and Services under the names the Workspace's own have, whoever owns them.
        pods: pods that carry the Workspace's name as label.
        reports: what the controllers and nodes said in events about objects that nothing else explains, by their UID.
        trained: whether the status says that the training run of this very manifest ended well; its Job may be gone.
        provisioning: how its claims fared, as the status remembers it.
        troubled: since when its existing nodes are unusable, by name, as the status remembers it.
        now: the moment of the look.
        strays: names of claims that name the Workspace, are older than it and are used by nobody.
        occupied: names of nodes that look free while pods of others hold their GPUs.
    """

    claims: tuple[Claim, ...] = ()
    nodes: tuple[Node, ...] = ()
    objects: Mapping[Ref, Json] = field(default_factory=dict)
    pods: tuple[Json, ...] = ()
    reports: Mapping[str, Trouble] = field(default_factory=dict)
    trained: bool = False
    provisioning: Provisioning = UNTRIED
    troubled: Mapping[str, str] = field(default_factory=dict)
    now: datetime = BEGINNING
    strays: tuple[str, ...] = ()
    occupied: frozenset[str] = frozenset()

    @property
    def hosts(self) -> frozenset[str]:
        """Nodes that pods of the Workspace hold: those that have not ended, on their way out or not."""
        return frozenset(host_of(pod) for pod in self.pods if not has_ended(pod))

    @property
    def homes(self) -> frozenset[str]:
        """Nodes that pods of the Workspace stay on."""
        return frozenset(host_of(pod) for pod in self.pods if not (has_ended(pod) or is_deleting(pod)))

    @property
    def servers(self) -> frozenset[str]:
        """Nodes with pods of the Workspace that are Ready."""
        return frozenset(host_of(pod) for pod in self.pods if is_true(pod, "Ready") and not is_deleting(pod))

    def like(self, wanted: Json) -> Json | None:
        """The object of the same kind and name; None when there is none."""
        return self.objects.get(ref_of(wanted))


def host_of(pod: Json) -> str:
    """The node a pod was put on; empty before that."""
    return str((pod.get("spec") or {}).get("nodeName") or "")


def has_ended(pod: Json) -> bool:
    """Whether a pod ran to its end, and holds no GPU any more."""
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


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
    return wanted_labels(workspace) <= node_labels.items() and _expressed(workspace, node_labels)


def selected(workspace: Workspace, nodes: Iterable[Json]) -> Iterator[Json]:
    """Those of the stored nodes the Workspace's label selector accepts."""
    wanted = wanted_labels(workspace)
    for node in nodes:
        found = labels_of(node)
        if wanted <= found.items() and _expressed(workspace, found):
            yield node


def wanted_labels(workspace: Workspace) -> AbstractSet[tuple[str, str]]:
    """The labels, each with its value, that the selector names outright; reserved keys in it are ignored."""
    wanted = workspace.resource.match_labels.items()
    return {(key, value) for key, value in wanted if key not in labels.RESERVED_SELECTOR_KEYS}


def _expressed(workspace: Workspace, node_labels: Mapping[str, str]) -> bool:
    expressions = workspace.resource.match_expressions
    return all(_holds(entry.key, entry.operator, entry.values, node_labels) for entry in expressions)


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
