"""The life of one Pod on the node, from its binding to its removal."""

import asyncio
import contextlib
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from controller.api.json import Json, is_deleting, name_of, namespace_of, uid_of
from controller.api.resources import CONFIG_MAPS, PODS, SECRETS, Resource
from controller.runtime.client import Client
from controller.runtime.errors import ApiError, Conflict, NotFound
from hack.devcluster import kubeconfig
from hack.devcluster.layout import Layout, write_private
from hack.nodeagent import status
from hack.nodeagent.addresses import Addresses
from hack.nodeagent.container import Container, Recipe
from hack.nodeagent.probes import probe_of
from hack.nodeagent.surroundings import (
    Place,
    UnsupportedError,
    arguments,
    container_of,
    environment,
    secret_volumes,
    write_secret,
)

SERVICE_ACCOUNTS: Final = Resource("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True)
_TOKEN_SECONDS: Final = 3607
"""As a kubelet asks for; a node of a test is gone before it has to be renewed."""

_PAUSE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Site:
    """What all pods of the node share."""

    client: Client
    layout: Layout
    server: str
    node: str
    addresses: Addresses


class Life:
    """Runs one Pod."""

    def __init__(self, site: Site, pod: Json) -> None:
        self._site = site
        self._pod = pod
        self._changed, self._deleted = asyncio.Event(), asyncio.Event()
        self._address, self._local = site.addresses.take()
        self.see(pod)

    def see(self, pod: Json) -> None:
        """Takes note of the Pod's newest version."""
        self._pod = pod
        if is_deleting(pod):
            self._deleted.set()

    async def run(self) -> None:
        """Starts the container, tells of it, ends it when the Pod is deleted, and removes the Pod."""
        try:
            container = Container(await self._recipe(), self._changed.set)
            telling = asyncio.ensure_future(self._tell(container))
            running = asyncio.ensure_future(container.run())
            try:
                await self._deleted.wait()
                await container.end(self._pod["metadata"].get("deletionGracePeriodSeconds", 30))
                await running
            finally:
                running.cancel()
                telling.cancel()
                await asyncio.gather(running, telling, return_exceptions=True)
            last = status.ended(self._pod, self._address, container.fate, datetime.now(UTC))
            await self._write(last)
            await self._remove()
        finally:
            self._site.addresses.give_back(self._address)

    async def _recipe(self) -> Recipe:
        """How to start it, as soon as everything it refers to exists; what is missing shows as a waiting container."""
        while True:
            try:
                return await self._prepare()
            except (UnsupportedError, ApiError) as error:
                print(f"{name_of(self._pod)}: {error}", flush=True)
            if self._deleted.is_set():
                return Recipe(("true",), {}, self._site.layout.log(name_of(self._pod)), None, None, None)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _prepare(self) -> Recipe:
        pod, layout, name = self._pod, self._site.layout, name_of(self._pod)
        place = Place(
            self._address,
            self._local,
            self._site.node,
            layout.client_kubeconfig(name),
            layout.configuration / f"{name}.volumes",
        )
        await self._write_token()
        for volume, secret in secret_volumes(pod).items():
            found = await self._site.client.get(SECRETS, secret, namespace=namespace_of(pod))
            write_secret(place.volumes / volume, found)
        maps = (await self._site.client.list(CONFIG_MAPS, namespace=namespace_of(pod))).items
        variables = environment(pod, place, {name_of(item): item for item in maps})
        script, *rest = arguments(pod, place, variables)
        container = container_of(pod)
        probes = (probe_of(container, f"{kind}Probe", self._local) for kind in ("startup", "liveness", "readiness"))
        beside = Path(sys.executable).with_name(script)
        return Recipe((str(beside), *rest), {"PATH": str(beside.parent)} | variables, layout.log(name), *probes)

    async def _write_token(self) -> None:
        """A token bound to the Pod, which is worth nothing once the Pod is gone."""
        pod, layout, name = self._pod, self._site.layout, name_of(self._pod)
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "metadata": {"namespace": namespace_of(pod)},
            "spec": {
                "expirationSeconds": _TOKEN_SECONDS,
                "boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid_of(pod)},
            },
        }
        account = pod["spec"]["serviceAccountName"]
        reply = await self._site.client.create(SERVICE_ACCOUNTS, body, subresource="token", name=account)
        write_private(layout.token(name), reply["status"]["token"])
        content = kubeconfig.with_token_file(layout, self._site.server, name, namespace_of(pod))
        kubeconfig.write(layout.client_kubeconfig(name), content)

    async def _tell(self, container: Container) -> None:
        """Writes the Pod's status whenever the container fares otherwise."""
        while True:
            self._changed.clear()
            await self._write(status.status(self._pod, self._address, container.fate, datetime.now(UTC)))
            await self._changed.wait()

    async def _write(self, content: Json) -> None:
        pod = self._pod
        patch = {"metadata": {"uid": uid_of(pod)}, "status": content}
        try:
            await self._site.client.merge(PODS, name_of(pod), patch, namespace=namespace_of(pod), subresource="status")
        except ApiError as error:
            print(f"status of {name_of(pod)}: {error}", flush=True)

    async def _remove(self) -> None:
        pod = self._pod
        with contextlib.suppress(NotFound, Conflict):
            await self._site.client.delete(
                PODS, name_of(pod), namespace=namespace_of(pod), uid=uid_of(pod), grace_seconds=0
            )
