"""The caches of the workspace operator: what is watched, what of it is kept, and how it is found."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import Final

from controller.api import labels
from controller.api.claims import MACHINE, NODE_CLAIM, ClaimKind
from controller.api.conditions import is_true
from controller.api.json import Json, labels_of, metadata_of
from controller.api.resources import (
    DEPLOYMENTS,
    JOBS,
    MACHINES,
    NODE_CLAIMS,
    NODES,
    PODS,
    SERVICES,
    STATEFUL_SETS,
    WORKSPACES,
    Resource,
)
from controller.api.workspace import ConditionType
from controller.catalog.mig import MIG_RESOURCE_PREFIX
from controller.planning.observed import has_ended, host_of, is_free
from controller.runtime.cache import Informer
from controller.runtime.client import Client

BY_WORKSPACE = "workspace"
"""Index over `namespace/name` of the Workspace an object serves."""

BY_CONFIG = "config"
"""Index over `namespace/name` of the ConfigMap a Workspace names."""

BY_NODE = "node"
"""Index over the name of the node a claim stands for, or a pod holds."""

WAITING = "waiting"
"""Index over Workspaces whose nodes are not all there; its one value is `waiting` itself."""

FREE = "free"
"""Index over nodes that serve nobody: `free` itself gives all of them, `key=value` those with the label."""

UNSERVED_SECONDS: Final = 60.0
"""After so long a kind of claim the API server does not serve has no claims: its CRD was removed, and they with it.

Nothing is decided on that alone: before nodes are bought or given up the API server is asked.
"""


@dataclass(frozen=True, slots=True)
class Informers:
    """One cache per kind."""

    workspaces: Informer
    machines: Informer
    node_claims: Informer
    nodes: Informer
    pods: Informer
    deployments: Informer
    stateful_sets: Informer
    jobs: Informer
    services: Informer
    config_maps: Informer

    def of(self, resource: Resource) -> Informer:
        """The informer of a kind of object the operator writes."""
        found = {
            DEPLOYMENTS: self.deployments,
            STATEFUL_SETS: self.stateful_sets,
            JOBS: self.jobs,
            SERVICES: self.services,
        }
        return found[resource]

    @property
    def claims(self) -> tuple[tuple[ClaimKind, Informer], ...]:
        """The informers of claims, by kind. The CRD of either may be missing, or arrive while the program runs."""
        return (MACHINE, self.machines), (NODE_CLAIM, self.node_claims)

    def claims_for(self, key: str) -> list[tuple[ClaimKind, Json]]:
        """The claims of every kind that name the Workspace of `namespace/name`, as the caches show them."""
        return [(kind, obj) for kind, informer in self.claims for obj in informer.by_index(BY_WORKSPACE, key)]

    def free_nodes(self, wanted: Iterable[tuple[str, str]]) -> list[Json]:
        """The nodes that serve nobody and may carry all the labels: those with the rarest of them.

        Thousands of nodes would have to be looked through in every reconciliation else.
        """
        found = [self.nodes.by_index(FREE, f"{key}={value}") for key, value in wanted]
        return min(found, key=len) if found else self.nodes.by_index(FREE, FREE)

    def is_claimed(self, node: str) -> bool:
        """Whether a claim of any Workspace stands for the node of that name, whatever the node's labels say."""
        return any(informer.by_index(BY_NODE, node) for _, informer in self.claims)

    def is_inhabited(self, node: str, *, besides: str) -> bool:
        """Whether pods of another Workspace than that of `namespace/name` hold a node, whatever its labels say.

        Existing nodes that KAITO's workloads run on carry no label until their Workspace was looked at for the first
        time, and labels can be taken off by hand. A pod that names a Workspace nobody has is a pod like any other.
        """
        named = {key for pod in self.pods.by_index(BY_NODE, node) for key in named_by(pod) if key != besides}
        return any(self.workspaces.get(name, namespace) for namespace, _, name in (key.partition("/") for key in named))

    def claims_unknown(self) -> str:
        """Why the claims are not known yet; empty once those of every kind that is served have been read."""
        waiting = [informer.name for _, informer in self.claims if informer.served and not informer.synced]
        return f"reading {', '.join(waiting)}" if waiting else ""

    def all(self) -> list[Informer]:
        """Every informer, in the order they are started."""
        return [getattr(self, entry.name) for entry in fields(self)]


def build_informers(client: Client, config_maps: Informer) -> Informers:
    """The informers of the operator; pods and workloads of others never arrive.

    Args:
        client: to the API server.
        config_maps: the users' configuration.
    """
    ours = labels.WORKSPACE
    by_owner = {BY_WORKSPACE: claimed_by}

    def claims(resource: Resource, transform: Callable[[Json], Json]) -> Informer:
        by_place = {**by_owner, BY_NODE: standing_for}
        return Informer(
            client, resource, labels=ours, transform=transform, indexes=by_place, keeps_unserved=UNSERVED_SECONDS
        )

    return Informers(
        workspaces=Informer(
            client, WORKSPACES, transform=without_noise, indexes={BY_CONFIG: configured_by, WAITING: waiting}
        ),
        machines=claims(MACHINES, without_noise),
        node_claims=claims(NODE_CLAIMS, slim_claim),
        nodes=Informer(client, NODES, transform=slim_node, indexes={**by_owner, FREE: free}),
        pods=Informer(
            client, PODS, labels=ours, transform=slim_pod, indexes={BY_WORKSPACE: named_by, BY_NODE: held_by}
        ),
        deployments=Informer(client, DEPLOYMENTS, labels=ours, transform=without_noise),
        stateful_sets=Informer(client, STATEFUL_SETS, labels=ours, transform=without_noise),
        jobs=Informer(client, JOBS, labels=ours, transform=without_noise),
        services=Informer(client, SERVICES, labels=ours, transform=without_noise),
        config_maps=config_maps,
    )


