"""Health probes, and metrics for everybody, over plain HTTP."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from aiohttp import web
from prometheus_client.exposition import choose_encoder

from controller.runtime.metrics import REGISTRY
from controller.runtime.options import Address

Check: TypeAlias = Callable[[], str]
"""Answers at once and without I/O: an empty string when fine, else the reason."""

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.Response]]

CLOSE_SECONDS: Final = 1.0
"""How long an answer under way may delay the stop."""


def report(checks: Mapping[str, Check], *, verbose: bool) -> tuple[bool, str]:
    """Runs all checks: whether every one is fine, and the text for the answer.

    A check that raises counts as failed: a probe must not turn a defect into silence.
    """
    lines = []
    healthy = True
    for name, check in checks.items():
        try:
            reason = check()
        except Exception as error:  # noqa: BLE001 - whatever a check raises is its answer
            reason = repr(error)
        healthy = healthy and not reason
        if reason or verbose:
            lines.append(f"[-] {name}: {reason}" if reason else f"[+] {name}: ok")
    return healthy, "\n".join([*lines, "ok" if healthy else "failed"]) + "\n"


def check_handler(checks: Mapping[str, Check]) -> Handler:
    """Answers 200 or 500 with the failing checks, with all of them for `?verbose`."""

    async def handle(request: web.Request) -> web.Response:
        healthy, text = report(checks, verbose="verbose" in request.query)
        return web.Response(status=200 if healthy else 500, text=text)

    return handle


async def metrics_handler(request: web.Request) -> web.Response:
    """The registry in the format the client asks for: OpenMetrics, or the plain text format."""
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return web.Response(body=encode(REGISTRY), headers={"Content-Type": content_type})


class ProbeServer:
    """Serves `/metrics` on one address, `/healthz` and `/readyz` on another; None leaves one out.

    The mappings are read at each request: checks added later count from then on.
    """

    def __init__(
        self,
        *,
        metrics: Address | None,
        health: Address | None,
        live: Mapping[str, Check],
        ready: Mapping[str, Check],
    ) -> None:
        self.metrics = metrics
        self.health = health
        self._live = live
        self._ready = ready
        self._runners: list[web.AppRunner] = []

    async def start(self) -> None:
        """Listens; `metrics` and `health` then hold the ports really used.

        Raises:
            OSError: an address that cannot be bound, named in the message.
        """
        try:
            if self.metrics:
                self.metrics = await self._listen(self.metrics, {"/metrics": metrics_handler})
            if self.health:
                handlers = {"/healthz": check_handler(self._live), "/readyz": check_handler(self._ready)}
                self.health = await self._listen(self.health, handlers)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Closes the listeners; answers under way get CLOSE_SECONDS."""
        runners, self._runners = self._runners, []
        await asyncio.gather(*(runner.cleanup() for runner in runners))

    async def _listen(self, address: Address, handlers: Mapping[str, Handler]) -> Address:
        app = web.Application(client_max_size=1024)
        app.add_routes([web.get(path, handler) for path, handler in handlers.items()])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_SECONDS)
        await runner.setup()
        self._runners.append(runner)
        await web.TCPSite(runner, address.host or None, address.port).start()
        return Address(address.host, int(runner.addresses[0][1]))
