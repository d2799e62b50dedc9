"""Leader election on a Lease: one process works, the others watch and take over.

The protocol and its timing are client-go's (`tools/leaderelection`), with three differences: a standby watches the
Lease and moves the moment it is released, an attempt may use at most half of the renew deadline so that one hanging
connection cannot cost the leadership, and a Lease that vanishes under a living leader is not free at once.

The promise: with steady clocks, work is over before another process can hold the lease. Work of a process frozen for
longer than the lease is cut off when it wakes, but each of its workers may still have sent one request; writes
therefore are idempotent or carry preconditions.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final, Protocol

from controller.api.json import Json
from controller.api.resources import LEASES, Resource
from controller.runtime import logs, metrics
from controller.runtime.errors import AlreadyExists, Conflict, NotFound
from controller.runtime.lease import RETRY_JITTER, LeaseRecord, LeaseTiming, Sighting, microtime
from controller.runtime.tasks import TaskDied
from controller.runtime.watch import ADDED, DELETED, MODIFIED, WatchEvent

log = logs.get_logger(__name__)

NEVER: Final = float("-inf")
LEAST_SECONDS: Final = 0.001
"""Less time than this is none: no attempt can succeed in it."""

TURNS_TO_END: Final = 100
"""Turns of the event loop that work gets to end when there is no time left: a cancellation needs some per task."""


class LeadershipLost(Exception):  # noqa: N818 - what happened, not a mistake of the caller
    """The lease could not be renewed in time; the process must end rather than go on as a follower.

    `still_working` tells that the work ignored its cancellation: then the process must end at once.
    """

    def __init__(self, reason: str, *, still_working: bool) -> None:
        super().__init__(reason)
        self.still_working = still_working


class LeaseClient(Protocol):
    """The requests an elector makes; errors are those of controller.runtime.errors."""

    async def get(self, resource: Resource, name: str, *, namespace: str = "") -> Json:
        """Reads the Lease."""

    async def create(self, resource: Resource, body: Json) -> Json:
        """Writes the first Lease."""

    async def replace(self, resource: Resource, body: Json) -> Json:
        """Overwrites exactly the version of the Lease that the body names."""

    def watch(
        self, resource: Resource, *, namespace: str = "", fields: str = "", resource_version: str = ""
    ) -> AsyncGenerator[WatchEvent, None]:
        """Follows the Lease from a version on."""


class Elector:
    """One candidate for one Lease.

    Args:
        client: speaks to the API server.
        name: name of the Lease, and label of the metric.
        namespace: where the Lease lives.
        identity: this candidate; two with the same identity take each other for themselves.
        timing: seconds of the protocol.
    """

    def __init__(
        self, client: LeaseClient, *, name: str, namespace: str, identity: str, timing: LeaseTiming | None = None
    ) -> None:
        self._client = client
        self._name = name
        self._namespace = namespace
        self._identity = identity
        self._timing = timing or LeaseTiming()
        self._seen: Sighting | None = None
        self._changed = asyncio.Event()
        self._valid_until: float | None = None
        self._safe_until = NEVER
        self._wrote = False
        self._complaints: dict[str, str] = {}
        self._status = metrics.leader_status(name)
        self._status.set(0)

    @property
    def leading(self) -> bool:
        """Whether this candidate holds the lease and its renew deadline has not passed; never true for two at once."""
        return self._valid_until is not None and asyncio.get_running_loop().time() < self._valid_until

    def healthy(self) -> bool:
        """False for a leader that is overdue in renewing; a standby is always healthy."""
        return self._valid_until is None or self.leading

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Waits for the lease, then runs `work` while renewing it; returns when the work ends by itself.

        When cancelled, the work is cancelled and the lease still renewed until the work has returned; then the lease
        is released. Further cancellations are passed on to the work. Cancelled before it leads, it leaves no lease
        behind either.

        Raises:
            LeadershipLost: the lease was not renewed in time; the work was cancelled, and waited for no longer than
                is safe.
            Exception: whatever the work raised; the lease is released, unless that says that part of it goes on.
        """
        try:
            await self._acquire()
        except asyncio.CancelledError:
            self._stand_down()
            if self._wrote:
                await self._release()
            raise
        worker = asyncio.create_task(_call(work), name=f"{self._name}-work")
        renewal = asyncio.create_task(self._renew(), name=f"{self._name}-renewal")
        try:
            cancelled = await self._accompany(worker, renewal)
        finally:
            self._stand_down()
            renewal.cancel()
            await asyncio.wait([renewal])
        error = None if worker.cancelled() else worker.exception()
        if isinstance(error, TaskDied) and error.still_working:
            raise error
        await self._release()
        if cancelled and error is None:
            raise asyncio.CancelledError
        worker.result()

    async def _accompany(self, worker: asyncio.Task[None], renewal: asyncio.Task[str]) -> bool:
        """Waits for the end of the work, passing cancellations on to it; whether there was one."""
        cancelled = False
        while not worker.done():
            try:
                await asyncio.wait([worker, renewal], return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                cancelled = True
                worker.cancel()
            if renewal.done() and not worker.done():
                self._stand_down()
                await self._abandon(worker)
                raise LeadershipLost(renewal.result(), still_working=not worker.done())
        return cancelled

    async def _abandon(self, worker: asyncio.Task[None]) -> None:
        """Ends the work before the lease can be taken.

        A polite cancellation, then one that cuts its own clean-up; with no time left, as in a process that was frozen,
        both at once.
        """
        for share in (2, 1):
            worker.cancel()
            left = (self._safe_until - _now()) / share
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([worker], timeout=max(0.0, min(self._timing.stop_grace, left)))
        for _ in range(TURNS_TO_END):
            if worker.done():
                return
            worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)

    async def _acquire(self) -> None:
        """Returns once this candidate leads."""
        follower = asyncio.create_task(self._follow(), name=f"{self._name}-standby")
        try:
            while not await self._take_when_free():
                pass
        finally:
            follower.cancel()
            await asyncio.wait([follower])
        self._status.set(1)
        log.info("leading", extra=logs.fields(lease=self._name, identity=self._identity))

    async def _take_when_free(self) -> bool:
        """Waits until the lease is free or something changes; tries once if free; whether it leads then."""
        self._changed.clear()
        wait = None if self._seen is None else self._seen.free_at(self._identity) - _now()
        if wait is None or wait > 0:
            # Never shorter than a clock can tell: a rest of 1e-14 s would be waited for again and again.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), wait and max(wait, LEAST_SECONDS))
            return False
        try:
            async with asyncio.timeout(self._timing.renew_deadline / 2):
                await self._write_or_read()
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the next attempt may succeed
            self._complain("could not take the lease", error)
        if self.leading:
            return True
        self._valid_until = None
        await asyncio.sleep(self._period())
        return False

    async def _renew(self) -> str:
        """Keeps the lease; returns the reason when it is lost."""
        failure, started = "no attempt was made in time", _now()
        while True:
            # Attempts begin a period apart: one that took longer is followed at once, for there is no time to lose.
            due = started + self._period()
            await asyncio.sleep(min(due, self._valid_until or due) - _now())
            started = _now()
            left = (self._valid_until or NEVER) - started
            if left < LEAST_SECONDS:
                return f"not renewed within {self._timing.renew_deadline:g} s: {failure}"
            try:
                async with asyncio.timeout(min(left, self._timing.renew_deadline / 2)):
                    holder = await self._write_or_read()
            except Exception as error:  # noqa: BLE001 - any failure is a failed attempt, the deadline decides
                failure = str(error) or type(error).__name__
                self._complain("could not renew the lease", error)
                continue
            if holder != self._identity:
                self._safe_until = NEVER
                return f"held by {holder} now"

    async def _write_or_read(self) -> str:
        """Writes this candidate into the record last seen; if that was stale, reads it and writes if it may."""
        try:
            await self._write()
        except (Conflict, AlreadyExists, NotFound):
            seen = await self._read()
            if seen.record.holder not in ("", self._identity):
                return seen.record.holder
            await self._write()
        self._complaints.clear()
        return self._identity

    async def _write(self) -> None:
        """One compare-and-set; the new deadline counts from its start, for the reply may have come late."""
        started = _now()
        base = self._seen.record if self._seen else LeaseRecord()
        record = base.held_by(self._identity, duration=self._timing.lease, now=microtime(datetime.now(UTC)))
        self._wrote = True
        await self._store(record)
        self._valid_until = started + self._timing.renew_deadline
        self._safe_until = started + self._timing.safe

    async def _store(self, record: LeaseRecord) -> None:
        body = record.body(name=self._name, namespace=self._namespace)
        write = self._client.replace if record.version else self._client.create
        self._observe(LeaseRecord.parse(await write(LEASES, body)))

    async def _read(self) -> Sighting:
        try:
            lease = await self._client.get(LEASES, self._name, namespace=self._namespace)
        except NotFound:
            return self._vanished()
        return self._observe(LeaseRecord.parse(lease))

    def _observe(self, record: LeaseRecord) -> Sighting:
        before = self._seen
        self._seen = before.updated(record, _now()) if before else Sighting(record, _now())
        self._changed.set()
        if record.holder not in ("", self._identity, before.record.holder if before else ""):
            log.info("standing by", extra=logs.fields(lease=self._name, leader=record.holder))
        return self._seen

    def _vanished(self) -> Sighting:
        """The Lease does not exist: what was known of its holder stays true until it would have expired."""
        known = self._seen or Sighting(LeaseRecord(), _now())
        self._seen = Sighting(replace(known.record, version=""), known.since)
        self._changed.set()
        return self._seen

    async def _follow(self) -> None:
        """Keeps the sighting fresh for a standby: read, then watch; again after every end or failure."""
        while True:
            try:
                async with asyncio.timeout(self._timing.renew_deadline / 2):
                    seen = await self._read()
                await self._watch(seen.record.version)
            except Exception as error:  # noqa: BLE001 - a standby goes on trying whatever happens
                self._complain("could not follow the lease", error)
            await asyncio.sleep(self._period())

    async def _watch(self, version: str) -> None:
        if not version:
            return
        selector = f"metadata.name={self._name}"
        events = self._client.watch(LEASES, namespace=self._namespace, fields=selector, resource_version=version)
        async with contextlib.aclosing(events):
            async for event in events:
                if event.type == DELETED:
                    self._vanished()
                elif event.type in (ADDED, MODIFIED):
                    self._observe(LeaseRecord.parse(event.object))

    def _stand_down(self) -> None:
        self._valid_until = None
        self._status.set(0)

    async def _release(self) -> None:
        """Gives the lease back if it is still ours, so that a standby need not wait; failing that, it expires.

        A lease that is free is written all the same: our own write may still be under way to it, and then fails.
        """
        for _ in range(2):
            try:
                async with asyncio.timeout(self._timing.renew_deadline / 2):
                    seen = await self._read()
                    if seen.record.holder in ("", self._identity) and seen.record.version:
                        await self._store(seen.record.released(microtime(datetime.now(UTC))))
            except Exception as error:  # noqa: BLE001 - a renewal under way may have come between; else it expires
                self._complain("could not release the lease", error)
            else:
                return

    def _period(self) -> float:
        return self._timing.retry * random.uniform(1.0, RETRY_JITTER)  # noqa: S311 - jitter, no secret

    def _complain(self, what: str, error: Exception) -> None:
        """Logs a failure when it is new, not at every attempt."""
        reason = str(error) or type(error).__name__
        if self._complaints.get(what) != reason:
            self._complaints[what] = reason
            log.warning("%s: %s", what, reason, extra=logs.fields(lease=self._name))


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _call(work: Callable[[], Awaitable[None]]) -> None:
    await work()
