"""Admissions at a steady rate, each a Workspace that is judged and not stored."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from controller.api.json import Json
from hack.devcluster.api import Api
from tests.cluster.harness import Cluster

_PATH = "/apis/kaito.sh/v1beta1/namespaces/default/workspaces?dryRun=All"

_MOST_AT_ONCE = 40
"""Requests under way; a machine that is too slow for the rate is asked less often, and not buried."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A Workspace that was not let in.

    Attributes:
        begun: when it was sent, in seconds of the loop's clock.
        ended: when the answer came.
        text: status and answer.
    """

    begun: float
    ended: float
    text: str


@dataclass(slots=True)
class Tally:
    """What the requests were answered.

    Attributes:
        admitted: Workspaces let in.
        failures: the others.
        seconds: how long was asked.
    """

    admitted: int = 0
    failures: list[Failure] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def figures(self) -> str:
        """The counts, as text."""
        rate = self.admitted / self.seconds if self.seconds else 0.0
        return f"{self.admitted} admissions ({rate:.0f} a second), {len(self.failures)} failed"

    def count(self, begun: float, status: int, text: str) -> None:
        """Counts one answer."""
        if status == 201:
            self.admitted += 1
        else:
            ended = asyncio.get_running_loop().time()
            self.failures.append(Failure(begun, ended, f"{status} {text[:300]}"))


@contextlib.asynccontextmanager
async def admissions(site: Cluster, manifest: Json, rate: float) -> AsyncIterator[Tally]:
    """Sends `rate` requests a second while the context lasts; on leaving waits for the answers."""
    tally = Tally()
    stop = asyncio.Event()
    async with site.api() as api:
        sending = asyncio.ensure_future(_send(api, manifest, 1 / rate, tally, stop))
        try:
            yield tally
        finally:
            stop.set()
            await sending


async def _send(api: Api, manifest: Json, pause: float, tally: Tally, stop: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    begun = due = loop.time()
    places = asyncio.Semaphore(_MOST_AT_ONCE)
    async with asyncio.TaskGroup() as group:
        while not stop.is_set():
            await places.acquire()
            group.create_task(_ask(api, manifest, tally, places))
            due = max(due + pause, loop.time() - pause)
            await asyncio.sleep(max(0.0, due - loop.time()))
    tally.seconds = loop.time() - begun


async def _ask(api: Api, manifest: Json, tally: Tally, places: asyncio.Semaphore) -> None:
    begun = asyncio.get_running_loop().time()
    try:
        tally.count(begun, *await api.request("POST", _PATH, manifest))
    finally:
        places.release()
