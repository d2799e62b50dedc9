"""Everything one process of the provisioner says to the world goes through its gate, which can end the process.

Where the gate shuts, the process is dead at that very call: nothing it does from then on has an effect, answers under
way are never heard, and no clean-up reaches anybody. Until then the gate can also be bad weather: lost replies,
refusals, watches that are cut or late.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn, TypeVar, cast

import aiohttp

from controller.api import labels
from controller.api.json import Json
from controller.api.resources import MACHINES, NODE_CLAIMS, NODES
from controller.runtime.client import Client
from controller.runtime.errors import LOST, ApiError, Conflict, Throttled, Unavailable
from controller.runtime.transport import Request, Transport
from provisioner.agentpools import AgentPools
from provisioner.errors import CloudError, ErrorKind
from provisioner.pools import Pool
from provisioner.quota import Usages

T = TypeVar("T")

_FIRST_STATE: Final = 0.3
"""Seconds in which a new watch brings what is there."""


@dataclass(frozen=True, slots=True)
class Boundary:
    """A moment in the life of a process: just before a call leaves, or just after its answer has come.

    Attributes:
        call: what is called, as `Gate.calls` words it; empty for every call.
        number: which one of those, from 1.
        after: whether the call is still made.
    """

    call: str
    number: int
    after: bool

    @property
    def text(self) -> str:
        """For test names and messages."""
        return f"{'after' if self.after else 'before'} {self.call or 'call'} #{self.number}"


def is_reading(label: str) -> bool:
    """Whether a call leaves everything as it is."""
    return label.startswith(("GET ", "WATCH ", "ARM list", "ARM get", "ARM usages"))


class Weather:
    """What befalls calls and watches; this one is calm."""

    def refusal(self, label: str) -> ApiError | None:
        """The error a call to the API server ends in; one whose reason is LOST comes after the call was carried out."""
        return None

    def lag(self, label: str) -> float:
        """Seconds by which changes come late to a watch; what was there at its start does not."""
        return 0.0

    def life(self, label: str) -> int | None:
        """After so many pieces a watch is cut; None for never."""
        return None


class Gate:
    """The gate of one process.

    Attributes:
        shut: whether the process is dead.
        calls: all it said.
        known: the pools of which it has heard that they are there.
        under_way: calls that left and are not answered yet.

    Args:
        end: where the process dies; None for nowhere.
        weather: what befalls its calls.
    """

    def __init__(self, end: Boundary | None = None, weather: Weather | None = None) -> None:
        self.end = end
        self.weather = weather or Weather()
        self.shut = asyncio.Event()
        self.calls: list[str] = []
        self.known: set[str] = set()
        self.under_way = 0
        self._made: Counter[str] = Counter()
        self._last_write = ""

    async def through(self, label: str, call: Callable[[], Awaitable[T]]) -> T:
        """The answer to a call, unless the process dies of it."""
        ends_before, ends_after = self._arrive(label)
        if self.shut.is_set() or ends_before:
            await self._die()
        self.under_way += 1
        try:
            return await call()
        finally:
            self.under_way -= 1
            if self.shut.is_set() or ends_after:
                await self._die()

    def _arrive(self, label: str) -> tuple[bool, bool]:
        """Whether the process dies before the call, and whether after it; notes the call."""
        if self.shut.is_set():
            return False, False
        label = self._placed(label)
        self.calls.append(label)
        self._made.update((label, ""))
        end = self.end
        ends = end is not None and end.call in (label, "") and self._made[end.call] == end.number
        return ends and not (end and end.after), ends and bool(end and end.after)

    def _placed(self, label: str) -> str:
        """A call that only reads is told from others like it by the last write before it; events are on their own."""
        if is_reading(label):
            return f"{label} after {self._last_write}" if self._last_write else label
        if not label.startswith("POST events"):
            self._last_write = label
        return label

    async def _die(self) -> NoReturn:
        """Shuts the gate; who stands in it waits until the process's tasks are torn down."""
        self.shut.set()
        while True:
            await asyncio.Event().wait()


class GatedTransport(Transport):
    """The connections to the API server, behind the gate; they show the objects of one cell only.

    Args:
        inner: the connections.
        gate: what they are behind.
        selectors: label selector for each plural of a kind that is read as a whole.
    """

    def __init__(self, inner: Transport, gate: Gate, selectors: dict[str, str]) -> None:
        self._inner, self._gate = inner, gate
        self._selectors = {resource.path(): selectors[resource.plural] for resource in (MACHINES, NODE_CLAIMS, NODES)}
        self.host = inner.host

    @property
    def token(self) -> str:
        return self._inner.token

    async def renew(self, refused: str) -> bool:
        return await self._inner.renew(refused)

    async def exchange(self, request: Request, *, seconds: float, attempt: int) -> bytes:
        label = label_of(request)

        async def call() -> bytes:
            refusal = self._gate.weather.refusal(label)
            if refusal is not None and refusal.reason != LOST:
                raise refusal
            answer = await self._inner.exchange(self._narrowed(request), seconds=seconds, attempt=attempt)
            if refusal is not None:
                raise refusal
            return answer

        return await self._gate.through(label, call)

    @asynccontextmanager
    async def stream(self, request: Request, *, seconds: float) -> AsyncIterator[aiohttp.StreamReader]:
        label = f"WATCH {_path_of(request)}"
        opening = self._inner.stream(self._narrowed(request), seconds=seconds)
        async with AsyncExitStack() as stack:
            content = await self._gate.through(label, lambda: stack.enter_async_context(opening))
            yield cast("aiohttp.StreamReader", Pieces(content, self._gate.weather, label))

    async def close(self) -> None:
        await self._inner.close()

    def _narrowed(self, request: Request) -> Request:
        selector = self._selectors.get(request.path) if request.method == "GET" else None
        if selector is None:
            return request
        return replace(request, query=(*request.query, ("labelSelector", selector)))


