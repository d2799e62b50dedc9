"""The workspace operator as a process with the rights the manifests give it, and nothing else of ours running."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from controller.api.json import Json
from controller.runtime.client import Client
from hack.devcluster import manifests
from tests.cluster.controller.stage import Stage
from tests.cluster.harness import Cluster

SYSTEM_NAMESPACE = "kaito-system"
PROGRAM = "kaito-controller"
_INSTALLED = {"Namespace", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}


async def install_roles(cluster: Cluster) -> Path:
    """Installs namespace, service accounts and roles; the kubeconfig of the operator's service account."""

    def wanted(obj: Json) -> bool:
        return obj["kind"] in _INSTALLED

    found = await manifests.render()
    await manifests.apply(cluster.layout, [obj for obj in found if obj["kind"] == "Namespace"])
    await manifests.apply(cluster.layout, [obj for obj in found if wanted(obj)])
    return await cluster.token_kubeconfig(SYSTEM_NAMESPACE, PROGRAM)


def start_operator(kubeconfig: Path, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Starts one replica; its log is shown when a test fails."""
    command = [
        sys.executable, "-m", "controller", f"--kubeconfig={kubeconfig}", "--metrics-bind-address=0",
        "--health-probe-bind-address=0", "--log-format=console", *arguments,
    ]  # fmt: skip
    with log.open("ab") as output:
        return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)


@pytest.fixture(scope="session")
def operator_kubeconfig(cluster: Cluster, crds: None) -> Path:
    """Credentials with exactly the rights of the shipped roles."""
    return asyncio.run(install_roles(cluster))


@pytest.fixture(scope="module")
def operator(operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running operator for the tests of a module; gives the path of its log."""
    log = tmp_path_factory.mktemp("operator") / "controller.log"
    process = start_operator(operator_kubeconfig, log)
    yield log
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(30)
    process.kill()
    assert process.wait() == 0, f"the operator did not end cleanly:\n{log.read_text()[-3000:]}"


@pytest.fixture
async def stage(client: Client, namespace: str, operator: Path) -> AsyncIterator[Stage]:
    """A namespace with an operator looking at it; Workspaces left by the test are removed."""
    actors = Stage(client, namespace, operator)
    yield actors
    await actors.clean_up()
