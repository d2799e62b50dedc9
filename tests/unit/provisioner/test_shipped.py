"""The shipped manifests: signing in once azure.yaml is filled in, and the NodeClaim CRD only for those who want it."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.devcluster.commands import kubectl_path

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
