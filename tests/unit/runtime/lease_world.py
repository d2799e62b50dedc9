"""Electors on a small stage: one Lease with compare-and-set, failing requests, processes that freeze, a virtual clock.

The API server here knows a single Lease; how electors fare with the real one is tested in tests/cluster.
"""

import asyncio
import contextvars
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from copy import deepcopy
from typing import Any

from controller.api.json import Json, metadata_of
from controller.api.resources import Resource
from controller.runtime import tasks
from controller.runtime.election import Elector, LeadershipLost
from controller.runtime.errors import AlreadyExists, ApiError, Conflict, NotFound, Unavailable
from controller.runtime.lease import LeaseTiming
from controller.runtime.reconciler import Controller, Result
from controller.runtime.watch import ADDED, DELETED, MODIFIED, WatchEvent
from tests.unit.virtual_time import VirtualLoop

TIMING = LeaseTiming(lease=15, renew_deadline=10, retry=2)
RESTART_SECONDS = 1.0
WORKERS = 2
"""Reconciles at the same time in every leader's work."""

_process: contextvars.ContextVar[str] = contextvars.ContextVar("process", default="")


class FreezingLoop(VirtualLoop):
    """A loop on which processes (the tasks of one context) can be frozen: nothing of theirs runs until they thaw."""

    def __init__(self) -> None:
        super().__init__()
        self._parked: dict[str, list[_Gate]] = {}

    def freeze(self, process: str) -> None:
        self._parked.setdefault(process, [])

    def thaw(self, process: str) -> None:
        """What became due meanwhile runs now, in order, except what is cancelled by then."""
        for gate in self._parked.pop(process, []):
            self.call_soon(gate.call_late, context=gate.context)

    def thaw_all(self) -> None:
        """So that every process can be ended."""
        for process in list(self._parked):
            self.thaw(process)

    def park(self, gate: "_Gate") -> bool:
        """Keeps the call for later if its process is frozen."""
        if gate.process in self._parked:
            self._parked[gate.process].append(gate)
            return True
        return False

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        gate = _Gate(self, callback, args, context or contextvars.copy_context())
        gate.handle = super().call_soon(gate, context=gate.context)
        return gate.handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        gate = _Gate(self, callback, args, context or contextvars.copy_context())
        handle = super().call_at(when, gate, context=gate.context)
        gate.handle = handle
        return handle


class _Gate:
    """A callback that asks first whether its process is running."""

    handle: asyncio.Handle

    def __init__(self, loop: FreezingLoop, callback: Any, args: Any, context: contextvars.Context) -> None:
        self.context = context
        self.process = context.get(_process, "")
        self._loop = loop
        self._callback = callback
        self._args = args

    def __call__(self) -> None:
        if not self._loop.park(self):
            self._callback(*self._args)

    def call_late(self) -> None:
        if not self.handle.cancelled():
            self._callback(*self._args)


class LeaseServer:
    """One Lease with compare-and-set and watches."""

    def __init__(self) -> None:
        self.lease: Json | None = None
        self.history: list[tuple[float, str]] = []
        self._version = 0
        self._watches: list[asyncio.Queue[WatchEvent | None]] = []

    @property
    def spec(self) -> Json:
        assert self.lease is not None, "nobody has written the Lease yet"
        spec: Json = self.lease["spec"]
        return spec

    def get(self) -> Json:
        if self.lease is None:
            raise NotFound("no such lease", status=404)
        return deepcopy(self.lease)

    def create(self, body: Json) -> Json:
        if self.lease is not None:
            raise AlreadyExists("it exists", status=409)
        return self._store(body, ADDED)

    def replace(self, body: Json) -> Json:
        if metadata_of(body)["resourceVersion"] != metadata_of(self.get())["resourceVersion"]:
            raise Conflict("stale", status=409)
        return self._store(body, MODIFIED)

    def delete(self) -> None:
        if self.lease is not None:
            self._tell(WatchEvent(DELETED, self.lease))
        self.lease = None

    def subscribe(self, version: str) -> asyncio.Queue[WatchEvent | None]:
        """Events after `version`; since only the last state is kept, one event stands for all that was missed."""
        queue: asyncio.Queue[WatchEvent | None] = asyncio.Queue()
        if self.lease is not None and metadata_of(self.lease)["resourceVersion"] != version:
            queue.put_nowait(WatchEvent(MODIFIED, deepcopy(self.lease)))
        self._watches.append(queue)
        return queue

    def cut_watches(self) -> None:
        for queue in self._watches:
            queue.put_nowait(None)
        self._watches.clear()

    def _store(self, body: Json, event: str) -> Json:
        self._version += 1
        self.lease = deepcopy(body)
        metadata_of(self.lease)["resourceVersion"] = str(self._version)
        self.history.append((asyncio.get_running_loop().time(), str(body["spec"]["holderIdentity"] or "")))
        self._tell(WatchEvent(event, self.lease))
        return deepcopy(self.lease)

    def _tell(self, event: WatchEvent) -> None:
        for queue in self._watches:
            queue.put_nowait(WatchEvent(event.type, deepcopy(event.object)))


LATENCY = 0.01


