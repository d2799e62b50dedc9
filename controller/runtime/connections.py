"""Who may hold a TLS connection: counted and refused before the handshake, for a session costs almost a megabyte.

One peer gets a share of the places, so that no single pod can shut out the others. What stays open has to
move: a handshake, a first request once it began and every answer have a time to complete in. A connection on which
nothing was asked yet is kept like one that was used: Go's HTTP client opens more than it needs and keeps the rest for
later, and a server that closes one of those in the moment of its first use cuts off a request. How long an unused
connection is kept is the keep-alive timeout of the HTTP protocol.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Final

from aiohttp import web

from controller.runtime.logs import get_logger

SWEEPS: Final = 5
"""Looks at every connection within one `patience`."""

SHUTDOWN_SECONDS: Final = 2.0
"""How long the farewell of TLS may take."""

log = get_logger(__name__)


class Places:
    """A bounded number of places, of which one peer may take a share.

    Args:
        total: places of all peers together.
        share: places of one peer.
    """

    __slots__ = ("_share", "_taken", "_total")

    def __init__(self, total: int, share: int) -> None:
        self._total, self._share = total, share
        self._taken: Counter[str] = Counter()

    @property
    def taken(self) -> int:
        """Places in use."""
        return self._taken.total()

    def take(self, peer: str) -> bool:
        """Takes a place; False when there is none for this peer."""
        if self.taken >= self._total or self._taken[peer] >= self._share:
            return False
        self._taken[peer] += 1
        return True

    def give(self, peer: str) -> None:
        """Gives a place back."""
        self._taken[peer] -= 1
        self._taken += Counter()  # drops the peers that hold none


class Door:
    """Lets connections in, and throws out those that stand still.

    Args:
        tls: the context of the listener.
        make: makes the protocol that talks HTTP on a connection.
        places: how many there may be.
        patience: seconds for a handshake, for a first request once it began, and for an answer to be taken.
        refused: called for each connection there was no place for.
    """

    def __init__(
        self,
        tls: ssl.SSLContext,
        make: Callable[[], web.RequestHandler],
        places: Places,
        patience: float,
        refused: Callable[[], None],
    ) -> None:
        self.tls, self.make, self.places, self.patience, self.refused = tls, make, places, patience, refused
        self.open: set[Connection] = set()
        self._deserted = asyncio.Event()
        self._deserted.set()

    def connection(self) -> asyncio.Protocol:
        """The protocol of a fresh TCP connection."""
        return Connection(self)

    def enter(self, connection: "Connection") -> None:
        """Takes note of a connection that has a place."""
        self.open.add(connection)
        self._deserted.clear()

    def leave(self, connection: "Connection", peer: str) -> None:
        """Gives the connection's place back, once."""
        if connection in self.open:
            self.open.discard(connection)
            self.places.give(peer)
            if not self.open:
                self._deserted.set()

    async def deserted(self) -> None:
        """Returns as soon as nobody holds a connection."""
        await self._deserted.wait()

    def heard(self, request: web.BaseRequest) -> None:
        """A request arrived as a whole: its connection is no longer silent."""
        for connection in self.open:
            if connection.handler is request.protocol:
                connection.silent = False
                return

    async def sweep(self) -> None:
        """Hangs up on connections that stand still, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.patience / SWEEPS)
            for connection in tuple(self.open):
                if connection.stands_still(loop.time(), self.patience):
                    connection.abort()

    def close(self) -> None:
        """Hangs up on everyone."""
        for connection in tuple(self.open):
            connection.abort()


class Connection(asyncio.Protocol):
    """One connection from its first packet to its last; passes what TLS yields on to the HTTP protocol."""

    def __init__(self, door: Door) -> None:
        self.handler: web.RequestHandler | None = None
        self.silent = True
        self._door = door
        self._peer = ""
        self._raw: asyncio.Transport | None = None
        self._tls: asyncio.Transport | None = None
        self._asked_since: float | None = None
        self._stuck_since: float | None = None
        self._early = b""
        self._handshake: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Starts TLS, or hangs up when there is no place."""
        assert isinstance(transport, asyncio.Transport)
        self._peer = str((transport.get_extra_info("peername") or ("",))[0])
        if not self._door.places.take(self._peer):
            self._door.refused()
            transport.abort()
            return
        transport.pause_reading()
        self._raw = transport
        self._door.enter(self)
        self._handshake = asyncio.create_task(self._start_tls(transport))

    async def _start_tls(self, raw: asyncio.Transport) -> None:
        loop, patience = asyncio.get_running_loop(), self._door.patience
        try:
            self._tls = await loop.start_tls(
                raw,
                self,
                self._door.tls,
                server_side=True,
                ssl_handshake_timeout=patience,
                ssl_shutdown_timeout=SHUTDOWN_SECONDS,
            )
            if self._tls is not None and self in self._door.open:
                self._hand_over(self._tls)
        except OSError as error:
            # A stranger's handshake: refused, given up or cut off. Whether we can serve is a readiness check.
            log.debug("no TLS: %s", type(error).__name__)
        finally:
            if self.handler is None:
                self._leave()
                raw.abort()

    def _hand_over(self, tls: asyncio.Transport) -> None:
        self.handler = self._door.make()
        self.handler.connection_made(tls)
        if self._early:
            self.handler.data_received(self._early)
            self._early = b""

    def data_received(self, data: bytes) -> None:
        """Passes plain text on; what comes with the end of the handshake waits for the HTTP protocol to be there."""
        if self._asked_since is None:
            self._asked_since = asyncio.get_running_loop().time()
        if self.handler is None:
            self._early += data
        else:
            self.handler.data_received(data)

    def pause_writing(self) -> None:
        """Makes answers wait."""
        if self.handler is not None:
            self.handler.pause_writing()

    def resume_writing(self) -> None:
        """Lets answers go on."""
        if self.handler is not None:
            self.handler.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Gives the place back."""
        self._leave()
        if self.handler is not None:
            self.handler.connection_lost(exc)

    def stands_still(self, now: float, patience: float) -> bool:
        """Whether the peer left its first request unfinished, or took no answer, for longer than it may."""
        waiting = sum(side.get_write_buffer_size() for side in (self._raw, self._tls) if side is not None)
        closing = self._tls is not None and self._tls.is_closing()
        if not waiting and not closing:
            self._stuck_since = None
        elif self._stuck_since is None:
            self._stuck_since = now
        stuck = self._stuck_since is not None and now - self._stuck_since >= patience
        begun = self._asked_since is not None and now - self._asked_since >= patience
        return stuck or (self.silent and begun)

    def abort(self) -> None:
        """Hangs up without a farewell."""
        assert self._raw is not None
        assert self._handshake is not None
        self._handshake.cancel()
        self._raw.abort()

    def _leave(self) -> None:
        self._door.leave(self, self._peer)
