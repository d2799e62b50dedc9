"""What AKS takes and refuses, decided by pure functions at instants of the test's choosing."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.api.json import Json
from hack.aks_simulator import bodies, quota, throttle
from hack.aks_simulator.context import Context
from hack.aks_simulator.errors import RefusalError
from hack.aks_simulator.faults import Effects
from hack.aks_simulator.pools import Change, Conditions, abort_pool, delete_machines, delete_pool, put_pool
from hack.aks_simulator.progress import OPERATION_LIFETIME, advance, next_change, report_drained, report_unregistered
from hack.aks_simulator.scenario import NodeTrouble, parse_scenario
from hack.aks_simulator.settings import base36
from hack.aks_simulator.storage import dump_world, first_world, load, parse_world, save
from hack.aks_simulator.values import World
from tests.unit.hack.aks_simulator_kit import START, context, pool_body


def world_with(document: Json | None = None, **properties: Any) -> World:
    """A world whose pool ws1 was created at START and is long done."""
    at = context(START, document)
    return settled(put_pool(first_world(at, "seed"), at, Change("ws1"), pool_body(**properties)).world)


def settled(world: World, seconds: float = 1000.0) -> World:
    return advance(world, context(START + seconds))


def put(world: World, at: Context, name: str = "ws1", **properties: Any) -> World:
    return put_pool(world, at, Change(name), pool_body(**properties)).world


def refusal(world: World, name: str = "ws1", at: Context | None = None, **properties: Any) -> tuple[int, str]:
    with pytest.raises(RefusalError) as refused:
        put(world, at or context(START + 2000), name, **properties)
    return refused.value.status, refused.value.code


EMPTY = first_world(context(), "seed")


@pytest.mark.parametrize(
    ("name", "properties", "code"),
    [
        ("ws-1", {}, "InvalidParameter"),
        ("WS1", {}, "InvalidParameter"),
        ("1ws", {}, "InvalidParameter"),
        ("abcdefghijklm", {}, "InvalidParameter"),
        ("windows", {"osType": "Windows"}, "InvalidParameter"),
        ("ws1", {"count": 1001}, "InvalidParameter"),
        ("ws1", {"count": -1}, "InvalidParameter"),
        ("ws1", {"count": "1"}, "UnmarshalError"),
        ("ws1", {"count": True}, "UnmarshalError"),
        ("ws1", {"count": 0, "mode": "System"}, "InvalidParameter"),
        ("ws1", {"osDiskSizeGB": 29}, "InvalidParameter"),
        ("ws1", {"osDiskSizeGB": 2049}, "InvalidParameter"),
        ("ws1", {"osSKU": "Debian"}, "InvalidParameter"),
        ("ws1", {"availabilityZones": ["4"]}, "InvalidParameter"),
        ("ws1", {"nodeLabels": {"kubernetes.azure.com/x": "y"}}, "InvalidParameter"),
        ("ws1", {"nodeLabels": {"kubernetes.io/arch": "amd64"}}, "InvalidParameter"),
        ("ws1", {"nodeLabels": {"a b": "c"}}, "InvalidParameter"),
        ("ws1", {"nodeLabels": {"a": "10:20"}}, "InvalidParameter"),
        ("ws1", {"nodeLabels": {"a": 1}}, "UnmarshalError"),
        ("ws1", {"nodeTaints": ["sku=gpu"]}, "InvalidParameter"),
        ("ws1", {"nodeTaints": ["sku=gpu:Never"]}, "InvalidParameter"),
        ("ws1", {"enableAutoScaling": True, "minCount": 2, "maxCount": 3}, "InvalidParameter"),
        ("ws1", {"orchestratorVersion": "9.9"}, "AgentPoolK8sVersionNotSupported"),
        ("ws1", {"vmSize": "Standard_Typo"}, "VMSizeNotSupported"),
        ("ws1", {"vmsize": "Standard_NC6s_v3"}, "UnmarshalError"),
    ],
)
def test_what_makes_no_pool_is_refused(name: str, properties: Json, code: str) -> None:
    assert refusal(EMPTY, name, **properties) == (400, code)


@pytest.mark.parametrize("body", [None, [], {}, {"properties": None}, {"properties": {}, "zones": []}])
def test_a_body_that_is_no_pool_is_refused(body: Any) -> None:
    with pytest.raises(RefusalError) as refused:
        put_pool(EMPTY, context(), Change("ws1"), body)
    assert refused.value.status == 400


def test_the_example_size_is_offered_although_azure_retired_it() -> None:
    world = put(EMPTY, context(), vmSize="standard_nc6s_V3")
    assert world.pools["ws1"].vm_size == "standard_nc6s_V3", "names are compared without regard to case"
    retired = context(document={"retired_sizes": ["Standard_NC6s_v3"]})
    assert refusal(EMPTY, at=retired, vmSize="Standard_NC6s_v3") == (400, "VMSizeNotSupported")


@pytest.mark.parametrize(
    "change", [{"vmSize": "Standard_NC6s_v3"}, {"osDiskSizeGB": 512}, {"availabilityZones": ["1"]}, {"maxPods": 30}]
)
def test_fixed_properties_cannot_change(change: Json) -> None:
    assert refusal(world_with(), **change) == (400, "PropertyChangeNotAllowed")


def test_an_identical_put_changes_nothing_but_the_etag() -> None:
    before = world_with(osDiskSizeGB=0)
    after = advance(put(before, context(START + 2000), osDiskSizeGB=0), context(START + 2010))
    assert after.pools["ws1"].properties == before.pools["ws1"].properties
    assert after.pools["ws1"].vms == before.pools["ws1"].vms
    assert after.pools["ws1"].etag != before.pools["ws1"].etag


def test_a_put_replaces_labels_and_taints_as_a_whole() -> None:
    world = put(world_with(), context(START + 2000), nodeLabels={"a": "b"}, nodeTaints=None)
    pool = world.pools["ws1"]
    assert pool.properties["nodeLabels"] == {"a": "b"}
    assert "nodeTaints" not in pool.properties
    assert set(pool.retired_labels) == {"kaito.sh/workspace"}
    assert set(pool.retired_taints) == {"sku=gpu:NoSchedule"}


def test_scaling_adds_the_missing_and_takes_away_the_newest() -> None:
    grown = advance(put(world_with(), context(START + 2000), count=3), context(START + 2010))
    assert [vm.index for vm in grown.pools["ws1"].vms] == [0, 1, 2]
    shrunk = advance(put(grown, context(START + 3000), count=1), context(START + 3010))
    assert [vm.index for vm in shrunk.pools["ws1"].vms] == [0]
    again = put(shrunk, context(START + 4000), count=2)
    assert [vm.index for vm in again.pools["ws1"].vms] == [0, 3], "instance numbers are not reused"
    assert again.pools["ws1"].state == "Scaling"


def test_a_stopped_pool_has_no_machines_until_it_is_started() -> None:
    stopping = put(world_with(), context(START + 2000), powerState={"code": "Stopped"})
    assert stopping.pools["ws1"].state == "Stopping"
    stopped = advance(stopping, context(START + 2010))
    assert (stopped.pools["ws1"].vms, stopped.pools["ws1"].state) == ((), "Succeeded")
    started = advance(put(stopped, context(START + 3000), powerState={"code": "Running"}), context(START + 3010))
    assert len(started.pools["ws1"].vms) == 1


def test_the_last_system_pool_stays() -> None:
    with pytest.raises(RefusalError) as refused:
        delete_pool(EMPTY, context(), Change("nodepool1"), ignore_budgets=False)
    assert refused.value.code == "OperationNotAllowed"
    assert refusal(EMPTY, "nodepool1", vmSize=None, mode="User", nodeTaints=None) == (400, "OperationNotAllowed")


def test_one_pool_stays_without_hard_taints() -> None:
    assert refusal(EMPTY, "nodepool1", vmSize=None, mode="System") == (400, "CanNotTaintAllAgentPools")


def test_a_hundred_pools_are_the_limit() -> None:
    world = EMPTY
    for number in range(99):
        world = put(world, context(), f"ws{number}")
    assert refusal(world, "onemore", context()) == (400, "MaxAgentPoolCountReached")


@pytest.mark.parametrize(
    ("exists", "conditions", "status"),
    [
        (False, Conditions(if_match="*"), 412),
        (False, Conditions(if_match="old"), 412),
        (False, Conditions(if_none_match="*"), None),
        (True, Conditions(if_none_match="*"), 412),
        (True, Conditions(if_match="old"), 412),
        (True, Conditions(if_none_match="old"), None),
        (True, Conditions(if_match="*"), None),
        (True, Conditions(if_match="current"), None),
        (True, Conditions(if_none_match="current"), 412),
    ],
)
def test_conditional_headers(exists: bool, conditions: Conditions, status: int | None) -> None:
    world = world_with() if exists else EMPTY
    if exists:
        etag = world.pools["ws1"].etag
        conditions = Conditions(
            conditions.if_match.replace("current", etag), conditions.if_none_match.replace("current", etag)
        )
    answered = None
    try:
        put_pool(world, context(START + 2000), Change("ws1", conditions), pool_body())
    except RefusalError as refused:
        answered = refused.status
    assert answered == status


def test_the_lock_spans_one_pool_or_the_cluster() -> None:
    creating = put(EMPTY, context(), "ws1")
    assert refusal(creating, "ws1", context()) == (409, "OperationNotAllowed")
    assert "ws2" in put(creating, context(), "ws2").pools
    assert refusal(creating, "ws2", context(document={"lock_scope": "cluster"})) == (409, "OperationNotAllowed")


def test_a_second_deletion_conflicts_or_joins_the_first() -> None:
    started = delete_pool(world_with(), context(START + 2000), Change("ws1"), ignore_budgets=False)
    assert started
    with pytest.raises(RefusalError) as refused:
        delete_pool(started.world, context(START + 2001), Change("ws1"), ignore_budgets=False)
    assert refused.value.status == 409
    joining = context(START + 2001, {"delete_deleting": 202})
    joined = delete_pool(started.world, joining, Change("ws1"), ignore_budgets=False)
    assert joined
    assert joined.operation == started.operation


def test_a_missing_pool_can_be_made_to_answer_404_to_its_deletion() -> None:
    with pytest.raises(RefusalError) as refused:
        delete_pool(EMPTY, context(document={"delete_missing": 404}), Change("ws1"), ignore_budgets=False)
    assert (refused.value.status, refused.value.code) == (404, "NotFound")


def test_unknown_machines_cannot_be_deleted() -> None:
    with pytest.raises(RefusalError) as refused:
        delete_machines(world_with(), context(START + 2000), Change("ws1"), {"machineNames": ["aks-other"]})
    assert refused.value.code == "InvalidParameter"


def test_a_removal_waits_for_the_drain_and_fails_when_it_takes_too_long() -> None:
    at = context(START + 2000, attached=True)
    started = delete_pool(world_with(), at, Change("ws1"), ignore_budgets=False)
    assert started
    waiting = advance(started.world, context(START + 2100, attached=True))
    assert waiting.pools["ws1"].state == "Deleting", "the VM must outlive its pods"
    failed = advance(waiting, context(START + 2121, attached=True)).pools["ws1"]
    assert failed.error
    assert (failed.state, failed.error.code) == ("Failed", "PodDrainFailure")
    assert [vm.leaving for vm in failed.vms] == [False], "the VM stays"


def test_a_machine_that_is_gone_frees_its_quota_before_its_node_is() -> None:
    at = context(START + 2000, attached=True)
    started = delete_pool(world_with(), at, Change("ws1"), ignore_budgets=False)
    assert started
    later = context(START + 2004, attached=True)
    gone = advance(report_drained(started.world, "ws1", 0), later)
    assert [vm.gone for vm in gone.pools["ws1"].vms] == [True]
    assert gone.pools["ws1"].state == "Deleting", "the Node object is still there"
    assert quota.used(gone, later)["StandardNCADSA100v4Family"] == 0
    assert "ws1" not in advance(report_unregistered(gone, "ws1", 0), later).pools


def test_an_aborted_creation_leaves_no_machine_behind() -> None:
    aborted = abort_pool(put(EMPTY, context()), context(START + 5), Change("ws1")).world
    assert aborted.pools["ws1"].vms == ()
    assert advance(aborted, context(START + 6)).pools["ws1"].state == "Canceled"


def test_an_aborted_deletion_keeps_the_machines() -> None:
    started = delete_pool(world_with(count=2), context(START + 2000), Change("ws1"), ignore_budgets=False)
    assert started
    aborted = abort_pool(started.world, context(START + 2001), Change("ws1")).world
    pool = advance(aborted, context(START + 3000)).pools["ws1"]
    assert (pool.state, [vm.leaving for vm in pool.vms]) == ("Canceled", [False, False])


def test_there_is_nothing_to_abort_on_a_resting_pool() -> None:
    with pytest.raises(RefusalError) as refused:
        abort_pool(world_with(), context(START + 2000), Change("ws1"))
    assert refused.value.status == 409


QUOTA: Json = {"quota": {"families": {"StandardNCADSA100v4Family": 24}}}


def test_quota_is_refused_at_once_by_default() -> None:
    world = put(EMPTY, context(document=QUOTA), "ws1")
    with pytest.raises(RefusalError) as refused:
        put(world, context(document=QUOTA), "ws2")
    assert refused.value.code == "ErrCode_InsufficientVCPUQuota"
    assert "requested 24, remaining 0 for family StandardNCADSA100v4Family" in refused.value.message


def test_quota_can_be_found_out_by_the_operation() -> None:
    document: Json = {"quota": {"default_limit": 0, "enforcement": "operation"}}
    failed = advance(put(EMPTY, context(document=document)), context(START + 3, document)).pools["ws1"]
    assert failed.error
    assert failed.error.details[0].code == "OperationNotAllowed"
    assert "Family Cores quota" in failed.error.message
    assert "Current Limit: 0" in failed.error.message


@pytest.mark.parametrize(
    ("document", "properties", "bucket"),
    [
        ({"quota": {"regional_limit": 20}}, {}, "cores"),
        ({"quota": {"spot_limit": 20}}, {"scaleSetPriority": "Spot"}, "lowPriorityCores"),
    ],
)
def test_quota_of_the_region_and_of_spot(document: Json, properties: Json, bucket: str) -> None:
    with pytest.raises(RefusalError) as refused:
        put(EMPTY, context(document=document), **properties)
    assert f"for family {bucket} " in refused.value.message


def test_usage_counts_what_is_there() -> None:
    items = {item["name"]["value"]: item for item in quota.usage_items(world_with(count=2), context())}
    assert items["StandardNCADSA100v4Family"]["currentValue"] == 48
    assert items["cores"]["currentValue"] == 48 + 4, "the system pool counts in the region"
    assert items["StandardNCADSA100v4Family"]["limit"] == 10000


def test_a_spot_pool_shows_its_defaults() -> None:
    stored = put(EMPTY, context(), scaleSetPriority="spot").pools["ws1"].properties
    assert (stored["scaleSetPriority"], stored["scaleSetEvictionPolicy"], stored["spotMaxPrice"]) == (
        "Spot",
        "Delete",
        -1,
    )


def test_old_api_versions_know_neither_etag_nor_provisioning_error() -> None:
    document: Json = {"quota": {"default_limit": 0, "enforcement": "operation"}}
    failed = advance(put(EMPTY, context(document=document)), context(START + 3, document)).pools["ws1"]
    old = bodies.pool_body(context().settings, failed, "2024-01-01")["properties"]
    new = bodies.pool_body(context().settings, failed, "2026-08-01")["properties"]
    assert {"eTag", "status"} & old.keys() == set()
    assert {"eTag", "status"} <= new.keys()


def test_a_finished_operation_is_kept_for_hours_and_then_forgotten() -> None:
    world = world_with()
    assert len(advance(world, context(START + OPERATION_LIFETIME)).operations) == 1
    assert advance(world, context(START + 1000 + OPERATION_LIFETIME + 1)).operations == {}


def test_a_machine_is_listed_when_allocated_and_counted_until_gone() -> None:
    pool = put(EMPTY, context()).pools["ws1"]
    assert bodies.listed_vms(pool, START + 3.9) == []
    assert [vm.index for vm in bodies.listed_vms(pool, START + 4)] == [0]


def test_the_next_change_is_never_in_the_past() -> None:
    world = put(EMPTY, context())
    seen = []
    now: float | None = START
    while now is not None:
        seen.append(now - START)
        now = next_change(advance(world, context(now)), context(now))
    assert seen == [0.0, 8.0, 8.5, 10.0, 12.0]


def test_a_world_survives_the_state_file(tmp_path: Path) -> None:
    document: Json = {"quota": {"default_limit": 0, "enforcement": "operation"}}
    trouble: Json = {"rules": [{"name": "stuck", "node": "no_gpu"}]}
    world = advance(put(EMPTY, context(document=document)), context(START + 3, document))
    effects: Effects = {NodeTrouble: parse_scenario(trouble).rules[0]}
    world = put_pool(world, context(), Change("ws2", effects=effects), pool_body()).world
    world = replace(put(settled(world), context(START + 2000), "ws2", nodeLabels=None), uses={"rule": 2})
    save(tmp_path / "state", dump_world(world))
    assert parse_world(load(tmp_path / "state") or {}) == world


def test_a_throttling_bucket_refills_with_time() -> None:
    name, rate = throttle.bucket_of("put_pool", "WS1")
    assert name == "put/ws1"
    bucket = None
    for _ in range(20):
        bucket, wait = throttle.draw(bucket, rate, START)
        assert wait == 0
    bucket, wait = throttle.draw(bucket, rate, START)
    assert wait == 60
    assert throttle.draw(bucket, rate, START + 59)[1] > 0
    assert throttle.draw(bucket, rate, START + 61)[1] == 0


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (35, "z"), (36, "10"), (46655, "zzz")])
def test_base_36(number: int, text: str) -> None:
    assert base36(number) == text


def test_names_and_ids_of_a_machine() -> None:
    settings = context().settings
    assert settings.node_name("ws1", 37) == f"aks-ws1-{settings.digits}-vmss000011"
    assert len(settings.digits) == 8
    assert settings.vm_id("ws1", 1).endswith(
        f"/virtualMachineScaleSets/aks-ws1-{settings.digits}-vmss/virtualMachines/1"
    )
    assert "/resourceGroups/mc_rg-kaito_aks-kaito_eastus/" in settings.provider_id("ws1", 1)
