"""Azure's agent pools behind five calls: the only module that speaks to Azure.

No call waits for a long-running operation and none is repeated here: what a call began is seen in the pool's state,
and when to try again is decided where the whole claim is in view (azure-mgmt-containerservice 41, azure-core 1.41).
"""

import asyncio
import json
import logging
import re
import ssl
from collections.abc import Awaitable, Callable
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from aiohttp import ClientSession, DummyCookieJar, TCPConnector
from azure.core import MatchConditions
from azure.core.credentials import AccessToken
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import AsyncRetryPolicy, SansIOHTTPPolicy
from azure.core.pipeline.transport import AioHttpTransport
from azure.core.rest import HttpRequest
from azure.identity.aio import DefaultAzureCredential, ManagedIdentityCredential, WorkloadIdentityCredential
from azure.mgmt.containerservice.aio import ContainerServiceClient
from azure.mgmt.containerservice.models import AgentPool

from controller.api.json import Json
from controller.api.messages import Problem, shorten
from controller.api.reasons import Reason
from controller.runtime.errors import SetupError
from provisioner.budget import Budget
from provisioner.errors import TEXT_LIMIT, CloudError, ErrorKind, Fault, classify
from provisioner.metrics import ARM_REQUESTS, ARM_SECONDS
from provisioner.pools import Pool, parse_pool
from provisioner.quota import Usage, Usages
from provisioner.settings import AzureSettings, Cloud, CredentialKind
from provisioner.times import now

T = TypeVar("T")

log = logging.getLogger(__name__)

CALL_TIMEOUT: Final = 30.0
"""Seconds after which a call counts as unanswered."""

_COMPUTE_VERSION: Final = "2024-07-01"

_FREE_CALLS: Final = 20
_CALLS_PER_SECOND: Final = 0.5
"""What calls about single pools may take of the subscription's 60 at once and 1 per second (AKS quotas and limits)."""

_REFILL: Final = 60.0
"""Seconds in which that budget, once used up, is full again."""
_REFILL_SHARE: Final = 0.8
"""Calls per second that may be made meanwhile, so that the lists find something left."""

_UNREADABLE: Final = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What the SDK, or we, come upon in an answer of another form than the interface's."""

_OTHER_BUDGETS: Final = ("list", "create")
"""Operations that are not made to wait for the others: one shared list, and PUTs, which have a budget per pool."""

_WHOLE_SUBSCRIPTION: Final = "subscriptionrequeststhrottled"

_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]*)?")
_LONGEST_PAUSE: Final = 3600.0
"""Seconds; whoever asks for more is asked again after these."""

_CLOUDS: Final[dict[Cloud, tuple[str, str, str]]] = {
    Cloud.PUBLIC: (
        "https://management.azure.com",
        "https://management.azure.com/.default",
        "login.microsoftonline.com",
    ),
    Cloud.CHINA: (
        "https://management.chinacloudapi.cn",
        "https://management.chinacloudapi.cn/.default",
        "login.chinacloudapi.cn",
    ),
    Cloud.USGOV: (
        "https://management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net/.default",
        "login.microsoftonline.us",
    ),
}
"""Endpoint, token scope and authority of each cloud."""


def _transport(authority: Path | None) -> AioHttpTransport:
    """What carries the calls.

    The SDK, told of a file of certificates, reads it anew for every request, and then no connection serves two: with
    such a file the session is ours, and otherwise as the SDK makes it.

    Raises:
        SetupError: the file cannot be read, or holds no certificates.
    """
    timeouts = {"connection_timeout": 10, "read_timeout": 30}
    if authority is None:
        return AioHttpTransport(**timeouts)
    try:
        trusted = ssl.create_default_context(cafile=authority)
    except OSError as error:
        raise SetupError(f"--azure-ca-file={authority}: no certificates can be read from it: {error}") from error
    connector, cookies = TCPConnector(ssl=trusted), DummyCookieJar()
    session = ClientSession(connector=connector, trust_env=True, cookie_jar=cookies, auto_decompress=False)
    return AioHttpTransport(session=session, **timeouts)


