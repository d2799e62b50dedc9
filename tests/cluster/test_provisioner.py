"""The provisioner on a real API server, with the real Azure SDK, against the AKS simulator."""

import asyncio
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from controller.api.json import Json, finalizers_of, labels_of
from controller.api.reasons import Reason
from controller.api.resources import LEASES, MACHINES, NODES
from controller.runtime.client import Client
from tests.cluster.harness import Cluster, eventually
from tests.cluster.provisioner_cloud import make_pool, remove_pool
from tests.cluster.provisioner_kit import SIZE, Bench, bench
from tests.cluster.provisioner_parts import BUDGETS, run_guarded_pod, writes_of

NO_USAGES = {"rules": [{"match": {"operation": "list_usages"}, "reply": {"status": 403}}]}
"""The identity may not read the quota."""


@pytest.fixture
async def world(cluster: Cluster, crds: None, client: Client, namespace: str) -> AsyncIterator[Bench]:
    async with bench(cluster, client, namespace) as made:
        yield made


def no_quota(enforcement: str) -> dict[str, Any]:
    """No vCPU of the family, found out at the request or by the operation."""
    return {"quota": {"families": {"standardNCSv3Family": 0}, "enforcement": enforcement}}


def rule(effect: Json, operation: str = "put_pool", **more: Any) -> dict[str, Any]:
    """A scenario with one rule."""
    return {"rules": [{"match": {"operation": operation}, **more, **effect}]}


async def test_a_machine_becomes_a_ready_gpu_node(world: Bench) -> None:
    await world.start()
    name = await world.ask()
    claim = await world.ready(name)
    (node,) = await world.nodes(name)
    assert claim.node_name == node["metadata"]["name"]
    assert claim.provider_id == node["spec"]["providerID"]
    assert labels_of(node)["karpenter.sh/registered"] == "true"
    assert labels_of(node)["karpenter.sh/initialized"] == "true"
    assert labels_of(node)["apps"] == name
    assert "karpenter.sh/termination" in finalizers_of(node)
    stored = await world.client.get(MACHINES, name)
    assert stored["status"]["allocatable"]["nvidia.com/gpu"] == "1"
    assert labels_of(stored)["node.kubernetes.io/instance-type"] == SIZE
    assert world.requests(name, "put_pool") == {"201": 1}, "one Machine, one request, one pool"
    assert world.requests(name, "get_pool") == {}, "the shared list is enough"
    await world.tells(name, Reason.AGENT_POOL_CREATING, Reason.LAUNCHED, Reason.REGISTERED, Reason.READY)


async def test_a_ready_machine_costs_no_further_writes(world: Bench, cluster: Cluster) -> None:
    await world.start()
    name = await world.ask()
    await world.ready(name)
    await world.tells(name, Reason.READY)
    account = f"system:serviceaccount:{world.namespace}:provisioner"
    before = writes_of(cluster.layout.audit_log, account)
    await asyncio.sleep(5)
    assert before
    assert writes_of(cluster.layout.audit_log, account) == before


async def test_deletion_drains_the_node_within_budgets_and_leaves_nothing(world: Bench, namespace: str) -> None:
    await world.start()
    name = await world.ask()
    await world.ready(name)
    await run_guarded_pod(world.client, namespace, name)
    await world.delete(name)
    await world.shows(name, "Ready", "False", Reason.DRAINING)
    assert world.pool_state(name) == "Succeeded", "the pool stays while a budget holds a pod"
    await world.client.delete(BUDGETS, "web", namespace=namespace)
    await world.gone(name)
    await world.tells(name, Reason.DRAINING, Reason.INSTANCE_TERMINATING)


@pytest.mark.parametrize(
    ("enforcement", "refused"), [("request", {"400"}), ("operation", {"201"})], ids=["when asked", "by the operation"]
)
async def test_a_quota_refusal_is_explained_and_heals_by_itself(
    world: Bench, enforcement: str, refused: set[str]
) -> None:
    world.scenario(**no_quota(enforcement), **NO_USAGES)
    await world.start()
    name = await world.ask()
    claim = await world.shows(name, "MachineLaunched", "False", Reason.QUOTA_EXCEEDED)
    first = claim.conditions["MachineLaunched"].message.partition("\n")[0]
    assert SIZE in first
    assert "6 vCPU" in first
    assert "Fix: " in first
    assert len(first) <= 256
    assert claim.holdup == claim.conditions["MachineLaunched"], "this is what the workspace controller shows"
    await world.tells(name, Reason.QUOTA_EXCEEDED)
    world.scenario()
    await world.ready(name)
    assert set(world.requests(name, "put_pool")) == refused | {"201"}


