"""`/metrics` over TLS, for those who may see it."""

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, TypeAlias

from aiohttp import web

from controller.runtime.connections import Places
from controller.runtime.gate import Gate, bearer_token
from controller.runtime.listener import Listener
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
        self.certificate = certificate
        self._gate = gate
        self._app = web.Application(client_max_size=1024, middlewares=[self._guarded])
        self._app.add_routes([web.get(PATH, metrics_handler, allow_head=False)])
        runner = web.AppRunner(
            self._app,
            access_log=None,
            logger=_silent(),
            keepalive_timeout=IDLE_SECONDS,
            shutdown_timeout=CLOSE_SECONDS,
            lingering_time=CLOSE_SECONDS,
        )
        places = Places(CONNECTIONS, CONNECTIONS_SHARE)
        self._listener = Listener("metrics", address, runner, places, patience=PATIENCE_SECONDS, refused=_nothing)

    @property
    def address(self) -> Address:
        """Where it listens; once it does, with the port really used."""
        return self._listener.address

    async def start(self) -> None:
        """Listens.

        Raises:
            OSError: the address cannot be bound.
        """
        await self._listener.start(self.certificate.handshakes.context)

    async def stop(self) -> None:
        """Closes the listener and every connection; answers under way get CLOSE_SECONDS."""
        await self._listener.stop()

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Lets nobody further who may not see the metrics, not even to learn which paths there are."""
        self._listener.heard(request)
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
