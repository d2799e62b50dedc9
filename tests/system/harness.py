"""What tests of the whole system share: the cluster with its cloud, what surrounds a Workspace, and waiting for it."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import aiohttp

from controller.api import labels
from controller.api.conditions import TRUE, UNKNOWN, Condition, conditions_of, is_true
from controller.api.json import Json, labels_of, name_of
from controller.api.resources import DEPLOYMENTS, EVENTS, LEASES, MACHINES, NODES, PODS, SERVICES, WORKSPACES, Resource
from controller.runtime.client import Client
from controller.runtime.errors import NotFound
from hack.devcluster import state
from hack.devcluster.commands import kubectl_path
from hack.devcluster.layout import Layout
from hack.devcluster.programs import NAMESPACE
from hack.devcluster.state import ClusterState, ProcessState
from tests.cluster.harness import Cluster, eventually

WEBHOOK, CONTROLLER, PROVISIONER = "kaito-webhook", "kaito-controller", "kaito-provisioner"

SIZE = "Standard_NC4as_T4_v3"
"""A size that carries the preset and is on sale."""

PRESET = "phi-3-mini-4k-instruct"

_OF_KUBERNETES = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
"""What the keys of taints begin with that come and go with a node's condition, whoever put it there."""

PATIENCE_SECONDS = 90.0
"""How long anything may take; far above what it takes, so that a slow machine is not a failure."""


@dataclass(frozen=True, slots=True)
class Scene:
    """A Workspace and everything that exists because of it."""

    workspace: Json | None
    machines: tuple[Json, ...]
    pools: tuple[Json, ...]
    nodes: tuple[Json, ...]
    deployments: tuple[Json, ...]
    services: tuple[Json, ...]
    pods: tuple[Json, ...]

    @property
    def left(self) -> list[str]:
        """Kind and name of everything there is."""
        groups = (self.machines, self.pools, self.nodes, self.deployments, self.services, self.pods)
        names = [str(item.get("name") or item["metadata"]["name"]) for group in groups for item in group]
        return (["the Workspace itself"] if self.workspace else []) + names

    @property
    def passing(self) -> list[str]:
        """What Kubernetes still has on the nodes and takes off by itself: its own taints."""
        return [
            f"{node['metadata']['name']} is tainted {taint['key']}:{taint['effect']}"
            for node in self.nodes
            for taint in node["spec"].get("taints") or ()
            if taint["key"].startswith(_OF_KUBERNETES)
        ]

    @property
    def summary(self) -> str:
        """The Workspace's conditions and what exists, in a line."""
        if self.workspace is None:
            return f"no Workspace; left: {', '.join(self.left) or 'nothing'}"
        held = [f"{c.type}={c.status} {c.reason}: {c.message}" for c in conditions_of(self.workspace).values()]
        return "; ".join([*held, f"there are {', '.join(self.left)}"])


