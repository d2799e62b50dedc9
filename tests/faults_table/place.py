"""One namespace of the cluster: what the people in it do, and what they can read there.

All places look through the same informers, so that waiting costs the API server nothing however many wait.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from controller.api import labels
from controller.api.conditions import Condition, conditions_of
from controller.api.json import Json, labels_of, metadata_of, name_of
from controller.api.resources import (
    EVENTS,
    MACHINES,
    NAMESPACES,
    NODES,
    PODS,
    WORKSPACES,
    Resource,
)
from controller.planning.pods import is_over
from controller.runtime.cache import Informer
from controller.runtime.client import Client
from hack.devcluster.stages import PREFIX
from tests.cluster.harness import eventually, ready_node
from tests.faults_table.cloud import Cloud

NAME = "phi"
V100 = "Standard_NC6s_v3"
PRESET = "phi-3-mini-4k-instruct"

PATIENCE_SECONDS = 120.0
"""How long anything may take; far above what it takes, since all rows run at once and the machine may be slow."""

LOOK_SECONDS = 0.05

_SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True)


@dataclass(frozen=True, slots=True)
class World:
    """The cluster as its informers show it."""

    workspaces: Informer
    events: Informer
    pods: Informer
    nodes: Informer
    machines: Informer

    @classmethod
    @asynccontextmanager
    async def seen(cls, client: Client) -> AsyncIterator["World"]:
        """The informers, running and filled."""
        world = cls(*(Informer(client, kind) for kind in (WORKSPACES, EVENTS, PODS, NODES, MACHINES)))
        informers = (world.workspaces, world.events, world.pods, world.nodes, world.machines)
        async with AsyncExitStack() as stack:
            for informer in informers:
                task = asyncio.create_task(informer.run())
                stack.push_async_callback(_ended, task)
            for informer in informers:
                await asyncio.wait_for(informer.wait_synced(), PATIENCE_SECONDS)
            yield world


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.wait([task])


@dataclass(slots=True)
class Place:
    """One namespace, whose name is also the label that selects its nodes.

    Attributes:
        client: to the API server, as administrator.
        world: what is seen.
        cloud: the simulated cloud all places share.
        namespace: its name.
        waits_for: what is waited for at present, for the message of a failure.
    """

    client: Client
    world: World
    cloud: Cloud
    namespace: str
    waits_for: str = field(default="")

    # What can be read.

    def workspace(self) -> Json:
        """The Workspace as last seen; empty before."""
        return self.world.workspaces.get(NAME, self.namespace) or {}

    def condition(self, type_: str) -> Condition | None:
        """Its condition of the type."""
        return conditions_of(self.workspace()).get(type_)

    def pods(self) -> list[Json]:
        """The Workspace's pods that live."""
        found = (pod for pod in self.world.pods.values() if metadata_of(pod).get("namespace") == self.namespace)
        return [pod for pod in found if labels.WORKSPACE in labels_of(pod) and not is_over(pod)]

    def machines(self) -> list[Json]:
        """The claims made for the Workspace."""
        found = self.world.machines.values()
        return [claim for claim in found if labels_of(claim).get(labels.WORKSPACE_NAMESPACE) == self.namespace]

    def events(self) -> list[tuple[str, str]]:
        """Type and reason of the Workspace's events."""
        found = (event for event in self.world.events.values() if metadata_of(event)["namespace"] == self.namespace)
        return [(event["type"], event["reason"]) for event in found if event["regarding"].get("kind") == "Workspace"]

    def is_ready(self) -> bool:
        """Whether the Workspace is Ready as it is written now."""
        ready = self.condition("Ready")
        generation = metadata_of(self.workspace()).get("generation") if self.workspace() else None
        return ready is not None and ready.status == "True" and ready.observed_generation == generation

    def story(self) -> str:
        """What is waited for, and what there is instead."""
        held = [f"{c.type}={c.status} {c.reason}: {c.message}" for c in conditions_of(self.workspace()).values()]
        pods = [f"pod {name_of(pod)}: {pod.get('status')}"[:600] for pod in self.pods()]
        return "\n  ".join([f"{self.namespace} waits for {self.waits_for}", *held, *pods, f"events: {self.events()}"])

    async def until(self, what: str, holds: Callable[[], object]) -> None:
        """Waits until something can be read.

        Raises:
            AssertionError: it cannot; the text tells what can.
        """
        self.waits_for = what
        loop = asyncio.get_running_loop()
        end = loop.time() + PATIENCE_SECONDS
        while not holds():
            if loop.time() > end:
                raise AssertionError(self.story())
            await asyncio.sleep(LOOK_SECONDS)

    # What people do.

    async def settle(self) -> None:
        """Makes the namespace, in which Pods can then be made."""
        await self.create(NAMESPACES)

        async def has_service_account() -> str:
            found = await self.client.list(_SERVICE_ACCOUNTS, namespace=self.namespace)
            return "" if found.items else "no service account yet"

        await eventually(has_service_account, PATIENCE_SECONDS)

    async def create(self, kind: Resource, /, **body: Any) -> Json:
        """Creates an object in the namespace; `metadata` without a name gives it the place's own."""
        metadata: Json = {"name": self.namespace, **body.pop("metadata", {})}
        if kind.namespaced:
            metadata["namespace"] = self.namespace
        return await self.client.create(
            kind, {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, **body}
        )

    async def order(
        self, *, count: int = 1, size: str = V100, annotations: dict[str, str] | None = None, **work: Json
    ) -> None:
        """Creates the Workspace; `work` is its `inference` or `tuning`, serving the preset else."""
        selector = {"matchLabels": {"test": self.namespace}}
        await self.create(
            WORKSPACES,
            metadata={"name": NAME, "annotations": annotations or {}},
            resource={"count": count, "instanceType": size, "labelSelector": selector},
            **(work or {"inference": {"preset": {"name": PRESET}}}),
        )

    async def node(self, suffix: str = "", *, gpus: int = 1, size: str = V100) -> str:
        """Registers a Ready node that the Workspace's selector accepts; its name, once it takes pods."""
        found = {labels.INSTANCE_TYPE: size, "test": self.namespace}
        node = ready_node(self.namespace, suffix, gpus=gpus, labels=found)
        for each in ("capacity", "allocatable"):
            node["status"][each] |= {"cpu": "96", "memory": "1900Gi"}
        name = name_of(await self.client.create(NODES, node))
        await self.until(f"node {name} without taints", lambda: self._open(name))
        return name

    def _open(self, name: str) -> bool:
        found = self.world.nodes.get(name)
        return found is not None and not found["spec"].get("taints")

    async def play(self, **behaviour: str | None) -> None:
        """Makes pods of the namespace that are made from now on behave so, see hack.devcluster.stages."""
        await self.client.merge(NAMESPACES, self.namespace, _wishes(behaviour))

    async def play_now(self, **behaviour: str | None) -> None:
        """Makes new pods behave so, and those that live."""
        await self.play(**behaviour)
        for pod in self.pods():
            await self.client.merge(PODS, name_of(pod), _wishes(behaviour), namespace=self.namespace)

    async def pod(self, what: str, holds: Callable[[Json], object]) -> Json:
        """Waits until a living pod is as wanted, and gives it."""
        await self.until(f"a pod that {what}", lambda: any(holds(pod) for pod in self.pods()))
        return next(pod for pod in self.pods() if holds(pod))

    async def report(self, pod: Json, **status: Any) -> None:
        """Plays the kubelet: writes fields of a pod's status; conditions are merged with those it has."""
        body = {"metadata": {"name": name_of(pod), "namespace": self.namespace}, "status": status}
        head = {"apiVersion": PODS.api_version, "kind": PODS.kind}
        await self.client.apply(PODS, {**head, **body}, manager="tests", subresource="status")

    async def until_ready(self) -> None:
        """Waits until the Workspace is Ready."""
        await self.until("Ready", self.is_ready)


def _wishes(behaviour: dict[str, str | None]) -> Json:
    wish = {f"{PREFIX}{key.replace('_', '-')}": value for key, value in behaviour.items()}
    return {"metadata": {"annotations": wish}}