class Connection:
    """The client of one process: `fault` is what happens to its requests now.

    down: refused; hang: swallowed; lost: done, without a reply; late: done, with a reply that takes nearly all the
    time an attempt has.
    """

    def __init__(self, server: LeaseServer, timing: LeaseTiming = TIMING) -> None:
        self.server = server
        self._late = 0.48 * timing.renew_deadline
        self.fault = ""
        self.latency = LATENCY

    async def _exchange(self, operation: Callable[[], Json]) -> Json:
        """Sends the operation at once: the server carries it out even when nobody waits for its reply any more."""
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[Json] = loop.create_future()
        loop.call_later(self.latency, self._carry_out, operation, reply, context=contextvars.Context())
        result = await reply
        await asyncio.sleep(self._late if self.fault == "late" else self.latency)
        return result

    def _carry_out(self, operation: Callable[[], Json], reply: asyncio.Future[Json]) -> None:
        if self.fault == "hang":
            return
        try:
            result = _refuse() if self.fault == "down" else operation()
        except ApiError as error:
            if not reply.done():
                reply.set_exception(error)
            return
        if self.fault != "lost" and not reply.done():
            reply.set_result(result)

    async def get(self, resource: Resource, name: str, *, namespace: str = "") -> Json:
        return await self._exchange(self.server.get)

    async def create(self, resource: Resource, body: Json) -> Json:
        return await self._exchange(lambda: self.server.create(body))

    async def replace(self, resource: Resource, body: Json) -> Json:
        return await self._exchange(lambda: self.server.replace(body))

    async def watch(
        self, resource: Resource, *, namespace: str = "", fields: str = "", resource_version: str = ""
    ) -> AsyncGenerator[WatchEvent, None]:
        if self.fault:
            raise Unavailable("connection refused")
        events = self.server.subscribe(resource_version)
        while (event := await events.get()) is not None:
            await asyncio.sleep(self.latency)
            yield event


def _refuse() -> Json:
    raise Unavailable("connection refused")


class World:
    """Candidates for one Lease. Each is a process that starts anew after losing the leadership.

    The work of a leader is a controller that writes; `working` holds those whose work runs, `late` counts writes made
    while another was leading. The promise is checked whenever work begins and at every write.
    """

    def __init__(self, *, clean_up: float = 0.2, timing: LeaseTiming = TIMING) -> None:
        self.loop = asyncio.get_running_loop()
        self.timing = timing
        self.late: Counter[str] = Counter()
        self.thaws: Counter[str] = Counter()
        self.writes: list[tuple[float, str]] = []
        self.server = LeaseServer()
        self.connections: dict[str, Connection] = {}
        self.electors: dict[str, Elector] = {}
        self.processes: dict[str, asyncio.Task[None]] = {}
        self.working: list[str] = []
        self.ever_frozen: set[str] = set()
        self.lost: list[str] = []
        self.began: list[tuple[float, str]] = []
        self.ended: list[tuple[float, str]] = []
        self._clean_up = clean_up

    def start(self, name: str) -> None:
        """Starts a process called `name`, with an identity never used before."""
        context = contextvars.copy_context()
        context.run(_process.set, name)
        self.connections.setdefault(name, Connection(self.server, self.timing))
        self.processes[name] = self.loop.create_task(self._live(name), context=context)

    async def stop(self, name: str) -> None:
        """The orderly end of a process."""
        self.processes[name].cancel()
        await asyncio.wait([self.processes[name]])

    def freeze(self, name: str) -> None:
        assert isinstance(self.loop, FreezingLoop)
        self.ever_frozen.add(name)
        self.loop.freeze(name)

    def thaw(self, name: str) -> None:
        assert isinstance(self.loop, FreezingLoop)
        self.thaws[name] += 1
        self.loop.thaw(name)

    def check(self) -> None:
        """Never two leaders; never two at work, unless one of them has been frozen; then no more than a last write."""
        leaders = [name for name, elector in self.electors.items() if elector.leading]
        assert len(leaders) <= 1, f"{leaders} lead at {self.loop.time():.2f}"
        steady = [name for name in self.working if name not in self.ever_frozen]
        assert len(steady) <= 1, f"{steady} work at {self.loop.time():.2f}"
        for name, late in self.late.items():
            assert name in self.ever_frozen, f"{name} wrote while another led"
            assert late <= WORKERS * self.thaws[name], f"{name} went on writing after it had woken up"

    async def _live(self, name: str) -> None:
        for life in range(1000):
            elector = self.electors[name] = Elector(
                self.connections[name], name="stage", namespace="test", identity=f"{name}-{life}", timing=self.timing
            )
            try:
                await elector.run(lambda: self._work(name))
            except LeadershipLost as lost:
                self.lost.append(f"{name}, still working" if lost.still_working else name)
            await asyncio.sleep(RESTART_SECONDS)

    async def _work(self, name: str) -> None:
        self.working.append(name)
        self.began.append((self.loop.time(), name))
        self.check()
        controller: Controller[int] = Controller("stage", lambda _: self._reconcile(name), workers=WORKERS)
        for key in range(WORKERS + 1):
            controller.enqueue(key)
        try:
            await tasks.run_together({"controller": controller.run})
        finally:
            try:
                await asyncio.sleep(self._clean_up)
            finally:
                self.working.remove(name)
                self.ended.append((self.loop.time(), name))

    async def _reconcile(self, name: str) -> Result:
        """Two writes and a while after each, again and again."""
        for _ in range(2):
            self.writes.append((self.loop.time(), name))
            if any(elector.leading for other, elector in self.electors.items() if other != name):
                self.late[name] += 1
            await asyncio.sleep(self.timing.lease / 1000)
        return Result(requeue_after=self.timing.lease / 4)


def on_stage(scenario: Callable[[], Any]) -> Any:
    """Runs an async scenario on a FreezingLoop, for at most 100,000 virtual seconds."""

    async def bounded() -> Any:
        try:
            async with asyncio.timeout(1e5):
                return await scenario()
        finally:
            loop.thaw_all()

    loop = FreezingLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(bounded())
