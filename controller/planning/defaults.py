"""What the user left out and can be derived: the machine size and the number of nodes."""

from typing import Any

from controller.api.json import Json
from controller.api.workspace import DEFAULT_COUNT, Workspace, parse_workspace
from controller.catalog import Catalog, Preset
from controller.planning.node_rules import describe
from controller.planning.shape import type_problems
from controller.planning.site import Site
from controller.planning.sizing import Use, nodes_needed, suggest
from controller.planning.uses import use_for


def defaults(obj: Json, site: Site, *, old: Json | None = None) -> tuple[list[Json], tuple[str, ...]]:
    """The JSON patch that fills a Workspace in, and what to tell its author about it.

    Nothing the user wrote is changed, and filling in twice changes nothing more. A manifest too broken to read is left
    alone: validation says why. On an update only what the stored object already has is carried over, so that replacing
    it by the manifest it was made from is no change.

    Args:
        obj: the manifest.
        site: the installation, whose sizes can be chosen from.
        old: the stored object on an update.
    """
    workspace = _readable(obj)
    if workspace is None or not isinstance(obj.get("resource"), dict):
        return [], ()
    if old is not None:
        return _carry_over(workspace, _readable(old)), ()
    operations: list[Json] = []
    warnings: list[str] = []
    catalog = site.catalog
    preset, use = _preset(workspace, catalog), use_for(workspace, site)
    size = workspace.resource.instance_type
    if not size and site.auto_provision and preset is not None and (best := suggest(preset, catalog, use, limit=1)):
        size = best[0].sku.name
        operations.append(_set("instanceType", size))
        warnings.append(
            f"resource.instanceType set to {describe(best[0].sku)}: the smallest current size that fits {preset.name}"
        )
    if workspace.resource.count is None:
        operations.append(_set("count", _count(preset, size, catalog, use)))
    return operations, tuple(warnings)


def apply_defaults(obj: Json, operations: list[Json]) -> Json:
    """The manifest with the operations of `defaults` applied; the given one is not touched."""
    if not operations:
        return obj
    filled = {operation["path"].rpartition("/")[2]: operation["value"] for operation in operations}
    return {**obj, "resource": {**obj["resource"], **filled}}


def _carry_over(workspace: Workspace, stored: Workspace | None) -> list[Json]:
    if stored is None:
        return []
    operations = []
    if not workspace.resource.instance_type and stored.resource.instance_type:
        operations.append(_set("instanceType", stored.resource.instance_type))
    if workspace.resource.count is None and stored.resource.count is not None:
        operations.append(_set("count", stored.resource.count))
    return operations


def _count(preset: Preset | None, size: str, catalog: Catalog, use: Use) -> int:
    sku = catalog.sku(size)
    needed = nodes_needed(preset, sku, use) if preset is not None and sku is not None else None
    return needed or DEFAULT_COUNT


def _preset(workspace: Workspace, catalog: Catalog) -> Preset | None:
    inference = workspace.inference
    return catalog.preset(inference.preset.name) if inference and inference.preset else None


def _readable(obj: Json) -> Workspace | None:
    return None if type_problems(obj) else parse_workspace(obj)


def _set(field: str, value: Any) -> Json:
    return {"op": "add", "path": f"/resource/{field}", "value": value}
