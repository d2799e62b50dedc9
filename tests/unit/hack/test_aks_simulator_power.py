"""The whole cluster stopped and started: what stays, what goes, and what is refused meanwhile."""

from collections.abc import Callable

import pytest
from azure.core.exceptions import HttpResponseError

from hack.aks_simulator.errors import RefusalError
from hack.aks_simulator.pools import Change, put_pool
from hack.aks_simulator.power import check_power, switch
from hack.aks_simulator.progress import advance
from hack.aks_simulator.storage import first_world
from hack.aks_simulator.values import World, power_operation
from tests.unit.hack.aks_simulator_kit import CLUSTER, GROUP, START, aio_client, context, pool_body, serving, simulator


def running() -> World:
    """A cluster with a system pool and a GPU pool, both long done."""
    at = context()
    made = put_pool(first_world(at, "seed"), at, Change("ws1"), pool_body()).world
    return advance(made, context(START + 1000))


def stopped() -> World:
    return advance(switch(running(), context(START + 2000), "Stopped").world, context(START + 2100))


def test_a_stopped_cluster_keeps_its_pools_and_no_machine() -> None:
    world = stopped()
    assert {pool.state for pool in world.pools.values()} == {"Succeeded"}
    assert {pool.properties["powerState"]["code"] for pool in world.pools.values()} == {"Stopped"}
    assert [pool.vms for pool in world.pools.values()] == [(), ()]
    assert power_operation(world) is None, "the change of the cluster ends with the last of its pools"


def test_a_started_cluster_has_as_many_machines_as_before_and_other_ones() -> None:
    world = advance(switch(stopped(), context(START + 3000), "Running").world, context(START + 3100))
    assert world.power == "Running"
    assert [[vm.index for vm in pool.vms] for pool in world.pools.values()] == [[1], [1]]


@pytest.mark.parametrize(
    ("world", "status", "words"),
    [
        (lambda: switch(running(), context(START + 2000), "Stopped").world, 409, "Stopping"),
        (stopped, 400, "Power State(Stopped)"),
        (lambda: switch(stopped(), context(START + 3000), "Running").world, 409, "Starting"),
    ],
    ids=["stopping", "stopped", "starting"],
)
def test_no_pool_is_changed_meanwhile(world: Callable[[], World], status: int, words: str) -> None:
    with pytest.raises(RefusalError) as refused:
        check_power(world(), "deleting an agent pool")
    assert (refused.value.status, refused.value.code) == (status, "OperationNotAllowed")
    assert words in refused.value.message


def test_a_cluster_with_an_operation_under_way_is_not_stopped_nor_one_twice() -> None:
    busy = put_pool(running(), context(START + 2000), Change("ws2"), pool_body()).world
    with pytest.raises(RefusalError, match="ws2 - Creating"):
        switch(busy, context(START + 2000), "Stopped")
    with pytest.raises(RefusalError, match=r"Power State\(Stopped\), stopping cannot be performed"):
        switch(stopped(), context(START + 3000), "Stopped")


async def test_the_sdk_stops_and_starts_the_cluster() -> None:
    served = simulator()
    async with serving(served) as url, aio_client(url) as client:
        await (await client.managed_clusters.begin_stop(GROUP, CLUSTER)).result()
        shown = await client.managed_clusters.get(GROUP, CLUSTER)
        assert (shown.provisioning_state, shown.power_state and shown.power_state.code) == ("Succeeded", "Stopped")
        with pytest.raises(HttpResponseError) as refused:
            await client.agent_pools.begin_create_or_update(GROUP, CLUSTER, "ws1", pool_body(), polling=False)
        assert refused.value.status_code == 400
        await (await client.managed_clusters.begin_start(GROUP, CLUSTER)).result()
        shown = await client.managed_clusters.get(GROUP, CLUSTER)
        assert shown.power_state is not None
        assert shown.power_state.code == "Running"
