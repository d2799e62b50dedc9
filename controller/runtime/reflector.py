"""Keeps a copy of one resource up to date: a first state, a watch from there, and recovery from all that goes wrong.

The first state comes from a watch-list request (the server streams it and then goes on watching); where the server
cannot do that, from a paged list. What is asked of the server is bounded: every failure backs off, and only a stream
that lived for a while is reopened at once.
"""

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final, Protocol

from controller.api.json import Json, Key, annotations_of, key_of, metadata_of
from controller.api.resources import Resource
from controller.runtime.backoff import Backoff
from controller.runtime.client import ObjectList
from controller.runtime.collector import freeze_survivors, paused_collector
from controller.runtime.errors import (
    BROKEN,
    TIMED_OUT,
    UNREACHABLE,
    ApiError,
    Forbidden,
    NotFound,
    Throttled,
    Unauthorized,
    Unavailable,
    is_expired,
)
from controller.runtime.watch import BOOKMARK, DELETED, WatchEvent

log = logging.getLogger(__name__)

INITIAL_END: Final = "k8s.io/initial-events-end"
ENDED: Final = "ended"
EXPIRED: Final = "expired"
THROTTLED: Final = "throttled"
MISSING: Final = "missing"
REFUSED: Final = "refused"
DAMAGED: Final = "broken"
UNAVAILABLE: Final = "unavailable"
FAILED: Final = "failed"
RESTART_CAUSES: Final = (ENDED, EXPIRED, THROTTLED, MISSING, REFUSED, DAMAGED, UNAVAILABLE, FAILED)
"""Why a watch started again: a closed list for metric labels."""

