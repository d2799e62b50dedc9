"""`/metrics` over TLS, for those who may see it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, TypeAlias

from aiohttp import web

from controller.runtime.connections import Door, Places
from controller.runtime.gate import Gate, bearer_token
from controller.runtime.metrics_certificate import MetricsCertificate
from controller.runtime.options import Address
from controller.runtime.probes import CLOSE_SECONDS, metrics_handler

PATH: Final = "/metrics"

CONNECTIONS: Final = 32
CONNECTIONS_SHARE: Final = 8
"""Connections held at once, and those of one peer: a TLS session takes up to a megabyte while it begins."""

PATIENCE_SECONDS: Final = 5.0
"""For a handshake, for a first request, and for an answer to be taken."""

IDLE_SECONDS: Final = 300.0
"""How long a connection is kept unused, whether it was ever used or not; scrapes come more often."""

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]


class MetricsServer:
    """Serves the metrics and nothing else, apart from probes and admission, which no scraper can hold up.

    Args:
        address: where to listen; port 0 takes a free one.
        certificate: what it serves with.
        gate: who may see the metrics.
    """

    def __init__(self, address: Address, certificate: MetricsCertificate, gate: Gate) -> None:
        self.address = address
        self.certificate = certificate
        self._gate = gate
        self._app = web.Application(client_max_size=1024, middlewares=[self._guarded])
        self._app.add_routes([web.get(PATH, metrics_handler, allow_head=False)])
        self._runner: web.AppRunner | None = None
        self._door: Door | None = None
        self._listener: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listens; `address` then holds the port really used.

        Raises:
            OSError: the address cannot be bound.
        """
        self._runner = web.AppRunner(
            self._app,
            access_log=None,
            logger=_silent(),
            keepalive_timeout=IDLE_SECONDS,
            shutdown_timeout=CLOSE_SECONDS,
            lingering_time=CLOSE_SECONDS,
        )
        await self._runner.setup()
        assert self._runner.server is not None
        places = Places(CONNECTIONS, CONNECTIONS_SHARE)
        tls = self.certificate.handshakes.context
        self._door = Door(tls, self._runner.server, places, patience=PATIENCE_SECONDS, refused=_nothing)
        loop, host = asyncio.get_running_loop(), self.address.host or None
        try:
            self._listener = await loop.create_server(
                self._door.connection, host, self.address.port, reuse_address=True
            )
        except BaseException:
            await self.stop()
            raise
        self._sweeper = asyncio.create_task(self._door.sweep(), name="metrics-sweeper")
        self.address = Address(self.address.host, int(self._listener.sockets[0].getsockname()[1]))

    async def stop(self) -> None:
        """Closes the listener and every connection; answers under way get CLOSE_SECONDS."""
        if self._listener is not None:
            self._listener.close()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        if self._door is not None:
            self._door.close()

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Lets nobody further who may not see the metrics, not even to learn which paths there are."""
        assert self._door is not None
        self._door.heard(request)
        token = bearer_token(request.headers.get("Authorization", ""))
        decision = await self._gate.decide(token, request.remote or "")
        if decision.allowed:
            return await handler(request)
        answer = web.Response(status=decision.status, text=f"{decision.text}\n")
        if decision.status is HTTPStatus.UNAUTHORIZED:
            answer.headers["WWW-Authenticate"] = 'Bearer realm="metrics"'
        if decision.status is HTTPStatus.SERVICE_UNAVAILABLE:
            answer.headers["Retry-After"] = "5"
        answer.force_close()  # a place is worth more than a stranger's next try
        return answer


def _nothing() -> None:
    """A connection there is no place for is no event: whoever floods a port would flood the log as well."""


def _silent() -> logging.Logger:
    """What the HTTP library would log holds parts of strangers' requests."""
    logger = logging.getLogger(f"{__name__}.http")
    logger.addHandler(logging.NullHandler())
    logger.propagate = False
    return logger
