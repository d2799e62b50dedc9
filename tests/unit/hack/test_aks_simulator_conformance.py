"""The unmodified Azure SDK against the simulator: what works here is what the service's wire format allows."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.mgmt.containerservice.aio import ContainerServiceClient

from hack.aks_simulator.simulator import Simulator
from tests.unit.hack.aks_simulator_kit import (
    CLUSTER,
    GROUP,
    AsyncCredential,
    aio_client,
    pool_body,
    self_signed,
    serving,
    simulator,
    sync_client,
)


@pytest.fixture
def served() -> Simulator:
    return simulator()


@pytest.fixture
async def url(served: Simulator) -> AsyncIterator[str]:
    async with serving(served) as address:
        yield address


@pytest.fixture
async def client(url: str) -> AsyncIterator[ContainerServiceClient]:
    async with aio_client(url) as connected:
        yield connected


async def create(client: ContainerServiceClient, name: str = "ws1", **properties: Any) -> Any:
    poller = await client.agent_pools.begin_create_or_update(GROUP, CLUSTER, name, pool_body(**properties))
    return await poller.result()


async def start(client: ContainerServiceClient, name: str = "ws1", **properties: Any) -> None:
    """Begin a creation without waiting for its end."""
    body = pool_body(**properties)
    await client.agent_pools.begin_create_or_update(GROUP, CLUSTER, name, body, polling=False)


async def test_a_creation_polled_to_its_end_returns_the_stored_pool(client: ContainerServiceClient) -> None:
    result = await create(client)
    stored = await client.agent_pools.get(GROUP, CLUSTER, "ws1")
    assert result.as_dict() == stored.as_dict()
    assert stored.provisioning_state == "Succeeded"
    assert stored.node_taints == ["sku=gpu:NoSchedule"]
    assert stored.mode == "User", "the service adds its defaults"
    machines = [machine.name async for machine in client.machines.list(GROUP, CLUSTER, "ws1")]
    assert len(machines) == 1
    assert (await client.machines.get(GROUP, CLUSTER, "ws1", str(machines[0]))).name == machines[0]


async def test_a_second_creation_with_if_none_match_is_refused(client: ContainerServiceClient) -> None:
    condition = MatchConditions.IfMissing
    await client.agent_pools.begin_create_or_update(
        GROUP, CLUSTER, "ws1", pool_body(), etag="*", match_condition=condition, polling=False
    )
    with pytest.raises(ResourceExistsError) as refused:
        await client.agent_pools.begin_create_or_update(
            GROUP, CLUSTER, "ws1", pool_body(), etag="*", match_condition=condition, polling=False
        )
    assert refused.value.status_code == 412


async def test_a_pool_just_asked_for_is_creating(client: ContainerServiceClient, served: Simulator) -> None:
    served.replace_scenario({"rules": [{"hang": True}]})
    await start(client)
    assert (await client.agent_pools.get(GROUP, CLUSTER, "ws1")).provisioning_state == "Creating"


async def test_a_deleted_pool_is_not_found(client: ContainerServiceClient) -> None:
    await create(client)
    await (await client.agent_pools.begin_delete(GROUP, CLUSTER, "ws1")).result()
    with pytest.raises(ResourceNotFoundError) as missing:
        await client.agent_pools.get(GROUP, CLUSTER, "ws1")
    assert missing.value.error
    assert missing.value.error.code == "NotFound"


async def test_the_deletion_of_a_missing_pool_succeeds(client: ContainerServiceClient, served: Simulator) -> None:
    await (await client.agent_pools.begin_delete(GROUP, CLUSTER, "ws1")).result()
    assert served.report()["requests"]["delete_pool"] == {"204": 1}


async def test_a_failed_operation_tells_the_code_and_the_cause(
    client: ContainerServiceClient, served: Simulator
) -> None:
    served.replace_scenario({"rules": [{"fail": {"cause": "AllocationFailed"}}]})
    with pytest.raises(HttpResponseError) as failed:
        await create(client)
    error = failed.value.error
    assert error
    assert error.code == "CreateVMSSAgentPoolFailed"
    assert [detail.code for detail in error.details] == ["AllocationFailed"]
    pool = await client.agent_pools.get(GROUP, CLUSTER, "ws1")
    assert pool.provisioning_state == "Failed"
    assert pool.status
    assert pool.status.provisioning_error
    assert pool.status.provisioning_error.code == "CreateVMSSAgentPoolFailed"


async def test_the_sdk_gets_through_a_throttled_request(url: str, served: Simulator) -> None:
    reply = {"status": 429, "code": "Throttled", "retry_after": 1}
    served.replace_scenario({"rules": [{"match": {"operation": "get_pool"}, "times": 1, "reply": reply}]})
    async with aio_client(url, retry_total=2) as client:
        pool = await client.agent_pools.get(GROUP, CLUSTER, "nodepool1")
    assert pool.name == "nodepool1"
    assert served.report()["requests"]["get_pool"] == {"200": 1, "429": 1}


async def test_a_list_of_two_pages_is_followed(client: ContainerServiceClient, served: Simulator) -> None:
    served.replace_scenario({"page_size": 1})
    await start(client)
    assert [pool.name async for pool in client.agent_pools.list(GROUP, CLUSTER)] == ["nodepool1", "ws1"]
    asked = served.report()["requests"]
    assert (asked["list_pools"], asked["next_page"]) == ({"200": 1}, {"200": 1})


async def test_the_blocking_client_sees_the_same(url: str) -> None:
    def story() -> list[str | None]:
        with sync_client(url) as client:
            client.agent_pools.begin_create_or_update(GROUP, CLUSTER, "ws1", pool_body()).result()
            names = [pool.name for pool in client.agent_pools.list(GROUP, CLUSTER)]
            client.agent_pools.begin_delete(GROUP, CLUSTER, "ws1").result()
            profiles = client.managed_clusters.get(GROUP, CLUSTER).agent_pool_profiles or []
            return [*names, "|", *(profile.name for profile in profiles)]

    assert await asyncio.to_thread(story) == ["nodepool1", "ws1", "|", "nodepool1"]


async def test_a_poller_resumes_after_a_restart_of_the_simulator(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    async with serving(simulator(speed=20, state_file=state)) as url, aio_client(url) as client:
        poller = await client.agent_pools.begin_create_or_update(GROUP, CLUSTER, "ws1", pool_body())
        token = poller.continuation_token()
        port = int(url.rpartition(":")[2])
    restarted = simulator(speed=20, state_file=state)
    async with serving(restarted, port=port) as url, aio_client(url) as client:
        resumed = await client.agent_pools.begin_create_or_update(
            GROUP, CLUSTER, "ws1", pool_body(), continuation_token=token
        )
        assert (await resumed.result()).provisioning_state == "Succeeded"
    assert restarted.report()["requests"]["put_pool"] == {"201": 1}, "resuming asks for nothing anew"


async def test_an_aborted_creation_ends_cancelled(client: ContainerServiceClient, served: Simulator) -> None:
    served.replace_scenario({"rules": [{"hang": True}]})
    creation = await client.agent_pools.begin_create_or_update(GROUP, CLUSTER, "ws1", pool_body())
    await (await client.agent_pools.begin_abort_latest_operation(GROUP, CLUSTER, "ws1")).result()
    assert (await client.agent_pools.get(GROUP, CLUSTER, "ws1")).provisioning_state == "Canceled"
    with pytest.raises(HttpResponseError) as cancelled:
        await creation.result()
    assert cancelled.value.error
    assert cancelled.value.error.code == "OperationPreempted"


async def test_a_write_during_another_operation_is_a_conflict(
    client: ContainerServiceClient, served: Simulator
) -> None:
    served.replace_scenario({"rules": [{"hang": True}]})
    await start(client)
    with pytest.raises(ResourceExistsError) as conflict:
        await start(client)
    assert conflict.value.status_code == 409
    assert conflict.value.error
    assert conflict.value.error.code == "OperationNotAllowed"


async def test_machines_chosen_for_deletion_leave_the_pool(client: ContainerServiceClient) -> None:
    await create(client, count=2)
    names = [str(machine.name) async for machine in client.machines.list(GROUP, CLUSTER, "ws1")]
    poller = await client.agent_pools.begin_delete_machines(GROUP, CLUSTER, "ws1", {"machineNames": names[:1]})
    await poller.result()
    assert [machine.name async for machine in client.machines.list(GROUP, CLUSTER, "ws1")] == names[1:]
    assert (await client.agent_pools.get(GROUP, CLUSTER, "ws1")).count == 1


async def test_over_https_the_sdk_uses_its_own_authentication(tmp_path: Path) -> None:
    certificate, tls = self_signed(tmp_path)
    served = simulator({"bearer": "sim"})
    async with serving(served, tls=tls) as url:
        credential: Any = AsyncCredential()
        subscription = served.settings.subscription
        async with ContainerServiceClient(
            credential, subscription, base_url=url, connection_verify=str(certificate), retry_total=0
        ) as client:
            assert [pool.name async for pool in client.agent_pools.list(GROUP, CLUSTER)] == ["nodepool1"]
