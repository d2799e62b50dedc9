"""Which existing nodes a Workspace means, which size they amount to, and which part of it a partition leaves."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Final

from controller.api import labels
from controller.api.workspace import Partition, Workspace
from controller.catalog import Sku
from controller.catalog.mig import LEAST_CAPABILITY, MIG_PROFILES
from controller.planning.node_facts import NodeFacts, Unknown, kind_of, sizes_of
from controller.planning.observed import is_free, selects, wanted_labels
from controller.planning.site import Site

MIG: Final = "mig"
ACCELERATOR: Final = "accelerator"


def candidates(workspace: Workspace, site: Site) -> tuple[NodeFacts, ...] | None:
    """The nodes there are now that the Workspace's selector and size accept, by name; None where nobody watches nodes.

    All count, Ready or not, free or taken: it is asked what they are, not whether they are to be had. A node that
    does not say its size is judged by its GPUs alone.
    """
    nodes = site.nodes()
    if nodes is None:
        return None
    size = workspace.resource.instance_type.strip().lower()
    wanted = wanted_labels(workspace)
    # Thousands of nodes are looked through for every request: the comparison that rules most of them out goes first.
    likely = (node for node in nodes if wanted <= node.labels.items())
    sized = [node for node in likely if not size or node.instance_type.lower() in ("", size)]
    if workspace.resource.match_expressions:
        sized = [node for node in sized if selects(workspace, node.labels)]
    return tuple(sorted(sized, key=attrgetter("name")))


def kinds(workspace: Workspace, site: Site) -> tuple[tuple[NodeFacts, ...], ...]:
    """The nodes to choose from by the GPUs they have, those to be tried first in front.

    It is empty where there is no choice: where nodes are made, a size is named, or all nodes have the same GPUs. A
    Workspace that has nodes stays with GPUs like theirs, and with just them while nobody knows what they are, as when a
    driver is replaced: pods for other GPUs would take the place of those that run. One that has none yet tries those
    put aside for it first, then those that are free.
    """
    if site.auto_provision or workspace.resource.instance_type.strip():
        return ()
    found = sorted(candidates(workspace, site) or (), key=partial(_standing, workspace))
    alike: dict[object, list[NodeFacts]] = {}
    for node, size in sizes_of(found, site.catalog):
        if not isinstance(size, Unknown):
            alike.setdefault(kind_of(size), []).append(node)
    if len(alike) <= 1:
        return ()
    own = [nodes for nodes in alike.values() if is_own(nodes[0], workspace)]
    if not own and is_own(found[0], workspace):
        own = [[node for node in found if is_own(node, workspace)]]
    return tuple(map(tuple, own or alike.values()))


def narrowed(site: Site, names: Collection[str]) -> Site:
    """The installation as if it had only the nodes of those names."""

    def known() -> list[NodeFacts] | None:
        nodes = site.nodes()
        return None if nodes is None else [node for node in nodes if node.name in names]

    return replace(site, nodes=known)


def is_own(node: NodeFacts, workspace: Workspace) -> bool:
    """Whether the node serves the Workspace."""
    return bool(workspace.uid) and node.labels.get(labels.WORKSPACE_UID) == workspace.uid


def _standing(workspace: Workspace, node: NodeFacts) -> tuple[int, bool, int, str]:
    """How near a node is to the Workspace, the nearest first; those it has rank by name, whatever befalls them."""
    if is_own(node, workspace):
        return 0, False, 0, node.name
    preferred = workspace.resource.preferred_nodes
    named = (node.labels.get(labels.WORKSPACE), node.labels.get(labels.WORKSPACE_NAMESPACE))
    aside = named == (workspace.name, workspace.namespace) and labels.WORKSPACE_UID not in node.labels
    place = preferred.index(node.name) if node.name in preferred else len(preferred)
    return 1 if aside else 2 if is_free(node.labels) else 3, not node.up, place, node.name


def sku_for(workspace: Workspace, site: Site, nodes: Sequence[NodeFacts] | None = None) -> Sku | None:
    """The size of the Workspace's nodes, cut down to its partition; None while nobody knows.

    Where nodes are made it is the size named, which must be one of the installation's cloud under its deployable name.
    On existing nodes it is what the Workspace's own nodes are, else those it can choose from (`nodes`, looked up where
    they are not given), else the size named, of any cloud.
    """
    named = site.catalog.sku(workspace.resource.instance_type)
    if site.auto_provision:
        home = named is not None and named.cloud is site.catalog.cloud and not named.alias_of
        return named if home else None
    found, partition = whole_for(workspace, site, nodes), workspace.resource.partition
    return found if found is None or partition is None else part_of(found, partition)


def whole_for(workspace: Workspace, site: Site, nodes: Sequence[NodeFacts] | None = None) -> Sku | None:
    """The size of the existing nodes the Workspace means, before any partition; None while nobody knows."""
    return _found(workspace, site, nodes) or site.catalog.sku(workspace.resource.instance_type)


def part_of(sku: Sku, partition: Partition) -> Sku:
    """What a partition leaves of a node: one slice of a GPU, or some of its GPUs; all of it where it is invalid."""
    if partition.mode == ACCELERATOR and partition.count is not None and 1 <= partition.count <= sku.gpu_count:
        return replace(sku, gpu_count=partition.count)
    profile = MIG_PROFILES.get(partition.profile) if partition.mode == MIG else None
    if profile is None:
        return sku
    return replace(
        sku,
        gpu_count=1,
        gpu_memory_gib=profile.memory_gib,
        gpu_memory_reported_mib=profile.memory_gib * 1024,
        compute_capability=sku.compute_capability or LEAST_CAPABILITY,
    )


def _found(workspace: Workspace, site: Site, nodes: Sequence[NodeFacts] | None) -> Sku | None:
    matching = (candidates(workspace, site) or ()) if nodes is None else nodes
    own = (node for node in matching if is_own(node, workspace))
    return next(_sizes(own, site), None) or next(_sizes(matching, site), None)


def _sizes(nodes: Iterable[NodeFacts], site: Site) -> Iterator[Sku]:
    return (size for _, size in sizes_of(nodes, site.catalog) if not isinstance(size, Unknown))
