"""The shipped manifests: signing in to Azure and what it takes, and the NodeClaim CRD only for those who want it."""

import json
import os
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from hack.devcluster.commands import kubectl_path
from provisioner.agentpools import AgentPools
from provisioner.settings import AzureSettings, CredentialKind

MANIFESTS = Path(__file__).parents[3] / "manifests"
BASE = MANIFESTS / "base" / "provisioner"


@pytest.fixture
def objects(tmp_path: Path) -> dict[str, Any]:
    """What is built from the manifests with azure.yaml filled in, by kind."""
    folder = tmp_path / "provisioner"
    shutil.copytree(BASE, folder)
    azure = folder / "azure.yaml"
    filled = (
        azure.read_text().replace('CLIENT_ID: ""', "CLIENT_ID: client-1").replace('TENANT_ID: ""', "TENANT_ID: t-2")
    )
    azure.write_text(filled)
    return {found["kind"]: found for found in build(folder)}


def build(folder: Path) -> list[dict[str, Any]]:
    """The objects of a kustomization."""
    built = subprocess.run([str(kubectl_path()), "kustomize", str(folder)], check=True, capture_output=True, text=True)
    return list(yaml.safe_load_all(built.stdout))


def test_the_pod_asks_for_its_token(objects: dict[str, Any]) -> None:
    """Label and annotations of Azure/azure-workload-identity."""
    assert objects["Deployment"]["spec"]["template"]["metadata"]["labels"]["azure.workload.identity/use"] == "true"


def test_the_service_account_names_the_identity_of_azure_yaml(objects: dict[str, Any]) -> None:
    assert objects["ServiceAccount"]["metadata"]["annotations"] == {
        "azure.workload.identity/client-id": "client-1",
        "azure.workload.identity/tenant-id": "t-2",
    }


def crds(objects: list[dict[str, Any]]) -> set[str]:
    """Names of the CRDs among the objects."""
    return {found["metadata"]["name"] for found in objects if found["kind"] == "CustomResourceDefinition"}


def test_the_node_claim_crd_comes_only_with_its_component(tmp_path: Path) -> None:
    """Where Karpenter runs the CRD is Karpenter's."""
    component = os.path.relpath(MANIFESTS / "components" / "nodeclaim-crd", tmp_path)
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump({"components": [component]}))
    assert crds(build(tmp_path)) == {"nodeclaims.karpenter.sh"}
    assert crds(build(MANIFESTS / "base")) == {"workspaces.kaito.sh", "machines.karpenter.sh"}


def test_the_provisioner_may_do_the_same_with_either_kind_of_claim(objects: dict[str, Any]) -> None:
    rules = [rule for rule in objects["ClusterRole"]["rules"] if rule["apiGroups"] == ["karpenter.sh"]]
    resources = [rule["resources"] for rule in rules]
    assert resources == [
        ["machines", "nodeclaims"],
        ["machines/status", "nodeclaims/status"],
        ["machines/finalizers", "nodeclaims/finalizers"],
    ]


def actions(role: str) -> set[str]:
    """What a role of Azure allows; each is assigned within one subscription, and allows no wildcard."""
    found = json.loads((MANIFESTS / "azure-roles" / f"{role}.json").read_text())
    assert not any("*" in action for action in found["Actions"])
    assert (found["NotActions"], found["DataActions"]) == ([], [])
    assert found["AssignableScopes"] == ["/subscriptions/SUBSCRIPTION"]
    return set(found["Actions"])


def action_of(method: str, path: str) -> str:
    """The action by which Azure guards a request: types alternate with names, and a POST ends with its verb."""
    provider, *parts = path.partition("/providers/")[2].split("/")
    verb = {"GET": "read", "PUT": "write", "DELETE": "delete", "POST": "action"}[method]
    return "/".join((provider, *parts[::2], verb))


async def test_the_roles_allow_exactly_what_is_asked_of_azure() -> None:
    asked: set[str] = set()

    async def answer(request: web.Request) -> web.Response:
        asked.add(action_of(request.method, request.path))
        done = request.method in ("DELETE", "POST")
        return web.Response(status=204) if done else web.json_response({"name": "one", "value": []})

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        azure = AzureSettings("s", "g", "c", endpoint=str(server.make_url("")), credential=CredentialKind.NONE)
        api = AgentPools(azure, location="eastus", user_agent="test")
        calls: dict[str, Callable[[], Awaitable[object]]] = {
            "list": api.list,
            "get": lambda: api.get("one"),
            "create": lambda: api.create("one", {"properties": {}}),
            "delete": lambda: api.delete("one"),
            "abort": lambda: api.abort("one"),
            "usages": api.usages,
        }
        assert set(calls) == {name for name in vars(AgentPools) if not name.startswith("_")} - {"close"}
        try:
            for call in calls.values():
                await call()
        finally:
            await api.close()
    assert asked == actions("agent-pools") | actions("quota")


def test_a_subnet_is_joined_with_a_right_of_its_own() -> None:
    """Azure asks for it where the body of a pool names a subnet, which no path shows."""
    assert actions("subnet") == {"Microsoft.Network/virtualNetworks/subnets/join/action"}
