"""The agent: takes the pods bound to its node, and forwards the Services of their namespace."""

import asyncio
import contextlib

from controller.api.json import Json, name_of, uid_of
from controller.api.resources import PODS
from controller.runtime.cache import Informer
from controller.runtime.client import Client
from hack.devcluster.layout import Layout
from hack.devcluster.programs import NAMESPACE
from hack.nodeagent import node
from hack.nodeagent.addresses import Addresses
from hack.nodeagent.life import Life, Site
from hack.nodeagent.services import Services


class Agent:
    """One node."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._lives: dict[str, Life] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Works until cancelled; then kills what runs, and takes the Node away."""
        client, name = self._site.client, self._site.node
        services = Services(client, NAMESPACE, self._site.addresses.local)
        pods = Informer(client, PODS, fields=f"spec.nodeName={name}")
        pods.on_change(self._on_pod)
        await node.register(client, name)
        try:
            await asyncio.gather(node.keep_alive(client, name), pods.run(), services.run())
        finally:
            services.stop()
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            await node.remove(client, name)

    def _on_pod(self, old: Json | None, new: Json | None) -> None:
        pod = new or old or {}
        uid = uid_of(pod)
        if new is None:
            if task := self._tasks.get(uid):
                task.cancel()
        elif uid in self._lives:
            self._lives[uid].see(new)
        else:
            self._lives[uid] = Life(self._site, new)
            task = self._tasks[uid] = asyncio.create_task(self._lives[uid].run(), name=name_of(pod))
            task.add_done_callback(lambda done: self._forget(uid, done))

    def _forget(self, uid: str, task: asyncio.Task[None]) -> None:
        self._lives.pop(uid, None)
        self._tasks.pop(uid, None)
        if not task.cancelled() and (error := task.exception()):
            print(f"{task.get_name()}: {error!r}", flush=True)


async def serve(layout: Layout, server: str, name: str, stop: asyncio.Event) -> None:
    """Runs a node of the cluster until `stop`."""
    async with await Client.connect(user_agent="nodeagent", kubeconfig=layout.kubeconfig) as client:
        working = asyncio.ensure_future(Agent(Site(client, layout, server, name, Addresses())).run())
        stopped = asyncio.ensure_future(stop.wait())
        await asyncio.wait({working, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working
