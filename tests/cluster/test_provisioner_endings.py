"""How claims end when pods will not leave, or a node is lost while its agent pool stands."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from controller.api.claims import NODE_CLAIM
from controller.api.json import annotations_of
from controller.api.reasons import Reason
from controller.api.resources import NODE_CLAIMS, NODES, VOLUME_ATTACHMENTS
from controller.runtime.client import Client
from tests.cluster import provisioner_rows as rows
from tests.cluster.harness import Cluster
from tests.cluster.provisioner_cloud import scale_to_nothing
from tests.cluster.provisioner_kit import Bench, bench
from tests.cluster.provisioner_parts import install_node_claims, run_guarded_pod
from tests.cluster.provisioner_scenarios import Scenarios

MARK = {"karpenter.sh/do-not-disrupt": "true"}
"""What every NodeClaim of a Workspace carries, and through it its node."""


@pytest.fixture
async def world(cluster: Cluster, crds: None, client: Client, namespace: str) -> AsyncIterator[Bench]:
    await install_node_claims(cluster)
    async with bench(cluster, client, namespace) as made:
        made.kind = NODE_CLAIM
        yield made


async def test_a_claims_own_grace_ends_what_a_budget_holds_up(world: Bench, namespace: str) -> None:
    await world.start()
    name = await world.ask(terminationGracePeriod="10s")
    await world.ready(name)
    await run_guarded_pod(world.client, namespace, name)
    await world.delete(name)
    await world.shows(name, "Drained", "Unknown", Reason.DRAINING)
    stored = await world.client.get(NODE_CLAIMS, name)
    assert "karpenter.sh/nodeclaim-termination-timestamp" in annotations_of(stored)
    await world.tells(name, Reason.TERMINATION_GRACE_PERIOD_EXPIRING)
    await world.gone(name)


async def test_a_pod_that_a_budget_holds_is_deleted_in_time_to_end_before_its_node(
    world: Bench, namespace: str
) -> None:
    process = await world.start()
    name = await world.ask(terminationGracePeriod="30s")
    await world.ready(name)
    await run_guarded_pod(world.client, namespace, name, grace=27)
    await world.delete(name)
    await world.gone(name)
    assert 'karpenter_nodes_eviction_requests_total{code="deleted"} 0.0' not in await process.scrape()


async def test_a_node_goes_only_when_its_volumes_are_detached(world: Bench) -> None:
    await world.start()
    name = await world.ask()
    claim = await world.ready(name)
    source = {"persistentVolumeName": f"disk-{name}"}
    attachment = {
        "apiVersion": VOLUME_ATTACHMENTS.api_version,
        "kind": VOLUME_ATTACHMENTS.kind,
        "metadata": {"name": name},
        "spec": {"attacher": "disk.test", "nodeName": claim.node_name, "source": source},
    }
    await world.client.create(VOLUME_ATTACHMENTS, attachment)
    await world.delete(name)
    await world.shows(name, "VolumesDetached", "Unknown", Reason.AWAITING_VOLUME_DETACHMENT)
    assert world.requests(name, "delete_pool") == {}
    await world.client.delete(VOLUME_ATTACHMENTS, name)
    await world.gone(name)


async def test_an_outage_replaces_nobody_and_one_node_that_stays_silent_is_replaced(
    world: Bench, scenarios: Scenarios
) -> None:
    await world.start(repair_deadline="5s")
    one, other = [await world.ask(annotations=MARK), await world.ask(annotations=MARK)]
    nodes = [(await world.ready(name)).node_name for name in (one, other)]
    await says(world, "Unknown", *nodes)
    for name in (one, other):
        await world.tells(name, Reason.NODE_REPAIR_BLOCKED)
    assert world.pools() == {one, other}, "both at once are taken for an outage"
    scenarios.begin(other)
    await says(world, "True", nodes[0])
    await scenarios.ends(rows.NODE_LOST, other)
    await world.ready(one)
    assert world.pools() == {one}


async def says(world: Bench, status: str, *nodes: str) -> None:
    """Gives nodes another condition Ready."""
    ready = {"type": "Ready", "status": status, "reason": "Test", "message": "by the test"}
    patch = {"status": {"conditions": [ready]}}
    await asyncio.gather(*(world.client.merge(NODES, node, patch, subresource="status") for node in nodes))


async def test_a_claim_that_is_too_old_goes_where_that_is_minded(world: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAITO_EXPIRE_CLAIMS", "true")
    await world.start()
    lasting, passing = await world.ask(expireAfter="Never"), await world.ask(expireAfter="2s")
    await world.gone(passing)
    await world.tells(passing, Reason.EXPIRED)
    await world.ready(lasting)


async def test_a_claim_whose_node_is_lost_while_its_pool_stands_is_given_up(world: Bench) -> None:
    first = await world.start()
    name = await world.ask()
    claim = await world.ready(name)
    await first.kill()
    scale_to_nothing(world, name)
    await world.client.merge(NODES, claim.node_name, {"metadata": {"finalizers": None}})
    await world.node_count(name, 0)
    await world.pool_is(name, "Succeeded")
    await world.start("two", registration_deadline="3s")
    await world.gone(name)
    await world.tells(name, Reason.INSTANCE_GONE)
