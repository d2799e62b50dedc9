"""What the operator's tests do to the world, in the words of people who do it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from controller.api import labels
from controller.api.conditions import Condition, conditions_of
from controller.api.json import Json, name_of
from controller.api.resources import (
    CONFIG_MAPS,
    DEPLOYMENTS,
    EVENTS,
    JOBS,
    MACHINES,
    NAMESPACES,
    NODES,
    PODS,
    SERVICES,
    STATEFUL_SETS,
    WORKSPACES,
    Resource,
)
from controller.runtime.client import Client
from controller.runtime.errors import NotFound
from hack.devcluster.stages import PREFIX
from tests.cluster.harness import eventually, ready_node

V100 = "Standard_NC6s_v3"
NAME = "phi"


@dataclass(frozen=True, slots=True)
class Stage:
    """One namespace, whose name is also the label that selects its nodes."""

    client: Client
    namespace: str
    log: Path

    async def workspace(
        self,
        *,
        count: int = 1,
        preset: str = "phi-3-mini-4k-instruct",
        size: str = V100,
        annotations: dict[str, str] | None = None,
        **work: Json,
    ) -> Json:
        """Creates the example under the name `phi`; `work` is its `inference` or `tuning`, serving the preset else."""
        selector = {"matchLabels": {"test": self.namespace}}
        return await self.client.create(
            WORKSPACES,
            {
                "apiVersion": WORKSPACES.api_version,
                "kind": WORKSPACES.kind,
                "metadata": {"name": NAME, "namespace": self.namespace, "annotations": annotations or {}},
                "resource": {"count": count, "instanceType": size, "labelSelector": selector},
                **(work or {"inference": {"preset": {"name": preset}}}),
            },
        )

    async def node(
        self, suffix: str = "", *, gpus: int = 1, size: str = V100, also: dict[str, str] | None = None
    ) -> str:
        """Registers a Ready node that the Workspace's selector accepts; its name, once it takes pods.

        Kubernetes taints every new node as not ready, and lifts that a moment later.
        """
        found = {labels.INSTANCE_TYPE: size, "test": self.namespace, **(also or {})}
        name = name_of(await self.client.create(NODES, ready_node(self.namespace, suffix, gpus=gpus, labels=found)))

        async def look() -> str:
            return str((await self.client.get(NODES, name))["spec"].get("taints") or "")

        await self.until(look)
        return name

    async def get(self) -> Json:
        """The Workspace as stored."""
        return await self.client.get(WORKSPACES, NAME, namespace=self.namespace)

    async def delete(self) -> None:
        """Asks for the Workspace's deletion."""
        await self.client.delete(WORKSPACES, NAME, namespace=self.namespace)

    async def machines(self) -> list[Json]:
        """The claims made for Workspaces of this namespace."""
        with suppress(NotFound):
            found = await self.client.list(MACHINES, labels=f"{labels.WORKSPACE_NAMESPACE}={self.namespace}")
            return found.items
        return []

    async def change(self, **fields: Json) -> None:
        """Changes fields of the Workspace, as `kubectl patch --type=merge` does."""
        await self.client.merge(WORKSPACES, NAME, fields, namespace=self.namespace)

    async def play(self, **behaviour: str) -> None:
        """Makes pods of the namespace that are made from now on behave so, see hack.devcluster.stages."""
        wish = {f"{PREFIX}{key.replace('_', '-')}": value for key, value in behaviour.items()}
        await self.client.merge(NAMESPACES, self.namespace, {"metadata": {"annotations": wish}})

    async def config_map(self, key: str, text: str, name: str = "config") -> None:
        """Writes a ConfigMap, as `kubectl apply` does."""
        body = {"metadata": {"name": name, "namespace": self.namespace}, "data": {key: text}}
        await self.client.apply(CONFIG_MAPS, body, manager="tests")

    async def until_pod(self, holds: Callable[[Json], bool]) -> Json:
        """Waits until there is exactly one pod and it is as wanted, and gives it."""

        async def look() -> str:
            found = await self.owned(PODS)
            return "" if len(found) == 1 and holds(found[0]) else f"{len(found)} pods"

        await self.until(look)
        (pod,) = await self.owned(PODS)
        return pod

    async def owned(self, resource: Resource) -> list[Json]:
        """Objects of this namespace that belong to Workspaces."""
        found = await self.client.list(resource, namespace=self.namespace, labels=labels.WORKSPACE)
        return found.items

    async def event_reasons(self) -> list[str]:
        """The reasons of the Workspace's events, oldest first."""
        found = await self.client.list(EVENTS, namespace=self.namespace)
        events = sorted(found.items, key=lambda event: str(event.get("eventTime")))
        return [event["reason"] for event in events if event["regarding"]["kind"] == "Workspace"]

    async def report(self, machine: str, **status: object) -> None:
        """Plays the provisioner: writes a claim's status."""
        await self.client.merge(MACHINES, machine, {"status": status}, subresource="status")

    async def until_condition(self, type_: str, holds: Callable[[Condition], bool]) -> Condition:
        """Waits until the Workspace's condition of the type is as wanted, and gives it."""

        async def look() -> str:
            condition = conditions_of(await self.get()).get(type_)
            return "" if condition is not None and holds(condition) else f"{type_}: {condition}"

        await self.until(look)
        return conditions_of(await self.get())[type_]

    async def until_reason(self, type_: str, reason: str) -> Condition:
        """Waits until the condition has the reason."""
        return await self.until_condition(type_, lambda condition: condition.reason == reason)

    async def until_machines(self, count: int) -> list[Json]:
        """Waits until that many claims exist."""

        async def look() -> str:
            found = await self.machines()
            return "" if len(found) == count else f"{len(found)} machines"

        await self.until(look)
        return await self.machines()

    async def until_quota_counts(self, quotas: Resource) -> None:
        """Waits until the quota controller has counted; before that everything is refused as unknown."""

        async def look() -> str:
            (quota,) = (await self.client.list(quotas, namespace=self.namespace)).items
            return "" if (quota.get("status") or {}).get("used") else "not counted yet"

        await self.until(look)

    async def until_gone(self) -> None:
        """Waits until nothing of the Workspace is left."""

        await self.until_deleted()

        async def look() -> str:
            left = [
                name_of(obj)
                for kind in (DEPLOYMENTS, STATEFUL_SETS, JOBS, SERVICES, PODS)
                for obj in await self.owned(kind)
            ]
            return ", ".join([*left, *map(name_of, await self.machines())])

        await self.until(look)

    async def until_deleted(self) -> None:
        """Waits until the Workspace itself is gone, with whatever it waits for."""

        async def look() -> str:
            with suppress(NotFound):
                return f"Workspace: {(await self.get()).get('status')}"
            return ""

        await self.until(look)

    async def until(self, look: Callable[[], object]) -> None:
        """Waits for an empty answer; a failure carries the operator's log."""
        try:
            await eventually(look, seconds=45)  # type: ignore[arg-type]
        except AssertionError as error:
            lines = self.log.read_text(errors="replace").splitlines()
            ours = [line for line in lines if self.namespace in line or " ERROR " in line]
            raise AssertionError(f"{error}\noperator:\n" + "\n".join(ours[-25:])) from None

    async def clean_up(self) -> None:
        """Removes the Workspace and releases claims no provisioner will release."""
        with suppress(NotFound):
            await self.delete()
        for _ in range(100):
            for machine in await self.machines():
                with suppress(NotFound):
                    await self.client.merge(MACHINES, name_of(machine), {"metadata": {"finalizers": None}})
            if not await self.machines():
                with suppress(NotFound):
                    await self.get()
                    await asyncio.sleep(0.1)
                    continue
                return
            await asyncio.sleep(0.1)