async def test_a_failed_allocation_is_explained_removed_and_tried_again(world: Bench) -> None:
    world.scenario(**rule({"fail": {"cause": "AllocationFailed", "after_seconds": 2}}, times=1))
    await world.start()
    name = await world.ask()
    await world.shows(name, "MachineLaunched", "False", Reason.ALLOCATION_FAILED)
    await world.ready(name)
    assert world.requests(name, "put_pool") == {"201": 2}
    assert sum(world.requests(name, "delete_pool").values()) == 1
    stored = await world.client.get(MACHINES, name)
    assert "kaito.sh/launch-failure" not in stored["metadata"].get("annotations", {}), "a success ends the memory"


@pytest.mark.parametrize(
    ("scenario", "type_", "reason"),
    [
        (rule({"node": "never_registers"}), "MachineRegistered", Reason.NODE_NOT_FOUND),
        (rule({"node": "never_ready"}), "MachineInitialized", Reason.NODE_NOT_READY),
        (rule({"node": "no_gpu"}), "MachineInitialized", Reason.GPUS_NOT_ADVERTISED),
    ],
    ids=["node never joins", "node never ready", "GPU never shows"],
)
async def test_what_is_waited_for_is_named_then_its_deadline_and_healing_ends_it(
    world: Bench, scenario: dict[str, Any], type_: str, reason: Reason
) -> None:
    world.scenario(**scenario)
    await world.start(registration_deadline="6s", initialization_deadline="6s")
    name = await world.ask()
    await world.shows(name, type_, "Unknown", reason)
    timeout = Reason.REGISTRATION_TIMEOUT if type_ == "MachineRegistered" else Reason.INITIALIZATION_TIMEOUT
    await world.shows(name, type_, "False", timeout)
    world.scenario()
    await world.ready(name)


async def test_a_foreign_pool_of_the_same_name_is_never_touched(world: Bench) -> None:
    name = await world.ask()
    make_pool(world, name, {"count": 1, "vmSize": SIZE, "nodeLabels": {"team": "other"}})
    await world.start()
    await world.shows(name, "MachineLaunched", "False", Reason.NAME_CONFLICT)
    await world.delete(name)

    async def let_go() -> str:
        return "" if await world.claim(name) is None else "the Machine is still there"

    await eventually(let_go)
    assert world.requests(name, "put_pool") == {}
    assert world.requests(name, "delete_pool") == {}


@pytest.mark.parametrize("state", ["before launch", "creating", "failed", "no node"])
async def test_a_machine_deleted_in_any_state_leaves_no_pool(world: Bench, state: str) -> None:
    if state == "before launch":
        world.scenario(**rule({"reply": {"status": 503}}))
    elif state == "creating":
        world.scenario(timing={"boot_seconds": 8000})
    elif state == "failed":
        world.scenario(**no_quota("operation"), **NO_USAGES)
    else:
        world.scenario(**rule({"node": "never_registers"}))
    await world.start()
    name = await world.ask()
    if state == "before launch":
        await world.shows(name, "MachineLaunched", "Unknown", Reason.CLOUD_UNAVAILABLE)
    elif state == "creating":
        await world.pool_is(name, "Creating")
    elif state == "failed":
        await world.shows(name, "MachineLaunched", "False", Reason.QUOTA_EXCEEDED)
    else:
        await world.shows(name, "MachineLaunched", "True")
    await world.delete(name)
    await world.gone(name)
    assert world.pools() == set()


async def test_a_machine_deleted_while_nobody_runs_is_cleaned_up_later(world: Bench) -> None:
    first = await world.start()
    name = await world.ask()
    await world.pool_is(name, "Creating", "Succeeded")
    await first.kill()
    await world.delete(name)
    await world.start("two")
    await world.gone(name)


