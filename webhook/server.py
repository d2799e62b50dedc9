"""The HTTPS server in front of the webhooks: bounded in size, time and number of everything a stranger may send.

Any pod of the cluster can reach the port. Nothing of a body is logged, and no handler calls the network.
"""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Final, TypeAlias

from aiohttp import web

from controller.runtime.logs import get_logger
from controller.runtime.metrics import WEBHOOK_PANICS, webhook_metrics
from controller.runtime.options import Address
from webhook.counters import count_verdict
from webhook.review import Decide, MalformedReviewError, parse_review, render_answer

MAX_BODY: Final = 8 << 20
"""Bytes of the largest review: an update carries two objects of at most 1.5 MiB each, and headroom."""

SMALL_BODY: Final = 256 << 10
"""Bytes up to which a body is read without asking; larger ones share LARGE_SLOTS, so that memory stays bounded."""

LARGE_SLOTS: Final = 8
MAX_REQUESTS: Final = 256
"""Requests at once; more are told to come back."""

MAX_CONNECTIONS: Final = 1024

ARRIVAL_SECONDS: Final = 5.0
"""How long a handshake, the headers of a first request, or a body may take to arrive; the API server's own patience."""

IDLE_SECONDS: Final = 120.0
"""How long an unused connection is kept; the API server drops its own after 90 s."""

LINGER_SECONDS: Final = 2.0
"""How long the rest of a refused body is read and dropped, so that the refusal reaches its sender."""

CLOSE_SECONDS: Final = 2.0
"""How long answers under way may delay the end."""

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = get_logger(__name__)


class WebhookServer:
    """Serves one webhook per path.

    Args:
        address: where to listen; port 0 takes a free one.
        tls: the context of the listener.
        webhooks: path to decision.
    """

    def __init__(self, address: Address, tls: ssl.SSLContext, webhooks: Mapping[str, Decide]) -> None:
        self.address = address
        self._tls = tls
        self._app = web.Application(client_max_size=MAX_BODY)
        self._app.add_routes([web.post(path, self._handler(path, decide)) for path, decide in webhooks.items()])
        self._large = asyncio.Semaphore(LARGE_SLOTS)
        self._running = 0
        self._silent: set[web.RequestHandler] = set()
        self._runner: web.AppRunner | None = None
        self._listener: asyncio.Server | None = None

    @property
    def listening(self) -> bool:
        """Whether connections are taken."""
        return self._listener is not None and self._listener.is_serving()

    async def start(self) -> None:
        """Listens; `address` then holds the port really used.

        Raises:
            OSError: the address cannot be bound.
        """
        self._runner = web.AppRunner(
            self._app,
            access_log=None,
            auto_decompress=False,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
            shutdown_timeout=CLOSE_SECONDS,
        )
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        self._listener = await loop.create_server(
            self._connection,
            self.address.host or None,
            self.address.port,
            ssl=self._tls,
            ssl_handshake_timeout=ARRIVAL_SECONDS,
            reuse_address=True,
        )
        self.address = Address(self.address.host, int(self._listener.sockets[0].getsockname()[1]))

    async def stop(self) -> None:
        """Takes no more connections, lets answers under way finish, closes the rest."""
        if self._listener is not None:
            self._listener.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def _connection(self) -> asyncio.Protocol:
        assert self._runner is not None
        assert self._runner.server is not None
        if len(self._runner.server.connections) + len(self._silent) >= MAX_CONNECTIONS:
            return _Refusal()
        protocol = self._runner.server()
        self._silent.add(protocol)
        asyncio.get_running_loop().call_later(2 * ARRIVAL_SECONDS, self._hang_up_on_silence, protocol)
        return protocol

    def _hang_up_on_silence(self, protocol: web.RequestHandler) -> None:
        # The HTTP library waits without limit for the headers of a connection's first request.
        if protocol in self._silent and protocol.transport is not None:
            protocol.transport.abort()
        self._silent.discard(protocol)

    def _handler(self, path: str, decide: Decide) -> Handler:
        counters = webhook_metrics(path)

        async def handle(request: web.Request) -> web.Response:
            started = time.perf_counter()
            self._silent.discard(request.protocol)
            with counters.in_flight.track_inprogress():
                response = await self._answer(request, decide)
            counters.requests[str(response.status)].inc()
            counters.latency.observe(time.perf_counter() - started)
            return response

        return handle

    async def _answer(self, request: web.Request, decide: Decide) -> web.Response:
        if self._running >= MAX_REQUESTS:
            return _error(HTTPStatus.SERVICE_UNAVAILABLE, "too many reviews at once")
        if request.content_type != "application/json":
            return _error(HTTPStatus.BAD_REQUEST, "the content type must be application/json")
        self._running += 1
        try:
            body = await self._read(request)
            review = parse_review(body)
            verdict = decide(review)
            count_verdict(review, verdict)
            return web.Response(body=render_answer(review, verdict), content_type="application/json")
        except MalformedReviewError as error:
            return _error(HTTPStatus.BAD_REQUEST, str(error))
        except web.HTTPRequestEntityTooLarge:
            return _error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a review has at most {MAX_BODY} bytes")
        except TimeoutError:
            return _error(HTTPStatus.BAD_REQUEST, f"the body did not arrive within {ARRIVAL_SECONDS:.0f} s")
        except ConnectionError:
            return _error(HTTPStatus.BAD_REQUEST, "the connection broke before the body was complete")
        except Exception:
            WEBHOOK_PANICS.inc()
            log.exception("a review was not answered")
            return _error(HTTPStatus.INTERNAL_SERVER_ERROR, "the review could not be answered")
        finally:
            self._running -= 1

    async def _read(self, request: web.Request) -> bytes:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(asyncio.timeout(ARRIVAL_SECONDS))
            if request.content_length is None or request.content_length > SMALL_BODY:
                await stack.enter_async_context(self._large)
            return await request.read()


class _Refusal(asyncio.Protocol):
    """A connection too many: closed as soon as it is there."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hangs up."""
        assert isinstance(transport, asyncio.Transport)
        transport.abort()


def _error(status: HTTPStatus, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n", headers={"Connection": "close"})
