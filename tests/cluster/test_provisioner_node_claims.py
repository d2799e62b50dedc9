"""NodeClaims on a real API server: what consumers of Karpenter's core see, beside Machines and without them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from controller.api.claims import MACHINE, NODE_CLAIM
from controller.api.json import Json, finalizers_of, labels_of
from controller.api.reasons import Reason
from controller.api.resources import NODE_CLAIMS
from controller.runtime.client import Client
from controller.runtime.errors import Invalid
from provisioner.times import label_time
from tests.cluster.harness import Cluster, eventually
from tests.cluster.provisioner_cloud import make_pool
from tests.cluster.provisioner_kit import SIZE, Bench, bench
from tests.cluster.provisioner_parts import claim_body, install_node_claims, remove_node_claims

NO_SIZE = {"families": {"standardNCSv3Family": 0}}


@pytest.fixture
async def world(cluster: Cluster, crds: None, client: Client, namespace: str) -> AsyncIterator[Bench]:
    await install_node_claims(cluster)
    async with bench(cluster, client, namespace) as made:
        made.kind = NODE_CLAIM
        yield made


async def test_a_node_claim_becomes_a_ready_gpu_node(world: Bench) -> None:
    await world.start()
    name = await world.ask()
    claim = await world.ready(name)
    (node,) = await world.nodes(name)
    stored = await world.client.get(NODE_CLAIMS, name)
    assert [(each.type, each.status) for each in claim.conditions.values()] == [
        ("Launched", "True"),
        ("Registered", "True"),
        ("Initialized", "True"),
        ("Ready", "True"),
    ]
    assert {each.observed_generation for each in claim.conditions.values()} == {claim.generation}
    assert (claim.provider_id, claim.node_name) == (node["spec"]["providerID"], node["metadata"]["name"])
    assert stored["status"]["imageID"].startswith("AKS")
    assert stored["status"]["allocatable"]["nvidia.com/gpu"] == "1"
    expected = {
        "karpenter.sh/registered": "true",
        "karpenter.sh/initialized": "true",
        "karpenter.sh/nodepool": "kaito",
        "kaito.sh/kaitonodeclass": "default",
        "karpenter.sh/capacity-type": "on-demand",
        "apps": name,
    }
    assert expected.items() <= labels_of(node).items()
    assert "karpenter.sh/termination" in finalizers_of(node)
    (owner,) = node["metadata"]["ownerReferences"]
    assert (owner["apiVersion"], owner["kind"], owner["uid"]) == ("karpenter.sh/v1", "NodeClaim", claim.uid)
    assert labels_of(stored)["node.kubernetes.io/instance-type"] == SIZE
    assert world.requests(name, "put_pool") == {"201": 1}
    await world.tells(name, Reason.AGENT_POOL_CREATING, Reason.LAUNCHED, Reason.REGISTERED, Reason.READY)


async def test_its_deletion_tells_how_far_it_is_and_leaves_nothing(world: Bench) -> None:
    world.scenario(rules=[{"match": {"operation": "delete_pool"}, "hang": True}])
    await world.start()
    name = await world.ask()
    await world.ready(name)
    await world.delete(name)
    await world.shows(name, "InstanceTerminating", "True", Reason.INSTANCE_TERMINATING)
    claim = await world.shows(name, "Drained", "True", Reason.DRAINED)
    assert claim.is_true("Ready"), "Ready sums up how the node came to be"
    assert not claim.ready, "a claim being deleted counts for nobody"
    world.scenario()
    await world.gone(name)


async def test_a_refused_launch_stays_open_for_whoever_takes_the_claim_over(world: Bench) -> None:
    """Karpenter's core goes on with a launch from Unknown only."""
    world.scenario(quota=NO_SIZE)
    await world.start()
    name = await world.ask()
    claim = await world.shows(name, "Launched", "Unknown", Reason.QUOTA_EXCEEDED)
    assert claim.holdup == claim.conditions["Launched"], "this is what consumers show"
    ready = claim.conditions["Ready"]
    assert (ready.reason, ready.message) == (
        Reason.RECONCILING_DEPENDENTS,
        "Launched=Unknown, Registered=Unknown, Initialized=Unknown",
    )
    await world.tells(name, Reason.QUOTA_EXCEEDED)
    world.scenario()
    await world.ready(name)


async def test_the_node_class_decides_whose_a_claim_is(world: Bench) -> None:
    await world.start()
    other = claim_body(NODE_CLAIM, "foreign1", world.namespace, [SIZE], {})
    other["spec"]["nodeClassRef"] = {"group": "karpenter.azure.com", "kind": "AKSNodeClass", "name": "default"}
    await world.client.create(NODE_CLAIMS, other)
    plain = claim_body(NODE_CLAIM, "plain1", world.namespace, [SIZE], {})
    plain["metadata"]["labels"] = {"apps": "plain1"}
    await world.client.create(NODE_CLAIMS, plain)
    await world.ready("plain1")
    untouched = await world.client.get(NODE_CLAIMS, "foreign1")
    assert (finalizers_of(untouched), untouched.get("status")) == ([], None), "a Workspace's label alone claims nothing"


