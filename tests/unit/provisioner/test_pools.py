"""What is asked of the cloud for a claim, and whose a pool is."""

from typing import Any

import pytest

from controller.api.json import Json
from provisioner.pools import Pool, belongs, claim_is_ours, disk_gib, instance_type, parse_pool, pool_body, unusable
from tests.unit.provisioner.builders import FOREIGN, NAME, SIZE, UID, at, claim, condition, pool


def body(**options: Any) -> Json:
    """The properties asked for."""
    properties: Json = pool_body(claim(**options), vm_size=SIZE, gpu=True, attempt=2, now=at(60))["properties"]
    return properties


def test_the_body_asks_for_one_gpu_node_with_the_claims_labels_and_taints() -> None:
    assert body() == {
        "count": 1,
        "vmSize": SIZE,
        "type": "VirtualMachineScaleSets",
        "mode": "User",
        "osType": "Linux",
        "osSKU": "Ubuntu",
        "osDiskSizeGB": 82,
        "nodeLabels": {
            "karpenter.sh/provisioner-name": "default",
            "apps": "phi",
            "kaito.sh/workspace": "phi",
            "kaito.sh/workspacenamespace": "default",
            "kaito.sh/workspace-uid": "22222222-0000-0000-0000-000000000001",
            "kaito.sh/machine-type": "gpu",
            "kaito.sh/creation-timestamp": "2026-08-21T10-00-00Z",
        },
        "nodeTaints": ["sku=gpu:NoSchedule"],
        "tags": {
            "kaito-claim-uid": UID,
            "kaito-launch-attempt": "2",
            "kaito-launch-requested": "2026-08-21T10:01:00Z",
        },
    }


def test_labels_aks_reserves_are_left_out() -> None:
    reserved = {
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": SIZE,
        "topology.kubernetes.io/zone": "eastus-1",
        "kubernetes.azure.com/mode": "user",
    }
    assert not set(body(labels=reserved)["nodeLabels"]) & set(reserved)


def test_startup_taints_stay_out_of_the_pool_because_nobody_could_remove_them_again() -> None:
    startup = [{"key": "boot", "effect": "NoSchedule"}]
    assert body(startupTaints=startup)["nodeTaints"] == ["sku=gpu:NoSchedule"]


@pytest.mark.parametrize(
    ("family", "os_sku"),
    [("azurelinux", "AzureLinux"), ("AzureLinux", "AzureLinux"), ("odd", "Ubuntu"), ("", "Ubuntu")],
)
def test_the_image_family_annotation_chooses_the_os(family: str, os_sku: str) -> None:
    assert body(annotations={"kaito.sh/node-image-family": family})["osSKU"] == os_sku


@pytest.mark.parametrize(
    ("requests", "gib"),
    [
        ({"storage": "100G"}, 94),
        ({"storage": "1Gi"}, 30),
        ({"storage": "10Ti"}, 2048),
        ({"ephemeral-storage": "200Gi"}, 200),
        ({"storage": "50Gi", "ephemeral-storage": "60Gi"}, 60),
        ({}, 0),
    ],
)
def test_the_disk_is_rounded_up_and_kept_within_what_aks_takes(requests: dict[str, str], gib: int) -> None:
    assert disk_gib(claim(resources={"requests": requests})) == gib


def test_without_a_request_the_disk_is_left_to_aks() -> None:
    assert "osDiskSizeGB" not in body(resources={})


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"name": "UPPER"}, "metadata.name"),
        ({"name": "ws-with-dash"}, "metadata.name"),
        ({"name": "w" * 13}, "metadata.name"),
        ({"sizes": ()}, "instance-type"),
        ({"sizes": (SIZE, "Standard NC6")}, "Standard NC6"),
        ({"sizes": ("x" * 64,)}, "instance-type"),
        ({"resources": {"requests": {"storage": "many"}}}, "storage"),
    ],
)
def test_a_claim_no_pool_can_be_made_for_says_which_field_is_at_fault(options: dict[str, Any], word: str) -> None:
    fault = unusable(claim(**options))
    assert fault is not None
    assert word in fault.text


