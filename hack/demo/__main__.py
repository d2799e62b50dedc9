"""Runs the demonstration: `python -m hack.demo`."""

import argparse
import asyncio
import ssl
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
from rich.console import Console

from controller.api import labels
from controller.api.conditions import is_true
from controller.api.json import Json
from controller.api.reasons import Reason
from controller.api.resources import MACHINES, NODES, PODS, WORKSPACES
from controller.runtime.client import Client
from controller.runtime.errors import ApiError
from hack.demo.phases import Scene, phases
from hack.demo.view import View
from hack.devcluster import binaries, lifecycle
from hack.devcluster.commands import CommandError, kubectl_path
from hack.devcluster.layout import REPOSITORY, Layout
from hack.devcluster.lifecycle import DevclusterError
from hack.devcluster.request import Request, Scope
from hack.devcluster.state import ClusterState

EXAMPLE = REPOSITORY / "examples" / "inference" / "kaito_workspace_phi_3.yaml"
REFUSED = Path(__file__).with_name("refused.yaml")
NAME, NAMESPACE = "workspace-phi-3-mini", "default"

READY_SECONDS = 120.0
"""How long the Workspace may take; far above what it takes, so that a slow machine is not a failure."""

LOOK_SECONDS = 0.5


class DemoError(Exception):
    """The demonstration did not go as it must; the message says what was seen instead."""


class Kubectl:
    """kubectl as the cluster's administrator, its commands shown as a user would type them."""

    def __init__(self, layout: Layout, console: Console) -> None:
        self._command = [str(kubectl_path()), f"--kubeconfig={layout.kubeconfig}"]
        self._console = console

    def __call__(self, *arguments: str, refused: str = "") -> None:
        """Runs a command and prints what it says.

        Args:
            arguments: of kubectl.
            refused: the reason code with which the command must be refused; empty when it must succeed.

        Raises:
            DemoError: it failed, or it was not refused as it must be.
        """
        shown = " ".join(arguments).replace(f"{REPOSITORY}/", "")
        self._console.print(f"\n$ kubectl {shown}", highlight=False, markup=False, soft_wrap=True)
        done = subprocess.run([*self._command, *arguments], capture_output=True, text=True, check=False, cwd=REPOSITORY)
        self._console.print((done.stdout + done.stderr).rstrip(), highlight=False, markup=False, soft_wrap=True)
        if bool(refused) != (done.returncode != 0) or refused not in done.stderr:
            raise DemoError(f"`kubectl {shown}` ended with code {done.returncode}, expected {refused or 'success'}")


class Cloud:
    """What the AKS simulator shows of its agent pools."""

    def __init__(self, state: ClusterState, layout: Layout) -> None:
        self._url = f"{state.endpoints['aks-simulator']}/_sim/state"
        self._tls = ssl.create_default_context(cafile=layout.certificate("ca"))

    async def pools(self, session: aiohttp.ClientSession) -> list[Json]:
        """Name and provisioning state of every pool the provisioner made."""
        async with session.get(self._url, ssl=self._tls) as reply:
            found: list[Json] = (await reply.json())["pools"]
        return [pool for pool in found if pool["name"].startswith("ws")]


async def _look(client: Client, cloud: Cloud, session: aiohttp.ClientSession) -> Scene:
    ours = f"{labels.WORKSPACE}={NAME}"
    workspace, machines, nodes, pods, pools = await asyncio.gather(
        client.get(WORKSPACES, NAME, namespace=NAMESPACE),
        client.list(MACHINES, labels=ours),
        client.list(NODES, labels=ours),
        client.list(PODS, namespace=NAMESPACE, labels=ours),
        cloud.pools(session),
    )
    return Scene(workspace, tuple(machines.items), tuple(pools), tuple(nodes.items), tuple(pods.items))


async def _watch_until_ready(layout: Layout, state: ClusterState, view: View) -> None:
    cloud = Cloud(state, layout)
    deadline = time.monotonic() + READY_SECONDS
    async with (
        await Client.connect(user_agent="kaito-demo", kubeconfig=layout.kubeconfig) as client,
        aiohttp.ClientSession() as session,
    ):
        while True:
            scene = await _look(client, cloud, session)
            seen = phases(scene)
            view.show(seen)
            if is_true(scene.workspace, "WorkspaceReady"):
                return
            if time.monotonic() > deadline:
                raise DemoError(f"not ready after {READY_SECONDS:.0f} s; {seen[-1].detail}")
            await asyncio.sleep(LOOK_SECONDS)


async def _show(layout: Layout, state: ClusterState, console: Console) -> None:
    kubectl = Kubectl(layout, console)
    began = time.monotonic()
    kubectl("apply", "-f", str(EXAMPLE))
    console.print()
    with View(console, lambda: time.monotonic() - began) as view:
        await _watch_until_ready(layout, state, view)
    console.print("\nA Workspace that cannot run is refused at once, with the sum and the way out:")
    kubectl("apply", "-f", str(REFUSED), refused=Reason.INSUFFICIENT_GPU_MEMORY)
    kubectl("get", "machine,node,deploy,svc")
    kubectl("get", "workspace")


async def _demonstrate(arguments: argparse.Namespace) -> int:
    console = Console()
    folder = await binaries.find_or_build(arguments.assets)
    with tempfile.TemporaryDirectory(prefix="kaito-demo-") as root:
        layout = Layout(Path(root))
        try:
            console.print("Starting etcd, kube-apiserver, kwok, the AKS simulator and the three programs …")
            request = Request(binaries=str(folder), scope=Scope.ALL, replicas=arguments.replicas)
            up = await lifecycle.up(
                layout, request, lambda line: console.print(f"  {line}", highlight=False, soft_wrap=True)
            )
            await _show(layout, up.state, console)
        finally:
            await lifecycle.down(layout)
    return 0


def main() -> int:
    """Runs the demonstration once and cleans up; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m hack.demo", description=__doc__)
    parser.add_argument("--assets", type=Path, help="folder with prebuilt control plane binaries")
    parser.add_argument("--replicas", type=int, default=2, help="processes per program (default 2)")
    try:
        return asyncio.run(_demonstrate(parser.parse_args()))
    except (DemoError, ApiError, DevclusterError, CommandError, binaries.MissingBinariesError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
