"""The Kubernetes calls the node loop makes, and their implementation on the project's client."""

from typing import Protocol

from controller.api.json import Json, name_of, namespace_of, uid_of
from controller.api.resources import NODES, PODS
from controller.runtime.client import Client
from controller.runtime.errors import NotFound, Throttled
from hack.aks_simulator.nodes import CLUSTER_LABEL, Create, Step


class NodeWriter(Protocol):
    """What the node loop needs of a Kubernetes cluster. Failed calls raise; the loop tries again."""

    async def nodes(self) -> list[Json]:
        """All Nodes of the simulated cluster."""
        ...

    async def write(self, step: Step) -> None:
        """Carry out one step."""
        ...

    async def delete_node(self, node: Json) -> None:
        """Remove a Node object; one already gone is no error."""
        ...

    async def pods_on(self, node_name: str) -> list[Json]:
        """All pods bound to a Node."""
        ...

    async def evict(self, pod: Json, *, ignore_budgets: bool) -> None:
        """Ask a pod to leave gracefully; a refusal by a disruption budget is no error."""
        ...


class ClientNodeWriter:
    """Nodes of one simulated cluster, told from others by its node resource group label."""

    def __init__(self, client: Client, node_resource_group: str) -> None:
        self._client = client
        self._selector = f"{CLUSTER_LABEL}={node_resource_group}"

    async def nodes(self) -> list[Json]:
        """All Nodes with the cluster's label."""
        return (await self._client.list(NODES, labels=self._selector)).items

    async def write(self, step: Step) -> None:
        """Create or merge-patch a Node."""
        if isinstance(step, Create):
            await self._client.create(NODES, step.node)
        else:
            await self._client.merge(NODES, step.name, step.patch, subresource=step.subresource)

    async def delete_node(self, node: Json) -> None:
        """Delete the Node with this uid."""
        try:
            await self._client.delete(NODES, name_of(node), uid=uid_of(node))
        except NotFound:
            return

    async def pods_on(self, node_name: str) -> list[Json]:
        """Pods of all namespaces bound to the Node."""
        return (await self._client.list(PODS, fields=f"spec.nodeName={node_name}")).items

    async def evict(self, pod: Json, *, ignore_budgets: bool) -> None:
        """Evict the pod, or delete it where disruption budgets are to be ignored."""
        try:
            if ignore_budgets:
                await self._client.delete(PODS, name_of(pod), namespace=namespace_of(pod), uid=uid_of(pod))
            else:
                await self._client.create(PODS, _eviction(pod), name=name_of(pod), subresource="eviction")
        except (NotFound, Throttled):
            return


def _eviction(pod: Json) -> Json:
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name_of(pod), "namespace": namespace_of(pod)},
        "deleteOptions": {"preconditions": {"uid": uid_of(pod)}},
    }
