"""Things of other people, some of them in our way: they are the same after everything."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.api import labels
from controller.api.json import Json, name_of
from controller.api.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    MACHINES,
    NODES,
    SERVICES,
    Resource,
)
from controller.runtime.errors import NotFound
from tests.chaos.plan import SHARED, T4, Act, Deed, Kind, manifest
from tests.cluster.harness import eventually, ready_node
from tests.system.audit import Call
from tests.system.harness import PATIENCE_SECONDS, System

TAKEN = "taken"
"""Name of somebody's Deployment that a Workspace would like to have."""

_KEPT = ("name", "uid", "labels", "finalizers", "ownerReferences", "deletionTimestamp")
_LABELS = {"owner": "somebody-else"}


@dataclass(frozen=True, slots=True)
class Foreign:
    """Objects that are not ours, as they were at the beginning.

    Attributes:
        objects: by kind and name.
        shared: nodes that were there before and may be used for a while.
    """

    namespace: str
    objects: Mapping[tuple[Resource, str], Json]
    shared: tuple[str, ...] = field(default=())

    async def changed(self, system: System) -> list[str]:
        """What is not as it was."""
        found = []
        for (resource, name), before in self.objects.items():
            now = await system.find(resource, self.namespace if resource.namespaced else "", name)
            if now is None:
                found.append(f"{resource.kind} {name} is gone")
            elif _essence(now) != before:
                found.append(f"{resource.kind} {name} is {_essence(now)} instead of {before}")
        for name in self.shared:
            node = await system.find(NODES, "", name)
            if node is None or node["metadata"].get("deletionTimestamp"):
                found.append(f"node {name}, which was there before, is gone or going")
        return found

    def touched(self, calls: list[Call]) -> list[str]:
        """The changes our programs asked for, successful or not; a rehearsal, which stores nothing, is none."""
        names = {(resource.plural, name) for resource, name in self.objects}
        return [call.text for call in calls if call.changes and (call.resource, call.name) in names]


def _essence(obj: Json) -> Json:
    """What of an object is its owner's business; what Kubernetes itself keeps there is left out."""
    kept = {key: value for key, value in obj["metadata"].items() if key in _KEPT}
    return {"metadata": kept, "spec": None if obj["kind"] == NODES.kind else obj.get("spec"), "data": obj.get("data")}


async def settle_in(system: System, namespace: str, shared: int) -> Foreign:
    """Makes everything that is somebody else's, and nodes that are free for all."""
    wanted = [
        (DEPLOYMENTS, _deployment(namespace, TAKEN)),
        (SERVICES, _service(namespace, "foreign-service")),
        (CONFIG_MAPS, {"metadata": _named(namespace, "foreign-config"), "data": {"key": "value"}}),
        (NODES, ready_node(f"{namespace}-foreign", gpus=1, labels={**_LABELS, labels.INSTANCE_TYPE: T4})),
        (MACHINES, {"metadata": {"name": "foreign-machine", "labels": _LABELS}, "spec": {"requirements": []}}),
    ]
    objects: dict[tuple[Resource, str], Json] = {}
    for resource, body in wanted:
        await system.client.create(resource, {"apiVersion": resource.api_version, "kind": resource.kind, **body})
        name = name_of(body)
        stored = await system.find(resource, namespace if resource.namespaced else "", name)
        assert stored is not None, f"{resource.kind} {name} was made and is not there"
        objects[resource, name] = _essence(stored)
    nodes = [
        ready_node(f"{namespace}-{number}", gpus=1, labels={SHARED: "yes", labels.INSTANCE_TYPE: T4})
        for number in range(shared)
    ]
    for node in nodes:
        await system.client.create(NODES, node)
    names = tuple(map(name_of, nodes))
    await eventually(lambda: _barred(system, names), PATIENCE_SECONDS)
    return Foreign(namespace, objects, names)


async def _barred(system: System, names: tuple[str, ...]) -> str:
    nodes = [await system.client.get(NODES, name) for name in names]
    return ", ".join(name_of(node) for node in nodes if node["spec"].get("taints"))


def in_the_way(namespace: str) -> Json:
    """A Workspace whose workload would have the name of somebody's Deployment."""
    return manifest(namespace, Deed(0.0, Act.CREATE, TAKEN, Kind.SERVED))


async def leave(system: System, foreign: Foreign) -> None:
    """Takes everything of other people away again."""
    for resource, name in foreign.objects:
        await _delete(system, resource, foreign.namespace if resource.namespaced else "", name)
    for name in foreign.shared:
        await _delete(system, NODES, "", name)


async def _delete(system: System, resource: Resource, namespace: str, name: str) -> None:
    try:
        await system.client.delete(resource, name, namespace=namespace)
    except NotFound:
        return


def _named(namespace: str, name: str) -> Json:
    return {"name": name, "namespace": namespace, "labels": _LABELS}


def _deployment(namespace: str, name: str) -> Json:
    template = {"metadata": {"labels": _LABELS}, "spec": {"containers": [{"name": "a", "image": "example.com/a:1"}]}}
    spec = {"replicas": 0, "selector": {"matchLabels": _LABELS}, "template": template}
    return {"metadata": _named(namespace, name), "spec": spec}


def _service(namespace: str, name: str) -> Json:
    return {"metadata": _named(namespace, name), "spec": {"selector": _LABELS, "ports": [{"port": 80}]}}
