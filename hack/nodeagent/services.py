"""Services: every port of a Service is forwarded to its ready endpoints, as the proxy of a node does it."""

import asyncio
from collections.abc import Callable
from typing import Final

from controller.api.json import Json, labels_of, name_of, namespace_of, uid_of
from controller.api.resources import SERVICES, Resource
from controller.runtime.cache import Informer
from controller.runtime.client import Client
from hack.devcluster.balancer import Backend, Balancer

ENDPOINT_SLICES: Final = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", namespaced=True)
_SERVICE_LABEL: Final = "kubernetes.io/service-name"
_LOCAL_SERVICES: Final = "127."


class Services:
    """Listens at the addresses of the Services of one namespace.

    Args:
        client: to the API server.
        namespace: whose Services.
        local: the local address behind a pod's; empty for pods of other nodes.
    """

    def __init__(self, client: Client, namespace: str, local: Callable[[str], str]) -> None:
        self._local = local
        self._slices = Informer(client, ENDPOINT_SLICES, namespace=namespace)
        self._services = Informer(client, SERVICES, namespace=namespace)
        self._listening: dict[str, list[asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Forwards until cancelled."""
        self._services.on_change(self._on_service)
        await asyncio.gather(self._slices.run(), self._services.run())

    def stop(self) -> None:
        """Hangs up."""
        for tasks in self._listening.values():
            for task in tasks:
                task.cancel()

    def _on_service(self, old: Json | None, new: Json | None) -> None:
        if old is not None:
            for task in self._listening.pop(uid_of(old), ()):
                task.cancel()
        if new is not None and str(new["spec"].get("clusterIP", "")).startswith(_LOCAL_SERVICES):
            self._listening[uid_of(new)] = [
                asyncio.create_task(_forward(self._balancer(new, port))) for port in new["spec"]["ports"]
            ]

    def _balancer(self, service: Json, port: Json) -> Balancer:
        key = (namespace_of(service), name_of(service), port.get("name") or "")
        return Balancer((service["spec"]["clusterIP"], port["port"]), lambda: self._backends(*key))

    def _backends(self, namespace: str, service: str, port: str) -> list[Backend]:
        """Where a new connection may go."""
        return [
            (local, number["port"])
            for found in self._slices.values()
            if namespace_of(found) == namespace and labels_of(found).get(_SERVICE_LABEL) == service
            for number in found.get("ports") or ()
            if (number.get("name") or "") == port
            for endpoint in found.get("endpoints") or ()
            if (endpoint.get("conditions") or {}).get("ready")
            for address in endpoint["addresses"]
            if (local := self._local(address))
        ]


async def _forward(balancer: Balancer) -> None:
    try:
        await balancer.run()
    except OSError as error:
        print(f"nobody is served at {balancer.address}: {error}", flush=True)
