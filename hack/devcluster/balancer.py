"""A TCP balancer: one port that stays, behind it whichever replicas are ready, as a Service would do it."""

import asyncio
from collections.abc import Callable, Sequence

from hack.devcluster.ports import LOOPBACK

_CHUNK = 65_536
_CONNECT_SECONDS = 2.0


class Balancer:
    """Forwards each connection to the next ready backend; one that refuses is passed over."""

    def __init__(self, port: int, ready_ports: Callable[[], Sequence[int]]) -> None:
        self.port = port
        self._ready_ports = ready_ports
        self._turn = 0
        self._connections: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until cancelled; open connections are cut then."""
        server = await asyncio.start_server(self._accept, LOOPBACK, self.port)
        try:
            await server.serve_forever()
        finally:
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task:
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            backend = await self._connect()
            if backend:
                await _join((reader, writer), backend)
        finally:
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        ports = list(self._ready_ports())
        self._turn += 1
        for offset in range(len(ports)):
            port = ports[(self._turn + offset) % len(ports)]
            try:
                return await asyncio.wait_for(asyncio.open_connection(LOOPBACK, port), _CONNECT_SECONDS)
            except (OSError, TimeoutError):
                continue
        return None


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _join(client: Stream, backend: Stream) -> None:
    pumps = [
        asyncio.ensure_future(_pump(client[0], backend[1])),
        asyncio.ensure_future(_pump(backend[0], client[1])),
    ]
    try:
        await asyncio.gather(*pumps)
    finally:
        for pump in pumps:
            pump.cancel()
        backend[1].close()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Copy until the source ends, then tell the target so; its other direction stays open."""
    try:
        while chunk := await source.read(_CHUNK):
            target.write(chunk)
            await target.drain()
        if target.can_write_eof():
            target.write_eof()
    except OSError:
        # One side went away in mid-stream: the other must not wait for it.
        target.close()