@pytest.mark.parametrize("pause", [0.0, 0.05, 0.4, 0.9, 1.3])
async def test_killed_at_any_moment_a_launch_goes_on_and_stays_one_pool(world: Bench, pause: float) -> None:
    first = await world.start()
    name = await world.ask()
    await asyncio.sleep(pause)
    await first.kill()
    await world.start("two")
    await world.ready(name)
    assert world.requests(name, "put_pool")["201"] == 1
    assert world.pools() == {name}


async def test_the_count_of_failed_launches_survives_a_kill(world: Bench) -> None:
    world.scenario(**no_quota("request"), **NO_USAGES)
    first = await world.start(launch_retry_initial="1h", launch_retry_max="1h")
    name = await world.ask()
    await world.shows(name, "MachineLaunched", "False", Reason.QUOTA_EXCEEDED)
    await first.kill()
    await world.start("two", launch_retry_initial="1h", launch_retry_max="1h")
    await asyncio.sleep(3)
    assert world.requests(name, "put_pool") == {"400": 1}, "the pause is remembered on the Machine"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
async def test_of_two_replicas_one_works_and_the_other_takes_over(world: Bench, how: signal.Signals) -> None:
    short = {
        "leader_elect_lease_duration": "8s",
        "leader_elect_renew_deadline": "6s",
        "leader_elect_retry_period": "500ms",
    }
    replicas = {identity: await world.start(identity, **short) for identity in ("one", "two")}
    await world.ready(await world.ask())
    lease = await world.client.get(LEASES, "kaito-provisioner", namespace=world.namespace)
    leader = lease["spec"]["holderIdentity"]
    name = await world.ask()
    await world.pool_is(name, "Creating", "Succeeded")
    replicas[leader].process.send_signal(how)
    await world.ready(name)
    late = await world.ask()
    await world.ready(late)
    assert [world.requests(each, "put_pool")["201"] for each in (name, late)] == [1, 1]


async def test_a_pool_without_a_machine_is_removed_and_a_foreign_one_stays(world: Bench) -> None:
    made = {
        "kaito.sh/workspace": "gone",
        "kaito.sh/machine-type": "gpu",
        "kaito.sh/creation-timestamp": "2026-01-01T00-00-00Z",
    }
    common = {"count": 1, "vmSize": SIZE}
    make_pool(world, "wsorphan", {**common, "nodeLabels": made, "tags": {"kaito-claim-uid": "u"}})
    make_pool(world, "gpuprov", {**common, "nodeLabels": made})
    make_pool(world, "others", {**common, "nodeLabels": {"team": "other"}})
    await world.start()
    await world.pool_is("wsorphan", "")
    assert world.pools() == {"gpuprov", "others"}, "gpu-provisioner's pools serve NodeClaims that live on"


async def test_a_machine_that_comes_back_in_time_keeps_its_pool(world: Bench) -> None:
    """As after a restore from a backup, or when somebody stripped its finalizer."""
    first = await world.start(orphan_grace="60s")
    name = await world.ask()
    before = await world.ready(name)
    await first.kill()
    await world.strip(name)
    await world.start("two", orphan_grace="60s")
    await asyncio.sleep(2)
    await world.ask(name=name)
    after = await world.ready(name)
    assert (after.uid != before.uid, after.node_name) == (True, before.node_name)
    await world.owns(name, after.uid)
    assert world.requests(name, "put_pool") == {"201": 1}
    assert world.requests(name, "delete_pool") == {}


async def test_a_throttled_cloud_is_asked_once_and_shown_once(world: Bench, cluster: Cluster) -> None:
    world.scenario(**rule({"reply": {"status": 429, "code": "Throttled", "retry_after": 60}}))
    await world.start()
    name = await world.ask()
    await world.shows(name, "MachineLaunched", "Unknown", Reason.THROTTLED)
    await world.tells(name, Reason.THROTTLED)
    account = f"system:serviceaccount:{world.namespace}:provisioner"
    before = writes_of(cluster.layout.audit_log, account)
    await asyncio.sleep(5)
    assert world.requests(name, "put_pool") == {"429": 1}, "our own status write must not bring the next request"
    assert writes_of(cluster.layout.audit_log, account) == before


