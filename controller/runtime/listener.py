"""An HTTP application that listens behind TLS and a `Door`: opened and closed in one order, whoever it is for."""

import asyncio
import ssl
from collections.abc import Callable

from aiohttp import web

from controller.runtime.connections import Door, Places
from controller.runtime.options import Address


class Listener:
    """One listening socket, the application behind it, and the door between them.

    Args:
        name: of its task.
        address: where to listen; port 0 takes a free one.
        runner: the application, not set up yet.
        places: how many connections there may be.
        patience: seconds for a handshake, for a first request, and for an answer to be taken.
        refused: called for each connection there was no place for.
    """

    def __init__(
        self,
        name: str,
        address: Address,
        runner: web.AppRunner,
        places: Places,
        *,
        patience: float,
        refused: Callable[[], None],
    ) -> None:
        self._name = name
        self.address = address
        self._runner = runner
        self._places, self._patience, self._refused = places, patience, refused
        self._door: Door | None = None
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None

    @property
    def listening(self) -> bool:
        """Whether connections are taken."""
        return self._server is not None and self._server.is_serving()

    @property
    def connections(self) -> int:
        """How many are open now."""
        return len(self._door.open) if self._door else 0

    async def start(self, tls: ssl.SSLContext) -> None:
        """Listens; `address` then holds the port really used.

        Raises:
            OSError: the address cannot be bound; nothing is left open.
        """
        await self._runner.setup()
        assert self._runner.server is not None
        self._door = Door(tls, self._runner.server, self._places, patience=self._patience, refused=self._refused)
        loop, host = asyncio.get_running_loop(), self.address.host or None
        try:
            self._server = await loop.create_server(self._door.connection, host, self.address.port, reuse_address=True)
        except BaseException:
            await self.stop()
            raise
        self._sweeper = asyncio.create_task(self._door.sweep(), name=f"{self._name}-sweeper")
        self.address = Address(self.address.host, int(self._server.sockets[0].getsockname()[1]))

    def heard(self, request: web.BaseRequest) -> None:
        """A request arrived as a whole: its connection is no longer silent."""
        if self._door is not None:
            self._door.heard(request)

    async def deserted(self) -> None:
        """Returns as soon as nobody holds a connection."""
        if self._door is not None:
            await self._door.deserted()

    async def stop(self) -> None:
        """Takes no more connections, lets answers under way finish within the runner's time, closes the rest."""
        if self._server is not None:
            self._server.close()
        if self._runner.server is not None:
            await self._runner.cleanup()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)
        if self._door is not None:
            self._door.close()
