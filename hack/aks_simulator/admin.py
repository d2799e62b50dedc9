"""The admin surface under `/_sim`, for tests and people on the same machine only.

`GET /_sim/state`, `GET|PUT|PATCH /_sim/scenario` (PATCH is an RFC 7386 merge), `POST /_sim/reset`.
"""

import ipaddress
import json
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler

from hack.aks_simulator.scenario import ScenarioError, merge_documents
from hack.aks_simulator.simulator import Simulator

PREFIX: Final = "/_sim"
SIMULATOR: Final = web.AppKey("simulator", Simulator)


def build_admin(simulator: Simulator) -> web.Application:
    """The admin application of one simulator."""
    app = web.Application(middlewares=[_only_from_here])
    app[SIMULATOR] = simulator
    app.router.add_get("/state", _state)
    app.router.add_get("/scenario", _get_scenario)
    app.router.add_put("/scenario", _put_scenario)
    app.router.add_patch("/scenario", _patch_scenario)
    app.router.add_post("/reset", _reset)
    return app


def is_loopback(address: str | None) -> bool:
    """Whether a peer address belongs to this machine."""
    try:
        return ipaddress.ip_address(address or "").is_loopback
    except ValueError:
        return False


@web.middleware
async def _only_from_here(request: web.Request, handler: Handler) -> web.StreamResponse:
    if not is_loopback(request.remote):
        return web.json_response({"error": "The admin surface answers on the loopback address only."}, status=403)
    return await handler(request)


async def _state(request: web.Request) -> web.Response:
    return web.json_response(request.app[SIMULATOR].report())


async def _get_scenario(request: web.Request) -> web.Response:
    return web.json_response(request.app[SIMULATOR].scenario.document)


async def _put_scenario(request: web.Request) -> web.Response:
    return await _change_scenario(request, {})


async def _patch_scenario(request: web.Request) -> web.Response:
    return await _change_scenario(request, request.app[SIMULATOR].scenario.document)


async def _change_scenario(request: web.Request, base: Any) -> web.Response:
    simulator = request.app[SIMULATOR]
    try:
        document = json.loads(await request.read())
        simulator.replace_scenario(merge_documents(base, document))
    except ScenarioError as error:
        return web.json_response({"error": str(error)}, status=400)
    except ValueError as error:
        return web.json_response({"error": f"The body is not JSON: {error}"}, status=400)
    return web.json_response(simulator.scenario.document)


async def _reset(request: web.Request) -> web.Response:
    request.app[SIMULATOR].reset()
    return web.json_response({})
