"""An installation on the local control plane whose programs run from the applied Deployments' Pods."""

import asyncio
import contextlib
import os
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import yaml

from controller.api.json import Json
from controller.runtime.client import Client
from hack.devcluster.commands import run
from hack.devcluster.layout import REPOSITORY, Layout, tail
from hack.devcluster.ports import LOOPBACK, Ports
from hack.devcluster.programs import AZURE, aks_simulator
from hack.devcluster.request import Request
from tests.cluster.harness import Cluster, eventually
from tests.manifests.building import FOLDER
from tests.system.harness import System

STOP_SECONDS = 20.0
NODE = "nodeagent"


def filled_in(folder: Path, overlay: str, settings: Mapping[str, str]) -> Path:
    """A kustomization upon an overlay, as a user's: it fills in which AKS cluster the provisioner works for.

    The device plugin is left out, since simulated nodes bring GPUs by themselves.
    """
    without: Json = {
        "$patch": "delete",
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "nvidia-device-plugin", "namespace": "kaito-device-plugin"},
    }
    config_map: Json = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "kaito-provisioner-azure", "namespace": "kaito-system"},
        "data": dict(settings),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "azure.yaml").write_text(yaml.safe_dump(config_map))
    (folder / "without.yaml").write_text(yaml.safe_dump(without))
    return upon(folder, overlay, {"patches": [{"path": "azure.yaml"}, {"path": "without.yaml"}]})


def upon(folder: Path, overlay: str, more: Json) -> Path:
    """A kustomization upon an overlay."""
    described = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(FOLDER / "overlays" / overlay, folder)],
        **more,
    }
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(described))
    return folder


def simulated_azure(layout: Layout, url: str, speed: float) -> dict[str, str]:
    """The settings of the provisioner for the simulated cloud."""
    return {
        "ARM_SUBSCRIPTION_ID": AZURE["subscription"],
        "ARM_RESOURCE_GROUP": AZURE["resource-group"],
        "AZURE_CLUSTER_NAME": AZURE["cluster"],
        "LOCATION": AZURE["location"],
        "KAITO_AZURE_CREDENTIAL": "none",
        "KAITO_AZURE_ENDPOINT": url,
        "KAITO_AZURE_CA_FILE": str(layout.certificate("ca")),
        "KAITO_ARM_POLL_INTERVAL": f"{1000 / speed:.0f}ms",
    }


async def uninstall(site: Cluster, folder: Path | str) -> None:
    """By `make uninstall`, as documented."""
    environment = {"KUBECONFIG": str(site.kubeconfig)}
    # What runs the tests is installed: whether the lock file is newer than that is not asked here.
    make = ("make", "--old-file=.venv/.ready", "uninstall", f"INSTALLATION={folder}")
    await run(*make, environment=environment, directory=REPOSITORY)


@contextlib.asynccontextmanager
async def cloud(layout: Layout, request: Request) -> AsyncIterator[str]:
    """The simulator of the Azure side; gives its URL."""
    with Ports() as ports:
        component = aks_simulator(layout, request, ports.take())
        async with process(layout, component.name, component.argv, component.environment):

            async def ready() -> str:
                return await component.probe() and tail(layout.log(component.name))

            await eventually(ready)
            yield f"https://{LOOPBACK}:{component.ports['https']}"


@contextlib.asynccontextmanager
async def node(layout: Layout) -> AsyncIterator[None]:
    """A node that runs Pods as processes."""
    async with process(
        layout, NODE, (sys.executable, "-m", "hack.nodeagent", f"--dir={layout.root}", f"--node={NODE}"), {}
    ):
        yield


@contextlib.asynccontextmanager
async def process(
    layout: Layout, name: str, argv: tuple[str, ...], environment: Mapping[str, str]
) -> AsyncIterator[None]:
    """A process while the context lasts."""
    with layout.log(name).open("ab") as log:
        running = await asyncio.create_subprocess_exec(
            *argv, stdout=log, stderr=log, cwd=REPOSITORY, env={**os.environ, **environment}
        )
    try:
        yield
    finally:
        running.terminate()
        try:
            await asyncio.wait_for(running.wait(), STOP_SECONDS)
        except TimeoutError:
            running.kill()
            await running.wait()


@contextlib.asynccontextmanager
async def seen(site: Cluster, cloud_url: str) -> AsyncIterator[System]:
    """The installation from outside."""
    tls = ssl.create_default_context(cafile=site.layout.certificate("ca"))
    client = await Client.connect(user_agent="kaito-tests", kubeconfig=site.kubeconfig)
    async with client, aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:
        yield System(site, client, session, cloud_url)
