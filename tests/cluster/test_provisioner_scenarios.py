"""What goes wrong in clouds, each with the condition and the event it ends in; the times to it make a table.

`provisioner_rows` lists the rows; a silent node's is told in `test_provisioner_endings`.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from controller.api.claims import NODE_CLAIM, Claim
from controller.api.json import Json, is_deleting
from controller.api.reasons import Reason
from controller.api.resources import NODES
from controller.runtime.client import Client
from tests.cluster import provisioner_rows as rows
from tests.cluster.harness import Cluster, eventually
from tests.cluster.provisioner_cloud import make_pool, remove_pool, scale_to_nothing, switch
from tests.cluster.provisioner_kit import SIZE, Bench, bench
from tests.cluster.provisioner_parts import install_node_claims
from tests.cluster.provisioner_rows import Row
from tests.cluster.provisioner_scenarios import Scenarios
from tests.system.conftest import LONG

A10, T4, A100 = "Standard_NC8ads_A10_v4", "Standard_NC4as_T4_v3", "Standard_NC24ads_A100_v4"
H100, V100X8 = "Standard_NC40ads_H100_v5", "Standard_ND40rs_v2"
EVERY_POOL_CALL = ["list_pools", "get_pool", "put_pool", "delete_pool", "abort_pool"]
SPOT: Json = {
    "requirements": [
        {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": [SIZE]},
        {"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["spot"]},
    ]
}


@pytest.fixture
async def world(cluster: Cluster, crds: None, client: Client, namespace: str) -> AsyncIterator[Bench]:
    await install_node_claims(cluster)
    async with bench(cluster, client, namespace) as made:
        made.kind = NODE_CLAIM
        yield made


async def arises(told: Scenarios, row: Row, name: str, *sizes: str) -> None:
    """A scenario that is about how a claim's launch ends."""
    await told.world.ask(name=told.begin(name), sizes=sizes or (SIZE,))
    await told.ends(row, name)


async def befalls(told: Scenarios, row: Row, name: str, **spec: Any) -> None:
    """A scenario that is about what becomes of a claim that was Ready."""
    world = told.world
    await world.ask(name=name, **spec)
    claim = await world.ready(name)
    told.begin(name)
    if row is rows.EVICTED:
        scale_to_nothing(world, name)
    elif row is rows.POOL_LOST:
        remove_pool(world, name)
    elif row is rows.NODE_DELETED:
        await world.client.delete(NODES, claim.node_name)
    else:
        await world.delete(name)
    await told.ends(row, name)


async def stays_in_deleting(told: Scenarios, name: str) -> None:
    world = told.world
    await world.ask(name=name)
    await world.ready(name)
    await world.delete(told.begin(name))

    async def late() -> str:
        found = await world.claim(name)
        assert found is not None, "a claim whose pool still stands is not let go"
        shown = found.conditions.get("InstanceTerminating")
        return "" if shown is not None and "still Deleting" in shown.message else f"shows {shown}"

    await eventually(late)
    await told.ends(rows.STUCK, name)


async def is_deleted(told: Scenarios, row: Row, name: str, reason: Reason, *sizes: str) -> None:
    """A scenario that is about a claim deleted once its launch has come to a point that lasts, or comes back."""
    world = told.world
    await world.ask(name=name, sizes=sizes or (SIZE,))
    await world.shows(name, "Launched", "True" if reason is Reason.LAUNCHED else "Unknown", reason)
    await world.delete(told.begin(name))
    await told.ends(row, name)


FAULTS: Json = {
    "quota": {"families": {"StandardNCADSA10v4Family": 0, "Standard NCASv3_T4 Family": 0}},
    "rules": [
        {
            "match": {"operation": "put_pool", "pool": "alloc*"},
            "times": 1,
            "fail": {"cause": "AllocationFailed", "after_seconds": 4},
        },
        {"match": {"operation": "put_pool", "pool": "failed*"}, "fail": {"cause": "AllocationFailed"}},
        {"match": {"operation": "put_pool", "vm_size": H100}, "sku_unavailable": "request"},
        {"match": {"operation": "put_pool", "pool": "noreg*"}, "node": "never_registers"},
        {"match": {"operation": "put_pool", "pool": "slow*"}, "hang": True},
        {"match": {"operation": "put_pool", "pool": "early*"}, "reply": {"status": 503}},
        {"match": {"operation": "delete_pool", "pool": "stuck*"}, "hang": True},
        {
            "match": {"operation": "delete_pool", "pool": "inuse*"},
            "times": 4,  # so that no pause is longer than 16 s when the others are done and this one is to go
            "fail": {"cause": "NicInUse", "after_seconds": 1},
        },
    ],
}


