"""Fallback over offerings, what claims learn from one another, and limits seen before anything is asked for."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from controller.api.json import Json, labels_of
from controller.api.reasons import Reason
from controller.runtime.client import Client
from tests.cluster.harness import Cluster
from tests.cluster.provisioner_kit import SIZE, Bench, bench

A100 = "Standard_NC24ads_A100_v4"
NO_FAMILY = {"families": {"standardNCSv3Family": 0}}
NO_USAGES: Json = {"match": {"operation": "list_usages"}, "reply": {"status": 403}}
ONCE = {"launch_retry_initial": "1h", "launch_retry_max": "1h"}


@pytest.fixture
async def world(cluster: Cluster, crds: None, client: Client, namespace: str) -> AsyncIterator[Bench]:
    async with bench(cluster, client, namespace) as made:
        yield made


def in_zones(*zones: str) -> dict[str, Any]:
    """A claim's spec: our size, in zones of the region."""
    sizes = {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": [SIZE]}
    names = [f"eastus-{zone}" for zone in zones]
    return {"requirements": [sizes, {"key": "topology.kubernetes.io/zone", "operator": "In", "values": names}]}


async def test_the_next_allowed_size_is_taken_when_one_is_not_to_be_had(world: Bench) -> None:
    world.scenario(retired_sizes=[SIZE])
    await world.start()
    name = await world.ask(sizes=[SIZE, "Standard_NC24ads_A100_v4"])
    await world.ready(name)
    (node,) = await world.nodes(name)
    assert labels_of(node)["node.kubernetes.io/instance-type"] == "Standard_NC24ads_A100_v4"


async def test_the_next_zone_is_taken_when_one_is_full_and_every_attempt_is_told(world: Bench) -> None:
    full = {"match": {"operation": "put_pool", "zones": ["3"]}, "fail": {"cause": "ZonalAllocationFailed"}}
    world.scenario(rules=[full])
    await world.start(**ONCE)
    name = await world.ask(**in_zones("3", "1"))
    claim = await world.ready(name)
    assert "(zone 1)" in claim.conditions["MachineLaunched"].message
    (node,) = await world.nodes(name)
    assert labels_of(node)["topology.kubernetes.io/zone"] == "eastus-1"
    assert world.requests(name, "put_pool") == {"201": 2}
    await world.tells(name, Reason.ALLOCATION_FAILED, Reason.LAUNCHED)


async def test_a_used_up_quota_is_seen_before_anything_is_asked_for(world: Bench) -> None:
    world.scenario(quota=NO_FAMILY)
    await world.start()
    name = await world.ask()
    claim = await world.shows(name, "MachineLaunched", "False", Reason.QUOTA_EXCEEDED)
    assert "6 vCPU needed, 0 of 0 used" in claim.conditions["MachineLaunched"].message
    assert world.requests(name, "put_pool") == {}
    other = await world.ask(sizes=[SIZE, A100])
    await world.ready(other)
    assert world.requests(other, "put_pool") == {"201": 1}, "the size whose family has room is asked for at once"


async def test_what_failed_for_one_claim_is_not_asked_for_by_the_next_not_even_after_a_restart(world: Bench) -> None:
    world.scenario(quota=NO_FAMILY, rules=[NO_USAGES])
    first = await world.start(**ONCE)
    name = await world.ask()
    await world.shows(name, "MachineLaunched", "False", Reason.QUOTA_EXCEEDED)
    second = await world.ask()
    claim = await world.shows(second, "MachineLaunched", "False", Reason.QUOTA_EXCEEDED)
    assert "failed for another claim" in claim.conditions["MachineLaunched"].message
    await first.kill()
    await world.start("two", **ONCE)
    await world.shows(second, "MachineLaunched", "False", Reason.QUOTA_EXCEEDED)
    third = await world.ask(sizes=[SIZE, A100])
    await world.ready(third)
    assert [world.requests(each, "put_pool") for each in (name, second, third)] == [{"400": 1}, {}, {"201": 1}]


async def test_a_full_cluster_is_asked_for_nothing_until_a_pool_goes(world: Bench) -> None:
    await world.start(pool_limit="2")
    first = await world.ask()
    await world.ready(first)
    second = await world.ask()
    claim = await world.shows(second, "MachineLaunched", "False", Reason.POOL_LIMIT_REACHED)
    assert "2 agent pools, AKS allows 2" in claim.conditions["MachineLaunched"].message
    assert world.requests(second, "put_pool") == {}
    await world.delete(first)
    await world.ready(second)