def test_a_usable_claim_has_nothing_against_it() -> None:
    assert unusable(claim()) is None


def test_instance_types_take_turns() -> None:
    wanted = claim(sizes=("A", "B"))
    assert [instance_type(wanted, attempts) for attempts in range(4)] == ["A", "B", "A", "B"]


@pytest.mark.parametrize(
    ("changes", "ours"),
    [
        ({}, True),
        ({"labels": {}}, True),
        ({"tags": {}}, True),
        (FOREIGN, False),
        ({"tags": {}, "labels": {"kaito.sh/workspace": "phi", "kaito.sh/workspacenamespace": "default"}}, True),
        ({"tags": {}, "labels": {"kaito.sh/workspace": "phi", "kaito.sh/workspacenamespace": "elsewhere"}}, False),
        (
            {
                "tags": {},
                "labels": {
                    "kaito.sh/workspace": "phi",
                    "kaito.sh/workspacenamespace": "default",
                    "kaito.sh/workspace-uid": "another",
                },
            },
            False,
        ),
    ],
    ids=["made by us", "tag only", "labels only", "foreign", "gpu-provisioner's", "other namespace", "other workspace"],
)
def test_a_pool_belongs_to_a_claim_by_tag_or_by_workspace(changes: dict[str, Any], ours: bool) -> None:
    assert belongs(pool(**changes), claim()) is ours


LAUNCHING = condition("MachineLaunched", "Unknown", "AgentPoolCreating", message=f"Agent pool {NAME} is being made")
ELSEWHERE = condition("MachineLaunched", "True", "", message="")


@pytest.mark.parametrize(
    ("options", "made", "ours"),
    [
        ({}, None, True),
        ({"labels": {"kaito.sh/ragengine": "r"}}, None, True),
        ({"labels": {}}, pool(), True),
        ({"labels": {}, "conditions": [LAUNCHING]}, None, True),
        ({"labels": {}}, None, False),
        ({"labels": {}, "conditions": [ELSEWHERE]}, None, False),
        ({"labels": {}}, pool(tags={}), False),
        ({"labels": {}, "finalizers": []}, pool(), False),
    ],
    ids=[
        "a Workspace's",
        "a RAG engine's",
        "lost its label, its pool is there",
        "lost its label during the launch",
        "nobody's",
        "another provisioner's",
        "another provisioner's, with a pool",
        "never worked on",
    ],
)
def test_a_claim_is_ours_by_its_label_and_stays_ours_without_it(
    options: dict[str, Any], made: Pool | None, ours: bool
) -> None:
    assert claim_is_ours(claim(**options), made) is ours


def test_a_pool_tells_who_made_it() -> None:
    assert (pool().claim_uid, pool().by_kaito) == (UID, True)
    gpu_provisioner = {"kaito.sh/workspace": "phi", "kaito.sh/machine-type": "gpu", "karpenter.sh/nodepool": "kaito"}
    made = pool(labels=gpu_provisioner, tags={})
    assert (made.claim_uid, made.by_kaito) == ("", True), "it may serve a NodeClaim that lives"
    assert not pool(labels={"kaito.sh/workspace": "phi"}).by_kaito, "a pool of the user's own may carry the label"


def test_a_pools_json_is_read_with_the_reason_of_its_failure() -> None:
    read = parse_pool(
        {
            "name": NAME,
            "properties": {
                "provisioningState": "Failed",
                "vmSize": SIZE,
                "nodeLabels": None,
                "status": {"provisioningError": {"code": "AllocationFailed", "message": "no room"}},
            },
        }
    )
    assert (read.name, read.failed, read.labels) == (NAME, True, {})
    assert read.fault is not None
    assert read.fault.code == "AllocationFailed"


def test_a_pool_without_a_state_counts_as_succeeded() -> None:
    assert parse_pool({"name": NAME, "properties": {}}).succeeded


def test_the_attempt_comes_from_the_tag() -> None:
    assert pool(attempt=3).attempt == 3
    assert pool(tags={"kaito-launch-attempt": "many"}).attempt == 0
