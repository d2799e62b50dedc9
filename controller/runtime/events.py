"""Events: what happened to an object, for people who run `kubectl describe`.

Recording never waits and never fails: events wait in bounded queues for a few writers, those about one object in one
queue, so that their order stays. Repeats of an event become a series (`events.k8s.io/v1`): the second is written at
once, further ones at most every REFRESH_SECONDS, so that an object failing in a loop costs a few writes and still shows
its count. An event that differs in its note alone is news and written as such, until a source has had NOTES_LIMIT of
them within NOTES_SECONDS: then its notes probably differ in a number or an id only, and further ones count as repeats.
"""

import asyncio
import contextlib
import time
import zlib
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Final, Protocol, TypeAlias

from controller.api.json import Json, name_of, namespace_of, uid_of
from controller.api.resources import EVENTS, Resource
from controller.runtime import logs, metrics
from controller.runtime.errors import AlreadyExists, ApiError, NotFound, Throttled, Unavailable
from controller.runtime.lease import microtime
from controller.runtime.tasks import run_together

log = logs.get_logger(__name__)

NOTE_BYTES: Final = 1024
"""The API's limit on a note, in bytes of UTF-8."""

NAME_LENGTH: Final = 253
INSTANCE_LENGTH: Final = 128
CLUSTER_NAMESPACE: Final = "default"
"""Where the API wants events about cluster-scoped objects."""

QUEUE_LIMIT: Final = 4096
"""Events that may wait, in all queues together: a thousand objects that change at once tell four times each."""
WRITERS: Final = 4
SERIES_LIMIT: Final = 4096
SERIES_SECONDS: Final = 360.0
"""A series without a repeat for this long is over (client-go `tools/events`)."""
REFRESH_SECONDS: Final = 30.0
"""Least pause between two writes of one series after its first repeat."""
NOTES_LIMIT: Final = 10
NOTES_SECONDS: Final = 600.0
ATTEMPTS: Final = 5
RETRY_SECONDS: Final = 2.0

SeriesKey: TypeAlias = tuple[str, ...]


class EventClient(Protocol):
    """The requests a recorder makes."""

    async def create(self, resource: Resource, body: Json) -> Json:
        """Writes a new event."""

    async def merge(self, resource: Resource, name: str, patch: Json, *, namespace: str = "") -> Json:
        """Updates the series of an event."""


@dataclass(slots=True)
class _Series:
    """One event and its repeats.

    `written` is the count the API server knows, `sent` whether it may know the event although no reply said so,
    `notes` the source's recent notes.
    """

    body: Json
    key: SeriesKey
    last: float
    last_time: str
    notes_since: float
    notes: int = 1
    count: int = 1
    written: int = 0
    sent: bool = False
    written_at: float = field(default=float("-inf"))
    waiting: bool = False
    timer: asyncio.TimerHandle | None = None


