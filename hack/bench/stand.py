"""Where programs are measured: a real control plane with our kinds and roles, and none of our programs."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from controller.api.json import Json
from controller.runtime.client import Client
from hack.bench.process import Running, running
from hack.devcluster import binaries, lifecycle, manifests
from hack.devcluster.api import Api
from hack.devcluster.component import Component
from hack.devcluster.credentials import write_credentials
from hack.devcluster.layout import Layout
from hack.devcluster.ports import LOOPBACK, Ports
from hack.devcluster.programs import NAMESPACE, PROGRAMS, Surroundings, aks_simulator, replica
from hack.devcluster.request import Request, Scope

CONTROLLER, PROVISIONER = "kaito-controller", "kaito-provisioner"
SPEED = 100.0
"""Of the Pods' simulated lives: what is measured is how long we take, not an image."""

_WITHOUT = {"Deployment", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration", "ValidatingAdmissionPolicy"}


@dataclass(frozen=True, slots=True)
class Stand:
    """A control plane, and the programs as the manifests describe them.

    Attributes:
        client: the administrator's.
    """

    layout: Layout
    server: str
    client: Client
    ports: Ports
    deployments: dict[str, Json]

    def program(self, name: str, *, cloud: str = "") -> Component:
        """One replica of a program, not started yet; `cloud` is the URL of the simulator."""
        around = Surroundings(Request(""), self.ports, cloud)
        return replica(
            next(each for each in PROGRAMS if each.name == name), self.deployments[name], 0, self.layout, around
        )

    @asynccontextmanager
    async def controller(self) -> AsyncIterator[Running]:
        """The workspace operator, running."""
        async with running(self.program(CONTROLLER), self.layout) as process:
            yield process

    def cloud(self, speed: float) -> Component:
        """The AKS simulator, not started yet. It keeps no state file: writing it down would be measured, too."""
        made = aks_simulator(self.layout, Request("", speed=speed), self.ports.take())
        argv = tuple(each for each in made.argv if not each.startswith("--state="))
        return Component(made.name, argv, made.probe, made.ports, made.environment)


def cloud_url(cloud: Component) -> str:
    """Where a simulator answers."""
    return f"https://{LOOPBACK}:{cloud.ports['https']}"


@asynccontextmanager
async def own_stand(assets: Path | None) -> AsyncIterator[Stand]:
    """A stand on a control plane of its own, gone afterwards."""
    folder = await binaries.find_or_build(assets)
    with tempfile.TemporaryDirectory(prefix="kaito-bench-") as root:
        layout = Layout(Path(root))
        request = Request(str(folder), scope=Scope.CONTROL_PLANE, speed=SPEED, heartbeats=False)
        try:
            up = await lifecycle.up(layout, request, print)
            async with stand_on(layout, up.state.endpoints["kube-apiserver"]) as stand:
                yield stand
        finally:
            await lifecycle.down(layout)


@asynccontextmanager
async def stand_on(layout: Layout, server: str) -> AsyncIterator[Stand]:
    """A stand on a control plane that runs already; what it installs stays."""
    objects = await manifests.render()
    wanted = [each for each in objects if each["kind"] not in _WITHOUT]
    # The namespace first: what lives in it is refused as long as it is missing.
    await manifests.apply(layout, [each for each in wanted if each["kind"] == "Namespace"])
    await manifests.apply(layout, wanted)
    async with Api(layout, server) as api:
        await write_credentials(layout, api, server, NAMESPACE, [CONTROLLER, PROVISIONER])
    client = await Client.connect(user_agent="kaito-bench", kubeconfig=layout.kubeconfig)
    async with client:
        with Ports() as ports:
            yield Stand(layout, server, client, ports, manifests.deployments(objects))
