"""What the project relies upon in the official client, asserted so that an upgrade cannot change it unnoticed."""

import asyncio
import inspect
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.rest import RESTClientObject

from controller.runtime.errors import Unavailable
from controller.runtime.transport import Request, Transport, _socket, ignore_requests
from tests.unit.hack.aks_simulator_kit import self_signed
from tests.unit.runtime.scripted_server import ScriptedServer, answer, scripted_server, silence, stream


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


def test_the_low_level_signatures_are_the_ones_we_call() -> None:
    serialize = parameters(ApiClient.param_serialize)
    assert serialize[:3] == ["self", "method", "resource_path"]
    assert {"query_params", "header_params", "body", "auth_settings"} <= set(serialize)
    assert parameters(ApiClient.call_api)[:6] == ["self", "method", "url", "header_params", "body", "post_params"]
    assert "_request_timeout" in parameters(ApiClient.call_api)
    assert inspect.iscoroutinefunction(ApiClient.param_serialize)
    assert inspect.iscoroutinefunction(ApiClient.call_api)


def test_the_pool_still_asks_for_its_connector_and_the_token_hook_exists() -> None:
    assert parameters(RESTClientObject._create_connector) == ["self"]
    assert "client_session_kwargs" in parameters(Configuration.__init__)
    assert Configuration().refresh_api_key_hook is None


@pytest.fixture
async def transport(server: ScriptedServer) -> AsyncIterator[Transport]:
    made = await Transport.connect(user_agent="x", kubeconfig=server.kubeconfig, observer=ignore_requests, pool_size=7)
    yield made
    await made.close()


async def test_the_environment_is_not_trusted(server: ScriptedServer, transport: Transport) -> None:
    server.script(answer({}))
    await transport.exchange(Request("GET", "/api"), seconds=10, attempt=0)
    session = transport._api.rest_client.pool_manager
    assert isinstance(session, aiohttp.ClientSession)
    assert session.trust_env is False, "an environment lookup in a thread at every request costs 4.6 times the time"


async def test_the_library_repeats_nothing_by_itself(server: ScriptedServer, transport: Transport) -> None:
    server.script(answer({}))
    await transport.exchange(Request("GET", "/api"), seconds=10, attempt=0)
    session = transport._api.rest_client.pool_manager
    assert isinstance(session, aiohttp.ClientSession)
    assert session._retry_connection is False, "aiohttp reads this name, and repeats PUT and DELETE unless it is False"


async def test_one_silent_connection_takes_its_idle_neighbours_along(
    server: ScriptedServer, transport: Transport
) -> None:
    arrived = asyncio.Barrier(3)

    async def together(_: web.Request) -> web.StreamResponse:
        await arrived.wait()
        return web.json_response({})

    server.script(*[together] * 3, silence)
    await asyncio.gather(*(transport.exchange(Request("GET", "/api"), seconds=10, attempt=0) for _ in range(3)))
    session = transport._api.rest_client.pool_manager
    assert isinstance(session, aiohttp.ClientSession)
    assert isinstance(session.connector, aiohttp.TCPConnector)
    assert sum(map(len, session.connector._conns.values())) == 3, "the idle ones are kept under this name"
    with pytest.raises(Unavailable):
        await transport.exchange(Request("GET", "/api"), seconds=0.1, attempt=0)
    assert not session.connector._conns


async def test_a_caller_who_loses_patience_distrusts_the_pool_as_well(
    server: ScriptedServer, transport: Transport
) -> None:
    server.script(answer({}), silence)
    await transport.exchange(Request("GET", "/api"), seconds=10, attempt=0)
    server.asked.clear()
    held = transport._api.rest_client.pool_manager
    assert isinstance(held, aiohttp.ClientSession)
    assert isinstance(held.connector, aiohttp.TCPConnector)
    waiting = asyncio.create_task(transport.exchange(Request("GET", "/api"), seconds=10, attempt=0))
    await server.asked.wait()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not held.connector._conns


async def test_connections_notice_a_dead_peer(server: ScriptedServer, transport: Transport) -> None:
    server.script(stream(b"{", then="stay"))
    async with transport.stream(Request("GET", "/api"), seconds=10):
        session = transport._api.rest_client.pool_manager
        assert isinstance(session, aiohttp.ClientSession)
        assert session.connector is not None
        assert session.connector.limit == 7
        (held,) = session.connector._acquired
        assert held.transport is not None
        connection = held.transport.get_extra_info("socket")
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 30
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 10
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT) == 3
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000
    assert not session.connector._acquired, "a stream left early gives its connection back"


async def test_a_request_that_waits_can_be_cancelled(server: ScriptedServer, transport: Transport) -> None:
    server.script(silence)
    waiting = asyncio.create_task(transport.exchange(Request("GET", "/api"), seconds=600, attempt=0))
    await server.asked.wait()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert waiting.cancelled()


async def test_nothing_is_left_open_when_the_transport_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cancelled watch says farewell in TLS's way, to which a busy server may take its time."""
    made: list[socket.socket] = []

    def noted(address: Any) -> socket.socket:
        made.append(_socket(address))
        return made[-1]

    monkeypatch.setattr("controller.runtime.transport._socket", noted)
    authority, context = self_signed(tmp_path)
    async with scripted_server(tmp_path, tls=context, trust=authority) as server:
        server.script(stream(b"{}", then="stay"))
        transport = await Transport.connect(
            user_agent="x", kubeconfig=server.kubeconfig, observer=ignore_requests, pool_size=7
        )
        opened = asyncio.Event()
        watching = asyncio.create_task(_watch(transport, opened))
        await opened.wait()
        watching.cancel()
        await asyncio.wait([watching])
        await transport.close()
        assert [each.fileno() for each in made] == [-1]


async def _watch(transport: Transport, opened: asyncio.Event) -> None:
    async with transport.stream(Request("GET", "/api"), seconds=60) as content:
        async for _ in content.iter_any():
            opened.set()