class Recorder:
    """Writes events under the name of one program.

    Args:
        client: speaks to the API server.
        controller: the reporting controller, such as `kaito-controller`.
        instance: this replica; cut at 128 characters.
    """

    def __init__(self, client: EventClient, *, controller: str, instance: str) -> None:
        self._client = client
        self._controller = controller
        self._instance = instance[:INSTANCE_LENGTH] or controller
        self._series: OrderedDict[SeriesKey, _Series] = OrderedDict()
        self._queues: list[asyncio.Queue[_Series]] = [asyncio.Queue() for _ in range(WRITERS)]

    def event(
        self,
        regarding: Json,
        *,
        type: str,  # noqa: A002 - the field's own name
        reason: str,
        note: str,
        action: str = "Reconcile",
        related: Json | None = None,
    ) -> None:
        """Records that something happened; returns at once, and drops the event rather than wait or fail.

        Args:
            regarding: the object it happened to.
            type: `Normal` or `Warning`.
            reason: CamelCase, from the closed list of reasons.
            note: one or two sentences; cut at 1,024 bytes.
            action: what the program was doing.
            related: a second object, such as the Machine of a Workspace.
        """
        body = event_body(regarding, type=type, reason=reason, note=note, action=action, related=related)
        body |= {"reportingController": self._controller, "reportingInstance": self._instance}
        key = (type, action, reason, _identity(regarding), _identity(related or {}))
        now = asyncio.get_running_loop().time()
        series = self._series.get(key)
        if series is None or now - series.last > SERIES_SECONDS or self._is_news(series, body, now):
            series = self._started(key, body, series, now)
        else:
            series.count += 1
            series.last, series.last_time = now, body["eventTime"]
            self._series.move_to_end(key)
        self._schedule(series, now)

    def _is_news(self, series: _Series, body: Json, now: float) -> bool:
        """Whether a different note deserves an event of its own."""
        fresh = series.notes < NOTES_LIMIT or now - series.notes_since > NOTES_SECONDS
        return fresh and bool(series.body["note"] != body["note"])

    def _started(self, key: SeriesKey, body: Json, before: _Series | None, now: float) -> _Series:
        """A new series in the place of `before`, whose last repeats are written now."""
        series = _Series(body=body, key=key, last=now, last_time=body["eventTime"], notes_since=now)
        if before and now - before.notes_since <= NOTES_SECONDS:
            series.notes, series.notes_since = before.notes + 1, before.notes_since
        if before and before.timer:
            before.timer.cancel()
            self._enqueue(before)
        self._series[key] = series
        self._series.move_to_end(key)
        if len(self._series) > SERIES_LIMIT:
            self._series.popitem(last=False)
        return series

    async def run(self) -> None:
        """Writes queued events until cancelled."""
        await run_together({f"events {n}": partial(self._drain, queue) for n, queue in enumerate(self._queues)})

    async def _drain(self, queue: "asyncio.Queue[_Series]") -> None:
        while True:
            series = await queue.get()
            try:
                series.waiting = False
                await self._write(series)
            finally:
                queue.task_done()

    async def flush(self, timeout: float) -> None:  # noqa: ASYNC109 - a program stops within its grace
        """Waits until everything recorded so far is written, at most `timeout` seconds; `run` must be running."""
        for series in list(self._series.values()):
            if series.timer:
                series.timer.cancel()
                self._enqueue(series)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*(queue.join() for queue in self._queues)), timeout)

    def _schedule(self, series: _Series, now: float) -> None:
        """Queues the series now, or when its refresh is due; it is queued at most once at a time."""
        if series.waiting or series.timer:
            return
        due = series.written_at + REFRESH_SECONDS
        if series.written > 1 and due > now:
            series.timer = asyncio.get_running_loop().call_at(due, self._enqueue, series)
        else:
            self._enqueue(series)

    def _enqueue(self, series: _Series) -> None:
        series.timer = None
        if sum(queue.qsize() for queue in self._queues) >= QUEUE_LIMIT:
            self._drop(series, "overflow")
            return
        _, _, _, about, _ = series.key
        self._queues[zlib.crc32(about.encode()) % WRITERS].put_nowait(series)
        series.waiting = True

    def _drop(self, series: _Series, cause: str) -> None:
        """Gives the series up: a next event of its kind starts a new one."""
        metrics.EVENTS_DROPPED[cause].inc()
        if self._series.get(series.key) is series:
            del self._series[series.key]

    async def _write(self, series: _Series) -> None:
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(RETRY_SECONDS)
            try:
                await self._write_once(series)
            except (Throttled, Unavailable) as error:
                log.debug("event not written yet: %s", error)
            except ApiError as error:
                log.info("event refused: %s", error, extra=logs.fields(reason=series.body["reason"]))
                self._drop(series, "refused")
                return
            else:
                return
        self._drop(series, "unreachable")

    async def _write_once(self, series: _Series) -> None:
        """Creates the event, or tells the API server of its repeats; an event that expired there is created anew."""
        count = series.count
        if series.written == count:
            return  # an earlier attempt has told it
        repeats = {"series": {"count": count, "lastObservedTime": series.last_time}} if count > 1 else {}
        if series.written:
            name, namespace = name_of(series.body), namespace_of(series.body)
            try:
                await self._client.merge(EVENTS, name, repeats, namespace=namespace)
            except NotFound:
                series.written, series.sent = 0, False
        if not series.written:
            await self._create(series, repeats)
        series.written, series.written_at = count, asyncio.get_running_loop().time()

    async def _create(self, series: _Series, repeats: Json) -> None:
        """Creates the event under a name chosen once: a second attempt must meet what the first may have written."""
        if not series.sent:
            series.body["metadata"]["name"] = event_name(series.body["regarding"].get("name", ""))
        doubtful, series.sent = series.sent, True
        try:
            await self._client.create(EVENTS, series.body | repeats)
        except AlreadyExists as error:
            if not doubtful and not error.repeated:
                raise
            if repeats:
                name, namespace = name_of(series.body), namespace_of(series.body)
                await self._client.merge(EVENTS, name, repeats, namespace=namespace)


def event_body(regarding: Json, *, type: str, reason: str, note: str, action: str, related: Json | None) -> Json:  # noqa: A002
    """The Event object, without the reporter and with a provisional name."""
    body: Json = {
        "apiVersion": EVENTS.api_version,
        "kind": EVENTS.kind,
        "metadata": {"name": "", "namespace": namespace_of(regarding) or CLUSTER_NAMESPACE},
        "eventTime": microtime(datetime.now(UTC)),
        "type": type,
        "reason": reason,
        "action": action,
        "note": clipped(note),
        "regarding": reference(regarding),
    }
    return body | {"related": reference(related)} if related else body


def event_name(regarding: str) -> str:
    """A name for an event about the object called `regarding`: its name and the moment in nanoseconds.

    kubectl shows events that lack the legacy timestamps in the order of their names, so names follow time.
    """
    suffix = f".{time.time_ns():016x}"
    return (regarding[: NAME_LENGTH - len(suffix)].rstrip("-.") or "event") + suffix


def clipped(note: str) -> str:
    """The note within NOTE_BYTES, cut between characters and marked with an ellipsis."""
    data = note.encode()
    return note if len(data) <= NOTE_BYTES else data[: NOTE_BYTES - 3].decode(errors="ignore") + "…"


def reference(obj: Json) -> Json:
    """An object reference as events carry it, without empty fields."""
    values = {
        "apiVersion": obj.get("apiVersion"),
        "kind": obj.get("kind"),
        "namespace": namespace_of(obj),
        "name": name_of(obj),
        "uid": uid_of(obj),
    }
    return {key: value for key, value in values.items() if value}


def _identity(obj: Json) -> str:
    return "/".join(str(part) for part in (obj.get("kind", ""), namespace_of(obj), name_of(obj), uid_of(obj)))
