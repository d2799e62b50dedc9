"""What a Workspace asks of the nodes that are made for it, in annotations: lists of words, the best first."""

from collections.abc import Sequence

from controller.api import labels
from controller.api.workspace import Workspace
from controller.catalog import Catalog, Sku


def listed(workspace: Workspace, key: str) -> tuple[str, ...]:
    """The words of an annotation, in the order written; empty where it is not set."""
    return tuple(word for each in workspace.annotations.get(key, "").split(",") if (word := each.strip()))


def zones(workspace: Workspace) -> tuple[str, ...]:
    """The zones to try, best first; empty leaves the choice to the provisioner."""
    return listed(workspace, labels.ZONES)


def capacity_types(workspace: Workspace) -> tuple[str, ...]:
    """The ways of paying to try, best first; empty leaves the choice to the provisioner."""
    return listed(workspace, labels.CAPACITY_TYPES)


def sizes_wanted(workspace: Workspace, sku: Sku, catalog: Catalog) -> tuple[Sku, ...]:
    """The sizes to make nodes of, best first.

    The order is that of the annotation; the size of the manifest goes first unless it is listed itself.

    Args:
        workspace: the Workspace.
        sku: the size of the manifest.
        catalog: sizes there are; others are left out.
    """
    found = (catalog.sku(word) for word in listed(workspace, labels.INSTANCE_TYPES))
    by_name = {each.name: each for each in found if each is not None}
    return tuple(by_name.values()) if sku.name in by_name else (sku, *by_name.values())


def wished(workspace: Workspace, sizes: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What claims ask for, by the key of the requirement; what is left to the provisioner is empty.

    Args:
        workspace: the Workspace.
        sizes: the sizes to make nodes of, best first.
    """
    return {
        labels.INSTANCE_TYPE: tuple(sizes),
        labels.ZONE: zones(workspace),
        labels.CAPACITY_TYPE: capacity_types(workspace),
    }
