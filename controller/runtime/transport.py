"""One attempt of one request on the official asyncio client, and the errors it can end in.

Of the client we use configuration, authentication, TLS, connection pool and two methods, `param_serialize` and
`call_api`; a test asserts their signatures. Models, `Watch` and the generated classes cost many times the CPU and drop
fields they do not know.
"""

import asyncio
import socket
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

import aiohttp
from aiohttp.connector import Connection
from kubernetes.aio.client import ApiClient, Configuration
from kubernetes.aio.client.rest import RESTClientObject

from controller.api.json import Json
from controller.runtime import credentials
from controller.runtime.errors import LOST, TIMED_OUT, UNREACHABLE, Unavailable, from_response

_CONNECT_SECONDS: Final = 5.0
_HEADER_SECONDS: Final = 30.0
_IDLE_POOL_SECONDS: Final = 60.0  # below the 90 s after which kube-apiserver closes an idle connection
_SLACK_SECONDS: Final = 15.0
NO_REPLY: Final = "<error>"
"""The `code` label of a request without a reply, as client-go spells it."""

# Seconds and probes; 60 s user timeout in milliseconds. Azure load balancers forget a flow after 4 idle minutes.
_SOCKET_OPTIONS: Final = (
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 30),
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 10),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 60_000),
)

AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[object, ...]]


class RequestObserver(Protocol):
    """Told of every attempt: the seam for `rest_client_*` metrics. Must not raise or block."""

    def __call__(self, *, method: str, host: str, code: str, seconds: float, attempt: int) -> None:
        """One attempt ended.

        Args:
            method: HTTP method.
            host: host and port of the API server, never a path.
            code: HTTP status, or `NO_REPLY`.
            seconds: from sending to the whole reply; for a watch, to its headers.
            attempt: 0 for the first; above 0 it is a retry.
        """


def ignore_requests(*, method: str, host: str, code: str, seconds: float, attempt: int) -> None:
    """The observer that observes nothing."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, independent of connection and identity."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Json | list[Json] | None = None
    content_type: str = "application/json"

    def __str__(self) -> str:
        """Method and path: the query holds selectors and tokens that only lengthen a log line."""
        return f"{self.method} {self.path}"


class Transport:
    """A pool of connections to one API server."""

    def __init__(self, api: ApiClient, held: credentials.Credentials, observer: RequestObserver) -> None:
        self._api = api
        self._credentials = held
        self._observer = observer
        self.host = urlsplit(api.configuration.host).netloc

    @classmethod
    async def connect(
        cls, *, user_agent: str, kubeconfig: Path | None, observer: RequestObserver, pool_size: int
    ) -> "Transport":
        """Reads configuration and prepares the pool; sends nothing yet.

        Raises:
            SetupError: no usable configuration.
        """
        configuration, held = await credentials.load(kubeconfig)
        # trust_env makes aiohttp look for netrc and proxies in a worker thread at every request.
        configuration.client_session_kwargs = {"trust_env": False}
        configuration.connection_pool_maxsize = pool_size
        api = ApiClient(configuration)
        api.rest_client = _Rest(configuration)
        api.user_agent = user_agent
        return cls(api, held, observer)

    @property
    def token(self) -> str:
        """The Authorization value now in use, to be handed to `renew` after a 401."""
        return self._credentials.token

    async def renew(self, refused: str) -> bool:
        """Whether a token other than the refused one is there to be tried."""
        return await self._credentials.renew(refused)

    async def exchange(self, request: Request, *, seconds: float, attempt: int) -> bytes:
        """Sends once and reads the whole reply, within `seconds`.

        Raises:
            ApiError: any status outside 2xx, or no complete reply.
        """
        loop = asyncio.get_running_loop()
        started, code = loop.time(), NO_REPLY
        limit = aiohttp.ClientTimeout(total=max(seconds, 0.001), sock_connect=_CONNECT_SECONDS)
        try:
            async with self._open(request, limit) as response:
                code = str(response.status)
                body = await response.read()
                if not response.ok:
                    raise from_response(response.status, response.headers, body, request=str(request))
                return body
        finally:
            self._observer(
                method=request.method, host=self.host, code=code, seconds=loop.time() - started, attempt=attempt
            )

    @asynccontextmanager
    async def stream(self, request: Request, *, seconds: float) -> AsyncIterator[aiohttp.StreamReader]:
        """Opens a reply that the server writes for about `seconds`; the body may pause, the headers may not.

        Raises:
            ApiError: any status outside 2xx, a broken connection, or silence past the server's own limit.
        """
        loop = asyncio.get_running_loop()
        started, code = loop.time(), NO_REPLY
        longest = seconds + _SLACK_SECONDS
        limit = aiohttp.ClientTimeout(total=longest, sock_read=longest, sock_connect=_CONNECT_SECONDS)
        try:
            async with self._open(request, limit, header_seconds=_HEADER_SECONDS) as response:
                code = str(response.status)
                self._observed(request, code, started)
                if not response.ok:
                    body = await response.read()
                    raise from_response(response.status, response.headers, body, request=str(request))
                yield response.content
        finally:
            if code == NO_REPLY:
                self._observed(request, code, started)

    def _observed(self, request: Request, code: str, started: float) -> None:
        elapsed = asyncio.get_running_loop().time() - started
        self._observer(method=request.method, host=self.host, code=code, seconds=elapsed, attempt=0)

    @asynccontextmanager
    async def _open(
        self, request: Request, limit: aiohttp.ClientTimeout, *, header_seconds: float | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "Content-Type": request.content_type}
        try:
            prepared = await self._api.param_serialize(
                request.method,
                request.path,
                query_params=list(request.query),
                header_params=headers,
                body=request.body,
                auth_settings=["BearerToken"],
            )
            async with asyncio.timeout(header_seconds):
                reply = await self._api.call_api(*prepared, _request_timeout=limit)
            response: aiohttp.ClientResponse = reply.response
            async with response:
                yield response
        except asyncio.CancelledError:
            self._distrust_pool()  # perhaps a caller whose patience ended before ours
            raise
        except (TimeoutError, aiohttp.ClientError) as error:
            self._distrust_pool()
            raise _unanswered(error, request) from error

    def _distrust_pool(self) -> None:
        """What silenced or broke one connection probably took its idle neighbours along: the next one is new."""
        pool = self._api.rest_client
        assert isinstance(pool, _Rest), "connect made it"
        pool.drop_idle()

    async def close(self) -> None:
        """Closes every connection, open watches included, without waiting for the server's farewell."""
        await self._api.close()  # type: ignore[no-untyped-call]
        pool = self._api.rest_client
        assert isinstance(pool, _Rest), "connect made it"
        pool.abort()
        await asyncio.sleep(0)  # the loop closes their sockets in its next turn