class AgentPools:
    """The agent pools of one AKS cluster. Every method raises `CloudError` and nothing else."""

    def __init__(self, settings: AzureSettings, *, location: str, user_agent: str) -> None:
        """Prepares client and credential; the first call opens the first connection.

        Raises:
            SetupError: there is nothing to sign in with.
        """
        endpoint, scope, authority = _CLOUDS[settings.cloud]
        self._where = (settings.resource_group, settings.cluster_name)
        region = f"/subscriptions/{settings.subscription_id}/providers/Microsoft.Compute/locations/{location}"
        self._usages = f"{region}/usages?api-version={_COMPUTE_VERSION}" if location else ""
        self._credential = _credential(settings, authority)
        options: dict[str, Any] = {
            "base_url": settings.endpoint or endpoint,
            "credential_scopes": [scope],
            "retry_policy": AsyncRetryPolicy.no_retries(),
            "transport": _transport(settings.ca_file),
            "user_agent": user_agent,
        }
        if settings.credential is CredentialKind.NONE:
            options["authentication_policy"] = _Anonymous()
        self._client = ContainerServiceClient(self._credential, settings.subscription_id, **options)
        self._pause_until = self._refill_until = 0.0
        self._refill = Budget(burst=1, rate=_REFILL_SHARE)
        self._budget = Budget(burst=_FREE_CALLS, rate=_CALLS_PER_SECOND)

    async def list(self) -> list[Pool]:
        """Every pool of the cluster, pages followed."""

        async def call() -> list[Pool]:
            return [_parse(pool) async for pool in self._client.agent_pools.list(*self._where)]

        return await self._shared("list", call)

    async def get(self, name: str) -> Pool:
        """One pool; a `CloudError` of kind POOL_NOT_FOUND means that Azure itself says there is none."""

        async def call() -> Pool:
            return _parse(await self._client.agent_pools.get(*self._where, name))

        return await self._single("get", call)

    async def create(self, name: str, body: Json) -> Pool:
        """Begins to make a pool if there is none of that name, else raises kind EXISTS."""

        async def call() -> Pool:
            request: Any = body
            begun = await self._client.agent_pools.begin_create_or_update(
                *self._where, name, request, match_condition=MatchConditions.IfMissing, etag="*", polling=False
            )
            return _parse(await begun.result())

        return await self._shared("create", call)

    async def delete(self, name: str, *, etag: str = "", ignore_disruption_budgets: bool = False) -> None:
        """Begins to remove a pool; one that is gone already is no error.

        With an eTag it is removed only while it still has it, else a `CloudError` of kind EXISTS says so.
        """
        condition: dict[str, Any] = {"etag": etag, "match_condition": MatchConditions.IfNotModified} if etag else {}

        async def call() -> None:
            await self._client.agent_pools.begin_delete(
                *self._where,
                name,
                ignore_pod_disruption_budget=ignore_disruption_budgets or None,
                polling=False,
                **condition,
            )

        try:
            await self._shared("delete", call)
        except CloudError as error:
            if error.kind is not ErrorKind.POOL_NOT_FOUND:
                raise

    async def abort(self, name: str) -> None:
        """Begins to stop the operation that runs on a pool."""

        async def call() -> None:
            await self._client.agent_pools.begin_abort_latest_operation(*self._where, name, polling=False)

        await self._single("abort", call)

    async def usages(self) -> Usages:
        """The region's vCPU usage and limits, pages followed (Compute REST reference, usage list).

        Empty where the region is not known.
        """

        async def call() -> Usages:
            found: dict[str, Usage] = {}
            url = self._usages
            while url:
                page = await self._get(url)
                found |= _parse_usages(page)
                url = str(page.get("nextLink") or "")
            return found

        return await _measured("usages", call) if self._usages else {}

    async def _get(self, url: str) -> Json:
        response = await self._client.send_request(HttpRequest("GET", url))
        response.raise_for_status()
        body: Json = response.json()
        return body

    async def close(self) -> None:
        """Closes connections and credential."""
        await self._client.close()
        await self._credential.close()

    async def _single(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        """A call about one pool for which the shared list would often do as well: it must not use up the budget."""
        if (rest := self._budget.take(asyncio.get_running_loop().time())) > 0:
            text = "sparing the subscription's budget of calls"
            raise CloudError(Fault(ErrorKind.THROTTLED, "", text), status=429, retry_after=rest)
        return await self._shared(operation, call)

    async def _shared(self, operation: str, call: Callable[[], Awaitable[T]]) -> T:
        """A call that draws on the budget all clusters of the subscription share: silent while Azure asks for it."""
        loop = asyncio.get_running_loop()
        if (rest := self._pause_until - loop.time()) > 0:
            raise CloudError(Fault(ErrorKind.THROTTLED, "", "waiting as Azure asked"), status=429, retry_after=rest)
        if operation not in _OTHER_BUDGETS and (rest := self._refill_wait(loop.time())) > 0:
            text = "letting the subscription's budget of calls fill again"
            raise CloudError(Fault(ErrorKind.THROTTLED, "", text), status=429, retry_after=rest)
        try:
            return await _measured(operation, call)
        except CloudError as error:
            # PUTs have a budget per pool; only a word about the subscription concerns the others.
            whole = operation != "create" or error.fault.code.lower() == _WHOLE_SUBSCRIPTION
            if error.kind is ErrorKind.THROTTLED and whole:
                self._pause_until = loop.time() + (error.retry_after or 1.0)
                self._refill_until = self._pause_until + _REFILL
            raise

    def _refill_wait(self, now: float) -> float:
        """Seconds until a call may be made; 0 at once unless the budget was used up a short while ago."""
        return self._refill.take(now) if now < self._refill_until else 0.0


def _parse_usages(page: Json) -> Usages:
    try:
        return {
            str(entry["name"]["value"]).lower(): Usage(int(entry["currentValue"]), int(entry["limit"]))
            for entry in page["value"]
        }
    except (LookupError, TypeError) as error:
        raise ValueError(f"no list of usages: {error!r}") from error


def _parse(pool: Any) -> Pool:
    # The SDK hands on as it came what it cannot make a model of.
    return parse_pool(pool.as_dict() if isinstance(pool, AgentPool) else pool)


async def _measured(operation: str, call: Callable[[], Awaitable[T]]) -> T:
    """One call under its deadline, counted, its failure classified."""
    loop = asyncio.get_running_loop()
    started, code = loop.time(), "cancelled"
    try:
        async with asyncio.timeout(CALL_TIMEOUT):
            result = await call()
        code = "success"
    except TimeoutError as error:
        code = "timeout"
        fault = Fault(ErrorKind.UNAVAILABLE, "", f"no answer to {operation} within {CALL_TIMEOUT:.0f} s")
        raise CloudError(fault) from error
    except HttpResponseError as error:
        failure = _from_response(error)
        code = str(failure.status)
        log.debug("%s refused, correlation %s: %s", operation, _correlation(error), failure)
        raise failure from error
    except (AzureError, OSError, *_UNREADABLE) as error:
        code = "connection"
        raise CloudError(Fault(ErrorKind.UNAVAILABLE, "", str(error) or type(error).__name__)) from error
    else:
        return result
    finally:
        ARM_REQUESTS.labels(operation, code).inc()
        ARM_SECONDS.labels(operation).observe(loop.time() - started)


def _from_response(error: HttpResponseError) -> CloudError:
    """The failure a reply states, be it the resource manager's or that of the authority which gives out tokens."""
    answered = _read(error)
    status, passing = answered.status, answered.status == 429 or answered.status >= 500
    if not isinstance(error, ClientAuthenticationError) or passing:
        return answered
    lines = (error.message or "no token").strip().splitlines()
    fault = Fault(ErrorKind.PERMISSION, answered.fault.code, shorten(lines[0], TEXT_LIMIT))
    return CloudError(fault, status=status, retry_after=answered.retry_after)


def _read(error: HttpResponseError) -> CloudError:
    if error.response is None:
        return CloudError(Fault(ErrorKind.UNAVAILABLE, "", error.message or type(error).__name__))
    response: Any = error.response
    try:
        body = json.loads(response.text())
    except (ValueError, TypeError, AttributeError, RecursionError):
        body = None
    status = error.status_code or 0
    return CloudError(classify(status, body), status=status, retry_after=_seconds(response.headers.get("Retry-After")))


def _seconds(text: str | None) -> float | None:
    """The wait a Retry-After asks for, a number of seconds or a moment (RFC 9110, 10.2.3), at most `_LONGEST_PAUSE`."""
    if text is None:
        return None
    if _NUMBER.fullmatch(text.strip()):
        return min(float(text), _LONGEST_PAUSE)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now()).total_seconds()), _LONGEST_PAUSE)