def claimed_by(obj: Json) -> Iterable[str]:
    """The Workspace that cluster-scoped objects name in two labels."""
    found = labels_of(obj)
    if labels.WORKSPACE in found and labels.WORKSPACE_NAMESPACE in found:
        yield f"{found[labels.WORKSPACE_NAMESPACE]}/{found[labels.WORKSPACE]}"


def named_by(obj: Json) -> Iterable[str]:
    """The Workspace that namespaced objects name in one label."""
    found = labels_of(obj)
    if labels.WORKSPACE in found:
        yield f"{metadata_of(obj).get('namespace', '')}/{found[labels.WORKSPACE]}"


def configured_by(obj: Json) -> Iterable[str]:
    """The ConfigMaps a Workspace names."""
    for block in ("inference", "tuning"):
        name = (obj.get(block) or {}).get("config")
        if name:
            yield f"{metadata_of(obj).get('namespace', '')}/{name}"


def standing_for(obj: Json) -> Iterable[str]:
    """The node a claim was made into."""
    name = (obj.get("status") or {}).get("nodeName")
    if name:
        yield str(name)


def held_by(obj: Json) -> Iterable[str]:
    """The node a pod holds."""
    if (host := host_of(obj)) and not has_ended(obj):
        yield host


def waiting(obj: Json) -> Iterable[str]:
    """Whether a Workspace may want further nodes."""
    if not is_true(obj, ConditionType.RESOURCE_READY):
        yield WAITING


def free(obj: Json) -> Iterable[str]:
    """Under what a node that serves nobody is found."""
    found = labels_of(obj)
    if is_free(found):
        yield FREE
        for key, value in found.items():
            yield f"{key}={value}"


def without_noise(obj: Json) -> Json:
    """The object without the bookkeeping nobody reads."""
    metadata = {key: value for key, value in metadata_of(obj).items() if key != "managedFields"}
    return {**obj, "metadata": metadata}


def slim_claim(obj: Json) -> Json:
    """A NodeClaim without bookkeeping, and without the time of its last pod event, which Karpenter keeps renewing."""
    kept = without_noise(obj)
    status = {key: value for key, value in (obj.get("status") or {}).items() if key != "lastPodEventTime"}
    return {**kept, "status": status}


def slim_node(obj: Json) -> Json:
    """Of a node: who it is, whom it serves, whether it is usable, and what it offers."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    return {
        "metadata": _identity(obj),
        "spec": {"unschedulable": bool(spec.get("unschedulable")), "taints": spec.get("taints") or []},
        "status": {
            "allocatable": _devices(status.get("allocatable")),
            "capacity": _devices(status.get("capacity")),
            "conditions": [_brief(entry) for entry in status.get("conditions") or [] if entry.get("type") == "Ready"],
        },
    }


def _devices(resources: Json | None) -> Json:
    """Of the resources of a node: its GPUs, and slices of them."""
    named = (labels.NVIDIA_GPU, labels.AMD_GPU)
    return {
        key: value for key, value in (resources or {}).items() if key in named or key.startswith(MIG_RESOURCE_PREFIX)
    }


_CONTAINERS: Final = ("initContainerStatuses", "containerStatuses")
_CONTAINER: Final = frozenset({"name", "image", "ready", "started", "restartCount", "state", "lastState"})
POD_CONDITIONS: Final = frozenset({"Ready", "PodScheduled", "PodReadyToStartContainers", "DisruptionTarget"})
"""Conditions of pods that anybody here reads."""


def slim_pod(obj: Json) -> Json:
    """Of a pod: who it is, where it is, and what its conditions and containers say."""
    status = obj.get("status") or {}
    kept = {key: status[key] for key in ("phase",) if key in status}
    kept |= {key: [_told(each) for each in status[key]] for key in _CONTAINERS if status.get(key)}
    conditions = [_dated(entry) for entry in status.get("conditions") or [] if entry.get("type") in POD_CONDITIONS]
    host = (obj.get("spec") or {}).get("nodeName")
    placed = {"spec": {"nodeName": host}} if host else {}
    return {"metadata": _identity(obj), **placed, "status": {**kept, "conditions": conditions}}


def _told(container: Json) -> Json:
    """What a container says of itself, without what it is made of."""
    return {key: value for key, value in container.items() if key in _CONTAINER}


def _identity(obj: Json) -> Json:
    kept = ("name", "namespace", "uid", "resourceVersion", "labels", "creationTimestamp", "deletionTimestamp")
    return {key: value for key, value in metadata_of(obj).items() if key in kept}


def _dated(condition: Json) -> Json:
    since = condition.get("lastTransitionTime")
    return {**_brief(condition), "lastTransitionTime": since} if since else _brief(condition)


def _brief(condition: Json) -> Json:
    return {key: condition[key] for key in ("type", "status", "reason", "message") if key in condition}
