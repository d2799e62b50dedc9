"""Domain metrics of the workspace operator, counted from the cache at every scrape.

Every replica has the caches and answers alike, so that a change of leaders leaves no gap: take the maximum over the
replicas, never the sum.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from controller.api.claims import ClaimKind, parse_claim
from controller.api.conditions import TRUE, Condition, conditions_of, is_true
from controller.api.json import Json, annotations_of, is_deleting, key_of, labels_of, metadata_of
from controller.api.labels import AMD_GPU, NVIDIA_GPU, WORKSPACE, WORKSPACE_NAMESPACE, WORKSPACE_UID
from controller.api.node_source import wished_source
from controller.api.reasons import Reason
from controller.api.workspace import DEFAULT_COUNT, ConditionType, parse_workspace
from controller.planning.inherited import is_stray
from controller.planning.moments import created
from controller.planning.observed import parse_node
from controller.planning.site import Site
from controller.reconcilers.durations import seconds_of
from controller.reconcilers.informers import BY_WORKSPACE, Informers
from controller.reconcilers.story import WARNING, severity
from controller.runtime.metrics import REGISTRY

OTHER: Final = "Other"
"""Label value for words that are not in our lists, so that a stranger's words cannot grow the series."""

EXISTING: Final = "Existing"
"""Label value for the size of nodes that are used as they are found, of whatever size."""

STATES: Final = ("ready", "pending", "failing", "deleting")
"""Where a Workspace stands: it serves or has ended well, it is on its way, somebody must act, it goes away."""

LISTED: Final = 1000
"""Workspaces with series of their own, the first by namespace and name; they cost about ten series each."""

_KEY: Final = ("workspace_namespace", "workspace_name")
_REASONS: Final = frozenset(Reason)
_TYPES: Final = frozenset(ConditionType)
_DEVICES: Final = (NVIDIA_GPU, AMD_GPU)


@dataclass(frozen=True, slots=True)
class World:
    """What is counted.

    Attributes:
        workspaces: gives every Workspace.
        nodes: gives the nodes that carry a Workspace's namespace and name.
        site: gives the installation, for the sizes there are.
        strays: gives how many claims name a Workspace and are used by none.
    """

    workspaces: Callable[[], Iterable[Json]]
    nodes: Callable[[str, str], Iterable[Json]]
    site: Callable[[], Site]
    strays: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Nodes:
    """Nodes and GPUs of one Workspace, wanted and ready."""

    size: str
    wanted: int
    ready: int
    gpus_wanted: int
    gpus_ready: int


class WorkspaceCollector(Collector):
    """Counts Workspaces, their nodes and their GPUs."""

    def __init__(self, world: World) -> None:
        self._world = world

    def collect(self) -> Iterator[Metric]:
        """Every family is there at every scrape, its series as far as there are Workspaces."""
        workspaces = sorted(self._world.workspaces(), key=key_of)
        site = self._world.site()
        nodes = [nodes_of(each, self._world.nodes(*key_of(each)), site) for each in workspaces]
        yield _standings(workspaces)
        yield from _sizes(nodes)
        listed = workspaces[:LISTED]
        yield _created(listed)
        yield _since(listed)
        yield _nodes(zip(listed, nodes, strict=False))
        unlisted = GaugeMetricFamily("kaito_workspaces_unlisted", f"Workspaces beyond the {LISTED} with own series.")
        unlisted.add_metric([], len(workspaces) - len(listed))
        yield unlisted
        yield GaugeMetricFamily(
            "kaito_stray_claims", "Claims KAITO made for Workspaces that are gone or made anew.", self._world.strays()
        )


def state_of(workspace: Json) -> tuple[str, str]:
    """One of STATES, and the reason of the condition Ready."""
    condition = conditions_of(workspace).get(ConditionType.READY)
    if condition is None:
        condition = Condition(ConditionType.READY, "Unknown", Reason.AWAITING_RECONCILIATION)
    if is_deleting(workspace):
        return "deleting", Reason.WORKSPACE_DELETING
    if condition.status == TRUE:
        return "ready", _known(condition.reason)
    return "failing" if severity(condition) == WARNING else "pending", _known(condition.reason)


def nodes_of(workspace: Json, nodes: Iterable[Json], site: Site) -> Nodes:
    """The nodes a Workspace wants and has; a training run that has ended well wants what it still holds."""
    site = site.sourced(wished_source(annotations_of(workspace)))
    ready = [node for node in map(parse_node, nodes) if node.ready and not node.deleting]
    resource, status = workspace.get("resource") or {}, workspace.get("status") or {}
    wanted = int(status.get("targetNodeCount") or resource.get("count") or DEFAULT_COUNT)
    trained = bool(workspace.get("tuning")) and is_true(workspace, ConditionType.WORKSPACE_SUCCEEDED)
    if is_deleting(workspace) or trained:
        wanted = len(ready)
    size = str(resource.get("instanceType") or "")
    sku = site.catalog.sku(size) if size and site.auto_provision else None
    gpus = [sum(node.gpus(device) for device in _DEVICES) for node in ready]
    each = sku.gpu_count if sku is not None else max(gpus, default=0)
    known = EXISTING if not size or not site.auto_provision else OTHER if sku is None else sku.name
    return Nodes(known, wanted, len(ready), wanted * each, sum(gpus))