async def test_claims_of_both_kinds_are_served_and_a_kind_that_arrives_later_too(
    cluster: Cluster, crds: None, client: Client, namespace: str
) -> None:
    await remove_node_claims(client)
    async with bench(cluster, client, namespace) as world:
        process = await world.start()
        first = await world.ask()
        await world.ready(first)
        await install_node_claims(cluster)
        world.kind = NODE_CLAIM
        second = await world.ask()
        await world.ready(second)
        assert process.process.returncode is None
        await world.delete(second)
        await world.gone(second)
        world.kind = MACHINE
        await world.ready(first)


async def test_of_two_claims_of_one_name_the_pools_own_keeps_it(world: Bench) -> None:
    await world.start()
    world.kind = MACHINE
    name = await world.ask()
    before = await world.ready(name)
    world.kind = NODE_CLAIM
    await world.ask(name=name)
    claim = await world.shows(name, "Launched", "Unknown", Reason.NAME_CONFLICT)
    assert f"Machine {name}" in claim.conditions["Launched"].message
    await world.delete(name)

    async def let_go() -> str:
        return "" if await world.claim(name) is None else "the NodeClaim is still there"

    await eventually(let_go)
    world.kind = MACHINE
    assert (await world.ready(name)).node_name == before.node_name
    assert world.requests(name, "delete_pool") == {}


async def test_a_pool_of_gpu_provisioner_is_adopted_with_its_node(world: Bench) -> None:
    """Its names and labels (Azure/gpu-provisioner v0.4), without a tag of ours."""
    name = "ws0a1b2c3d4"
    made = {
        "karpenter.sh/nodepool": "kaito",
        "kaito.sh/workspace": "phi",
        "kaito.sh/workspacenamespace": world.namespace,
        "kaito.sh/machine-type": "gpu",
        "kaito.sh/creation-timestamp": "2026-01-01T00-00-00Z",
    }
    properties = {"count": 1, "vmSize": SIZE, "nodeLabels": made, "nodeTaints": ["sku=gpu:NoSchedule"]}
    make_pool(world, name, properties)
    await world.ask(name=name)
    await world.start()
    claim = await world.ready(name)
    await world.owns(name, claim.uid)
    assert world.requests(name, "put_pool") == {}
    await world.delete(name)
    await world.gone(name)


async def test_a_live_claim_of_another_class_is_taken_over_with_its_agent_pool(world: Bench) -> None:
    """KAITO before v0.7 wrote AKSNodeClass, and gpu-provisioner served the claims by their label."""
    name = "ws0a1b2c3d5"
    body = claim_body(NODE_CLAIM, name, world.namespace, [SIZE], {})
    body["spec"]["nodeClassRef"] = {"group": "karpenter.azure.com", "kind": "AKSNodeClass", "name": "default"}
    body["metadata"]["finalizers"] = ["karpenter.sh/termination"]
    claim = await world.client.create(NODE_CLAIMS, body)
    made = {
        "karpenter.sh/nodepool": "kaito",
        **{key: text for key, text in labels_of(claim).items() if key.startswith("kaito.sh/")},
        "kaito.sh/machine-type": "gpu",
        "kaito.sh/creation-timestamp": label_time(str(claim["metadata"]["creationTimestamp"])),
    }
    make_pool(world, name, {"count": 1, "vmSize": SIZE, "nodeLabels": made, "nodeTaints": ["sku=gpu:NoSchedule"]})
    await world.start()
    await world.ready(name)
    await world.delete(name)
    await world.gone(name)
    assert world.requests(name, "put_pool") == {}, "nothing was made anew"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"nodeClassRef": {"group": "", "kind": "KaitoNodeClass", "name": "default"}}, "group may not be empty"),
        ({"requirements": [{"key": "a", "operator": "In"}]}, "at least one value"),
        ({"requirements": [{"key": "a", "operator": "Gt", "values": ["x"]}]}, "one whole number"),
        ({"requirements": [{"key": "karpenter.sh/odd", "operator": "Exists"}]}, "restricted"),
        ({"expireAfter": "soon"}, "expireAfter"),
    ],
)
async def test_the_crd_refuses_what_karpenters_refuses(world: Bench, change: Json, word: str) -> None:
    with pytest.raises(Invalid, match=word):
        await world.client.create(NODE_CLAIMS, claim_body(NODE_CLAIM, "refused1", world.namespace, [SIZE], change))


async def test_the_spec_of_a_node_claim_never_changes(world: Bench) -> None:
    name = await world.ask()
    with pytest.raises(Invalid, match="spec is immutable"):
        await world.client.merge(NODE_CLAIMS, name, {"spec": {"taints": []}})
    assert (await world.client.get(NODE_CLAIMS, name))["spec"]["expireAfter"] == "720h"


async def test_a_killed_launch_goes_on_and_stays_one_pool(world: Bench) -> None:
    first = await world.start()
    name = await world.ask()
    await asyncio.sleep(0.4)
    await first.kill()
    await world.start("two")
    await world.ready(name)
    assert world.requests(name, "put_pool") == {"201": 1}