_INITIAL_SECONDS: Final = 60.0
_SHORT_LIFE: Final = 1.0
_SUSPICIOUS_SILENCE: Final = 120.0  # kube-apiserver sends a bookmark about every minute, and one before the end
_LONGEST_OBEYED_WAIT: Final = 60.0
_MISSING_LONGEST: Final = 5.0
_SILENT_ROUNDS: Final = 3


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects: a kind, a namespace (empty for all), label and field selectors in query form."""

    resource: Resource
    namespace: str = ""
    labels: str = ""
    fields: str = ""

    def missing_rule(self) -> str:
        """The RBAC rule this selection needs, in words."""
        where = f"in namespace {self.namespace}" if self.namespace else "cluster-wide"
        group, plural = self.resource.group, self.resource.plural
        return f'grant {where}: apiGroups: ["{group}"], resources: ["{plural}"], verbs: ["list", "watch"]'


class WatchClient(Protocol):
    """What a reflector asks of the client."""

    async def list(  # noqa: D102 - see controller.runtime.client.Client
        self,
        resource: Resource,
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        transform: Callable[[Json], Json] | None = None,
    ) -> ObjectList: ...

    def watch(  # noqa: D102 - see controller.runtime.client.Client
        self,
        resource: Resource,
        *,
        namespace: str = "",
        labels: str = "",
        fields: str = "",
        resource_version: str = "",
        initial_events: bool = False,
    ) -> AsyncGenerator[WatchEvent, None]: ...


@dataclass(frozen=True, slots=True)
class Sink:
    """Where the copy is kept: functions that must not raise or block.

    Attributes:
        slim: gives the part of an object that is kept.
        replace: takes a complete state of slim objects.
        event: takes one change, its object in full.
        restarted: told why the watch starts again, one of `RESTART_CAUSES`.
    """

    slim: Callable[[Json], Json]
    replace: Callable[[Iterable[Json]], None]
    event: Callable[[WatchEvent], None]
    restarted: Callable[[str], None]


class Reflector:
    """The loop for one selection. `served` is False while the API server does not know the kind.

    Args:
        client: where the objects come from.
        selection: which.
        sink: where the copy is kept.
        name: for logs.
        keeps_unserved: seconds the copy is kept once the API server answers nothing but that it does not know the
            kind; an API server that starts says so for a moment, too.
    """

    def __init__(
        self,
        client: WatchClient,
        selection: Selection,
        sink: Sink,
        *,
        name: str,
        keeps_unserved: float = math.inf,
    ) -> None:
        self._client = client
        self._selection = selection
        self._sink = sink
        self._name = name
        self._version = ""
        self._opened = 0.0
        self._heard = False
        self._silent = 0
        self._backoff = Backoff()
        self._trouble = ""
        self._started = False
        self._keeps_unserved = keeps_unserved
        self._unserved_since: float | None = None
        self.served = True

    async def run(self) -> None:
        """Runs until cancelled; every failure of the API server is waited out."""
        while True:
            self._opened, self._heard = asyncio.get_running_loop().time(), False
            try:
                await self._round()
            except ApiError as error:
                cause = cause_of(error)
                delay = self._failed(error, cause)
            else:
                cause = ENDED
                self._doubt_silence()
                delay = self._pause_after_stream()
            self._sink.restarted(cause)
            await asyncio.sleep(delay)

    async def _round(self) -> None:
        """From the state we are in to the end of one watch."""
        if not self._version:
            async with aclosing(self._events(initial=True)) as events:
                if await self._streamed(events):
                    await self._follow(events)
                    return
            await self._list()
        async with aclosing(self._events(initial=False)) as events:
            await self._follow(events)

    async def _streamed(self, events: AsyncGenerator[WatchEvent, None]) -> bool:
        """Whether the first state came by watch-list; False when a list is worth trying instead."""
        try:
            objects, version = await self._initial(events)
        except ApiError as error:
            if not _list_may_help(error):
                raise
            log.debug("%s: no streamed first state (%s), listing instead", self._name, error)
            return False
        self._complete(objects, version)
        return True

    async def _initial(self, events: AsyncGenerator[WatchEvent, None]) -> tuple[list[Json], str]:
        """The streamed first state, up to the bookmark that ends it; changes may be mixed in."""
        try:
            async with asyncio.timeout(_INITIAL_SECONDS):
                first = await anext(events, None)
                with paused_collector():
                    return await self._collected(first, events)
        except TimeoutError as error:
            text = f"the first state was not complete after {_INITIAL_SECONDS:.0f} s"
            raise Unavailable(text, reason=TIMED_OUT) from error

    async def _collected(
        self, event: WatchEvent | None, events: AsyncGenerator[WatchEvent, None]
    ) -> tuple[list[Json], str]:
        objects: dict[Key, Json] = {}
        while event is not None:
            if event.type == DELETED:
                objects.pop(key_of(event.object), None)
            elif event.type != BOOKMARK:
                objects[key_of(event.object)] = self._sink.slim(event.object)
            elif annotations_of(event.object).get(INITIAL_END) == "true":
                return list(objects.values()), _version(event.object)
            event = await anext(events, None)
        raise Unavailable("the stream ended before the first state was complete", reason=BROKEN)

    async def _list(self) -> None:
        chosen = self._selection
        listed = await self._client.list(
            chosen.resource,
            namespace=chosen.namespace,
            labels=chosen.labels,
            fields=chosen.fields,
            transform=self._sink.slim,
        )
        self._complete(listed.items, listed.resource_version)

    def _events(self, *, initial: bool) -> AsyncGenerator[WatchEvent, None]:
        chosen = self._selection
        return self._client.watch(
            chosen.resource,
            namespace=chosen.namespace,
            labels=chosen.labels,
            fields=chosen.fields,
            resource_version="" if initial else self._version,
            initial_events=initial,
        )

    def _complete(self, objects: list[Json], version: str) -> None:
        self._sink.replace(objects)
        self._version = version
        if not self._started:
            freeze_survivors()
        self._started = self.served = True
        self._unserved_since = None
        self._opened = asyncio.get_running_loop().time()
        self._recovered()

    async def _follow(self, events: AsyncGenerator[WatchEvent, None]) -> None:
        async for event in events:
            self._heard = True
            if event.type != BOOKMARK:
                self._sink.event(event)
            self._version = _version(event.object) or self._version
            if self._trouble:
                self._recovered()

    def _doubt_silence(self) -> None:
        """Forgets the version after a long stream without so much as a bookmark.

        So answers a server whose data was restored from a backup: our version lies in its future, and it waits for
        that without a word. A server that never sends bookmarks is read again now and then for nothing.
        """
        if not self._heard and asyncio.get_running_loop().time() - self._opened >= _SUSPICIOUS_SILENCE:
            self._version = ""

    def _pause_after_stream(self) -> float:
        """A stream that lived is reopened at once; a server that ends every stream at once is not hammered."""
        now = asyncio.get_running_loop().time()
        return 0.0 if now - self._opened >= _SHORT_LIFE else self._backoff.next(now)

    def _failed(self, error: ApiError, cause: str) -> float:
        """Notes a failure and gives the seconds to wait."""
        self._report(error, cause)
        if cause in {EXPIRED, MISSING, DAMAGED, FAILED} or self._is_hopeless(error, cause):
            self._version = ""
        if cause == EXPIRED:
            return self._pause_after_stream()
        delay = self._backoff.next(asyncio.get_running_loop().time())
        if cause != MISSING:
            self._unserved_since = None
        else:
            self.served = False
            self._forget_in_time()
            return min(delay, _MISSING_LONGEST)
        if error.retry_after is not None:
            return min(max(error.retry_after, delay), _LONGEST_OBEYED_WAIT)
        return delay

    def _forget_in_time(self) -> None:
        """Empties the copy of a kind that was served once and has not been for long: it has no objects any more."""
        now = asyncio.get_running_loop().time()
        self._unserved_since = now if self._unserved_since is None else self._unserved_since
        if self._started and now - self._unserved_since >= self._keeps_unserved:
            self._sink.replace([])

    def _is_hopeless(self, error: ApiError, cause: str) -> bool:
        """Whether the watch cannot be trusted to come back by itself, so that the state must be read anew.

        A server may be unable to go on from our version and yet answer lists (a proxy that lets no stream through, a
        damaged event in its history): without a new list the copy would stay as it is for ever.
        """
        if cause != UNAVAILABLE:
            return False
        self._silent = 0 if self._heard else self._silent + 1
        hopeless = error.in_stream or self._silent >= _SILENT_ROUNDS
        if hopeless:
            self._silent = 0
        return hopeless

    def _report(self, error: ApiError, cause: str) -> None:
        """One warning per trouble, not one per attempt."""
        if cause == EXPIRED:
            log.info("%s: the watch fell behind the server's history, reading everything again", self._name)
            return
        trouble = f"{cause} {error.status} {error.reason}"
        level = logging.DEBUG if trouble == self._trouble else logging.WARNING
        self._trouble = trouble
        if isinstance(error, Forbidden):
            log.log(level, "%s: %s; %s", self._name, error, self._selection.missing_rule())
        elif cause == MISSING:
            kind = f"{self._selection.resource.plural} of {self._selection.resource.api_version}"
            log.log(level, "%s: the API server does not serve %s yet; waiting", self._name, kind)
        else:
            log.log(level, "%s: watch interrupted, trying again: %s", self._name, error)

    def _recovered(self) -> None:
        if self._trouble:
            log.info("%s: watching again", self._name)
            self._trouble = ""


def cause_of(error: ApiError) -> str:
    """Which of `RESTART_CAUSES` an error is."""
    if is_expired(error):
        return EXPIRED
    if isinstance(error, Throttled):
        return THROTTLED
    if isinstance(error, NotFound):
        return MISSING
    if isinstance(error, (Forbidden, Unauthorized)):
        return REFUSED
    if isinstance(error, Unavailable):
        return DAMAGED if error.reason == BROKEN else UNAVAILABLE
    return FAILED


def _list_may_help(error: ApiError) -> bool:
    """Whether a failed watch-list is worth a list: not when the list would fail for the same reason."""
    return cause_of(error) not in {THROTTLED, MISSING, REFUSED} and error.reason != UNREACHABLE


def _version(obj: Json) -> str:
    return str(metadata_of(obj).get("resourceVersion") or "")
