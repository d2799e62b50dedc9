"""How claims end when pods will not leave, or a node is lost while its agent pool stands."""

from collections.abc import AsyncIterator

import pytest

from controller.api.claims import NODE_CLAIM
from controller.api.json import annotations_of
from controller.api.reasons import Reason
from controller.api.resources import NODE_CLAIMS, NODES
from controller.runtime.client import Client
from hack.aks_simulator.pools import Change, put_pool
from tests.cluster.harness import Cluster
from tests.cluster.provisioner_kit import Bench, bench
from tests.cluster.provisioner_parts import install_node_claims, run_guarded_pod


@pytest.fixture
async def world(cluster: Cluster, crds: None, client: Client, namespace: str) -> AsyncIterator[Bench]:
    await install_node_claims(cluster)
    async with bench(cluster, client, namespace) as made:
        made.kind = NODE_CLAIM
        yield made


async def test_a_claims_own_grace_ends_what_a_budget_holds_up(world: Bench, namespace: str) -> None:
    await world.start()
    name = await world.ask(terminationGracePeriod="4s")
    await world.ready(name)
    await run_guarded_pod(world.client, namespace, name)
    await world.delete(name)
    await world.shows(name, "Drained", "Unknown", Reason.DRAINING)
    stored = await world.client.get(NODE_CLAIMS, name)
    assert "karpenter.sh/nodeclaim-termination-timestamp" in annotations_of(stored)
    await world.tells(name, Reason.TERMINATION_GRACE_PERIOD_EXPIRING)
    await world.gone(name)


async def test_a_claim_whose_node_is_lost_while_its_pool_stands_is_given_up(world: Bench) -> None:
    first = await world.start()
    name = await world.ask()
    claim = await world.ready(name)
    await first.kill()
    simulator = world.simulator
    (made,) = (entry["properties"] for entry in simulator.report()["pools"] if entry["name"] == name)
    kept = {key: made[key] for key in ("vmSize", "nodeLabels", "nodeTaints", "tags")}
    body = {"properties": {**kept, "count": 0}}
    simulator.update(put_pool(simulator.advance(), simulator.context(), Change(name), body).world)
    simulator.changed.set()
    await world.client.merge(NODES, claim.node_name, {"metadata": {"finalizers": None}})
    await world.node_count(name, 0)
    await world.pool_is(name, "Succeeded")
    await world.start("two", registration_deadline="3s")
    await world.gone(name)
    await world.tells(name, Reason.INSTANCE_GONE)
