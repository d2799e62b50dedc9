"""The adapter on the real Azure SDK, against the AKS simulator over HTTP."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp import web
from azure.core import AzureClouds
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.identity import AzureAuthorityHosts
from azure.mgmt.core.tools import get_arm_endpoints

from controller.api.json import Json
from controller.runtime.errors import SetupError
from hack.aks_simulator.settings import Settings
from hack.aks_simulator.simulator import Simulator
from hack.devcluster.pki import Leaf, issue, new_authority
from hack.devcluster.ports import LOOPBACK
from provisioner.agentpools import _CLOUDS, AgentPools, _from_response
from provisioner.body import pool_body
from provisioner.budget import Budget
from provisioner.errors import CloudError, ErrorKind
from provisioner.offerings import Offering, Place
from provisioner.quota import Usage
from provisioner.settings import AzureSettings, Cloud, CredentialKind
from provisioner.times import now
from provisioner.wish import Wish, wish_of
from tests.unit.hack.aks_simulator_kit import CLUSTER, GROUP, Clock, serving, simulator
from tests.unit.provisioner.builders import NAME, SIZE, UID, at, claim

T = TypeVar("T")

A_WHILE = 3600.0
LONG = 3600
"""Seconds; longer than any machine needs for a test."""

WISH = wish_of(claim(), {}, Place())
assert isinstance(WISH, Wish)
BODY = pool_body(claim(), WISH, Offering(SIZE), gpu=True, attempt=1, now=at(0))


@asynccontextmanager
async def azure(
    document: Json | None = None, *, clock: Clock | None = None, **changes: Any
) -> AsyncIterator[tuple[AgentPools, Simulator]]:
    """The adapter and the cloud behind it; whatever the cloud begins takes until the clock is moved."""
    cloud = simulator(document, clock=clock or Clock())
    async with serving(cloud) as url:
        settings = {
            "subscription_id": Settings().subscription,
            "resource_group": GROUP,
            "cluster_name": CLUSTER,
            "endpoint": url,
            "credential": CredentialKind.NONE,
            **changes,
        }
        api = AgentPools(AzureSettings(**settings), location="eastus", user_agent="test")
        try:
            yield api, cloud
        finally:
            await api.close()


async def refused(call: Awaitable[object]) -> CloudError:
    """The error a call ends in."""
    with pytest.raises(CloudError) as caught:
        await call
    return caught.value


def rule(effect: Json, operation: str = "put_pool", **more: Any) -> Json:
    """A scenario of one rule."""
    return {"rules": [{"match": {"operation": operation}, **more, **effect}]}


async def test_a_pool_is_made_seen_and_removed() -> None:
    clock = Clock()
    async with azure(clock=clock) as (api, _):
        begun = await api.create(NAME, BODY)
        assert (begun.state, begun.vm_size, begun.tags["kaito-claim-uid"]) == ("Creating", SIZE, UID)
        assert begun.labels["kaito.sh/workspace"] == "phi"
        clock.now += A_WHILE
        assert (await api.get(NAME)).succeeded
        assert NAME in {pool.name for pool in await api.list()}
        await api.delete(NAME, ignore_disruption_budgets=True)
        clock.now += A_WHILE
        assert (await refused(api.get(NAME))).kind is ErrorKind.POOL_NOT_FOUND


async def test_create_does_not_wait_for_the_operation() -> None:
    async with azure() as (api, _):
        await api.create(NAME, BODY)
        assert (await api.get(NAME)).state == "Creating"


async def test_a_second_create_never_touches_the_first_pool() -> None:
    async with azure() as (api, cloud):
        await api.create(NAME, BODY)
        assert (await refused(api.create(NAME, BODY))).kind is ErrorKind.EXISTS
        assert cloud.report()["requests"]["put_pool"] == {"201": 1, "412": 1}


async def test_removing_what_is_gone_is_no_error() -> None:
    for answer in (204, 404):
        async with azure({"delete_missing": answer}) as (api, _):
            await api.delete("absent")


async def test_a_running_creation_can_be_aborted() -> None:
    async with azure() as (api, _):
        await api.create(NAME, BODY)
        await api.abort(NAME)
        assert (await api.get(NAME)).state in ("Canceling", "Canceled")


async def test_an_asynchronous_failure_is_read_from_the_pool() -> None:
    clock = Clock()
    async with azure(rule({"fail": {"cause": "AllocationFailed", "after_seconds": 1}}), clock=clock) as (api, _):
        await api.create(NAME, BODY)
        clock.now += A_WHILE
        pool = await api.get(NAME)
        assert pool.failed
        assert pool.fault is not None
        assert pool.fault.kind is ErrorKind.CAPACITY


async def test_lists_follow_pages() -> None:
    async with azure({"page_size": 1}) as (api, _):
        await api.create(NAME, BODY)
        assert len(await api.list()) == 2


@pytest.mark.parametrize(
    ("scenario", "kind"),
    [
        ({"quota": {"families": {"standardNCSv3Family": 0}}}, ErrorKind.QUOTA),
        ({"retired_sizes": [SIZE]}, ErrorKind.SKU),
        (rule({"reply": {"status": 403, "code": "AuthorizationFailed"}}), ErrorKind.PERMISSION),
        (rule({"reply": {"status": 503, "envelope": "html"}}), ErrorKind.UNAVAILABLE),
    ],
)
async def test_refusals_are_classified_and_asked_for_once(scenario: Json, kind: ErrorKind) -> None:
    async with azure(scenario) as (api, cloud):
        assert (await refused(api.create(NAME, BODY))).kind is kind
        counts = cloud.report()["requests"]["put_pool"]
        assert sum(counts.values()) == 1, "when to try again is decided by the claim's lifecycle"


async def test_a_connection_cut_after_the_request_took_effect_leaves_a_pool_that_is_found_again() -> None:
    async with azure(rule({"cut": "after"}, times=1)) as (api, _):
        await refused(api.create(NAME, BODY))
        assert (await refused(api.create(NAME, BODY))).kind is ErrorKind.EXISTS
        assert (await api.get(NAME)).tags["kaito-claim-uid"] == UID


async def test_a_pool_is_removed_by_its_etag_or_not_at_all() -> None:
    async with azure() as (api, cloud):
        made = await api.create(NAME, BODY)
        assert made.etag
        assert (await refused(api.delete(NAME, etag="older"))).kind is ErrorKind.EXISTS
        assert (await refused(api.delete(NAME, etag=made.etag))).kind is ErrorKind.CONFLICT, "it is being made"
        assert cloud.report()["requests"]["delete_pool"] == {"412": 1, "409": 1}


async def test_a_cut_connection_is_a_passing_fault() -> None:
    async with azure(rule({"cut": "before"})) as (api, _):
        assert (await refused(api.create(NAME, BODY))).fault.transient


async def test_throttling_is_honoured_without_sleeping_and_without_asking_again() -> None:
    document = rule({"reply": {"status": 429, "code": "Throttled", "retry_after": LONG}}, "list_pools")
    async with azure(document) as (api, cloud):
        first = await refused(api.list())
        second = await refused(api.get(NAME))
        assert (first.kind, first.retry_after) == (ErrorKind.THROTTLED, LONG)
        assert second.kind is ErrorKind.THROTTLED
        assert "get_pool" not in cloud.report()["requests"]


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        (" 7 ", 7.0),
        ("9" * 400, 3600.0),
        ("Fri, 01 Jan 2100 00:00:00 GMT", 3600.0),
        ("Thu, 01 Jan 2015 00:00:00 GMT", 0.0),
        ("Thu, 01 Jan 2015 00:00:00", 0.0),
        ("soon", None),
        ("-1", None),
        ("nan", None),
        ("", None),
        (None, None),
    ],
)
def test_a_wait_is_read_as_number_or_moment_and_is_never_without_end(asked: str | None, seconds: float | None) -> None:
    reply: Any = TokenReply(429, "")
    reply.headers = {} if asked is None else {"Retry-After": asked}
    assert _from_response(HttpResponseError("slow down", reply)).retry_after == seconds


def test_a_wait_until_a_moment_lasts_until_then() -> None:
    reply: Any = TokenReply(429, "")
    reply.headers = {"Retry-After": format_datetime(now() + timedelta(minutes=20), usegmt=True)}
    found = _from_response(HttpResponseError("slow down", reply)).retry_after
    assert 0 < (found or 0) <= 1200


async def answered_by(document: object, call: Callable[[AgentPools], Awaitable[T]]) -> T:
    """What a call makes of a cloud that answers everything with the document."""

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(document)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, LOOPBACK, 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    settings = AzureSettings("s", "g", "c", endpoint=f"http://{host}:{port}", credential=CredentialKind.NONE)
    api = AgentPools(settings, location="eastus", user_agent="test")
    try:
        return await call(api)
    finally:
        await api.close()
        await runner.cleanup()


ODD: Json = {"nodeLabels": 5, "tags": [1], "status": [1], "powerState": "x", "availabilityZones": 3, "count": None}


@pytest.mark.parametrize("properties", [None, 7, [], ODD], ids=["null", "a number", "a list", "odd fields"])
async def test_one_odd_pool_of_a_list_hides_no_other(properties: object) -> None:
    document = {"value": [{"name": "odd", "properties": properties}, {"name": NAME, "properties": {"vmSize": SIZE}}]}
    found = await answered_by(document, lambda api: api.list())
    assert [(pool.name, pool.vm_size) for pool in found] == [("odd", ""), (NAME, SIZE)]


@pytest.mark.parametrize(
    "document",
    [{"value": None}, {"value": 5}, {"value": [None]}, {"value": [{}]}, {"value": [{"name": 5}]}, [], "text", None],
    ids=["no list", "a number", "an entry that is none", "no name", "a number for a name", "a list", "text", "nothing"],
)
async def test_a_list_that_cannot_be_read_is_a_passing_fault_with_a_cause(document: object) -> None:
    error = await answered_by(document, lambda api: refused(api.list()))
    assert (error.kind, error.fault.text != "") == (ErrorKind.UNAVAILABLE, True)


async def test_a_pause_azure_asked_for_holds_for_creations_too() -> None:
    document = rule({"reply": {"status": 429, "code": "Throttled", "retry_after": LONG}}, "list_pools")
    async with azure(document) as (api, cloud):
        await refused(api.list())
        error = await refused(api.create(NAME, BODY))
        assert error.kind is ErrorKind.THROTTLED
        assert 0 < (error.retry_after or 0) <= LONG
        assert "put_pool" not in cloud.report()["requests"]


@pytest.mark.parametrize(("code", "others"), [("Throttled", 1), ("SubscriptionRequestsThrottled", 0)])
async def test_a_throttled_creation_silences_others_only_if_it_speaks_of_the_subscription(
    code: str, others: int
) -> None:
    async with azure(rule({"reply": {"status": 429, "code": code, "retry_after": 60}})) as (api, cloud):
        await refused(api.create(NAME, BODY))
        with suppress(CloudError):
            await api.list()
        assert sum(cloud.report()["requests"].get("list_pools", {}).values()) == others


async def test_readings_of_single_pools_keep_to_a_share_of_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    async with azure() as (api, cloud):
        monkeypatch.setattr(api, "_budget", Budget(burst=3, rate=1 / LONG))
        kinds = [(await refused(api.get("absent"))).kind for _ in range(5)]
        assert kinds == [*[ErrorKind.POOL_NOT_FOUND] * 3, *[ErrorKind.THROTTLED] * 2]
        assert sum(cloud.report()["requests"]["get_pool"].values()) == 3
        assert 0 < ((await refused(api.get("absent"))).retry_after or 0) <= LONG


async def test_a_budget_that_was_used_up_fills_again_before_removals_go_on_all_at_once() -> None:
    async with azure({"throttling": True}) as (api, cloud):
        kinds = [(await refused(api.get("absent"))).kind for _ in range(20)]
        api._budget = Budget(burst=100, rate=1)
        kinds += [(await refused(api.get("absent"))).kind for _ in range(41)]
        assert kinds == [*[ErrorKind.POOL_NOT_FOUND] * 60, ErrorKind.THROTTLED], "the simulator's bucket is empty"
        api._pause_until, api._refill = 0.0, Budget(burst=1, rate=1 / LONG)
        cloud.replace_scenario({})
        await api.delete("absent")
        errors = [await refused(api.delete("absent")) for _ in range(3)]
        assert {error.kind for error in errors} == {ErrorKind.THROTTLED}
        assert cloud.report()["requests"]["delete_pool"] == {"204": 1}, "one after the other, as it fills"
        assert await api.list(), "nobody goes blind meanwhile"
        api._refill_until = 0.0
        await api.delete("absent")


class TokenReply:
    """What the authority answers."""

    reason = "Bad Request"

    def __init__(self, status: int, body: str) -> None:
        self.status_code, self._body = status, body
        self.headers: dict[str, str] = {}

    def text(self) -> str:
        return self._body


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (
            400,
            '{"error":"invalid_request","error_description":"AADSTS70021: No matching record"}',
            ErrorKind.PERMISSION,
        ),
        (401, '{"error":"invalid_client","error_description":"AADSTS700016: not found"}', ErrorKind.PERMISSION),
        (401, "", ErrorKind.PERMISSION),
        (503, '{"error":"temporarily_unavailable"}', ErrorKind.UNAVAILABLE),
        (429, "", ErrorKind.THROTTLED),
    ],
)
def test_a_sign_in_that_fails_is_a_lack_of_permission_in_one_line(status: int, body: str, kind: ErrorKind) -> None:
    reply: Any = TokenReply(status, body)
    failure = _from_response(ClientAuthenticationError("AADSTS70021: No matching record\r\nTrace ID: 1", reply))
    assert failure.kind is kind
    if kind is ErrorKind.PERMISSION:
        assert failure.fault.text == "AADSTS70021: No matching record"


def test_a_sign_in_that_never_reached_the_authority_is_a_lack_of_permission_too() -> None:
    assert _from_response(ClientAuthenticationError("no managed identity endpoint")).kind is ErrorKind.PERMISSION


async def test_without_an_identity_the_start_says_what_to_fill_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AZURE_FEDERATED_TOKEN_FILE"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(SetupError) as caught:
        AgentPools(AzureSettings("s", "g", "c"), location="", user_agent="test")
    text = str(caught.value)
    assert text.startswith("--azure-credential=workload-identity: ")
    assert "AZURE_CLIENT_ID and AZURE_TENANT_ID in manifests/base/provisioner/azure.yaml" in text
    assert text.endswith("(Unauthorized)")
    assert len(text) <= 600


@pytest.mark.parametrize("kind", [CredentialKind.MANAGED_IDENTITY, CredentialKind.DEFAULT])
async def test_the_other_identities_need_nothing_at_the_start(kind: CredentialKind) -> None:
    api = AgentPools(AzureSettings("s", "g", "c", credential=kind, client_id="id"), location="", user_agent="test")
    await api.close()


async def test_a_wrong_group_or_cluster_is_not_taken_for_an_absent_pool() -> None:
    for field in ("resource_group", "cluster_name"):
        changes: dict[str, Any] = {field: "nowhere"}
        async with azure(**changes) as (api, _):
            assert (await refused(api.get(NAME))).kind is ErrorKind.CLUSTER_NOT_FOUND


async def test_an_endpoint_nobody_listens_on_is_unavailable() -> None:
    async with azure(endpoint="http://127.0.0.1:9") as (api, _):
        assert (await refused(api.list())).kind is ErrorKind.UNAVAILABLE


async def test_the_usage_list_gives_figures_of_family_region_and_spot() -> None:
    async with azure({"quota": {"families": {"standardNCSv3Family": 6}, "spot_limit": 12}}) as (api, _):
        usages = await api.usages()
        assert usages["standardncsv3family"] == Usage(0, 6)
        assert usages["cores"].used > 0, "the system pool's nodes"
        assert usages["lowprioritycores"] == Usage(0, 12)


async def test_a_usage_list_that_may_not_be_read_is_an_error_of_its_kind() -> None:
    forbidden = {"reply": {"status": 403, "code": "AuthorizationFailed"}}
    async with azure(rule(forbidden, "list_usages")) as (api, _):
        assert (await refused(api.usages())).kind is ErrorKind.PERMISSION


async def test_without_a_region_no_usage_is_known_and_nothing_asked() -> None:
    settings = AzureSettings("s", "g", "c", endpoint="http://127.0.0.1:9", credential=CredentialKind.NONE)
    api = AgentPools(settings, location="", user_agent="test")
    assert await api.usages() == {}
    await api.close()


@asynccontextmanager
async def behind_tls(folder: Path) -> AsyncIterator[tuple[AzureSettings, set[object]]]:
    """A cloud with a certificate of an authority of its own, and the addresses it was called from."""
    callers: set[object] = set()

    async def no_pools(request: web.Request) -> web.Response:
        assert request.transport is not None
        callers.add(request.transport.get_extra_info("peername"))
        return web.json_response({"value": []})

    authority = new_authority("private cloud")
    certificate, key = issue(authority, Leaf("cloud", names=(LOOPBACK,), server=True))
    for name, content in (("ca.crt", authority.pem), ("tls.crt", certificate), ("tls.key", key)):
        (folder / name).write_bytes(content)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", no_pools)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, LOOPBACK, 0, ssl_context=context)
    await site.start()
    url = f"https://{LOOPBACK}:{runner.addresses[0][1]}"
    none = CredentialKind.NONE
    yield AzureSettings("s", "g", "c", endpoint=url, ca_file=folder / "ca.crt", credential=none), callers
    await runner.cleanup()


async def test_calls_to_a_cloud_with_its_own_authority_share_a_connection(tmp_path: Path) -> None:
    async with behind_tls(tmp_path) as (settings, callers):
        api = AgentPools(settings, location="", user_agent="test")
        for _ in range(3):
            assert await api.list() == []
        await api.close()
    assert len(callers) == 1, "a handshake for every call costs time here and memory on both sides"


async def test_only_that_authority_is_trusted(tmp_path: Path) -> None:
    async with behind_tls(tmp_path) as (settings, _):
        api = AgentPools(replace(settings, ca_file=None), location="", user_agent="test")
        assert (await refused(api.list())).kind is ErrorKind.UNAVAILABLE
        await api.close()


@pytest.mark.parametrize("content", [None, b"no certificate"])
async def test_a_file_without_certificates_is_named_at_the_start(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_bytes(content)
    settings = AzureSettings(
        "s", "g", "c", endpoint="https://127.0.0.1:9", ca_file=path, credential=CredentialKind.NONE
    )
    with pytest.raises(SetupError, match="--azure-ca-file="):
        AgentPools(settings, location="", user_agent="test")


@pytest.mark.parametrize(
    ("cloud", "known", "authority"),
    [
        (Cloud.PUBLIC, AzureClouds.AZURE_PUBLIC_CLOUD, AzureAuthorityHosts.AZURE_PUBLIC_CLOUD),
        (Cloud.CHINA, AzureClouds.AZURE_CHINA_CLOUD, AzureAuthorityHosts.AZURE_CHINA),
        (Cloud.USGOV, AzureClouds.AZURE_US_GOVERNMENT, AzureAuthorityHosts.AZURE_GOVERNMENT),
    ],
)
def test_each_cloud_has_the_endpoint_scope_and_authority_its_sdk_knows(
    cloud: Cloud, known: AzureClouds, authority: str
) -> None:
    endpoint, scope, login = _CLOUDS[cloud]
    official = get_arm_endpoints(known)
    assert (f"{endpoint}/", [scope], login) == (official["resource_manager"], official["credential_scopes"], authority)
