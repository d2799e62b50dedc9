"""What the user left out and can be derived: the machine size and the number of nodes."""

from typing import Any, Final

from controller.api import labels
from controller.api.json import Json
from controller.api.workspace import DEFAULT_COUNT, Workspace, parse_workspace
from controller.catalog import Sku
from controller.planning.admission.findings import Subject
from controller.planning.admission.proposals import describe_suggestion, suggestions
from controller.planning.admission.shape import type_problems
from controller.planning.admission.source_rules import LONGEST
from controller.planning.counts import nodes_least
from controller.planning.site import Site
from controller.planning.sizing import Suggestion, suggest
from controller.planning.wishes import listed

_COUNT_DEPRECATED: Final = frozenset({"v1beta1"})
"""Versions of the API in which `resource.count` is deprecated and `status.targetNodeCount` carries the number."""


def defaults(obj: Json, site: Site, *, old: Json | None = None) -> tuple[list[Json], tuple[str, ...]]:
    """The JSON patch that fills a Workspace in, and what to tell its author about it.

    Nothing the user wrote is changed, and filling in twice changes nothing more. A manifest too broken to read is left
    alone, and so is one without `resource`: validation says why it is refused. On an update only what the stored
    object already has is carried over, so that replacing it by the manifest it was made from is no change.

    The size is chosen where nodes are to be made for a known model: the first that fits of the list the user gave in an
    annotation, else the cheapest allowed one. A pod template
    says nothing of what it needs, so that nothing is chosen for it. The count is filled in where it can be computed
    now; on existing nodes it depends on what they are, and in v1beta1 a deprecated field would appear in objects whose
    authors left it out on purpose.

    Args:
        obj: the manifest.
        site: the installation, whose sizes can be chosen from.
        old: the stored object on an update.
    """
    workspace = _readable(obj)
    if workspace is None or not isinstance(obj.get("resource"), dict):
        return [], ()
    if old is not None:
        return _carry_over(workspace, _readable(old), site), ()
    site = site.sourced(workspace.node_source)
    subject = Subject(workspace, obj, site)
    operations: list[Json] = []
    warnings: list[str] = []
    size = workspace.resource.instance_type
    chosen = None if size or not site.auto_provision else _choice(subject)
    if chosen is not None:
        size = chosen.sku.name
        operations.append(_set("instanceType", size))
        warnings.append(_told(subject, chosen))
    count = _count(subject, size)
    if workspace.resource.count is None and workspace.version not in _COUNT_DEPRECATED and count is not None:
        operations.append(_set("count", count))
    return operations, tuple(warnings)


def apply_defaults(obj: Json, operations: list[Json]) -> Json:
    """The manifest with the operations of `defaults` applied; the given one is not touched."""
    if not operations:
        return obj
    filled = {operation["path"].rpartition("/")[2]: operation["value"] for operation in operations}
    return {**obj, "resource": {**obj["resource"], **filled}}


def _carry_over(workspace: Workspace, stored: Workspace | None, site: Site) -> list[Json]:
    if stored is None:
        return []
    operations, site = [], site.sourced(workspace.node_source)
    # On existing nodes nobody but the author wrote a size, and who did may remove it.
    if site.auto_provision and not workspace.resource.instance_type and stored.resource.instance_type:
        operations.append(_set("instanceType", stored.resource.instance_type))
    if workspace.resource.count is None and stored.resource.count is not None:
        operations.append(_set("count", stored.resource.count))
    return operations


def _choice(subject: Subject) -> Suggestion | None:
    """The best size, of those that do with the nodes the user asks for where any does."""
    found, asked = _listed(subject) or suggestions(subject), subject.workspace.resource.count
    enough = (each for each in found if asked is None or each.nodes <= asked)
    return next(enough, next(iter(found), None))


def _listed(subject: Subject) -> tuple[Suggestion, ...]:
    """The sizes the user's own list names and that fit, in its order; none where there is no list."""
    order, site = {name: place for place, name in enumerate(_names(subject))}, subject.site
    if not order or subject.preset is None:
        return ()

    def allowed(sku: Sku) -> bool:
        return sku.name in order and site.allows(sku)

    found = suggest(subject.preset, subject.catalog, subject.use, limit=len(order), allowed=allowed, price=site.price)
    return tuple(sorted(found, key=lambda each: order[each.sku.name]))


def _names(subject: Subject) -> list[str]:
    words = listed(subject.workspace, labels.INSTANCE_TYPES)[:LONGEST]
    return [sku.name for sku in map(subject.catalog.sku, words) if sku is not None]


def _told(subject: Subject, chosen: Suggestion) -> str:
    best = "smallest" if chosen.price is None else "cheapest"
    which = f"{best} allowed size" if subject.site.allowed else f"{best} current size"
    if chosen.sku.name in _names(subject):
        which = f"first size of {labels.INSTANCE_TYPES}"
    model = subject.preset.name if subject.preset is not None else ""
    return f"resource.instanceType set to {describe_suggestion(chosen)}: the {which} that fits {model}"


def _count(subject: Subject, size: str) -> int | None:
    """The number of nodes the model needs on a size; None where that is not known here."""
    inference, preset = subject.workspace.inference, subject.preset
    sku = subject.catalog.skus.get(size.strip().lower())
    if subject.workspace.tuning is not None or (inference is not None and inference.template is not None):
        return DEFAULT_COUNT
    if preset is None or sku is None:
        return None
    return nodes_least(preset, sku, subject.use)


def _readable(obj: Json) -> Workspace | None:
    return None if type_problems(obj) else parse_workspace(obj)


def _set(field: str, value: Any) -> Json:
    return {"op": "add", "path": f"/resource/{field}", "value": value}
