"""Which change concerns which Workspace."""

from collections.abc import Callable, Iterable

from controller.api import labels
from controller.api.json import Json, Key, key_of, labels_of, metadata_of
from controller.planning.rendering import OWNED
from controller.reconcilers.informers import (
    BY_CONFIG,
    BY_NODE,
    FREE,
    WAITING,
    Informers,
    claimed_by,
    free,
    held_by,
    named_by,
)

Enqueue = Callable[[Key], None]


def connect(informers: Informers, enqueue: Enqueue) -> None:
    """Makes every change that matters enqueue the Workspaces it concerns, and all that are there now once."""
    present = True

    def node_changed(old: Json | None, new: Json | None) -> None:
        # Of the nodes that are there already nobody needs to hear: a thousand Workspaces, each for thousands of nodes.
        if not present:
            _enqueue_waiting(informers, enqueue, old, new)

    informers.workspaces.on_change(lambda old, new: enqueue(key_of(new or old or {})))
    for informer in (informers.machines, informers.node_claims, informers.nodes):
        informer.on_change(lambda old, new: _enqueue_named(enqueue, old, new, claimed_by))
    for informer in (informers.pods, *map(informers.of, OWNED)):
        informer.on_change(lambda old, new: _enqueue_named(enqueue, old, new, named_by))
    informers.nodes.on_change(node_changed)
    informers.pods.on_change(lambda old, new: _enqueue_heirs(informers, enqueue, old, new))
    informers.config_maps.on_change(lambda old, new: _enqueue_configured(informers, enqueue, old, new))
    present = False


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
    for workspace in informers.workspaces.by_index(WAITING, WAITING):
        enqueue(key_of(workspace))


def _enqueue_heirs(informers: Informers, enqueue: Enqueue, old: Json | None, new: Json | None) -> None:
    """The last pod left a node that serves nobody, which no change of the node tells."""
    for host in () if old is None else set(held_by(old)) - set(held_by(new or {})):
        node = informers.nodes.get(host)
        if not informers.pods.by_index(BY_NODE, host):
            _enqueue_waiting(informers, enqueue, None, node)


def _offers_gpus(node: Json) -> bool:
    """Whether the node could matter; only GPU resources are kept of what a node offers."""
    return labels.INSTANCE_TYPE in labels_of(node) or bool((node.get("status") or {}).get("allocatable"))


def _same(old: Json, new: Json) -> bool:
    """Whether nothing we keep of the object changed but its version, as with a node's heartbeat."""
    return _versionless(old) == _versionless(new)


def _versionless(obj: Json) -> Json:
    metadata = {key: value for key, value in metadata_of(obj).items() if key != "resourceVersion"}
    return {**obj, "metadata": metadata}
