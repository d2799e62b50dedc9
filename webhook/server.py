"""The HTTPS server in front of the webhooks: bounded in size, time and number of everything a stranger may send.

Any pod of the cluster can reach the port. Nothing of a body is logged, and no handler calls the network.
"""

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, TypeAlias

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from controller.runtime.connections import Places
from controller.runtime.listener import Listener
from controller.runtime.logs import get_logger
from controller.runtime.metrics import WEBHOOK_PANICS, webhook_metrics
from controller.runtime.options import Address
from webhook.counters import CONNECTIONS_REFUSED, MALFORMED_REQUESTS, count_verdict
from webhook.review import Decide, MalformedReviewError, parse_review, render_answer

MAX_BODY: Final = 8 << 20
"""Bytes of the largest review: an update carries two objects of at most 1.5 MiB each, and headroom."""

SMALL_BODY: Final = 256 << 10
"""Bytes up to which a body is read without asking; larger ones share LARGE_SLOTS, so that memory stays bounded."""

LARGE_SLOTS: Final = 8
LARGE_SHARE: Final = 4
"""Large bodies of one peer at a time."""

IDLE_SECONDS: Final = 120.0
"""How long an unused connection is kept, whether it was ever used or not; the API server drops its own after 90 s."""

LINGER_SECONDS: Final = 2.0
"""How long the rest of a refused body is read and dropped, so that the refusal reaches its sender."""

CLOSE_SECONDS: Final = 2.0
"""How long answers under way may delay the end."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What strangers may take.

    All API servers may come through one tunnel and so from one address, and a burst of 100 requests was seen to open
    168 connections: one peer's share leaves room for that.

    Attributes:
        readers: bodies that may be on their way; more are told to come back. What has arrived is answered at once.
        readers_share: of these, those of one peer.
        connections: held at once; their TLS state stays within 200 MB (measured: 0.8 MB each while shaking hands).
        connections_share: of these, those of one peer.
        arrival: seconds that a handshake, the headers of a first request, a body, or the taking of an answer may last;
            half of the API server's own patience.
    """

    readers: int = 192
    readers_share: int = 176
    connections: int = 224
    connections_share: int = 176
    arrival: float = 5.0


Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = get_logger(__name__)


class WebhookServer:
    """Serves one webhook per path.

    Args:
        address: where to listen; port 0 takes a free one.
        tls: the context of the listener.
        webhooks: path to decision.
        limits: what strangers may take.
    """

    def __init__(
        self, address: Address, tls: ssl.SSLContext, webhooks: Mapping[str, Decide], limits: Limits | None = None
    ) -> None:
        self._limits = limits or Limits()
        self._tls = tls
        self._app = web.Application(client_max_size=MAX_BODY, middlewares=[self._note])
        self._app.add_routes([web.post(path, self._handler(path, decide)) for path, decide in webhooks.items()])
        self._readers = Places(self._limits.readers, self._limits.readers_share)
        self._large = Places(LARGE_SLOTS, LARGE_SHARE)
        self._draining = False
        runner = web.AppRunner(
            self._app,
            access_log=None,
            logger=_http_logger(),
            auto_decompress=False,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
            shutdown_timeout=CLOSE_SECONDS,
        )
        places = Places(self._limits.connections, self._limits.connections_share)
        patience, refused = self._limits.arrival, CONNECTIONS_REFUSED.inc
        self._listener = Listener("webhook", address, runner, places, patience=patience, refused=refused)

    @property
    def address(self) -> Address:
        """Where it listens; once it does, with the port really used."""
        return self._listener.address

    @property
    def listening(self) -> bool:
        """Whether connections are taken."""
        return self._listener.listening

    async def start(self) -> None:
        """Listens.

        Raises:
            OSError: the address cannot be bound.
        """
        await self._listener.start(self._tls)

    def drain(self) -> None:
        """Asks every caller to leave: each answer from now on closes its connection."""
        self._draining = True

    async def until_left(self, seconds: float) -> None:
        """Serves on until nobody holds a connection, at most `seconds`.

        A client that closes an idle connection loses nothing. A server that does may do it in the moment in which a
        request is on its way, and nobody may repeat a POST of which it is not known whether it was read.
        """
        try:
            await asyncio.wait_for(self._listener.deserted(), seconds)
        except TimeoutError:
            log.warning("%d connections are still held by their callers and closed now", self._listener.connections)

    async def stop(self) -> None:
        """Takes no more connections, lets answers under way finish, closes the rest."""
        await self._listener.stop()

    @web.middleware
    async def _note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self._listener.heard(request)
        try:
            response = await handler(request)
        except web.HTTPException as refusal:
            self._part(refusal)
            raise
        self._part(response)
        return response

    def _part(self, response: web.StreamResponse) -> None:
        if self._draining:
            response.force_close()

    def _handler(self, path: str, decide: Decide) -> Handler:
        counters = webhook_metrics(path)

        async def handle(request: web.Request) -> web.Response:
            started = time.perf_counter()
            with counters.in_flight.track_inprogress():
                response = await self._answer(request, decide)
            counters.requests[str(response.status)].inc()
            counters.latency.observe(time.perf_counter() - started)
            return response

        return handle

    async def _answer(self, request: web.Request, decide: Decide) -> web.Response:
        if request.content_type != "application/json":
            return _error(HTTPStatus.BAD_REQUEST, "the content type must be application/json")
        try:
            body = await self._read(request)
            review = parse_review(body)
            verdict = decide(review)
            count_verdict(review, verdict)
            return web.Response(body=render_answer(review, verdict), content_type="application/json")
        except _BusyError:
            return _error(HTTPStatus.SERVICE_UNAVAILABLE, "too many reviews at once")
        except MalformedReviewError as error:
            return _error(HTTPStatus.BAD_REQUEST, str(error))
        except web.HTTPRequestEntityTooLarge:
            return _error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a review has at most {MAX_BODY} bytes")
        except TimeoutError:
            return _error(HTTPStatus.BAD_REQUEST, f"the body did not arrive within {self._limits.arrival:.0f} s")
        except ConnectionError:
            return _error(HTTPStatus.BAD_REQUEST, "the connection broke before the body was complete")
        except Exception:
            WEBHOOK_PANICS.inc()
            log.exception("a review was not answered")
            return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "the review could not be answered")

    async def _read(self, request: web.Request) -> bytes:
        peer = request.remote or ""
        large = request.content_length is None or request.content_length > SMALL_BODY
        with _place(self._readers, peer), _place(self._large, peer) if large else contextlib.nullcontext():
            async with asyncio.timeout(self._limits.arrival):
                return await request.read()


class _BusyError(Exception):
    """No place for another body."""


@contextlib.contextmanager
def _place(places: Places, peer: str) -> Iterator[None]:
    if not places.take(peer):
        raise _BusyError
    try:
        yield
    finally:
        places.give(peer)


def _count_record(record: logging.LogRecord) -> bool:
    """Counts what the HTTP library would log with a traceback, and drops it: parts of a request may be in it."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        MALFORMED_REQUESTS.inc()
    elif error is not None:
        log.warning("a connection failed: %s", type(error).__name__)
    return False


def _http_logger() -> logging.Logger:
    logger = logging.getLogger(f"{__name__}.http")
    logger.setLevel(logging.DEBUG)
    logger.addFilter(_count_record)
    return logger


def _error(status: HTTPStatus, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", headers={"Connection": "close"})