async def test_a_cloud_that_falls_silent_during_a_launch_is_shown_and_forgotten(world: Bench) -> None:
    world.scenario(timing={"boot_seconds": 8000})
    await world.start()
    name = await world.ask()
    await world.pool_is(name, "Creating")
    world.scenario(**rule({"reply": {"status": 503}}, "list_pools"))
    await world.shows(name, "MachineLaunched", "Unknown", Reason.CLOUD_UNAVAILABLE)
    world.scenario(timing={"boot_seconds": 8000})
    await world.shows(name, "MachineLaunched", "Unknown", Reason.AGENT_POOL_CREATING)


async def test_an_upgrades_extra_node_comes_and_goes_without_the_machine(world: Bench) -> None:
    await world.start()
    name = await world.ask()
    claim = await world.ready(name)
    extra = await world.add_node(name)
    await world.owns(name, claim.uid, nodes=2)
    await world.client.delete(NODES, extra)
    await world.node_count(name, 1)
    assert (await world.ready(name)).node_name == claim.node_name
    await world.client.delete(NODES, claim.node_name)
    await world.gone(name)


async def test_what_the_api_server_refuses_is_shown_on_the_machine(world: Bench) -> None:
    await world.start()
    await world.forbid_marking_nodes()
    name = await world.ask()
    claim = await world.shows(name, "MachineRegistered", "False", Reason.OBJECT_REFUSED)
    assert "nodes are not to be marked" in claim.conditions["MachineRegistered"].message.partition("\n")[0]
    await world.allow_marking_nodes()
    await world.ready(name)


async def test_a_machine_that_lost_its_workspace_label_still_takes_its_pool_with_it(world: Bench) -> None:
    await world.start()
    name = await world.ask()
    await world.ready(name)
    lost = {"kaito.sh/workspace": None, "kaito.sh/workspacenamespace": None}
    await world.client.merge(MACHINES, name, {"metadata": {"labels": lost}})
    await world.delete(name)
    await world.gone(name)


async def test_a_machine_whose_pool_vanished_is_given_up_so_that_another_can_take_its_place(world: Bench) -> None:
    await world.start()
    name = await world.ask()
    await world.ready(name)
    remove_pool(world, name)
    await world.gone(name)
    assert world.requests(name, "put_pool") == {"201": 1}, "a lost node is replaced by a new Machine, not relaunched"


async def test_deleting_the_node_object_takes_machine_and_pool_with_it(world: Bench) -> None:
    await world.start()
    name = await world.ask()
    claim = await world.ready(name)
    await world.client.delete(NODES, claim.node_name)
    await world.gone(name)


async def test_a_machine_of_somebody_else_is_left_alone(world: Bench) -> None:
    await world.start()
    name = await world.ask()
    other = await world.client.get(MACHINES, name)
    foreign = {**other, "metadata": {"name": "foreign1", "labels": {"karpenter.sh/provisioner-name": "default"}}}
    await world.client.create(MACHINES, {key: foreign[key] for key in ("apiVersion", "kind", "metadata", "spec")})
    await world.ready(name)
    untouched = await world.client.get(MACHINES, "foreign1")
    assert (finalizers_of(untouched), untouched.get("status")) == ([], None)


async def test_the_metrics_tell_what_was_done(world: Bench) -> None:
    process = await world.start()
    await world.ready(await world.ask())

    async def counted() -> str:
        found = {family.name: family for family in text_string_to_metric_families(await process.scrape())}
        states = {sample.labels["state"]: sample.value for sample in found["kaito_claims"].samples}
        return "" if (states["ready"], states["failed"]) == (1, 0) else f"claims by state: {states}"

    await eventually(counted)
    families = {family.name: family for family in text_string_to_metric_families(await process.scrape())}
    created = [
        sample.value
        for sample in families["kaito_arm_requests"].samples
        if sample.labels == {"operation": "create", "code": "success"}
    ]
    assert created == [1.0]
    assert {"workqueue_depth", "controller_runtime_reconcile", "rest_client_requests"} <= set(families)
    assert "leader_election_master_status" in families
