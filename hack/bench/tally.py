"""Counts objects of a kind as a watch shows them, and tells when the last one got there."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager

from controller.api.json import Json, Key, key_of
from controller.api.resources import Resource
from controller.runtime.cache import Informer
from controller.runtime.client import Client

_PARALLEL = 32


class Tally:
    """The objects of a selection for which something holds.

    Args:
        informer: shows the objects.
        holds: what is counted; without it that an object exists.
    """

    def __init__(self, informer: Informer, holds: Callable[[Json], bool]) -> None:
        self._what, self._holds = informer.name, holds
        self._counted: set[Key] = set()
        self._changed = asyncio.Event()
        self._moment = asyncio.get_running_loop().time()
        informer.on_change(self._look)

    async def until(self, number: int, seconds: float) -> float:
        """Waits until exactly so many are counted; the loop time at which that became so.

        Raises:
            RuntimeError: it did not become so in this many seconds; the message says how many there were.
        """
        try:
            async with asyncio.timeout(seconds):
                while len(self._counted) != number:
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise RuntimeError(f"{self._what}: {len(self._counted)} of {number} after {seconds:g} s") from None
        return self._moment

    def _look(self, old: Json | None, new: Json | None) -> None:
        key = key_of(new or old or {})
        counts = new is not None and self._holds(new)
        if counts != (key in self._counted):
            (self._counted.add if counts else self._counted.discard)(key)
            self._moment = asyncio.get_running_loop().time()
            self._changed.set()


@asynccontextmanager
async def tally(
    client: Client, resource: Resource, holds: Callable[[Json], bool], *, namespace: str = "", labels: str = ""
) -> AsyncIterator[Tally]:
    """Counts as long as the context lasts; only names and conditions are kept."""
    informer = Informer(client, resource, namespace=namespace, labels=labels, transform=_slim)
    counting = Tally(informer, holds)
    watching = asyncio.create_task(informer.run())
    try:
        await asyncio.wait_for(informer.wait_synced(), 30)
        yield counting
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)


def exists(_: Json) -> bool:
    """Counts every object."""
    return True


async def in_parallel(calls: Iterable[Callable[[], Awaitable[object]]]) -> None:
    """Makes all calls, so many at a time that the server is busy and not the bench."""
    waiting = iter(calls)

    async def work() -> None:
        for call in waiting:
            await call()

    async with asyncio.TaskGroup() as group:
        for _ in range(_PARALLEL):
            group.create_task(work())


def _slim(obj: Json) -> Json:
    metadata = obj["metadata"]
    kept = {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion") if key in metadata}
    shown = {"conditions": (obj.get("status") or {}).get("conditions") or []}
    return {"apiVersion": obj.get("apiVersion"), "kind": obj.get("kind"), "metadata": kept, "status": shown}
