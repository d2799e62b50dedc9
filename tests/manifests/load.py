"""Admissions at a steady rate, each a Workspace that is judged and not stored."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from controller.api.json import Json
from hack.devcluster.api import Api
from tests.cluster.harness import Cluster

_PATH = "/apis/kaito.sh/v1beta1/namespaces/default/workspaces?dryRun=All"


CUT = ("EOF", "connection reset by peer", "broken pipe")
"""How the API server tells of a connection that ended while it waited for an answer."""


@dataclass(slots=True)
class Tally:
    """What the requests were answered.

    Attributes:
        admitted: Workspaces let in.
        cut: requests sent on an idle connection in the very moment its server closed it. HTTP/1.1 cannot rule that
            out, nobody may repeat a POST, and forwarding in user space makes the moment longer.
        failures: everything else.
    """

    admitted: int = 0
    cut: int = 0
    failures: list[str] = field(default_factory=list)

    def count(self, status: int, text: str) -> None:
        """Counts one answer."""
        if status == 201:
            self.admitted += 1
        elif status == 500 and any(f': {cause}"' in text for cause in CUT):
            self.cut += 1
        else:
            self.failures.append(f"{status} {text[:300]}")


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
    async with asyncio.TaskGroup() as group:
        while not stop.is_set():
            group.create_task(_ask(api, manifest, tally))
            await asyncio.sleep(pause)


async def _ask(api: Api, manifest: Json, tally: Tally) -> None:
    tally.count(*await api.request("POST", _PATH, manifest))
