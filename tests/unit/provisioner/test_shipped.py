"""The shipped manifests let the provisioner sign in once azure.yaml is filled in."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.devcluster.commands import kubectl_path

BASE = Path(__file__).parents[3] / "manifests" / "base" / "provisioner"


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
    built = subprocess.run([str(kubectl_path()), "kustomize", str(folder)], check=True, capture_output=True, text=True)
    return {found["kind"]: found for found in yaml.safe_load_all(built.stdout)}


def test_the_pod_asks_for_its_token(objects: dict[str, Any]) -> None:
    """Label and annotations of Azure/azure-workload-identity."""
    assert objects["Deployment"]["spec"]["template"]["metadata"]["labels"]["azure.workload.identity/use"] == "true"


def test_the_service_account_names_the_identity_of_azure_yaml(objects: dict[str, Any]) -> None:
    assert objects["ServiceAccount"]["metadata"]["annotations"] == {
        "azure.workload.identity/client-id": "client-1",
        "azure.workload.identity/tenant-id": "t-2",
    }