def _correlation(error: HttpResponseError) -> str:
    response: Any = error.response
    return "unknown" if response is None else str(response.headers.get("x-ms-correlation-request-id", "unknown"))


_SIGN_IN_FIXES: Final[dict[CredentialKind, tuple[str, ...]]] = {
    CredentialKind.WORKLOAD_IDENTITY: (
        "fill in AZURE_CLIENT_ID and AZURE_TENANT_ID in manifests/base/provisioner/azure.yaml",
        "see that AKS workload identity is on, so that the pod gets its token file",
        "give --azure-credential=managed-identity",
    ),
    CredentialKind.MANAGED_IDENTITY: ("give --azure-client-id of an identity the nodes carry",),
    CredentialKind.DEFAULT: ("give --azure-credential=workload-identity",),
}


def _credential(settings: AzureSettings, authority: str) -> AsyncTokenCredential:
    kind = settings.credential
    if kind is CredentialKind.NONE:
        return _NoCredential()
    try:
        return _signing(kind, settings.client_id or None, authority)
    except ValueError as error:
        what = f"--azure-credential={kind}: there is no identity to sign in to Azure with"
        fixes = _SIGN_IN_FIXES[kind]
        raise SetupError(Problem(Reason.UNAUTHORIZED, "", what, shorten(str(error), 200), fixes).text) from error


def _signing(kind: CredentialKind, client_id: str | None, authority: str) -> AsyncTokenCredential:
    if kind is CredentialKind.WORKLOAD_IDENTITY:
        return WorkloadIdentityCredential(client_id=client_id, authority=authority)
    if kind is CredentialKind.MANAGED_IDENTITY:
        return ManagedIdentityCredential(client_id=client_id)
    chosen = {"managed_identity_client_id": client_id} if client_id else {}
    return DefaultAzureCredential(authority=authority, **chosen)


class _NoCredential(AsyncTokenCredential):
    """Stands where the client insists on a credential although nothing is signed."""

    async def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken("", 0)

    async def close(self) -> None:
        pass

    async def __aexit__(self, *failure: object) -> None:
        pass


class _Anonymous(SansIOHTTPPolicy[Any, Any]):
    """Sends requests to an endpoint that asks for no identity, as a local stand-in for Azure does."""

    def on_request(self, request: PipelineRequest[Any]) -> None:
        request.http_request.headers["Authorization"] = "Bearer anonymous"
