"""What claims require, on a real API server and the simulated AKS: zones, spot, properties of the pool, refusals."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from controller.api.json import Json, labels_of
from controller.api.reasons import Reason
from controller.api.resources import MACHINES
from controller.runtime.client import Client
from tests.cluster.harness import Cluster
from tests.cluster.provisioner_kit import SIZE, Bench, bench

SUBNET = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/gpu"


@pytest.fixture
async def world(cluster: Cluster, crds: None, client: Client, namespace: str) -> AsyncIterator[Bench]:
    async with bench(cluster, client, namespace) as made:
        yield made


def requirement(key: str, *values: str) -> Json:
    """The values allowed for a label."""
    return {"key": key, "operator": "In", "values": list(values)}


def wanting(*requirements: Json) -> dict[str, Any]:
    """A claim's spec: our size, and more."""
    return {"requirements": [requirement("node.kubernetes.io/instance-type", SIZE), *requirements]}


async def properties(world: Bench, name: str) -> Json:
    """The agent pool as AKS keeps it."""
    pools = {entry["name"]: entry for entry in world.simulator.report()["pools"]}
    found: Json = pools[name]["properties"]
    return found


async def test_a_spot_node_in_a_zone_with_everything_a_claim_can_ask_for(world: Bench) -> None:
    await world.start(azure_tags="cost=ai")
    spot, zone = (
        requirement("karpenter.sh/capacity-type", "spot"),
        requirement("topology.kubernetes.io/zone", "eastus-2"),
    )
    name = await world.ask(
        annotations={
            "kaito.sh/node-image-family": "azurelinux",
            "kaito.sh/vnet-subnet-id": SUBNET,
            "kaito.sh/azure-tags": "team=nlp",
            "kaito.sh/gpu-driver": "None",
        },
        **wanting(spot, zone),
    )
    await world.ready(name)
    made = await properties(world, name)
    expected = {
        "scaleSetPriority": "Spot",
        "scaleSetEvictionPolicy": "Delete",
        "spotMaxPrice": -1,
        "availabilityZones": ["2"],
        "osSKU": "AzureLinux",
        "vnetSubnetID": SUBNET,
        "gpuProfile": {"driver": "None"},
    }
    assert {key: made[key] for key in expected} == expected
    assert {"cost": "ai", "team": "nlp"}.items() <= made["tags"].items()
    (node,) = await world.nodes(name)
    stored = await world.client.get(MACHINES, name)
    for obj in (node, stored):
        assert labels_of(obj)["karpenter.sh/capacity-type"] == "spot"
        assert labels_of(obj)["topology.kubernetes.io/zone"] == "eastus-2"
    taints = {(taint["key"], taint["value"]) for taint in node["spec"]["taints"]}
    assert taints == {("sku", "gpu"), ("kubernetes.azure.com/scalesetpriority", "spot")}


async def test_what_no_pool_can_give_is_refused_and_costs_no_request(world: Bench) -> None:
    await world.start()
    name = await world.ask(**wanting(requirement("kubernetes.io/arch", "arm64")))
    claim = await world.shows(name, "MachineLaunched", "False", Reason.INVALID_CONFIGURATION)
    assert "kubernetes.io/arch In [arm64]" in claim.conditions["MachineLaunched"].message
    assert world.requests(name, "put_pool") == {}
    await world.delete(name)
    await world.gone(name)
