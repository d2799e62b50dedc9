"""A proxy before the real API server that delays, loses, refuses and cuts what it is told to.

TLS ends here on both sides, so clients authenticate by bearer token: the Authorization header passes through.
"""

import asyncio
import json
import re
import ssl
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

Json = dict[str, Any]

_HOP_HEADERS = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "host", "content-length"}
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait before the request goes on; the API server sees it late."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Drop:
    """Cut the connection. Before forwarding nothing happened; after it, the API server has done it and nobody knows."""

    after_forwarding: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer in the API server's place with a Status object."""

    code: int
    reason: str = ""
    message: str = "asked for by the test"
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class CutStream:
    """Let so many lines of a watch pass, then end it."""

    after_lines: int
    torn: bool = False
    """Also pass half of the next line, and cut the connection instead of ending it."""
    last_event: Json | None = None
    """An event to send last, such as an ERROR with a Status of code 410."""


Action = Delay | Drop | Reply | CutStream


@dataclass(slots=True)
class Rule:
    """Which requests an action befalls, and how often."""

    action: Action
    method: str = ""
    """A regular expression found in the method; empty for all."""
    path: str = ""
    """A regular expression found in path and query; empty for all."""
    skip: int = 0
    """So many matching requests pass unharmed first."""
    times: int | None = 1
    """None: every time."""
    hits: int = 0

    def take(self, method: str, path: str) -> bool:
        """Whether the rule applies to this request; counts it."""
        if self.times == 0 or not re.search(self.method, method) or not re.search(self.path, path):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        self.hits += 1
        return True


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that came to the proxy, and how it was answered (0: the connection was cut)."""

    method: str
    path: str
    code: int


@asynccontextmanager
async def _torn_if_unread(answer: aiohttp.ClientResponse) -> AsyncIterator[None]:
    """Tears a connection down that is left in the middle of a reply, with no farewell that somebody has to answer."""
    try:
        yield
    finally:
        if answer.connection is not None and answer.connection.transport is not None:
            answer.connection.transport.abort()


class FaultProxy:
    """The proxy; runs within `async with`."""

    def __init__(self, upstream: str, authority: Path, certificate: Path, key: Path) -> None:
        self._upstream = upstream
        self._client_tls = ssl.create_default_context(cafile=authority)
        self._server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._server_tls.load_cert_chain(certificate, key)
        self._rules: list[Rule] = []
        self._session: aiohttp.ClientSession | None = None
        self._runner: web.AppRunner | None = None
        self.url = ""
        self.seen: deque[Seen] = deque(maxlen=_REMEMBERED)

    def add(self, rule: Rule) -> Rule:
        """Put a rule in force; the first that matches a request acts on it."""
        self._rules.append(rule)
        return rule

    def heal(self) -> None:
        """Drop all rules."""
        self._rules.clear()

    async def __aenter__(self) -> "FaultProxy":
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._client_tls, limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            read_bufsize=2**20,
        )
        application = web.Application(client_max_size=64 * 2**20)
        application.router.add_route("*", "/{path:.*}", self._handle)
        # Cancelled with its client: a watch must not stay open upstream when nobody listens.
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._server_tls)
        await site.start()
        self.url = f"https://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner:
            # Clients that are killed or busy answer no farewell, and nobody is left to wait for one.
            server = self._runner.server
            open_ones = [handler.transport for handler in (server.connections if server else ())]
            await self._runner.cleanup()
            for transport in open_ones:
                if transport is not None:
                    transport.abort()
            await asyncio.sleep(0)
        if self._session:
            await self._session.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        action = self._action(request)
        if isinstance(action, Delay):
            await asyncio.sleep(action.seconds)
        if isinstance(action, Reply):
            return self._reply(request, action)
        if isinstance(action, Drop) and not action.after_forwarding:
            return self._cut(request)
        return await self._forward(request, action)

    def _action(self, request: web.Request) -> Action | None:
        for rule in self._rules:
            if rule.take(request.method, request.raw_path):
                return rule.action
        return None

    async def _forward(self, request: web.Request, action: Action | None) -> web.StreamResponse:
        if not self._session:
            raise RuntimeError("the proxy is used outside of its context")
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_HEADERS}
        body = await request.read()
        url = self._upstream + request.raw_path
        asked = self._session.request(request.method, url, headers=headers, data=body or None)
        async with asked as answer, _torn_if_unread(answer):
            if isinstance(action, Drop):
                await answer.read()
                return self._cut(request)
            self._note(request, answer.status)
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_HEADERS}
            response = web.StreamResponse(status=answer.status, headers=kept)
            await response.prepare(request)
            if isinstance(action, CutStream):
                return await self._pass_lines(request, answer, response, action)
            async for chunk in answer.content.iter_any():
                await response.write(chunk)
            await response.write_eof()
            return response

    async def _pass_lines(
        self,
        request: web.Request,
        answer: aiohttp.ClientResponse,
        response: web.StreamResponse,
        action: CutStream,
    ) -> web.StreamResponse:
        for _ in range(action.after_lines):
            await response.write(await answer.content.readline())
        if action.last_event:
            await response.write(json.dumps(action.last_event).encode() + b"\n")
        if action.torn:
            line = await answer.content.readline()
            await response.write(line[: len(line) // 2])
            return self._cut(request)
        await response.write_eof()
        return response

    def _reply(self, request: web.Request, action: Reply) -> web.Response:
        self._note(request, action.code)
        status = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "reason": action.reason,
            "message": action.message,
            "code": action.code,
        }
        headers = {} if action.retry_after is None else {"Retry-After": str(action.retry_after)}
        return web.json_response(status, status=action.code, headers=headers)

    def _cut(self, request: web.Request) -> web.Response:
        self._note(request, 0)
        if request.transport:
            request.transport.abort()
        return web.Response()

    def _note(self, request: web.Request, code: int) -> None:
        self.seen.append(Seen(request.method, request.raw_path, code))
