"""What consumers of a Karpenter-compatible provisioner see of a claim between its launch and its end.

With the other tests of the provisioner these make the conformance suite that `docs/reference/conformance.md` lists.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from controller.api import labels
from controller.api.claims import NODE_CLAIM
from controller.api.json import Json, annotations_of, finalizers_of, is_deleting, labels_of
from controller.api.reasons import Reason
from controller.api.resources import NODE_CLAIMS, NODES, PODS
from controller.runtime.client import Client
from controller.runtime.errors import NotFound
from tests.cluster.harness import Cluster, eventually
from tests.cluster.provisioner_cloud import make_pool
from tests.cluster.provisioner_kit import SIZE, Bench, bench
from tests.cluster.provisioner_parts import install_node_claims

WAIT = {"key": "example.com/wait", "effect": "NoSchedule"}
POOL_OF_GPU_PROVISIONER = {
    "karpenter.sh/nodepool": "kaito",
    "kaito.sh/workspace": "phi",
    "kaito.sh/machine-type": "gpu",
    "kaito.sh/creation-timestamp": "2026-01-01T00-00-00Z",
}


@pytest.fixture
async def world(cluster: Cluster, crds: None, client: Client, namespace: str) -> AsyncIterator[Bench]:
    await install_node_claims(cluster)
    async with bench(cluster, client, namespace) as made:
        made.kind = NODE_CLAIM
        yield made


async def waits_for_its_startup_taints(world: Bench) -> None:
    await world.ask(name="startup1", startupTaints=[WAIT], annotations={"example.com/kept": "yes"})
    claim = await world.shows("startup1", "Initialized", "Unknown", Reason.STARTUP_TAINTS_EXIST)
    assert claim.is_true("Registered"), "registration does not wait for them"
    (node,) = await world.nodes("startup1")
    keys = {taint["key"] for taint in node["spec"]["taints"]}
    assert {"sku", WAIT["key"]} <= keys, "taints of both kinds are on the node"
    assert annotations_of(node)["example.com/kept"] == "yes"
    assert labels_of(node).get(labels.INITIALIZED) is None
    left = [taint for taint in node["spec"]["taints"] if taint["key"] != WAIT["key"]]
    await world.client.merge(NODES, claim.node_name, {"spec": {"taints": left}})
    await world.ready("startup1")


async def keeps_taints_away_that_are_not_to_be_synced(world: Bench) -> None:
    made = dict(POOL_OF_GPU_PROVISIONER, **{labels.DO_NOT_SYNC_TAINTS: "true"})
    made["kaito.sh/workspacenamespace"] = world.namespace
    make_pool(world, "nosync1", {"count": 1, "vmSize": SIZE, "nodeLabels": made})
    await world.ask(name="nosync1", startupTaints=[WAIT])
    await world.ready("nosync1")
    (node,) = await world.nodes("nosync1")
    keys = {taint["key"] for taint in node["spec"].get("taints") or ()}
    assert not {"sku", WAIT["key"]} & keys, "neither the claim's taints nor its start-up taints came onto the node"


async def waits_for_what_was_requested(world: Bench) -> None:
    requests = {"requests": {"storage": "80Gi", "example.com/fpga": "1"}}
    await world.ask(name="fpga1", resources=requests)
    claim = await world.shows("fpga1", "Initialized", "Unknown", Reason.RESOURCE_NOT_REGISTERED)
    assert "example.com/fpga" in claim.conditions["Initialized"].message
    offered = {"status": {"capacity": {"example.com/fpga": "1"}, "allocatable": {"example.com/fpga": "1"}}}
    await world.client.merge(NODES, claim.node_name, offered, subresource="status")
    await world.ready("fpga1")


async def counts_as_unknown_since_its_creation(world: Bench) -> None:
    await world.ask(name="slow1")
    claim = await world.shows("slow1", "Launched", "Unknown", Reason.AGENT_POOL_CREATING)
    created = (await world.client.get(NODE_CLAIMS, "slow1"))["metadata"]["creationTimestamp"]
    dependents = [claim.conditions[type_] for type_ in claim.kind.dependents]
    assert {condition.status for condition in dependents} == {"Unknown"}
    assert {condition.last_transition_time for condition in dependents} == {created}
    assert {condition.observed_generation for condition in dependents} == {claim.generation}


async def waits_for_its_node_to_be_ready(world: Bench) -> None:
    await world.ask(name="sleepy1")
    claim = await world.shows("sleepy1", "Initialized", "Unknown", Reason.NODE_NOT_READY)
    assert (claim.conditions["Ready"].status, claim.conditions["Ready"].reason) == (
        "Unknown",
        Reason.RECONCILING_DEPENDENTS,
    )


async def is_unhealthy_with_two_nodes_where_one_was_asked_for(world: Bench) -> None:
    made = dict(POOL_OF_GPU_PROVISIONER, **{"kaito.sh/workspacenamespace": world.namespace})
    make_pool(world, "twins1", {"count": 2, "vmSize": SIZE, "nodeLabels": made})
    await world.node_count("twins1", 2)

    async def initialized() -> str:
        nodes = await world.nodes("twins1")
        return "" if all(node["spec"].get("providerID") for node in nodes) else "a node has no instance yet"

    await eventually(initialized)
    await world.ask(name="twins1")
    await world.shows("twins1", "Registered", "False", Reason.MULTIPLE_NODES_FOUND)
    await world.shows("twins1", "Ready", "False", Reason.UNHEALTHY_DEPENDENTS)
    make_pool(world, "twins1", {"count": 1, "vmSize": SIZE, "nodeLabels": made})
    await world.ready("twins1")


async def test_a_claim_is_registered_and_initialized_step_by_step(world: Bench) -> None:
    world.scenario(
        rules=[
            {"match": {"operation": "put_pool", "pool": "sleepy*"}, "node": "never_ready"},
            {"match": {"operation": "put_pool", "pool": "slow*"}, "hang": True},
        ]
    )
    twins = asyncio.create_task(is_unhealthy_with_two_nodes_where_one_was_asked_for(world))
    await world.node_count("twins1", 2)
    await world.start()
    await asyncio.gather(
        twins,
        waits_for_its_startup_taints(world),
        keeps_taints_away_that_are_not_to_be_synced(world),
        waits_for_what_was_requested(world),
        counts_as_unknown_since_its_creation(world),
        waits_for_its_node_to_be_ready(world),
    )
    world.scenario()
    await asyncio.gather(world.ready("sleepy1"), world.ready("slow1"))


async def run_pod(world: Bench, node: str, name: str, *, tolerates: bool, marked: bool) -> None:
    """A bare pod on a node."""
    everything = [{"operator": "Exists"}]
    body: Json = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": world.namespace,
            "annotations": {"karpenter.sh/do-not-disrupt": "true"} if marked else {},
        },
        "spec": {
            "nodeName": node,
            "terminationGracePeriodSeconds": 1,
            "tolerations": everything if tolerates else [{"key": "sku", "operator": "Exists"}],
            "containers": [{"name": "main", "image": "main"}],
        },
    }
    await world.client.create(PODS, body)


async def is_there(world: Bench, name: str) -> bool:
    """Whether a pod stands and nobody asked it to go."""
    try:
        return not is_deleting(await world.client.get(PODS, name, namespace=world.namespace))
    except NotFound:
        return False


async def test_a_drain_leaves_marked_and_tolerating_pods_alone_and_waits_for_the_marked(world: Bench) -> None:
    await world.start()
    name = await world.ask()
    node = (await world.ready(name)).node_name
    for pod, tolerates, marked in (("plain", False, False), ("stays", True, False), ("marked", False, True)):
        await run_pod(world, node, pod, tolerates=tolerates, marked=marked)
    await world.delete(name)
    await world.shows(name, "Drained", "Unknown", Reason.DRAINING)
    found = await world.client.get(NODES, node)
    assert {"key": "karpenter.sh/disrupted", "effect": "NoSchedule"} in found["spec"]["taints"]
    assert labels_of(found)["node.kubernetes.io/exclude-from-external-load-balancers"] == "karpenter"
    assert is_deleting(found), "the node is deleted before its claim goes"
    assert finalizers_of(found) == [labels.TERMINATION_FINALIZER]

    async def only_the_marked_is_waited_for() -> str:
        shown = await world.claim(name)
        assert shown is not None, "the claim is gone although a pod is marked not to be disrupted"
        message = shown.conditions["Drained"].message
        evicted = not await is_there(world, "plain")
        return "" if evicted and "marked do-not-disrupt" in message and "/plain" not in message else message

    await eventually(only_the_marked_is_waited_for)
    assert await is_there(world, "marked")
    assert await is_there(world, "stays")
    assert world.requests(name, "delete_pool") == {}, "the instance stays until the pods have left"
    await world.client.delete(PODS, "marked", namespace=world.namespace)
    await world.gone(name)
