"""A server that answers what the test wrote down: for replies a healthy API server never gives.

It is no API server and keeps no objects; behaviour is tested against the real one.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from aiohttp import web

from controller.api.json import Json

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


def answer(body: Any, *, status: int = 200, **headers: str) -> Reply:
    """A JSON reply; header names are written with underscores."""

    async def reply(_: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.json_response(body, status=status, headers=named)

    return reply


def status(code: int, reason: str = "", message: str = "", **headers: str) -> Reply:
    """A Kubernetes Status."""
    return answer({"kind": "Status", "code": code, "reason": reason, "message": message}, status=code, **headers)


def page(code: int = 200) -> Reply:
    """What proxies say."""

    async def reply(_: web.Request) -> web.StreamResponse:
        return web.Response(status=code, text="<html><h1>Bad Gateway</h1></html>", content_type="text/html")

    return reply


async def cut(request: web.Request) -> web.StreamResponse:
    """The connection breaks after the request was read and before any reply."""
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def silence(_: web.Request) -> web.StreamResponse:
    """No reply within any test's time."""
    await asyncio.sleep(3600)
    return web.Response()


def stream(*chunks: bytes, then: Literal["end", "cut", "stay"] = "end") -> Reply:
    """Chunks as given, then an orderly end, a broken connection, or nothing more."""

    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        if then == "stay":
            return await silence(request)
        if then == "cut":
            await asyncio.sleep(0.05)  # lets the chunks leave before the connection is torn down
            return await cut(request)
        await response.write_eof()
        return response

    return reply


def line(kind: str, obj: Json) -> bytes:
    """One event as it goes over the wire."""
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


class ScriptedServer:
    """Answers the n-th request with the n-th reply; a request too many gets 418 and is seen all the same."""

    def __init__(self, folder: Path) -> None:
        self.kubeconfig = folder / "kubeconfig"
        self.token_file = folder / "token"
        self.seen: list[Seen] = []
        self.asked = asyncio.Event()
        self._replies: list[Reply] = []

    def script(self, *replies: Reply) -> None:
        """What to say next, in order."""
        self._replies += replies

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Takes down the request and gives the next reply."""
        text = await request.text()
        body = json.loads(text) if text else None
        self.seen.append(Seen(request.method, request.path, dict(request.query), dict(request.headers), body))
        self.asked.set()
        reply = self._replies.pop(0) if self._replies else status(418, "Unscripted")
        return await reply(request)

    def point_at(self, port: int, trust: Path | None = None) -> None:
        """Writes a kubeconfig for the server, with its token in a file beside it.

        Args:
            port: where it listens on this machine.
            trust: certificates by which it is known; None for a server without TLS.
        """
        url = f"{'https' if trust else 'http'}://127.0.0.1:{port}"
        trusted = {"certificate-authority": str(trust)} if trust else {}
        self.token_file.write_text("first\n")
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            "clusters": [{"name": "test", "cluster": {"server": url, **trusted}}],
            "users": [{"name": "test", "user": {"tokenFile": self.token_file.name}}],
        }
        self.kubeconfig.write_text(json.dumps(config))


@asynccontextmanager
async def scripted_server(
    folder: Path, *, tls: ssl.SSLContext | None = None, trust: Path | None = None
) -> AsyncIterator[ScriptedServer]:
    """A server on a free port of this machine."""
    server = ScriptedServer(folder)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    server.point_at(runner.addresses[0][1], trust)
    try:
        yield server
    finally:
        await runner.cleanup()
