"""One real control plane per test run, one namespace per test."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from controller.runtime.client import Client
from hack.devcluster import binaries, lifecycle, manifests
from hack.devcluster.layout import Layout
from hack.devcluster.pki import Leaf, issue, load_authority
from hack.devcluster.ports import LOOPBACK
from hack.devcluster.request import Request, Scope
from tests.cluster.harness import NODE_OF_TEST, Cluster, eventually
from tests.cluster.provisioner_kit import Bench
from tests.cluster.provisioner_scenarios import Scenarios
from tests.cluster.webhook_kit import Webhook, running_webhook
from tests.faults.proxy import FaultProxy

SPEED = 10.0
"""Images pull in 0.6 s and containers start in 0.4 s."""


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The control plane of this test run; missing binaries are an error, never a skip."""
    layout = Layout(tmp_path_factory.mktemp("cluster"))
    request = Request(binaries=str(binaries.find()), scope=Scope.CONTROL_PLANE, speed=SPEED)
    result = asyncio.run(lifecycle.up(layout, request, print))
    yield Cluster(layout, result.state.endpoints["kube-apiserver"])
    asyncio.run(lifecycle.down(layout))


@pytest.fixture(scope="session")
def crds(cluster: Cluster) -> None:
    """The project's CustomResourceDefinitions, served."""

    async def install() -> None:
        objects = await manifests.render()
        await manifests.apply(cluster.layout, [item for item in objects if item["kind"] == "CustomResourceDefinition"])

    asyncio.run(install())


@pytest.fixture(scope="module")
def webhook(cluster: Cluster, crds: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    """The webhook as a process, asked by the API server while the module's tests run."""
    with running_webhook(cluster, tmp_path_factory.mktemp("webhook") / "log") as running:
        yield running


@pytest.fixture
async def namespace(cluster: Cluster) -> AsyncIterator[str]:
    """A fresh namespace in which Pods can be made; its deletion, with that of its Nodes, is asked for, not awaited."""
    name = f"test-{secrets.token_hex(4)}"
    path = f"/api/v1/namespaces/{name}"
    async with cluster.api() as api:
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        status, text = await api.request("POST", "/api/v1/namespaces", body)
        assert status == 201, f"namespace {name} was refused: {text}"

        async def has_service_account() -> str:
            status, text = await api.request("GET", f"{path}/serviceaccounts/default")
            return "" if status == 200 else text

        await eventually(has_service_account)
        yield name
        await api.request("DELETE", f"/api/v1/nodes?labelSelector={NODE_OF_TEST}%3D{name}")
        await api.request("DELETE", path)


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[Client]:
    """The runtime's client, as administrator."""
    async with await Client.connect(user_agent="kaito-tests", kubeconfig=cluster.kubeconfig) as connected:
        yield connected


@pytest.fixture
def scenarios(world: Bench, record_property: Callable[[str, object], None]) -> Scenarios:
    """Follows the claims of a module's `world` to the end of their scenarios; the figures go into a table."""
    return Scenarios(world, record_property)


@pytest.fixture
async def fault_proxy(cluster: Cluster, tmp_path: Path) -> AsyncIterator[FaultProxy]:
    """A proxy in front of the API server that misbehaves on demand; clients authenticate through it with tokens."""
    authority = load_authority(cluster.layout)
    certificate, key = issue(authority, Leaf("fault-proxy", names=(LOOPBACK,), server=True))
    pair = (tmp_path / "proxy.crt", tmp_path / "proxy.key")
    for path, content in zip(pair, (certificate, key), strict=True):
        path.write_bytes(content)
    async with FaultProxy(cluster.server, cluster.layout.certificate("ca"), *pair) as proxy:
        yield proxy


@pytest.fixture
async def proxied_kubeconfig(cluster: Cluster, namespace: str, fault_proxy: FaultProxy) -> AsyncIterator[Path]:
    """A kubeconfig of a service account that may do everything, pointing to the fault proxy."""
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}],
    }
    bindings = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
    async with cluster.api() as api:
        status, text = await api.request("POST", bindings, binding)
        assert status == 201, f"binding was refused: {json.dumps(text)}"
        yield await cluster.token_kubeconfig(namespace, "default", fault_proxy.url)
        await api.request("DELETE", f"{bindings}/{namespace}")
