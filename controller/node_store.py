"""The nodes of the cluster as admission and planning need them, kept up to date by an informer."""

from collections.abc import Collection
from typing import Final

from controller.api import labels
from controller.api.json import Json, labels_of, metadata_of, name_of
from controller.api.resources import NODES
from controller.planning.node_facts import NodeFacts, node_facts
from controller.runtime.cache import Informer
from controller.runtime.client import Client

_KEPT: Final = ("name", "uid", "resourceVersion", "labels")
_DEVICES: Final = (labels.NVIDIA_GPU, labels.AMD_GPU)


class NodeStore:
    """What every node says about its GPUs, computed once for each change of the node.

    Args:
        informer: gives the nodes, with their labels and GPU capacity.
    """

    def __init__(self, informer: Informer) -> None:
        self.informer = informer
        self._facts: dict[str, NodeFacts] = {}
        informer.on_change(self._changed)

    def facts(self) -> Collection[NodeFacts] | None:
        """The nodes there are now; None until they were listed once."""
        return self._facts.values() if self.informer.synced else None

    def _changed(self, old: Json | None, new: Json | None) -> None:
        if new is not None:
            self._facts[name_of(new)] = node_facts(new)
        elif old is not None:
            self._facts.pop(name_of(old), None)


def watch_nodes(client: Client) -> NodeStore:
    """A store with an informer of its own, which keeps of each node only what the store reads."""
    return NodeStore(Informer(client, NODES, transform=slim))


def slim(obj: Json) -> Json:
    """Of a node: who it is, its labels, and how many GPUs it counts."""
    capacity = (obj.get("status") or {}).get("capacity") or {}
    return {
        **{key: obj[key] for key in ("apiVersion", "kind") if key in obj},
        "metadata": {
            "labels": labels_of(obj),
            **{key: value for key, value in metadata_of(obj).items() if key in _KEPT},
        },
        "status": {"capacity": {key: capacity[key] for key in _DEVICES if key in capacity}},
    }