def _counted(metrics: str, family: str, **labels: str) -> float:
    """A counter's value."""
    families = {each.name: each for each in text_string_to_metric_families(metrics)}
    return sum(each.value for each in families[family].samples if labels == each.labels and "total" in each.name)


async def test_what_befalls_one_claim_concerns_no_other(world: Bench, scenarios: Scenarios) -> None:
    world.scenario(**FAULTS)
    make_pool(world, "foreign1", {"count": 1, "vmSize": SIZE, "nodeLabels": {"team": "other"}})
    process = await world.start(termination_deadline="1s", registration_deadline="4s")
    await asyncio.gather(
        arises(scenarios, rows.NO_QUOTA, "noquota1", A10, T4),
        arises(scenarios, rows.ONE_FAMILY, "onefam1", A10, SIZE),
        arises(scenarios, rows.NO_SKU, "nosku1", H100),
        arises(scenarios, rows.ALLOCATION, "alloc1", A100),
        arises(scenarios, rows.NO_JOIN, "noreg1"),
        arises(scenarios, rows.FOREIGN, "foreign1"),
        befalls(scenarios, rows.NODE_DELETED, "nodeless1"),
        befalls(scenarios, rows.POOL_LOST, "poolless1"),
        befalls(scenarios, rows.EVICTED, "spot1", **SPOT),
        befalls(scenarios, rows.DELETED_READY, "ready1"),
        befalls(scenarios, rows.NOT_REMOVED, "inuse1"),
        stays_in_deleting(scenarios, "stuck1"),
        is_deleted(scenarios, rows.DELETED_EARLY, "early1", Reason.CLOUD_UNAVAILABLE),
        is_deleted(scenarios, rows.DELETED_CREATING, "slow1", Reason.AGENT_POOL_CREATING),
        is_deleted(scenarios, rows.DELETED_FAILED, "failed1", Reason.ALLOCATION_FAILED, V100X8),
        is_deleted(scenarios, rows.DELETED_JOINING, "noreg2", Reason.LAUNCHED),
    )
    given_up = (rows.NODE_DELETED, rows.POOL_LOST, rows.EVICTED)
    counted = _counted(await process.scrape(), "karpenter_nodeclaims_disrupted", reason=Reason.INSTANCE_GONE)
    assert counted >= len(given_up), "whom the provisioner gives up is counted by reason"
    assert world.requests("noquota1", "put_pool") == {}, "a used-up quota costs no request"
    assert world.requests("onefam1", "put_pool") == {"201": 1}
    assert world.requests("foreign1", "put_pool") == {}
    world.scenario()
    left = ("noquota1", "onefam1", "nosku1", "alloc1", "noreg1")
    await asyncio.gather(*map(world.delete, (*left, "foreign1")))
    await asyncio.gather(*map(world.gone, (*left, "stuck1", "inuse1")))
    assert world.pools() == {"foreign1"}, "nobody's pool is left but the one that was never ours"
    assert world.requests("foreign1", "delete_pool") == {}


async def test_a_node_without_its_gpu_is_replaced_once_and_the_next_is_kept(world: Bench, scenarios: Scenarios) -> None:
    world.scenario(rules=[{"match": {"operation": "put_pool"}, "node": "no_gpu"}])
    await world.start(initialization_deadline="2s", gpu_replacements="1")
    await arises(scenarios, rows.NO_GPU, "first1")
    await arises(scenarios, rows.NO_GPU_AGAIN, "second1")
    world.scenario()
    await world.ready("second1")


@pytest.mark.parametrize(
    ("reply", "row"),
    [
        ({"status": 401, "code": "ExpiredAuthenticationToken"}, rows.CREDENTIALS),
        ({"status": 404, "code": "ResourceGroupNotFound"}, rows.GROUP_GONE),
    ],
    ids=["credentials expired", "resource group gone"],
)
async def test_a_cloud_that_refuses_everything_is_shown_and_nothing_is_given_up(
    world: Bench, scenarios: Scenarios, reply: dict[str, Any], row: Row
) -> None:
    await world.start()
    await world.ready(await world.ask(name="leaving1"))
    world.scenario(rules=[{"match": {"operation": EVERY_POOL_CALL}, "reply": reply}])
    await world.delete("leaving1")
    await arises(scenarios, row, "waiting1")
    await world.shows("leaving1", "InstanceTerminating", "Unknown", row.reason or "")
    assert world.pools() == {"leaving1"}, "a claim that is deleted waits for the cloud, whatever it is told meanwhile"
    world.scenario()
    await world.gone("leaving1")
    await world.ready("waiting1")


