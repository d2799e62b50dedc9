"""What surrounds the operator while it is measured: Workspaces, a cloud that obeys at once, objects of others."""

from collections.abc import Iterable
from functools import partial

from controller.api import labels
from controller.api.claims import MACHINE, READY
from controller.api.json import Json, labels_of, name_of
from controller.api.resources import MACHINES, NAMESPACES, NODES, PODS, WORKSPACES, Resource
from controller.runtime.client import Client
from hack.bench.tally import exists, in_parallel, tally
from hack.devcluster.stages import NODE_ANNOTATION, NODE_ANNOTATION_VALUE

SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True)
SIZE, PRESET = "Standard_NC4as_T4_v3", "phi-3-mini-4k-instruct"
BALLAST = "bench.kaito.sh/ballast"
"""Label of the objects that are there to be in the way."""

_PODS_OF_ONE = 50
_ROOM = {"cpu": "64", "memory": "512Gi", "ephemeral-storage": "2Ti", "pods": "110"}
_SINCE = "2026-01-01T00:00:00Z"


async def make_namespace(client: Client, name: str) -> None:
    """A namespace in which Pods can be made."""
    await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    async with tally(client, SERVICE_ACCOUNTS, exists, namespace=name) as accounts:
        await accounts.until(1, 60)


async def make_workspaces(client: Client, namespace: str, count: int) -> None:
    """Many Workspaces at once, complete, so that nobody has to default anything."""
    await in_parallel(partial(client.create, WORKSPACES, workspace(namespace, index)) for index in range(count))


async def delete_workspaces(client: Client, namespace: str, count: int) -> None:
    """All of them at once."""
    await in_parallel(partial(client.delete, WORKSPACES, _name(index), namespace=namespace) for index in range(count))


def workspace(namespace: str, index: int) -> Json:
    """One of many equal Workspaces, with nodes of its own."""
    name = _name(index)
    return {
        "apiVersion": WORKSPACES.api_version,
        "kind": WORKSPACES.kind,
        "metadata": {"name": name, "namespace": namespace},
        "resource": {
            "count": 1,
            "instanceType": SIZE,
            "labelSelector": {"matchLabels": {"apps": f"{namespace}-{name}"}},
        },
        "inference": {"preset": {"name": PRESET}},
    }


async def obey(client: Client, namespace: str) -> None:
    """Plays the provisioner for every claim there is, as it writes for a pool that comes up at the first try."""
    claims = (await client.list(MACHINES, labels=f"{labels.WORKSPACE_NAMESPACE}={namespace}")).items
    await in_parallel(partial(_fulfil, client, claim) for claim in claims)


async def take_nodes_away(client: Client, namespace: str) -> None:
    """Removes the nodes made for a namespace's claims, as a cloud does once the claims are gone."""
    found = (await client.list(NODES, labels=f"{labels.WORKSPACE_NAMESPACE}={namespace}")).items
    await in_parallel(partial(client.delete, NODES, name_of(node)) for node in found)


async def add_nodes(client: Client, count: int) -> None:
    """Nodes of other people, without GPUs."""
    await in_parallel(partial(client.create, NODES, _node(f"other-{index}", _plain(index))) for index in range(count))


async def add_pods(client: Client, namespace: str, count: int, *, ours: bool) -> None:
    """Pods that run somewhere and change no more; ours carry the label by which the operator finds its own."""
    await in_parallel(partial(_add_pod, client, _pod(namespace, index, ours=ours)) for index in range(count))


async def _fulfil(client: Client, claim: Json) -> None:
    name = name_of(claim)
    provider_id = f"azure:///subscriptions/0/{name}"
    launched = {"providerID": provider_id, "conditions": _conditions(MACHINE.launched)}
    await client.merge(MACHINES, name, {"status": launched}, subresource="status")
    found = {labels.INSTANCE_TYPE: SIZE, labels.HOSTNAME: name, **labels_of(claim)}
    node = _node(name, found, gpus={labels.NVIDIA_GPU: "1"}, taints=claim["spec"]["taints"])
    await client.create(NODES, node | {"spec": {**node["spec"], "providerID": provider_id}})
    done = {"nodeName": name, "conditions": _conditions(*MACHINE.dependents, READY)}
    await client.merge(MACHINES, name, {"status": done}, subresource="status")


def _conditions(*types: str) -> list[Json]:
    common = {"status": "True", "reason": "Done", "message": "", "lastTransitionTime": _SINCE}
    return [{"type": each, **common} for each in types]


def _node(name: str, found: dict[str, str], gpus: Json | None = None, taints: Iterable[Json] = ()) -> Json:
    room = {**_ROOM, **(gpus or {})}
    ready = {"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "made by the bench"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": found, "annotations": {NODE_ANNOTATION: NODE_ANNOTATION_VALUE}},
        "spec": {"taints": list(taints)},
        "status": {
            "capacity": room,
            "allocatable": room,
            "conditions": [ready],
            "addresses": [{"type": "InternalIP", "address": "10.1.0.4"}],
        },
    }


def _plain(index: int) -> dict[str, str]:
    return {
        BALLAST: "true",
        labels.INSTANCE_TYPE: "Standard_D4s_v5",
        labels.HOSTNAME: f"other-{index}",
        labels.REGION: "eastus",
        labels.ZONE: f"eastus-{index % 3 + 1}",
        labels.OS: "linux",
        labels.ARCH: "amd64",
    }


async def _add_pod(client: Client, pod: Json) -> None:
    await client.create(PODS, pod)
    await client.merge(
        PODS, name_of(pod), {"status": _RUNNING}, namespace=pod["metadata"]["namespace"], subresource="status"
    )


def _pod(namespace: str, index: int, *, ours: bool) -> Json:
    mark = {labels.WORKSPACE: f"other-{index // _PODS_OF_ONE}"} if ours else {"app": f"other-{index // _PODS_OF_ONE}"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{'ours' if ours else 'theirs'}-{index}",
            "namespace": namespace,
            "labels": {**mark, "pod-template-hash": "6b8f9c7d5f"},
        },
        "spec": {
            # Nobody schedules or runs it: it is to be in memory, not to cost time.
            "schedulerName": "nobody",
            "containers": [{"name": "server", "image": "registry.example/server:1", "env": _ENVIRONMENT}],
        },
    }


_ENVIRONMENT = [{"name": f"OPTION_{number}", "value": "a value of the length values have"} for number in range(20)]
_RUNNING: Json = {
    "phase": "Running",
    "startTime": _SINCE,
    "conditions": [
        {"type": each, "status": "True", "lastTransitionTime": _SINCE}
        for each in ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    ],
    "containerStatuses": [
        {
            "name": "server",
            "image": "registry.example/server:1",
            "imageID": f"registry.example/server@sha256:{'a' * 64}",
            "containerID": f"containerd://{'b' * 64}",
            "ready": True,
            "started": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": _SINCE}},
        }
    ],
}


def _name(index: int) -> str:
    return f"ws{index:04d}"
