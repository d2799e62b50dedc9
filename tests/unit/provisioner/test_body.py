"""What is asked of the cloud for a claim."""

from typing import Any

from controller.api.claims import NODE_CLAIM, parse_claim
from controller.api.json import Json
from provisioner.body import pool_body
from provisioner.offerings import Place
from provisioner.wish import Wish, wish_of
from tests.unit.provisioner.builders import SIZE, SIZES, UID, at, claim, node_claim


def body(**options: Any) -> Json:
    """The properties asked for."""
    made = claim(**options)
    wish = wish_of(made, SIZES, Place("eastus"))
    assert isinstance(wish, Wish), wish
    properties: Json = pool_body(made, wish, wish.offerings[0], gpu=True, attempt=2, now=at(60))["properties"]
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
            "karpenter.sh/capacity-type": "on-demand",
            "kaito.sh/machine-type": "gpu",
            "kaito.sh/creation-timestamp": "2026-08-21T10-00-00Z",
        },
        "nodeTaints": ["sku=gpu:NoSchedule"],
        "tags": {
            "kaito-claim-uid": UID,
            "kaito-claim-kind": "Machine",
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


def wanting(key: str, *values: str) -> list[Json]:
    """A claim's requirements: our size, and one more."""
    sizes = {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": [SIZE]}
    return [sizes, {"key": key, "operator": "In", "values": list(values)}]


def test_a_spot_pool_is_deleted_on_eviction_and_never_dearer_than_a_regular_one() -> None:
    properties = body(requirements=wanting("karpenter.sh/capacity-type", "spot"))
    spot = {"scaleSetPriority": "Spot", "scaleSetEvictionPolicy": "Delete", "spotMaxPrice": -1}
    assert spot.items() <= properties.items()
    assert properties["nodeLabels"]["karpenter.sh/capacity-type"] == "spot"
    assert properties["nodeTaints"] == ["sku=gpu:NoSchedule"], "AKS adds the spot taint itself"


def test_a_zone_is_asked_for_by_its_number() -> None:
    assert body(requirements=wanting("topology.kubernetes.io/zone", "eastus-2"))["availabilityZones"] == ["2"]
    assert "availabilityZones" not in body()


def test_a_node_claims_pool_names_node_pool_and_class() -> None:
    made = parse_claim(node_claim(), NODE_CLAIM)
    wish = wish_of(made, SIZES, Place())
    assert isinstance(wish, Wish)
    nodes = pool_body(made, wish, wish.offerings[0], gpu=True, attempt=1, now=at(0))["properties"]
    assert (nodes["nodeLabels"]["karpenter.sh/nodepool"], nodes["nodeLabels"]["kaito.sh/kaitonodeclass"]) == (
        "kaito",
        "default",
    )
    assert nodes["tags"]["kaito-claim-kind"] == "NodeClaim"
    assert "karpenter.sh/provisioner-name" not in nodes["nodeLabels"]
