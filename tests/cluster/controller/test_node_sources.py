"""Nodes asked for with NodeClaims, alone, beside Machines and beside nodes that were there before."""

from collections.abc import AsyncIterator

import pytest

from controller.api import labels
from controller.api.claims import MACHINE, NODE_CLAIM, parse_claim
from controller.api.conditions import conditions_of
from controller.api.json import Json, labels_of, name_of
from controller.api.reasons import Reason
from controller.api.resources import MACHINES, NODE_CLAIMS, NODES
from controller.api.workspace import parse_workspace
from controller.planning.claims import Order, render_claim
from controller.runtime.client import Client
from tests.cluster.controller.stage import NAME, V100, Stage
from tests.cluster.harness import Cluster
from tests.cluster.provisioner_kit import Bench, bench
from tests.cluster.provisioner_parts import install_node_claims, remove_node_claims

ASKED = {labels.NODE_SOURCE: "nodeclaim"}


async def node_claims(stage: Stage) -> list[Json]:
    """The NodeClaims made for Workspaces of the stage."""
    return (await stage.client.list(NODE_CLAIMS, labels=f"{labels.WORKSPACE_NAMESPACE}={stage.namespace}")).items


async def until_node_claims(stage: Stage, count: int) -> list[Json]:
    async def look() -> str:
        found = len(await node_claims(stage))
        return "" if found == count else f"{found} NodeClaims"

    await stage.until(look)
    return await node_claims(stage)


@pytest.fixture
async def served(cluster: Cluster, crds: None) -> None:
    await install_node_claims(cluster)


@pytest.fixture
async def cloud(cluster: Cluster, served: None, client: Client, namespace: str) -> AsyncIterator[Bench]:
    """A provisioner of ours and its cloud."""
    async with bench(cluster, client, namespace) as made:
        made.kind = NODE_CLAIM
        await made.start()
        yield made


async def test_a_workspace_on_a_node_claim_serves_and_leaves_nothing(cloud: Bench, stage: Stage) -> None:
    wishes = {labels.CAPACITY_TYPES: "spot,on-demand", labels.ZONES: "eastus-2,eastus-1"}
    await stage.workspace(annotations={**ASKED, **wishes})
    await stage.until_condition("Ready", lambda ready: ready.status == "True")
    await stage.until_reason("NodeClaimReady", Reason.NODE_CLAIMS_READY)
    workspace, (claim,) = await stage.get(), await node_claims(stage)
    (node,) = await cloud.nodes(name_of(claim))
    assert workspace["status"]["workerNodes"] == [name_of(node)]
    assert "MachineReady" not in conditions_of(workspace)
    assert await stage.machines() == [], "a Machine was made although NodeClaims were asked for"
    paid = {key: labels_of(node)[key] for key in (labels.CAPACITY_TYPE, labels.ZONE)}
    assert paid == {labels.CAPACITY_TYPE: "spot", labels.ZONE: "eastus-2"}, "the first wish of each list comes first"
    await stage.delete()
    await stage.until_gone()
    await cloud.gone(name_of(claim))
    assert Reason.NODE_CLAIM_CREATED in await stage.event_reasons()


async def test_nodes_that_are_there_are_used_first_and_only_the_rest_is_claimed(cloud: Bench, stage: Stage) -> None:
    own = await stage.node()
    await stage.workspace(count=2, annotations=ASKED)
    await stage.until_condition("Ready", lambda ready: ready.status == "True")
    (claim,) = await node_claims(stage)
    (made,) = await cloud.nodes(name_of(claim))
    assert sorted((await stage.get())["status"]["workerNodes"]) == sorted([own, name_of(made)])
    await stage.delete()
    await stage.until_gone()
    kept = labels_of(await stage.client.get(NODES, own))
    assert labels.WORKSPACE_UID not in kept, "the node that was there before must be free again"


async def test_a_claim_once_made_is_kept_and_the_next_is_of_the_new_kind(served: None, stage: Stage) -> None:
    await stage.workspace()
    (machine,) = await stage.until_machines(1)
    await stage.change(metadata={"annotations": ASKED})
    await stage.until_reason("NodeClaimReady", Reason.NODE_CLAIMS_PENDING)
    assert "MachineReady" not in conditions_of(await stage.get())
    assert await node_claims(stage) == [], "a second node was bought for the same place"
    await stage.client.delete(MACHINES, name_of(machine))
    (claim,) = await until_node_claims(stage, 1)
    assert await stage.machines() == []
    assert labels_of(claim)[labels.CLAIM_ORDINAL] == labels_of(machine)[labels.CLAIM_ORDINAL]


async def test_deletion_waits_for_claims_of_both_kinds(served: None, stage: Stage) -> None:
    await stage.workspace(annotations=ASKED)
    (claim,) = await until_node_claims(stage, 1)
    held = {"metadata": {"finalizers": ["tests.kaito.sh/hold"]}}
    await stage.client.merge(NODE_CLAIMS, name_of(claim), held)
    machine = render_claim(parse_workspace(await stage.get()), 7, Order(MACHINE, (V100,), "amd64", 88))
    await stage.client.create(MACHINES, {**machine, "metadata": {**machine["metadata"], **held["metadata"]}})
    await stage.delete()
    told = await stage.until_reason("WorkspaceDeleting", Reason.WORKSPACE_DELETING)
    assert "2 machine(s) and NodeClaim(s)" in told.message
    await stage.client.merge(MACHINES, name_of(machine), {"metadata": {"finalizers": None}})
    await stage.until_condition("WorkspaceDeleting", lambda each: "1 NodeClaim(s)" in each.message)
    await stage.client.merge(NODE_CLAIMS, name_of(claim), {"metadata": {"finalizers": None}})
    await stage.until_gone()


async def test_node_claims_of_a_workspace_that_vanished_are_collected(served: None, stage: Stage) -> None:
    gone = parse_workspace({"metadata": {"name": NAME, "namespace": stage.namespace, "uid": "0-gone"}})
    left_over = render_claim(gone, 0, Order(NODE_CLAIM, (V100,), "amd64", 88))
    await stage.client.create(NODE_CLAIMS, left_over)
    await until_node_claims(stage, 0)


async def test_what_is_claimed_is_what_the_api_server_stores(served: None, stage: Stage) -> None:
    await stage.workspace(annotations=ASKED)
    (claim,) = await until_node_claims(stage, 1)
    read = parse_claim(claim, NODE_CLAIM)
    assert read.node_class is not None
    assert (read.node_class.group, read.node_class.kind, read.node_class.name) == (
        "kaito.sh",
        "KaitoNodeClass",
        "default",
    )
    assert read.instance_types == (V100,)
    assert claim["spec"]["expireAfter"] == "Never"


async def test_without_the_crd_it_is_said_and_once_it_arrives_the_claim_is_made(
    cluster: Cluster, client: Client, stage: Stage
) -> None:
    await remove_node_claims(client)
    await stage.workspace(annotations=ASKED)
    told = await stage.until_reason("Ready", Reason.CLAIM_KIND_NOT_SERVED)
    assert "install the CRD nodeclaims.karpenter.sh" in told.message
    await install_node_claims(cluster)
    await until_node_claims(stage, 1)