@dataclass(frozen=True, slots=True)
class System:
    """The running system, seen from outside."""

    cluster: Cluster
    client: Client
    session: aiohttp.ClientSession
    cloud_url: str

    @property
    def layout(self) -> Layout:
        """Where the cluster keeps its files."""
        return self.cluster.layout

    @property
    def state(self) -> ClusterState:
        """What runs at present."""
        present = state.load(self.layout)
        assert present is not None, f"no cluster runs in {self.layout.root}"
        return present

    def replicas(self, program: str) -> list[ProcessState]:
        """The processes of one program."""
        return [process for process in self.state.processes if process.name.startswith(f"{program}-")]

    async def leader(self, program: str) -> str:
        """The name of the process that holds the program's Lease; empty while nobody does."""
        return str((await self.lease(program)).get("holderIdentity") or "")

    async def lease(self, program: str) -> Json:
        """The spec of the program's Lease."""
        spec: Json = (await self.client.get(LEASES, program, namespace=NAMESPACE)).get("spec") or {}
        return spec

    async def cloud(self) -> Json:
        """The simulator's pools, operations and counters."""
        async with self.session.get(f"{self.cloud_url}/_sim/state") as reply:
            document: Json = await reply.json()
            return document

    async def play(self, scenario: Json) -> None:
        """Replace the cloud's scenario; an empty one heals everything."""
        async with self.session.put(f"{self.cloud_url}/_sim/scenario", json=scenario) as reply:
            assert reply.status == 200, f"the scenario was refused: {await reply.text()}"

    async def kubectl(self, *arguments: str, stdin: str = "") -> tuple[int, str]:
        """Exit code of a kubectl command, and everything it printed as a terminal would show it."""
        process = await asyncio.create_subprocess_exec(
            str(kubectl_path()),
            f"--kubeconfig={self.layout.kubeconfig}",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate(stdin.encode())
        return process.returncode or 0, output.decode()

    async def apply(self, obj: Json) -> None:
        """Apply one object with kubectl, trying again while the webhook is away."""

        async def applied() -> str:
            code, text = await self.kubectl("apply", "-f", "-", stdin=json.dumps(obj))
            return text if code else ""

        await eventually(applied, PATIENCE_SECONDS)

    async def look(self, namespace: str, name: str) -> Scene:
        """A Workspace and what exists because of it."""
        ours = f"{labels.WORKSPACE}={name}"
        everywhere = f"{ours},{labels.WORKSPACE_NAMESPACE}={namespace}"
        workspace, cloud = await asyncio.gather(self.find(WORKSPACES, namespace, name), self.cloud())
        machines, nodes, deployments, services, pods = await asyncio.gather(
            self.everything(MACHINES, labels=everywhere),
            self.everything(NODES, labels=everywhere),
            self.everything(DEPLOYMENTS, namespace, labels=ours),
            self.everything(SERVICES, namespace, labels=ours),
            self.everything(PODS, namespace, labels=ours),
        )
        pools = tuple(pool for pool in cloud["pools"] if made_for(pool, namespace, name))
        return Scene(workspace, machines, pools, nodes, deployments, services, pods)

    async def find(self, resource: Resource, namespace: str, name: str) -> Json | None:
        """An object, None when there is none."""
        try:
            return await self.client.get(resource, name, namespace=namespace)
        except NotFound:
            return None

    async def everything(self, resource: Resource, namespace: str = "", *, labels: str = "") -> tuple[Json, ...]:
        """All objects of a kind."""
        return tuple((await self.client.list(resource, namespace=namespace, labels=labels)).items)

    async def events(self, namespace: str, kind: str, name: str) -> list[Json]:
        """The events about an object, oldest first."""
        found = await self.everything(EVENTS, namespace)
        about = [item for item in found if (item["regarding"]["kind"], item["regarding"]["name"]) == (kind, name)]
        return sorted(about, key=lambda item: str(item["eventTime"]))

    async def until_ready(self, namespace: str, name: str) -> Scene:
        """Wait until the Workspace is Ready; gives the very look that found it so."""
        scene = await self.look(namespace, name)

        async def ready() -> str:
            nonlocal scene
            scene = await self.look(namespace, name)
            return "" if scene.workspace and is_true(scene.workspace, "WorkspaceReady") else scene.summary

        await eventually(ready, PATIENCE_SECONDS)
        return scene

    async def until_settled(self, namespace: str, name: str) -> Scene:
        """Wait until all said about the Workspace and its Machines is True, and nothing passing is on its nodes.

        A Workspace may be Ready earlier: it serves as soon as its nodes do, whoever reports on the Machines.
        """
        scene = await self.look(namespace, name)

        async def settled() -> str:
            nonlocal scene
            scene = await self.look(namespace, name)
            held = [
                condition
                for obj in (scene.workspace or {}, *scene.machines)
                for condition in (list(conditions_of(obj).values()) or [Condition("any", UNKNOWN, "none")])
            ]
            return ", ".join(scene.passing) if all(condition.status == TRUE for condition in held) else scene.summary

        await eventually(settled, PATIENCE_SECONDS)
        return scene

    async def until_gone(self, namespace: str, name: str) -> None:
        """Wait until neither the Workspace nor anything made for it exists, in the cluster or in the cloud."""

        async def gone() -> str:
            scene = await self.look(namespace, name)
            return scene.summary if scene.left else ""

        await eventually(gone, PATIENCE_SECONDS)

    async def until_all_run(self) -> None:
        """Wait until every process of the cluster is ready, such as after a test that killed some."""

        async def running() -> str:
            waiting = [f"{item.name}: {item.waiting_for}" for item in self.state.processes if item.waiting_for]
            return ", ".join(waiting)

        await eventually(running, PATIENCE_SECONDS)


def made_for(pool: Json, namespace: str, name: str) -> bool:
    """Whether an agent pool was made for the Workspace."""
    found = pool["properties"].get("nodeLabels") or {}
    return (found.get(labels.WORKSPACE), found.get(labels.WORKSPACE_NAMESPACE)) == (name, namespace)


async def nothing_of(system: System, namespace: str) -> str:
    """Empty once the cluster and the cloud hold no Workspace of the namespace and nothing made for one."""
    names = [name_of(item) for item in await system.everything(WORKSPACES, namespace)]
    names += [
        name_of(item) for item in await system.everything(MACHINES, labels=f"{labels.WORKSPACE_NAMESPACE}={namespace}")
    ]
    names += [
        str(pool["name"])
        for pool in (await system.cloud())["pools"]
        if (pool["properties"].get("nodeLabels") or {}).get(labels.WORKSPACE_NAMESPACE) == namespace
    ]
    return f"there still are {', '.join(names)}" if names else ""


def workspace(namespace: str, name: str = "phi", *, size: str = SIZE, count: int = 0) -> Json:
    """A Workspace that wants nodes of its own; without a count the webhook computes it."""
    resource: Json = {"instanceType": size, "labelSelector": {"matchLabels": {"apps": namespace}}}
    return {
        "apiVersion": WORKSPACES.api_version,
        "kind": WORKSPACES.kind,
        "metadata": {"name": name, "namespace": namespace},
        "resource": resource | ({"count": count} if count else {}),
        "inference": {"preset": {"name": PRESET}},
    }


def in_order(wanted: Sequence[str], seen: Sequence[str]) -> str:
    """The first wanted word that does not follow the ones before it; empty when all do."""
    rest = iter(seen)
    return next((word for word in wanted if word not in rest), "")


def ordinal(machine: Json) -> str:
    """Which of its Workspace's nodes a Machine stands for."""
    return labels_of(machine)[labels.CLAIM_ORDINAL]


@contextlib.asynccontextmanager
async def connected(layout: Layout) -> AsyncIterator[System]:
    """The system that runs in a layout, with connections for the present event loop."""
    present = state.load(layout)
    assert present is not None, f"no cluster runs in {layout.root}"
    tls = ssl.create_default_context(cafile=layout.certificate("ca"))
    client = await Client.connect(user_agent="kaito-tests", kubeconfig=layout.kubeconfig)
    async with client, aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
        cluster = Cluster(layout, present.endpoints["kube-apiserver"])
        yield System(cluster, client, session, present.endpoints["aks-simulator"])
