"""A context whose API server answers by a script, and whose caches are filled by hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from controller.api.json import Json
from controller.api.resources import CONFIG_MAPS
from controller.catalog import load_catalog
from controller.planning.site import Site
from controller.reconcilers.context import Context
from controller.reconcilers.informers import build_informers
from controller.runtime.cache import Informer
from controller.runtime.client import Client
from tests.unit.runtime.scripted_server import Reply, ScriptedServer, Seen, scripted_server


@dataclass
class Told:
    """Takes the place of the recorder and keeps what it is told, as `reason: note`."""

    notes: list[str] = field(default_factory=list)

    def event(self, regarding: Json, *, reason: str, note: str, **_: Any) -> None:
        """Notes an event."""
        self.notes.append(f"{reason}: {note}")


@dataclass(frozen=True)
class Stand:
    """What a test works with."""

    context: Context
    server: ScriptedServer
    told: Told

    @property
    def requests(self) -> list[str]:
        """Method and path of what the API server was asked, in order."""
        return [f"{seen.method} {seen.path}" for seen in self.server.seen]

    def writes_of_status(self) -> list[Seen]:
        """The requests that wrote a status."""
        return [seen for seen in self.server.seen if seen.path.endswith("/status")]


@asynccontextmanager
async def stand(folder: Path, *replies: Reply) -> AsyncIterator[Stand]:
    """A context with empty caches, whose API server gives the replies in order."""
    async with scripted_server(folder) as server:
        server.script(*replies)
        async with await Client.connect(user_agent="test", kubeconfig=server.kubeconfig) as client:
            informers, told = build_informers(client, Informer(client, CONFIG_MAPS)), Told()
            catalog = load_catalog()
            yield Stand(Context(client, cast("Any", told), informers, lambda: Site(catalog)), server, told)