class Pieces:
    """What a watch brings, late or cut where the weather is bad."""

    def __init__(self, content: aiohttp.StreamReader, weather: Weather, label: str) -> None:
        self._content, self._weather, self._label = content, weather, label

    async def iter_any(self) -> AsyncIterator[bytes]:
        """The pieces in order, each as late as the weather says; a cut watch ends as a lost connection does."""
        loop, life = asyncio.get_running_loop(), self._weather.life(self._label)
        queue: asyncio.Queue[tuple[float, bytes | BaseException | None]] = asyncio.Queue()
        reading = asyncio.create_task(self._read(queue))
        try:
            opened = loop.time()
            for passed in itertools.count():
                at, piece = await queue.get()
                lag = self._weather.lag(self._label) if at - opened > _FIRST_STATE else 0.0
                await asyncio.sleep(max(0.0, at + lag - loop.time()))
                if life is not None and passed >= life:
                    raise Unavailable("cut by the weather", reason=LOST)
                if isinstance(piece, BaseException):
                    raise piece
                if piece is None:
                    return
                yield piece
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    async def _read(self, queue: "asyncio.Queue[tuple[float, bytes | BaseException | None]]") -> None:
        loop, end = asyncio.get_running_loop(), None
        try:
            async for piece in self._content.iter_any():
                queue.put_nowait((loop.time(), piece))
        except (aiohttp.ClientError, TimeoutError) as error:
            end = error
        queue.put_nowait((loop.time(), end))


class GatedPools(AgentPools):
    """The cloud, behind the gate; calls that read are named by the state they find."""

    def behind(self, gate: Gate, state: Callable[[], str]) -> "GatedPools":
        """Puts everything said from now on behind the gate."""
        self._gate, self._state = gate, state
        return self

    async def list(self) -> "list[Pool]":
        found = await self._gate.through(f"ARM list {self._state()}", super().list)
        self._gate.known = {pool.name for pool in found}
        return found

    async def get(self, name: str) -> Pool:
        call = super().get
        try:
            found = await self._gate.through(f"ARM get {self._state()}", lambda: call(name))
        except CloudError as error:
            if error.kind is ErrorKind.POOL_NOT_FOUND:
                self._gate.known.discard(name)
            raise
        self._gate.known.add(name)
        return found

    async def create(self, name: str, body: Json) -> Pool:
        call = super().create
        made = await self._gate.through("ARM create", lambda: call(name, body))
        self._gate.known.add(name)
        return made

    async def delete(self, name: str, *, etag: str = "", ignore_disruption_budgets: bool = False) -> None:
        call = super().delete
        ignoring = ignore_disruption_budgets
        await self._gate.through("ARM delete", lambda: call(name, etag=etag, ignore_disruption_budgets=ignoring))

    async def abort(self, name: str) -> None:
        call = super().abort
        await self._gate.through("ARM abort", lambda: call(name))

    async def usages(self) -> Usages:
        return await self._gate.through("ARM usages", super().usages)


def gated(client: Client, gate: Gate, selectors: dict[str, str]) -> Client:
    """The same client, behind the gate."""
    return Client(GatedTransport(client._transport, gate, selectors))


def label_of(request: Request) -> str:
    """What a request to the API server does, without names, times and versions."""
    return " ".join(filter(None, (request.method, _path_of(request), _matter(request.body))))


def _path_of(request: Request) -> str:
    """The path's kind, and what of it is meant: `machines`, `machines/*`, `machines/*/status`."""
    parts = request.path.split("/")[3:] if request.path.startswith("/api/") else request.path.split("/")[4:]
    if parts[:1] == ["namespaces"]:
        parts = parts[2:]
    return "/".join((parts[0], *("*" for _ in parts[1:2]), *parts[2:]))


def _matter(body: Any) -> str:
    if not isinstance(body, dict):
        return ""
    if body.get("kind") == "Event":
        return str(body["reason"])
    conditions = (body.get("status") or {}).get("conditions")
    if conditions is not None:
        return ",".join(str(entry.get("reason")) for entry in conditions)
    metadata = body.get("metadata") or {}
    words = [key for key in sorted(metadata) if key not in ("resourceVersion", "name", "namespace", "uid")]
    if "finalizers" in words:
        words[words.index("finalizers")] = "+finalizer" if _held(metadata) else "-finalizer"
    return ",".join(words)


def _held(metadata: Json) -> bool:
    return labels.TERMINATION_FINALIZER in (metadata["finalizers"] or ())


def lost() -> ApiError:
    """A reply that never comes, of a call that was carried out."""
    return Unavailable("lost by the weather", reason=LOST)


def refusals() -> list[ApiError]:
    """One of each way in which a busy API server does nothing."""
    return [
        lost(),
        Conflict("by the weather", status=409, reason="Conflict"),
        Throttled("by the weather", status=429, reason="TooManyRequests", retry_after=1.0),
        Unavailable("by the weather", status=500, reason="InternalError"),
        Unavailable("by the weather", status=503, reason="ServiceUnavailable"),
    ]
