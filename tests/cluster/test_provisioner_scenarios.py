"""What goes wrong in clouds, each with the condition and the event it ends in; the time to it is printed.

The others are told where their subject is: quota, sizes and zones in `test_provisioner_fallback`, throttling, foreign
pools and deletion in every state in `test_provisioner`, lost and silent nodes in `test_provisioner_endings`.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from controller.api.claims import NODE_CLAIM
from controller.api.json import Json
from controller.api.reasons import Reason
from controller.runtime.client import Client
from hack.aks_simulator.pools import Change, put_pool
from tests.cluster.harness import Cluster, eventually
from tests.cluster.provisioner_kit import SIZE, Bench, bench
from tests.cluster.provisioner_parts import install_node_claims

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


def figure(scenario: str, ends_in: str, event: Reason, begun: float) -> None:
    """Prints what a scenario came to."""
    print(f"figure: {scenario}: {ends_in}, event {event}, {time.monotonic() - begun:.0f} s")


async def allocation_fails_once(world: Bench) -> None:
    begun, name = time.monotonic(), await world.ask(name="alloc1")
    await world.tells(name, Reason.ALLOCATION_FAILED)
    await world.ready(name)
    figure("allocation failed after a while", "Ready at the second attempt", Reason.ALLOCATION_FAILED, begun)
    await world.delete(name)
    await world.gone(name)


async def pool_is_stuck(world: Bench) -> None:
    name = await world.ask(name="stuck1")
    await world.ready(name)
    begun = time.monotonic()
    await world.delete(name)

    async def told() -> str:
        found = await world.claim(name)
        assert found is not None, "a claim whose pool still stands is not let go"
        shown = found.conditions.get("InstanceTerminating")
        return "" if shown is not None and "still Deleting" in shown.message else f"shows {shown}"

    await eventually(told)
    await world.tells(name, Reason.INSTANCE_TERMINATING)
    figure("pool stuck deleting", "InstanceTerminating since the deadline", Reason.INSTANCE_TERMINATING, begun)


async def spot_node_is_evicted(world: Bench) -> None:
    name = await world.ask(name="spot1", **SPOT)
    await world.ready(name)
    begun, simulator = time.monotonic(), world.simulator
    (made,) = (entry["properties"] for entry in simulator.report()["pools"] if entry["name"] == name)
    kept = {key: made[key] for key in ("vmSize", "nodeLabels", "nodeTaints", "tags", "scaleSetPriority")}
    body = {"properties": {**kept, "count": 0}}
    simulator.update(put_pool(simulator.advance(), simulator.context(), Change(name), body).world)
    simulator.changed.set()
    await world.gone(name)
    await world.tells(name, Reason.INSTANCE_GONE)
    figure("spot node evicted", "claim and pool gone", Reason.INSTANCE_GONE, begun)


async def test_what_befalls_one_claim_concerns_no_other(world: Bench) -> None:
    failing = {"match": {"operation": "put_pool", "pool": "alloc*"}, "times": 1}
    hanging = {"match": {"operation": "delete_pool", "pool": "stuck*"}, "hang": True}
    world.scenario(rules=[{**failing, "fail": {"cause": "AllocationFailed", "after_seconds": 4}}, hanging])
    await world.start(termination_deadline="1s")
    await asyncio.gather(allocation_fails_once(world), pool_is_stuck(world), spot_node_is_evicted(world))
    world.scenario()
    await world.gone("stuck1")
    assert world.pools() == set()


async def test_a_node_without_its_gpu_is_replaced_once_and_the_next_is_kept(world: Bench) -> None:
    world.scenario(rules=[{"match": {"operation": "put_pool"}, "node": "no_gpu"}])
    await world.start(initialization_deadline="2s", gpu_replacements="1")
    begun, first = time.monotonic(), await world.ask()
    await world.gone(first)
    await world.tells(first, Reason.GPUS_NOT_ADVERTISED)
    figure("node without GPU", "claim and pool gone, once", Reason.GPUS_NOT_ADVERTISED, begun)
    begun, second = time.monotonic(), await world.ask()
    await world.shows(second, "Initialized", "Unknown", Reason.INITIALIZATION_TIMEOUT)
    await world.tells(second, Reason.INITIALIZATION_TIMEOUT)
    figure("the next without GPU", "Initialized=Unknown InitializationTimeout", Reason.INITIALIZATION_TIMEOUT, begun)
    world.scenario()
    await world.ready(second)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ({"status": 401, "code": "ExpiredAuthenticationToken"}, Reason.UNAUTHORIZED),
        ({"status": 404, "code": "ResourceGroupNotFound"}, Reason.CLUSTER_NOT_FOUND),
    ],
    ids=["credentials expired", "resource group gone"],
)
async def test_a_cloud_that_refuses_everything_is_shown_and_nothing_is_given_up(
    world: Bench, reply: dict[str, Any], reason: Reason
) -> None:
    await world.start()
    leaving = await world.ask()
    await world.ready(leaving)
    world.scenario(rules=[{"match": {"operation": EVERY_POOL_CALL}, "reply": reply}])
    begun, waiting = time.monotonic(), await world.ask()
    await world.delete(leaving)
    await world.shows(waiting, "Launched", "Unknown", reason)
    await world.tells(waiting, reason)
    figure(str(reply["code"]), f"Launched=Unknown {reason}", reason, begun)
    await world.shows(leaving, "InstanceTerminating", "Unknown", reason)
    assert world.pools() == {leaving}, "a claim that is deleted waits for the cloud, whatever it is told meanwhile"
    world.scenario()
    await world.gone(leaving)
    await world.ready(waiting)
