"""A list-and-watch server in memory with a clock of its own, for reflectors on virtual time.

It keeps history like the real one (versions, a window, watches from a version) and misbehaves on demand. What it says
about Kubernetes is kept honest by the same scenarios on the real API server in tests/cluster.
"""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final

from controller.api.json import Json
from controller.api.resources import Resource
from controller.runtime.client import ObjectList
from controller.runtime.errors import BROKEN, LOST, UNREACHABLE, ApiError, Gone, Throttled, Unavailable, from_status
from controller.runtime.reflector import INITIAL_END
from controller.runtime.watch import WatchEvent

REFUSALS: Final[dict[str, Callable[[], ApiError]]] = {
    "refused": lambda: Unavailable("refused", reason=UNREACHABLE),
    "page": lambda: Unavailable("<html>", reason=BROKEN),
    "busy": lambda: Throttled("busy", status=429, retry_after=3.0),
    "expired": lambda: Gone("too old", status=410),
    "too new": lambda: from_status({"code": 504, "details": {"causes": [{"reason": "ResourceVersionTooLarge"}]}}),
    "internal": lambda: from_status({"code": 500}),
    "forbidden": lambda: from_status({"code": 403, "reason": "Forbidden", "message": "no role"}),
    "missing": lambda: from_status({"code": 404}),
}
"""Faults that a request meets before anything is answered."""

IN_STREAM: Final = ("cut", "torn", "expired event", "twice", "replay", "end at once")
"""Faults within a watch, at its next event."""

_BREAKS: Final[dict[str, Callable[[], ApiError]]] = {
    "cut": lambda: Unavailable("reset", reason=LOST),
    "torn": lambda: Unavailable("torn", reason=BROKEN),
    "expired event": lambda: Gone("too old", status=410),
}
_WATCH_SECONDS: Final = 240.0


class ModelServer:
    """Objects, their history, and a queue of faults that requests and events run into."""

    def __init__(self) -> None:
        self.objects: dict[str, Json] = {}
        self.faults: deque[str] = deque()
        self.requests: list[tuple[float, str]] = []
        self.streaming = True
        self.watched_from: list[str] = []
        self._version = 1
        self._oldest = 1
        self._history: list[tuple[int, str, Json]] = []
        self._moved = asyncio.Event()

    def put(self, name: str, **labels: str) -> None:
        """Creates or changes an object."""
        kind = "MODIFIED" if name in self.objects else "ADDED"
        self._record(kind, name, labels)

    def delete(self, name: str) -> None:
        """Deletes an object that exists."""
        if name in self.objects:
            self._record("DELETED", name, {})

    def compact(self) -> None:
        """Forgets all history: a watch from before meets 410."""
        self._history.clear()
        self._oldest = self._version

    def restore(self) -> None:
        """Goes back to the empty state of the first version, as after the restore of a backup."""
        self.objects.clear()
        self._history.clear()
        self._version = self._oldest = 1

    def _record(self, kind: str, name: str, labels: dict[str, str]) -> None:
        self._version += 1
        metadata: dict[str, Any] = {"name": name, "namespace": "ns", "resourceVersion": str(self._version)}
        obj = {"metadata": metadata | {"labels": labels}}
        if kind == "DELETED":
            del self.objects[name]
        else:
            self.objects[name] = obj
        self._history.append((self._version, kind, obj))
        self._moved.set()
        self._moved = asyncio.Event()

    def _asked(self, what: str) -> None:
        self.requests.append((asyncio.get_running_loop().time(), what))
        if self.faults and self.faults[0] in REFUSALS:
            error = REFUSALS[self.faults.popleft()]()
            raise error

    async def list(
        self, resource: Resource, *, transform: Callable[[Json], Json] | None = None, **_: str
    ) -> ObjectList:
        """All objects, or the next fault."""
        await asyncio.sleep(0.01)
        self._asked("list")
        return ObjectList([transform(obj) if transform else obj for obj in self.objects.values()], str(self._version))

    async def watch(
        self, resource: Resource, *, resource_version: str = "", initial_events: bool = False, **_: str
    ) -> AsyncGenerator[WatchEvent, None]:
        """One watch request."""
        await asyncio.sleep(0.01)
        self._asked("watch-list" if initial_events else "watch")
        self.watched_from.append(resource_version)
        seen = int(resource_version or 0)
        if initial_events:
            if not self.streaming:
                raise from_status({"code": 500, "message": "etcd cannot report progress"})
            seen = self._version
            for obj in list(self.objects.values()):
                yield WatchEvent("ADDED", obj)
            end = {"metadata": {"resourceVersion": str(seen), "annotations": {INITIAL_END: "true"}}}
            yield WatchEvent("BOOKMARK", end)
        elif seen < self._oldest:
            raise Gone("too old", status=410)
        try:
            async with asyncio.timeout(_WATCH_SECONDS):
                async for event in self._changes(seen):
                    yield event
        except TimeoutError:
            if seen <= self._version:  # to a version it never reached the real server says nothing at all
                yield WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": str(self._version)}})

    async def _changes(self, seen: int) -> AsyncGenerator[WatchEvent, None]:
        while True:
            if seen < self._oldest:
                raise Gone("too old", status=410)
            for version, kind, obj in [entry for entry in self._history if entry[0] > seen]:
                fault = self.faults.popleft() if self.faults and self.faults[0] in IN_STREAM else ""
                if fault == "end at once":
                    return
                if fault in _BREAKS:
                    error = _BREAKS[fault]()
                    raise error
                if fault == "replay":
                    for _, old_kind, old in [entry for entry in self._history if entry[0] <= version]:
                        yield WatchEvent(old_kind, old)
                yield WatchEvent(kind, obj)
                if fault == "twice":
                    yield WatchEvent(kind, obj)
                seen = version
            await self._moved.wait()