def _known(reason: str) -> str:
    return str(reason) if reason in _REASONS else OTHER


def _standings(workspaces: Iterable[Json]) -> Metric:
    family = GaugeMetricFamily(
        "kaito_workspaces", "Workspaces by state and the reason of their Ready condition.", labels=("state", "reason")
    )
    counts = Counter(map(state_of, workspaces))
    for state in STATES:
        if not any(state == found for found, _ in counts):
            family.add_metric((state, ""), 0)
    for key, count in sorted(counts.items()):
        family.add_metric(key, count)
    return family


def _sizes(found: Iterable[Nodes]) -> Iterator[Metric]:
    nodes: Counter[tuple[str, str]] = Counter()
    gpus: Counter[tuple[str, str]] = Counter()
    for each in found:
        nodes[each.size, "wanted"] += each.wanted
        nodes[each.size, "ready"] += each.ready
        gpus[each.size, "wanted"] += each.gpus_wanted
        gpus[each.size, "ready"] += each.gpus_ready
    for name, what, counts in (("kaito_nodes", "Nodes", nodes), ("kaito_gpus", "GPUs", gpus)):
        help_ = f"{what} that Workspaces want and have ready, by machine size."
        family = GaugeMetricFamily(name, help_, labels=("instance_type", "state"))
        for key, count in sorted(counts.items()):
            family.add_metric(key, count)
        yield family


def _created(workspaces: Iterable[Json]) -> Metric:
    family = GaugeMetricFamily(
        "kaito_workspace_created_timestamp_seconds",
        "When a Workspace was created, in seconds since 1970, and what it asks for.",
        labels=(*_KEY, "workload", "preset", "instance_type"),
    )
    for workspace in workspaces:
        kind = "tuning" if workspace.get("tuning") else "inference"
        preset = ((workspace.get(kind) or {}).get("preset") or {}).get("name") or ""
        size = (workspace.get("resource") or {}).get("instanceType") or ""
        created = seconds_of(metadata_of(workspace).get("creationTimestamp"))
        if created is not None:
            family.add_metric((*key_of(workspace), kind, str(preset), str(size)), created)
    return family


def _since(workspaces: Iterable[Json]) -> Metric:
    family = GaugeMetricFamily(
        "kaito_workspace_condition_since_timestamp_seconds",
        "Since when a condition of a Workspace has its status, in seconds since 1970.",
        labels=(*_KEY, "condition", "status", "reason"),
    )
    for workspace in workspaces:
        for held in conditions_of(workspace).values():
            since = seconds_of(held.last_transition_time)
            if held.type in _TYPES and since is not None:
                labels = (*key_of(workspace), held.type, held.status, _known(held.reason))
                family.add_metric(labels, since)
    return family


def _nodes(found: Iterable[tuple[Json, Nodes]]) -> Metric:
    family = GaugeMetricFamily(
        "kaito_workspace_nodes", "Nodes that a Workspace wants and has ready.", labels=(*_KEY, "state")
    )
    for workspace, nodes in found:
        family.add_metric((*key_of(workspace), "wanted"), nodes.wanted)
        family.add_metric((*key_of(workspace), "ready"), nodes.ready)
    return family


def world_of(informers: Informers, site: Callable[[], Site]) -> World:
    """What the caches of the operator know."""

    def nodes(namespace: str, name: str) -> Iterable[Json]:
        return informers.nodes.by_index(BY_WORKSPACE, f"{namespace}/{name}")

    return World(informers.workspaces.values, nodes, site, lambda: strays_in(informers))


def strays_in(informers: Informers) -> int:
    """How many claims of KAITO's are for no Workspace there is: nothing collects them, and they cost money."""
    return sum(_is_stray(informers, kind, obj) for kind, informer in informers.claims for obj in informer.values())


def _is_stray(informers: Informers, kind: ClaimKind, obj: Json) -> bool:
    found = labels_of(obj)
    if WORKSPACE_UID in found or WORKSPACE not in found or is_deleting(obj):
        return False
    key = found[WORKSPACE], found.get(WORKSPACE_NAMESPACE, "")
    owner = informers.workspaces.get(*key)
    named = owner or {"metadata": dict(zip(("name", "namespace"), key, strict=True))}
    return is_stray(parse_claim(obj, kind), parse_workspace({"metadata": named["metadata"]}), created(named))


def count_workspaces(world: World) -> None:
    """Adds the domain metrics to /metrics."""
    REGISTRY.register(WorkspaceCollector(world))
