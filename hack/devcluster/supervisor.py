"""The one process that owns a cluster: starts everything in order, keeps it running, ends it.

Its children die with it (die_with_parent), so that not even SIGKILL leaves anything behind.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any

from hack.devcluster import control_plane, manifests, state
from hack.devcluster.api import Api
from hack.devcluster.balancer import Backend, Balancer
from hack.devcluster.commands import CommandError
from hack.devcluster.component import Component
from hack.devcluster.credentials import renew_credentials, write_credentials
from hack.devcluster.keeper import Keeper
from hack.devcluster.layout import Layout, tail
from hack.devcluster.locks import try_lock
from hack.devcluster.ports import LOOPBACK, Ports
from hack.devcluster.processes import process_id
from hack.devcluster.programs import NAMESPACE, WEBHOOK, Surroundings, aks_simulator, programs_of, replica
from hack.devcluster.request import Request, Scope, load_request
from hack.devcluster.state import ClusterState, Phase

READY_SECONDS = 90.0
"""How long one group of processes may take to become ready."""

_MOST_RESTARTS = 5
_POLL_SECONDS = 0.02
_ADMISSION = Path(__file__).with_name("admission.yaml")


class NotReadyError(Exception):
    """Something did not become ready; the message names it and shows the end of its log."""


class Supervisor:
    """A running cluster."""

    def __init__(self, layout: Layout, request: Request, ports: Ports) -> None:
        self._layout = layout
        self._request = request
        self._ports = ports
        self._api_port = ports.take()
        self._server = f"https://{LOOPBACK}:{self._api_port}"
        self._endpoints = {"kube-apiserver": self._server}
        self._keepers: dict[str, Keeper] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._phase = Phase.STARTING
        self._message = ""
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, stop: asyncio.Event) -> None:
        """Start everything, wait for `stop`, end everything.

        Raises:
            NotReadyError, CommandError, RuntimeError: the start failed; everything is ended then, too.
        """
        self._set_phase(Phase.STARTING)
        control_plane.write_files(self._layout, self._server, self._request.speed)
        try:
            async with Api(self._layout, self._server) as api:
                starting = asyncio.ensure_future(self._start_all(api))
                ending: set[asyncio.Future[Any]] = {asyncio.ensure_future(stop.wait()), self._broken}
                await asyncio.wait({starting, *ending}, return_when=asyncio.FIRST_COMPLETED)
                if starting.done():
                    starting.result()
                    self._set_phase(Phase.READY)
                    await asyncio.wait(ending, return_when=asyncio.FIRST_COMPLETED)
                starting.cancel()
                if self._broken.done():
                    self._broken.result()
                self._set_phase(Phase.STOPPING)
                await self._end(self._program_names)
        finally:
            await self._end(list(self._tasks))

    def fail(self, message: str) -> None:
        """Write down why the cluster did not start."""
        self._set_phase(Phase.FAILED, message)

    async def _start_all(self, api: Api) -> None:
        await self._start_control_plane(api)
        scope = self._request.scope
        if scope.includes(Scope.WEBHOOK):
            await self._start_programs(api)

    async def _start_control_plane(self, api: Api) -> None:
        binaries = Path(self._request.binaries)
        etcd = control_plane.etcd(self._layout, binaries, self._ports)
        server = control_plane.kube_apiserver(self._layout, binaries, self._api_port, etcd.ports["clients"], api)
        self._start(etcd, server)
        await self._wait_ready(["etcd", "kube-apiserver"])
        # Not earlier: the controller manager looks for the API server once a second only.
        self._start(control_plane.kube_controller_manager(self._layout, binaries, self._ports.take(), self._request))
        self._start(control_plane.kube_scheduler(self._layout, binaries, self._ports.take()))
        self._set_phase(Phase.STARTING, "installing the development policies")
        await manifests.apply_file(self._layout, _ADMISSION)
        self._start(control_plane.kwok(self._layout, binaries, self._ports.take(), self._request))
        await self._wait_ready(list(self._keepers))
        await self._wait_default_service_account(api)

    async def _start_programs(self, api: Api) -> None:
        webhook_port, aks_port = self._ports.take(), self._ports.take()
        webhook_url, aks_url = f"https://{LOOPBACK}:{webhook_port}", f"https://{LOOPBACK}:{aks_port}"
        self._endpoints["webhook"] = webhook_url
        self._set_phase(Phase.STARTING, "installing the manifests")
        objects = await manifests.render()
        await manifests.apply(self._layout, manifests.localized(objects, webhook_url))
        names = [program.name for program in programs_of(self._request.scope)]
        await write_credentials(self._layout, api, self._server, NAMESPACE, names)
        self._spawn("credentials", renew_credentials(self._layout, api, NAMESPACE, names))
        self._spawn("balancer", Balancer((LOOPBACK, webhook_port), self._ready_webhooks).run())
        if self._request.scope.includes(Scope.ALL):
            self._endpoints["aks-simulator"] = aks_url
            self._start(aks_simulator(self._layout, self._request, aks_port))
            await self._wait_ready(["aks-simulator"])
        self._start(*self._replicas(manifests.deployments(objects), aks_url))
        await self._wait_ready(list(self._keepers))

    def _replicas(self, deployments: dict[str, manifests.Json], aks_url: str) -> list[Component]:
        cluster = Surroundings(self._request, self._ports, aks_url)
        return [
            replica(program, deployments[program.name], index, self._layout, cluster)
            for program in programs_of(self._request.scope)
            for index in range(self._request.replicas)
        ]

    def _start(self, *components: Component) -> None:
        for component in components:
            keeper = Keeper(component, self._layout, self._save)
            self._keepers[component.name] = keeper
            self._spawn(component.name, keeper.run())

    def _spawn(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(work)
        task.add_done_callback(self._on_end)
        self._tasks[name] = task

    def _on_end(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error and not self._broken.done():
            self._broken.set_exception(error)

    async def _wait_ready(self, names: Sequence[str]) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_SECONDS
        while waiting := [self._keepers[name] for name in names if not self._keepers[name].ready]:
            failing = [keeper for keeper in waiting if keeper.state.restarts >= _MOST_RESTARTS]
            if failing or loop.time() >= deadline:
                raise NotReadyError(_complaint(self._layout, failing or waiting))
            self._set_phase(Phase.STARTING, f"waiting for {', '.join(keeper.component.name for keeper in waiting)}")
            await asyncio.sleep(_POLL_SECONDS)

    async def _wait_default_service_account(self, api: Api) -> None:
        """Pods are refused until the controller manager has made this one."""
        self._set_phase(Phase.STARTING, "waiting for the service account `default`")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + READY_SECONDS
        while True:
            status, text = await api.request("GET", "/api/v1/namespaces/default/serviceaccounts/default")
            if status == 200:
                return
            if loop.time() >= deadline:
                raise NotReadyError(f"no service account `default`: {status} {text[:300]}")
            await asyncio.sleep(_POLL_SECONDS)

    def _ready_webhooks(self) -> list[Backend]:
        return [
            (LOOPBACK, keeper.component.ports["serving"])
            for name, keeper in self._keepers.items()
            if name.startswith(WEBHOOK) and keeper.ready
        ]

    @property
    def _program_names(self) -> list[str]:
        """Everything that ends on its own while the control plane still answers."""
        return [name for name, keeper in self._keepers.items() if keeper.component.grace_seconds]

    async def _end(self, names: Sequence[str]) -> None:
        tasks = [self._tasks.pop(name) for name in names]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _set_phase(self, phase: Phase, message: str = "") -> None:
        if (phase, message) != (self._phase, self._message) or not self._layout.state.exists():
            self._phase, self._message = phase, message
            self._save()

    def _save(self) -> None:
        processes = tuple(keeper.state for keeper in self._keepers.values())
        me = process_id(os.getpid())
        state.save(
            self._layout,
            ClusterState(self._phase, self._request.scope.value, me, self._message, processes, self._endpoints),
        )


def _complaint(layout: Layout, keepers: Sequence[Keeper]) -> str:
    parts = []
    for keeper in keepers:
        name = keeper.component.name
        parts.append(f"{name} is not ready: {keeper.state.waiting_for}\n--- end of {layout.log(name)}")
        parts.append(tail(layout.log(name)))
    return "\n".join(parts)


async def _supervise(layout: Layout) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    with Ports() as ports:
        supervisor = Supervisor(layout, load_request(layout.request), ports)
        try:
            await supervisor.run(stop)
        except (NotReadyError, CommandError, RuntimeError, OSError) as error:
            supervisor.fail(str(error))
            return 1
    return 0


def main() -> int:
    """Leave the caller, then own the cluster in `--dir` until SIGTERM."""
    parser = argparse.ArgumentParser(prog="hack.devcluster.supervisor")
    parser.add_argument("--dir", type=Path, required=True)
    layout = Layout(parser.parse_args().dir)
    if os.fork():
        os._exit(0)  # the caller waits for nobody; init adopts the supervisor
    with try_lock(layout.supervisor_lock) as held:
        if not held:
            print(f"{layout.root} has a supervisor already", file=sys.stderr)
            return 1
        return asyncio.run(_supervise(layout))


if __name__ == "__main__":
    sys.exit(main())
