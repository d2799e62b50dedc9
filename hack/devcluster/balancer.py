"""A TCP balancer: one port that stays, behind it whichever replicas are ready, as a Service would do it."""

import asyncio
from collections.abc import Callable, Sequence

Backend = tuple[str, int]
"""Address and port."""

_CHUNK = 65_536
_CONNECT_SECONDS = 2.0


class Balancer:
    """Forwards each connection to the next ready backend; one that refuses is passed over."""

    def __init__(self, address: Backend, ready: Callable[[], Sequence[Backend]]) -> None:
        self.address = address
        self._ready = ready
        self._turn = 0
        self._connections: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until cancelled; open connections are cut then."""
        server = await asyncio.start_server(self._accept, *self.address)
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
        except asyncio.CancelledError:
            # The end of the balancer; asyncio would log it as the connection's defect.
            return
        finally:
            writer.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        backends = list(self._ready())
        self._turn += 1
        for offset in range(len(backends)):
            host, port = backends[(self._turn + offset) % len(backends)]
            try:
                return await asyncio.wait_for(asyncio.open_connection(host, port), _CONNECT_SECONDS)
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
