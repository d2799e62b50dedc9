"""Which existing nodes a Workspace means, which size they amount to, and which part of it a partition leaves."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Final

from controller.api import labels
from controller.api.workspace import Partition, Workspace
from controller.catalog import Sku
from controller.catalog.mig import LEAST_CAPABILITY, MIG_PROFILES
from controller.planning.node_facts import NodeFacts, Unknown, sizes_of
from controller.planning.observed import selects, wanted_labels
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
    uid = workspace.uid
    own = (node for node in matching if node.labels.get(labels.WORKSPACE_UID) == uid) if uid else ()
    return next(_sizes(own, site), None) or next(_sizes(matching, site), None)


def _sizes(nodes: Iterable[NodeFacts], site: Site) -> Iterator[Sku]:
    return (size for _, size in sizes_of(nodes, site.catalog) if not isinstance(size, Unknown))
