"""Which change concerns which Workspace."""

from collections.abc import Callable, Iterable

from controller.api import labels
from controller.api.conditions import is_true
from controller.api.json import Json, Key, key_of, labels_of, metadata_of
from controller.api.workspace import ConditionType
from controller.planning.rendering import OWNED
from controller.reconcilers.informers import BY_CONFIG, FREE, Informers, claimed_by, free, named_by

Enqueue = Callable[[Key], None]


def connect(informers: Informers, enqueue: Enqueue) -> None:
    """Makes every change that matters enqueue the Workspaces it concerns."""
    informers.workspaces.on_change(lambda old, new: enqueue(key_of(new or old or {})))
    for informer in (informers.machines, informers.node_claims, informers.nodes):
        informer.on_change(lambda old, new: _enqueue_named(enqueue, old, new, claimed_by))
    for informer in (informers.pods, *map(informers.of, OWNED)):
        informer.on_change(lambda old, new: _enqueue_named(enqueue, old, new, named_by))
    informers.nodes.on_change(lambda old, new: _enqueue_waiting(informers, enqueue, old, new))
    informers.config_maps.on_change(lambda old, new: _enqueue_configured(informers, enqueue, old, new))


def _enqueue_named(
    enqueue: Enqueue, old: Json | None, new: Json | None, names: Callable[[Json], Iterable[str]]
) -> None:
    if old is not None and new is not None and _same(old, new):
        return
    for key in {key for obj in (old, new) if obj is not None for key in names(obj)}:
        namespace, _, name = key.partition("/")
        enqueue((namespace, name))


def _enqueue_configured(informers: Informers, enqueue: Enqueue, old: Json | None, new: Json | None) -> None:
    """A ConfigMap came, changed or went: every Workspace that names it."""
    if old is not None and new is not None and _same(old, new):
        return
    namespace, name = key_of(new or old or {})
    for workspace in informers.workspaces.by_index(BY_CONFIG, f"{namespace}/{name}"):
        enqueue(key_of(workspace))


def _enqueue_waiting(informers: Informers, enqueue: Enqueue, old: Json | None, new: Json | None) -> None:
    """A free node came or changed: every Workspace that still waits for nodes may want it."""
    if new is None or FREE not in free(new) or not _offers_gpus(new):
        return
    if old is not None and _same(old, new):
        return
    for workspace in informers.workspaces.values():
        if not is_true(workspace, ConditionType.RESOURCE_READY):
            enqueue(key_of(workspace))


def _offers_gpus(node: Json) -> bool:
    """Whether the node could matter; only GPU resources are kept of what a node offers."""
    return labels.INSTANCE_TYPE in labels_of(node) or bool((node.get("status") or {}).get("allocatable"))


def _same(old: Json, new: Json) -> bool:
    """Whether nothing we keep of the object changed but its version, as with a node's heartbeat."""
    return _versionless(old) == _versionless(new)


def _versionless(obj: Json) -> Json:
    metadata = {key: value for key, value in metadata_of(obj).items() if key != "resourceVersion"}
    return {**obj, "metadata": metadata}
