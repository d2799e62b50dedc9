"""Informers: a local, indexed, always slightly stale copy of the objects a program reads."""

import asyncio
import logging
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from controller.api.json import Json, key_of
from controller.api.resources import Resource
from controller.runtime.reflector import Reflector, Selection, Sink, WatchClient
from controller.runtime.sharing import shared
from controller.runtime.store import Change, Index, Store
from controller.runtime.watch import DELETED, WatchEvent

log = logging.getLogger(__name__)

Handler = Callable[[Json | None, Json | None], None]
"""Called with (old, new): old is None for an addition, new for a deletion. Must be quick; may only compute keys."""

_NO_INDEXES: Final[Mapping[str, Index]] = {}


class InformerObserver(Protocol):
    """Told how informers fare: the seam for metrics. Must not raise or block."""

    def restarted(self, informer: str, cause: str) -> None:
        """A watch starts again; `cause` is one of `controller.runtime.reflector.RESTART_CAUSES`."""

    def stored(self, informer: str, objects: int) -> None:
        """The number of objects in the store, after each change."""


class _Unobserved:
    def restarted(self, informer: str, cause: str) -> None:
        pass

    def stored(self, informer: str, objects: int) -> None:
        pass


class Informer:
    """A cache of the objects of one kind and selection, shared by all its readers.

    The objects handed out are shared: copy before editing, never send one back. They lag behind the server, our own
    writes included; decisions must be safe under that.
    """

    def __init__(
        self,
        client: WatchClient,
        resource: Resource,
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        transform: Callable[[Json], Json] | None = None,
        indexes: Mapping[str, Index] = _NO_INDEXES,
        name: str = "",
        keeps_unserved: float = math.inf,
    ) -> None:
        """Prepares the cache; `run` fills it.

        Args:
            client: where the objects come from.
            resource: the kind.
            namespace: empty for all.
            labels: label selector in query form.
            fields: field selector in query form.
            transform: gives the part of an object that readers need; it must keep apiVersion, kind and in metadata
                name, namespace, uid and resourceVersion.
            indexes: named functions from an object to the values it is found under.
            name: for logs and metrics; the plural of the kind unless given.
            keeps_unserved: seconds the objects are kept once the API server says that it does not know the kind.
        """
        self.name = name or resource.plural
        self.observer: InformerObserver = _Unobserved()
        self._transform = transform
        self._store = Store({index: self._guarded(index, function) for index, function in indexes.items()})
        self._handlers: list[Handler] = []
        self._synced = asyncio.Event()
        selection = Selection(resource, namespace, labels, fields)
        sink = Sink(self._slim, self._replace, self._event, self._restarted)
        self._reflector = Reflector(client, selection, sink, name=self.name, keeps_unserved=keeps_unserved)

    def on_change(self, handler: Handler) -> None:
        """Calls `handler` for every change from now on, after telling it of the present objects as additions."""
        self._handlers.append(handler)
        for obj in self._store.values():
            self._call(handler, Change(None, obj))

    def get(self, name: str, namespace: str = "") -> Json | None:
        """The object of that name, as last seen."""
        return self._store.get((namespace, name))

    def values(self) -> list[Json]:
        """All objects, as last seen."""
        return self._store.values()

    def by_index(self, index: str, value: str) -> list[Json]:
        """The objects that the named index gives `value` for. KeyError when there is no such index."""
        return self._store.by_index(index, value)

    @property
    def synced(self) -> bool:
        """Whether a first complete state was stored and handed to the handlers."""
        return self._synced.is_set()

    @property
    def served(self) -> bool:
        """Whether the API server knows the kind; False while its CRD is not installed."""
        return self._reflector.served

    async def wait_synced(self) -> None:
        """Returns once `synced`; the caller sets the deadline."""
        await self._synced.wait()

    async def run(self) -> None:
        """Fills the cache and keeps it up to date until cancelled."""
        await self._reflector.run()

    def _slim(self, obj: Json) -> Json:
        """An object its transform chokes on is kept whole: one odd object must not blind us for all others."""
        if self._transform is None:
            return shared(obj)
        try:
            return shared(self._transform(obj))
        except Exception:
            log.exception("%s: the transform failed on %s, the object is kept whole", self.name, key_of(obj))
            return obj

    def _guarded(self, index: str, function: Index) -> Index:
        def values(obj: Json) -> Iterable[str]:
            try:
                return tuple(function(obj))
            except Exception:
                log.exception("%s: index %s failed on %s, the object is left out", self.name, index, key_of(obj))
                return ()

        return values

    def _replace(self, objects: Iterable[Json]) -> None:
        self._announce(self._store.replace(objects))
        self._synced.set()

    def _event(self, event: WatchEvent) -> None:
        obj = self._slim(event.object)
        change = self._store.delete(obj) if event.type == DELETED else self._store.apply(obj)
        if change is not None:
            self._announce([change])

    def _restarted(self, cause: str) -> None:
        self.observer.restarted(self.name, cause)

    def _announce(self, changes: Iterable[Change]) -> None:
        for change in changes:
            for handler in self._handlers:
                self._call(handler, change)
        self.observer.stored(self.name, len(self._store))

    def _call(self, handler: Handler, change: Change) -> None:
        try:
            handler(change.old, change.new)
        except Exception:
            log.exception("%s: a handler failed on %s", self.name, key_of(change.new or change.old or {}))
