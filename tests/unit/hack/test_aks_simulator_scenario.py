"""Scenarios: what each fault looks like on the wire."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from controller.api.json import Json
from hack.aks_simulator.simulator import Simulator
from tests.unit.hack.aks_simulator_kit import Clock, pool_body, serving, simulator

VERSION = {"api-version": "2026-08-01"}


class Arm:
    """Plain requests to a simulator whose clock the test moves."""

    def __init__(self, session: aiohttp.ClientSession, served: Simulator, clock: Clock) -> None:
        self.session = session
        self.served = served
        self.clock = clock
        self.cluster = served.settings.cluster_id

    async def call(self, method: str, path: str = "/agentPools/ws1", **options: Any) -> aiohttp.ClientResponse:
        url = path if path.startswith("http") else self.cluster + path
        params = None if path.startswith("http") else VERSION
        response = await self.session.request(method, url, **{"params": params} | options)
        await response.read()
        return response

    async def put(self, name: str = "ws1", **properties: Any) -> aiohttp.ClientResponse:
        return await self.call("PUT", f"/agentPools/{name}", json=pool_body(**properties))

    async def state(self, name: str = "ws1") -> str:
        response = await self.call("GET", f"/agentPools/{name}")
        return str((await response.json())["properties"]["provisioningState"]) if response.status == 200 else "absent"

    async def scenario(self, document: Json, method: str = "PUT") -> aiohttp.ClientResponse:
        return await self.session.request(method, "/_sim/scenario", json=document)


@pytest.fixture
async def arm() -> AsyncIterator[Arm]:
    clock = Clock()
    served = simulator(speed=1, clock=clock)
    async with serving(served) as url, aiohttp.ClientSession(url) as session:
        yield Arm(session, served, clock)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/subscriptions/other/resourceGroups/rg-kaito/providers/Microsoft.ContainerService/managedClusters/aks-kaito",
         404, "SubscriptionNotFound"),
        ("{sub}/resourceGroups/other/providers/Microsoft.ContainerService/managedClusters/aks-kaito",
         404, "ResourceGroupNotFound"),
        ("{sub}/resourceGroups/RG-KAITO/providers/microsoft.containerservice/managedclusters/other",
         404, "ResourceNotFound"),
        ("{sub}/resourceGroups/rg-kaito/providers/Microsoft.Other/things", 404, "InvalidResourceType"),
        ("{sub}/providers/Microsoft.Compute/locations/mars/usages", 404, "LocationNotAvailableForResourceType"),
    ],
)  # fmt: skip
async def test_what_arm_does_not_know(arm: Arm, path: str, status: int, code: str) -> None:
    response = await arm.session.get(
        path.format(sub=f"/subscriptions/{arm.served.settings.subscription}"), params=VERSION
    )
    assert (response.status, (await response.json())["error"]["code"]) == (status, code)
    assert response.headers["x-ms-failure-cause"] == "gateway"


async def test_segments_are_compared_without_regard_to_case(arm: Arm) -> None:
    response = await arm.session.get(arm.cluster.upper() + "/AGENTPOOLS/NODEPOOL1", params=VERSION)
    assert (response.status, (await response.json())["name"]) == (200, "nodepool1")


async def test_a_missing_pool_is_reported_in_the_flat_envelope(arm: Arm) -> None:
    response = await arm.call("GET")
    assert response.status == 404
    assert await response.json() == {
        "code": "NotFound",
        "details": None,
        "message": "Agent Pool not found",
        "subcode": "",
    }


@pytest.mark.parametrize(
    ("params", "code"),
    [({}, "MissingApiVersionParameter"), ({"api-version": "v1"}, "InvalidApiVersionParameter")],
)
async def test_the_api_version_is_required(arm: Arm, params: dict[str, str], code: str) -> None:
    response = await arm.call("GET", params=params)
    assert (response.status, (await response.json())["error"]["code"]) == (400, code)


async def test_a_request_that_is_not_json_or_of_the_wrong_method(arm: Arm) -> None:
    assert (await arm.call("PUT", data=b"{")).status == 400
    assert (await arm.call("PATCH")).status == 405


async def test_the_wire_sequence_of_a_creation_and_a_deletion(arm: Arm) -> None:
    created = await arm.put()
    assert created.status == 201
    assert "Location" not in created.headers
    assert "Retry-After" not in created.headers
    operation = created.headers["Azure-AsyncOperation"]
    assert (await (await arm.call("GET", operation)).json())["status"] == "InProgress"
    arm.clock.now += 8
    done = await (await arm.call("GET", operation)).json()
    assert done["status"] == "Succeeded"
    assert len(done["endTime"].rpartition(".")[2]) == len("1234567Z")
    assert (await arm.put()).status == 200
    arm.clock.now += 1
    deleted = await arm.call("DELETE")
    assert (deleted.status, await deleted.read()) == (202, b"")
    assert (await arm.call("GET", deleted.headers["Location"])).status == 202
    arm.clock.now += 4
    assert (await arm.call("GET", deleted.headers["Location"])).status == 204
    assert await arm.state() == "absent"


async def test_headers_every_answer_carries(arm: Arm) -> None:
    response = await arm.call("GET", headers={"x-ms-client-request-id": "mine"})
    assert response.headers["x-ms-client-request-id"] == "mine"
    assert {"x-ms-request-id", "x-ms-correlation-request-id", "Cache-Control", "Date"} <= response.headers.keys()
    assert "x-ms-ratelimit-remaining-subscription-reads" in response.headers


async def test_addresses_lead_back_the_way_the_request_came(arm: Arm) -> None:
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "front.example"}
    response = await arm.call("PUT", json=pool_body(), headers=forwarded)
    assert response.headers["Azure-AsyncOperation"].startswith("https://front.example/subscriptions/")


async def test_a_reply_rule_answers_instead_as_often_as_it_says(arm: Arm) -> None:
    reply = {"status": 503, "code": "ServiceUnavailable", "envelope": "html", "retry_after": 0}
    await arm.scenario({"rules": [{"match": {"operation": "put_pool"}, "times": 2, "reply": reply}]})
    for _ in range(2):
        refused = await arm.put()
        assert (refused.status, refused.content_type, refused.headers["Retry-After"]) == (503, "text/html", "0")
    assert (await arm.put()).status == 201
    assert arm.served.report()["requests_by_pool"]["ws1"]["put_pool"] == {"201": 1, "503": 2}


@pytest.mark.parametrize(("envelope", "keys"), [("flat", "code"), ("error", "error")])
async def test_the_envelope_of_a_reply_can_be_chosen(arm: Arm, envelope: str, keys: str) -> None:
    await arm.scenario({"rules": [{"reply": {"status": 409, "code": "Conflict", "envelope": envelope}}]})
    assert keys in await (await arm.put()).json()


async def test_a_request_cut_before_did_nothing_and_one_cut_after_did_everything(arm: Arm) -> None:
    # Twice, as aiohttp silently repeats an idempotent request whose connection broke.
    for when, state in (("before", "absent"), ("after", "Creating")):
        await arm.scenario({"rules": [{"match": {"operation": "put_pool"}, "times": 2, "cut": when}]})
        with pytest.raises(aiohttp.ClientConnectionError):
            await arm.put()
        assert await arm.state() == state
    assert arm.served.report()["requests"]["put_pool"] == {"cut": 4}


async def test_a_delayed_answer_still_comes(arm: Arm) -> None:
    await arm.scenario({"rules": [{"times": 1, "delay": 0.01}]})
    assert (await arm.put()).status == 201
    assert list(arm.served.world.uses.values()) == [1]


@pytest.mark.parametrize(
    ("polling", "expected"),
    [
        ("normal", {"Azure-AsyncOperation"}),
        ("location", {"Location"}),
        ("none", set()),
        ("long", {"Azure-AsyncOperation"}),
    ],
)
async def test_polling_headers_can_be_left_out_or_grow(arm: Arm, polling: str, expected: set[str]) -> None:
    await arm.scenario({"rules": [{"headers": {"polling": polling, "retry_after": 0}}]})
    response = await arm.put()
    assert {"Azure-AsyncOperation", "Location"} & response.headers.keys() == expected
    assert response.headers["Retry-After"] == "0"
    if polling == "long":
        assert len(response.headers["Azure-AsyncOperation"]) > 4000
    if polling == "location":
        arm.clock.now += 8
        result = await arm.call("GET", response.headers["Location"])
        assert (await result.json())["properties"]["provisioningState"] == "Succeeded"


async def test_a_failed_pool_can_hide_why_and_can_be_repaired_by_a_put(arm: Arm) -> None:
    fail = {"cause": "OverconstrainedAllocationRequest", "after_seconds": 3, "provisioning_error": False}
    await arm.scenario({"rules": [{"times": 1, "fail": fail}]})
    await arm.put()
    arm.clock.now += 3
    body = await (await arm.call("GET")).json()
    assert body["properties"]["provisioningState"] == "Failed"
    assert "status" not in body["properties"]
    assert (await arm.put()).status == 200
    arm.clock.now += 8
    assert await arm.state() == "Succeeded"
    assert len(arm.served.world.pools["ws1"].vms) == 1


async def test_an_operation_azure_cancels(arm: Arm) -> None:
    await arm.scenario({"rules": [{"cancel": {"after_seconds": 1}}]})
    operation = (await arm.put()).headers["Azure-AsyncOperation"]
    arm.clock.now += 1
    body = await (await arm.call("GET", operation)).json()
    assert (body["status"], body["error"]["code"]) == ("Canceled", "OperationPreempted")
    assert await arm.state() == "Canceled"


@pytest.mark.parametrize("when", ["request", "operation"])
async def test_a_size_that_cannot_be_had_in_one_zone(arm: Arm, when: str) -> None:
    rule = {"match": {"vm_size": "*A100*", "zones": ["1"]}, "sku_unavailable": when}
    await arm.scenario({"rules": [rule]})
    answer = await arm.put(availabilityZones=["1"])
    arm.clock.now += 2
    if when == "request":
        assert (await answer.json())["code"] == "VMSizeNotSupported"
    else:
        error = (await (await arm.call("GET")).json())["properties"]["status"]["provisioningError"]
        assert error["details"][0]["code"] == "SkuNotAvailable"
        assert "zones '1'" in error["message"]
    assert (await arm.put("ws2", availabilityZones=["2"])).status == 201
    arm.clock.now += 8
    assert await arm.state("ws2") == "Succeeded"


async def test_a_pool_hangs_in_deleting_until_the_rule_is_gone(arm: Arm) -> None:
    await arm.put()
    arm.clock.now += 8
    await arm.scenario({"rules": [{"match": {"operation": "delete_pool"}, "hang": True}]})
    await arm.call("DELETE")
    for _ in range(3):
        arm.clock.now += 3600
        assert await arm.state() == "Deleting"
    await arm.scenario({"rules": []}, "PATCH")
    assert await arm.state() == "Deleting"
    arm.clock.now += 4
    assert await arm.state() == "absent"


async def test_a_rule_refused_for_another_reason_is_not_used_up(arm: Arm) -> None:
    await arm.scenario({"rules": [{"times": 1, "fail": {"cause": "AllocationFailed"}}]})
    assert (await arm.put(count=-1)).status == 400
    await arm.put()
    arm.clock.now += 2
    assert await arm.state() == "Failed"


async def test_a_patch_of_the_scenario_keeps_the_rest(arm: Arm) -> None:
    await arm.scenario({"page_size": 1, "timing": {"boot_seconds": 3}})
    answer = await arm.scenario({"timing": {"delete_seconds": 2}, "page_size": None}, "PATCH")
    assert await answer.json() == {"timing": {"boot_seconds": 3, "delete_seconds": 2}}
    assert await (await arm.session.get("/_sim/scenario")).json() == await answer.json()


async def test_a_wrong_scenario_leaves_the_old_one_standing(arm: Arm) -> None:
    await arm.scenario({"page_size": 1})
    refused = await arm.scenario({"pagesize": 2})
    assert refused.status == 400
    assert "'pagesize' was unexpected" in (await refused.json())["error"]
    assert (await arm.session.put("/_sim/scenario", data=b"{")).status == 400
    assert arm.served.scenario.page_size == 1


async def test_reset_leaves_only_the_system_pool(arm: Arm) -> None:
    await arm.scenario({"rules": [{"hang": True}]})
    await arm.put()
    await arm.session.post("/_sim/reset")
    report = await (await arm.session.get("/_sim/state")).json()
    assert [pool["name"] for pool in report["pools"]] == ["nodepool1"]
    assert (report["operations"], report["requests"], arm.served.scenario.rules) == ([], {}, ())


@pytest.mark.parametrize(
    ("bearer", "header", "status"),
    [("*", "", 401), ("*", "Bearer any", 404), ("right", "Bearer wrong", 401), ("right", "Bearer right", 404)],
)
async def test_a_token_can_be_asked_for(arm: Arm, bearer: str, header: str, status: int) -> None:
    await arm.scenario({"bearer": bearer})
    response = await arm.call("GET", headers={"Authorization": header} if header else {})
    assert response.status == status


async def test_token_buckets_when_switched_on(arm: Arm) -> None:
    await arm.scenario({"throttling": True})
    statuses = [(await arm.call("GET")).status for _ in range(61)]
    assert statuses == [404] * 60 + [429]
    throttled = await arm.call("GET")
    assert (throttled.headers["Retry-After"], (await throttled.json())["code"]) == ("1", "Throttled")


async def test_usage_over_the_wire(arm: Arm) -> None:
    url = f"/subscriptions/{arm.served.settings.subscription}/providers/Microsoft.Compute/locations/eastus/usages"
    response = await arm.session.get(url, params={"api-version": "2024-07-01"})
    assert {"cores", "lowPriorityCores"} <= {item["name"]["value"] for item in (await response.json())["value"]}


def test_state_counters_and_live_scenario_survive_a_restart(tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    first = simulator({"page_size": 3}, state_file=state)
    first.count("put_pool", "ws1", "201")
    first.replace_scenario({"page_size": 7})
    again = simulator({"page_size": 3}, state_file=state)
    assert (again.world, again.scenario.page_size) == (first.world, 7)
    assert again.report()["requests_by_pool"] == {"ws1": {"put_pool": {"201": 1}}}
    edited = simulator({"page_size": 5}, state_file=state)
    assert edited.scenario.page_size == 5, "an edited scenario file wins over the saved one"
    state.write_text(json.dumps({"world": {}}), encoding="utf-8")
    with pytest.raises(ValueError, match="is not a state file"):
        simulator(state_file=state)