@pytest.mark.timeout(3000 if LONG else 300)
async def test_a_throttled_subscription_is_left_alone_as_long_as_it_asks_and_then_served(
    world: Bench, scenarios: Scenarios
) -> None:
    pause, answers = (30, 20) if LONG else (3, 3)
    await world.start()
    await world.ready(await world.ask(name="serving1"))
    begun = time.monotonic()
    reply = {"status": 429, "code": "SubscriptionRequestsThrottled", "retry_after": pause}
    world.scenario(rules=[{"match": {"operation": EVERY_POOL_CALL}, "reply": reply}])
    await arises(scenarios, rows.THROTTLED, "waiting1")

    async def refused_often() -> str:
        return "" if refusals(world) >= answers else f"{refusals(world)} refusals"

    await eventually(refused_often, 60.0 + 2 * pause * answers)
    asked, lasted = refusals(world), time.monotonic() - begun
    assert asked <= 4 + 2 * lasted / pause, "one reading and one request for each time Azure asked to be left alone"
    print(f"figure: throttled for {lasted:.0f} s, asked {asked} times where each answer said to wait {pause} s")
    world.scenario()
    scenarios.begin("waiting1")

    async def asked_for() -> str:
        return "" if world.pool_state("waiting1") else "no pool is asked for"

    await eventually(asked_for, 120.0)  # after many refusals the pauses between two attempts have grown to a minute
    await scenarios.ends(rows.THROTTLE_OVER, "waiting1")
    assert (await world.ready("serving1")).uid, "whoever serves goes on serving"


def refusals(world: Bench) -> int:
    """How often the cloud said to wait."""
    return sum(counts.get("429", 0) for counts in world.simulator.report()["requests"].values())


async def test_a_cluster_stopped_and_started_loses_no_claim_and_no_pool(world: Bench, scenarios: Scenarios) -> None:
    """The provisioner still runs while the nodes go, and learns of the stop from nobody."""
    first = await world.start(arm_idle_interval="1h")
    before = await world.ready(await world.ask(name="staying1"))
    await world.ready(await world.ask(name="leaving1"))
    scenarios.begin("staying1")
    await switch(world, "Stopped")
    await world.node_count("staying1", 0)
    await arises(scenarios, rows.ASKED_WHILE_STOPPED, "waiting1")
    await world.delete("leaving1")
    await world.shows("leaving1", "InstanceTerminating", "Unknown", Reason.OPERATION_CONFLICT)
    await first.kill()
    scenarios.begin("leaving1")
    await switch(world, "Running")
    await world.start("two")
    await world.node_count("staying1", 1)
    await serves_again(world, before.uid, before.node_name, "staying1")
    await scenarios.ends(rows.RESTARTED, "staying1")
    await scenarios.ends(rows.DELETED_STOPPED, "leaving1")
    await world.ready("waiting1")


async def test_a_provisioner_that_was_down_with_its_cluster_gives_nobody_up(world: Bench, scenarios: Scenarios) -> None:
    """Kubernetes deleted the node objects meanwhile; those that a finalizer of ours kept are let go."""
    before = await stopped_unseen(world, "staying1")
    scenarios.begin("staying1")
    world.scenario(timing={"settle_seconds": 800})
    await switch(world, "Running")
    await world.start("two")
    await serves_again(world, before.uid, before.node_name, "staying1")
    await scenarios.ends(rows.RESTARTED_UNSEEN, "staying1")


async def test_nor_does_one_that_finds_the_pool_at_rest_before_its_new_node_has_joined(world: Bench) -> None:
    before = await stopped_unseen(world, "staying1")
    world.scenario(timing={"register_seconds": 64})
    await switch(world, "Running")
    await world.pool_is("staying1", "Succeeded")
    await world.start("two")
    await serves_again(world, before.uid, before.node_name, "staying1")


async def stopped_unseen(world: Bench, name: str) -> Claim:
    """The claim, Ready, of a cluster that was stopped while no provisioner ran; its node object is about to go."""
    first = await world.start()
    before = await world.ready(await world.ask(name=name))
    await first.kill()
    await switch(world, "Stopped")

    async def leaving() -> str:
        return "" if is_deleting(await world.client.get(NODES, before.node_name)) else "the node object is not deleted"

    await eventually(leaving)
    return before


async def serves_again(world: Bench, uid: str, node: str, name: str) -> None:
    """Waits until the very same claim is Ready with another node, its old one gone."""

    async def check() -> str:
        claim, nodes = await world.claim(name), [each["metadata"]["name"] for each in await world.nodes(name)]
        assert claim is not None, "the claim was given up although its pool only rested"
        assert claim.uid == uid
        good = claim.node_name != node and nodes == [claim.node_name] and claim.is_true("Ready")
        return "" if good else f"claim with node {claim.node_name}, nodes {nodes}"

    await eventually(check)
    await world.owns(name, uid)
    assert world.requests(name, "delete_pool") == {}
    assert world.requests(name, "put_pool") == {"201": 1}