def _unanswered(error: Exception, request: Request) -> Unavailable:
    """The error of a request without a complete reply, by whether it can have left."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        text, reason = "no connection in time", UNREACHABLE
    elif isinstance(error, TimeoutError):
        text, reason = "no complete reply in time", TIMED_OUT
    elif isinstance(error, aiohttp.ClientConnectorError):
        text, reason = str(error), UNREACHABLE
    else:
        text, reason = f"{type(error).__name__}: {error}", LOST
    return Unavailable(text, reason=reason, request=str(request))


class _Rest(RESTClientObject):  # type: ignore[misc, unused-ignore]
    """The official pool, with sockets that notice a dead peer and without repetitions of its own.

    Two names of aiohttp's inner side are used, for want of public ones; tests pin both.
    """

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration)
        self._opened: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()

    def abort(self) -> None:
        """Ends what is left of every connection there ever was.

        One whose request was cancelled, as every watch is in the end, is no longer in the pool: it waits for the
        server's part of TLS's farewell, which a closed loop would never hear.
        """
        for transport in list(self._opened):
            transport.abort()

    def drop_idle(self) -> None:
        """Closes the connections nobody uses at the moment."""
        connector = self.pool_manager.connector if self.pool_manager else None
        if connector is None:
            return
        idle = [protocol for kept in connector._conns.values() for protocol, _ in kept]  # noqa: SLF001
        connector._conns.clear()  # noqa: SLF001
        for protocol in idle:
            protocol.abort()

    def _create_pool_manager(self) -> aiohttp.ClientSession:
        session: aiohttp.ClientSession = super()._create_pool_manager()
        session._retry_connection = False  # noqa: SLF001 - it would repeat PUT and DELETE, against our rules
        return session

    def _create_connector(self) -> aiohttp.TCPConnector:
        return _Connector(
            self._opened,
            limit=self.maxsize,
            ssl=self.ssl_context,
            keepalive_timeout=_IDLE_POOL_SECONDS,
            socket_factory=_socket,
        )


class _Connector(aiohttp.TCPConnector):
    """A pool that tells of every connection it gives out."""

    def __init__(self, opened: "weakref.WeakSet[asyncio.Transport]", **options: Any) -> None:
        super().__init__(**options)
        self._opened = opened

    async def connect(self, *request: Any, **options: Any) -> Connection:
        connection = await super().connect(*request, **options)
        if connection.transport is not None:
            self._opened.add(connection.transport)
        return connection


def _socket(address: AddressInfo) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    for level, option, value in _SOCKET_OPTIONS:
        if hasattr(socket, option):  # some are Linux's own
            made.setsockopt(level, getattr(socket, option), value)
    return made
