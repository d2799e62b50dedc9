"""The HTTP shell: decodes requests, plays the transport's faults, and writes Azure's headers."""

import asyncio
import json
import uuid
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from hack.aks_simulator import admin
from hack.aks_simulator.answers import Answer, Call
from hack.aks_simulator.errors import RefusalError, arm, refusal_body
from hack.aks_simulator.faults import Effects
from hack.aks_simulator.pools import Conditions
from hack.aks_simulator.routes import find_target
from hack.aks_simulator.scenario import Cut, Delay, Headers
from hack.aks_simulator.settings import PROVIDER, Settings
from hack.aks_simulator.simulator import Simulator

POLLING_VERSION: Final = "2016-03-30"

_REMAINING: Final = {
    "GET": {"x-ms-ratelimit-remaining-subscription-reads": "11999"},
    "DELETE": {"x-ms-ratelimit-remaining-subscription-deletes": "14999"},
}
_REMAINING_WRITES: Final = {"x-ms-ratelimit-remaining-subscription-writes": "1199"}
_LONG_URL: Final = 4000

NEXT_PAGE: Final = "next_page"
"""What the requests for a list's further pages are counted as."""


def build_app(simulator: Simulator) -> web.Application:
    """The web application of one simulator: `/_sim/…` for tests, everything else is ARM."""
    app = web.Application(client_max_size=4 * 2**20)
    app[admin.SIMULATOR] = simulator
    app.add_subapp(admin.PREFIX, admin.build_admin(simulator))
    app.router.add_route("*", "/{path:.*}", handle)
    return app


async def handle(request: web.Request) -> web.StreamResponse:
    """Answer one ARM request."""
    simulator = request.app[admin.SIMULATOR]
    try:
        call = await _decode(request)
    except RefusalError as refusal:
        simulator.count("unknown", "", str(refusal.status))
        return _refuse(request, refusal)
    effects = simulator.arrive(call)
    response = await _respond(request, simulator, call, effects)
    outcome = str(response.status) if response else "cut"
    simulator.count(NEXT_PAGE if call.next_page else call.target.operation, call.target.pool, outcome)
    return response or _hang_up(request)


async def _respond(
    request: web.Request, simulator: Simulator, call: Call, effects: Effects
) -> web.StreamResponse | None:
    """The response, or None where the scenario has the connection cut."""
    if Delay in effects and isinstance(delay := effects[Delay].effect, Delay):
        await asyncio.sleep(delay.seconds)
    cut = effects[Cut].effect if Cut in effects else None
    if cut == Cut("before"):
        return None
    try:
        answer = simulator.execute(call, effects, request.headers.get("Authorization", ""))
    except RefusalError as refusal:
        return None if cut else _refuse(request, refusal)
    headers = _common_headers(request) | _polling_headers(request, simulator.settings, answer, effects)
    if cut:
        return None
    if answer.body is None:
        return web.Response(status=answer.status, headers=headers)
    return web.json_response(answer.body, status=answer.status, headers=headers)


def _hang_up(request: web.Request) -> web.StreamResponse:
    if request.transport:
        request.transport.abort()
    return web.Response(status=500)


def _refuse(request: web.Request, refusal: RefusalError) -> web.Response:
    headers = _common_headers(request) | {"x-ms-error-code": refusal.code}
    if refusal.envelope == "error":
        headers["x-ms-failure-cause"] = "gateway"
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    body = refusal_body(refusal)
    if isinstance(body, str):
        return web.Response(status=refusal.status, text=body, content_type="text/html", headers=headers)
    return web.json_response(body, status=refusal.status, headers=headers)


async def _decode(request: web.Request) -> Call:
    target = find_target(request.method, request.path)
    query = {key.lower(): value for key, value in request.query.items()}
    pairs = {key: value for key, value in query.items() if key != "$skiptoken"}
    return Call(
        target=target,
        query=query,
        conditions=Conditions(_etag(request, "If-Match"), _etag(request, "If-None-Match")),
        body=_json_body(await request.read()),
        next_link=f"{_base(request)}{request.rel_url.raw_path}?{urlencode(pairs)}&%24skipToken=",
    )


def _json_body(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError as error:
        message = f"The request content was invalid and could not be deserialized: {error}."
        raise arm(400, "InvalidRequestContent", message) from error


def _etag(request: web.Request, header: str) -> str:
    return request.headers.get(header, "").strip().removeprefix("W/").strip('"')


def _base(request: web.Request) -> str:
    """Scheme and host the client used, so that it finds its way back."""
    scheme = request.headers.get("X-Forwarded-Proto", request.scheme)
    return f"{scheme}://{request.headers.get('X-Forwarded-Host', request.host)}"


def _common_headers(request: web.Request) -> dict[str, str]:
    identifier = str(uuid.uuid4())
    headers = {
        "Cache-Control": "no-cache",
        "x-ms-request-id": identifier,
        "x-ms-correlation-request-id": request.headers.get("x-ms-correlation-request-id", identifier),
        "x-ms-routing-request-id": f"SIMULATOR:{identifier}",
    }
    echoed = request.headers.get("x-ms-client-request-id")
    if echoed:
        headers["x-ms-client-request-id"] = echoed
    return headers | _REMAINING.get(request.method, _REMAINING_WRITES)


def _polling_headers(request: web.Request, settings: Settings, answer: Answer, effects: Effects) -> dict[str, str]:
    rule = effects.get(Headers)
    wanted = rule.effect if rule and isinstance(rule.effect, Headers) else Headers()
    headers: dict[str, str] = {}
    if wanted.retry_after is not None and (answer.operation or answer.polling):
        headers["Retry-After"] = str(wanted.retry_after)
    if not answer.operation or wanted.polling == "none":
        return headers
    root = f"{_base(request)}/subscriptions/{settings.subscription}/providers/{PROVIDER}/locations/{settings.location}"
    query = f"?api-version={POLLING_VERSION}&t=638900000000000000&c=simulator&s=unsigned&h="
    query += "0" * (_LONG_URL if wanted.polling == "long" else 16)
    if wanted.polling != "location":
        headers["Azure-AsyncOperation"] = f"{root}/operations/{answer.operation}{query}"
    if answer.location or wanted.polling == "location":
        headers["Location"] = f"{root}/operationresults/{answer.operation}{query}"
    return headers
