"""The wire form of a watch: lines of JSON, split from raw chunks, decoded into events or errors."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from controller.api.json import Json
from controller.runtime.errors import BROKEN, Unauthorized, Unavailable, from_status
from controller.runtime.transport import Request, Transport

ADDED: Final = "ADDED"
MODIFIED: Final = "MODIFIED"
DELETED: Final = "DELETED"
BOOKMARK: Final = "BOOKMARK"
_TYPES: Final = frozenset({ADDED, MODIFIED, DELETED, BOOKMARK})
_LINE_LIMIT: Final = 64 * 1024 * 1024
_EVENTS_PER_TURN: Final = 200
_EXCERPT: Final = 80


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One event: `type` is ADDED, MODIFIED, DELETED or BOOKMARK; a bookmark's object has little but a version."""

    type: str
    object: Json


class LineSplitter:
    """Lines out of chunks cut anywhere, without a limit that a large object could meet.

    The StreamReader's own `readline` refuses lines over 4 MiB; etcd alone stores objects of 1.5 MiB and can be told
    to store more. 64 MiB without a line end is no Kubernetes object: ValueError.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._held = 0

    @property
    def rest(self) -> int:
        """Bytes that wait for their line end; above 0 at the end of a stream the last line is torn."""
        return self._held

    def feed(self, chunk: bytes) -> list[bytes]:
        """The lines `chunk` completes, without line ends; blank ones are left out."""
        first, *others = chunk.split(b"\n")
        self._hold(first)
        lines = []
        for part in others:
            lines.append(b"".join(self._parts))
            self._parts, self._held = [], 0
            self._hold(part)
        return [line for line in lines if line.strip()]

    def _hold(self, part: bytes) -> None:
        if part:
            self._parts.append(part)
            self._held += len(part)
        if self._held > _LINE_LIMIT:
            raise ValueError(f"{self._held} bytes without a line end, the limit is {_LINE_LIMIT}")


def decode_event(line: bytes, *, request: str = "") -> WatchEvent:
    """The event written in one line.

    Raises:
        ApiError: the line is an ERROR event (the type its Status stands for), or no event at all (Unavailable with
            reason `BROKEN`): an unknown type is as bad as torn JSON, since what it meant is lost.
    """
    try:
        decoded = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise _broken(f"no JSON: {_excerpt(line)}", request) from error
    kind = decoded.get("type") if isinstance(decoded, dict) else None
    obj = decoded.get("object") if isinstance(decoded, dict) else None
    if kind == "ERROR" and isinstance(obj, dict):
        told = from_status(obj, request=request)
        told.in_stream = True
        raise told
    if kind not in _TYPES or not isinstance(obj, dict):
        raise _broken(f"no watch event: {_excerpt(line)}", request)
    return WatchEvent(str(kind), obj)


async def events(transport: Transport, request: Request, *, seconds: float) -> AsyncGenerator[WatchEvent, None]:
    """The events of one watch request, until the server ends it in good order.

    Close it (`contextlib.aclosing`) when leaving early: the connection is held until then. A refused token is renewed,
    and the request repeated once if another token was found.

    Raises:
        ApiError: refused, an ERROR event, a broken stream, or a server silent past its own limit.
    """
    token = transport.token
    try:
        async with aclosing(_events(transport, request, seconds)) as stream:
            async for event in stream:
                yield event
    except Unauthorized as error:
        if not await transport.renew(token) or error.in_stream:
            raise
    else:
        return
    async with aclosing(_events(transport, request, seconds)) as stream:
        async for event in stream:
            yield event


async def _events(transport: Transport, request: Request, seconds: float) -> AsyncGenerator[WatchEvent, None]:
    splitter, since_pause = LineSplitter(), 0
    async with transport.stream(request, seconds=seconds) as content:
        async for chunk in content.iter_any():
            try:
                lines = splitter.feed(chunk)
            except ValueError as error:
                raise _broken(str(error), str(request)) from error
            for line in lines:
                yield decode_event(line, request=str(request))
                since_pause += 1
                if since_pause % _EVENTS_PER_TURN == 0:
                    await asyncio.sleep(0)  # a long burst must not keep the loop from probes and leases
        if splitter.rest:
            raise _broken(f"the stream ended within a line, after {splitter.rest} bytes of it", str(request))


def _broken(text: str, request: str) -> Unavailable:
    return Unavailable(text, reason=BROKEN, request=request)


def _excerpt(line: bytes) -> str:
    return " ".join(line[:_EXCERPT].decode("utf-8", "replace").split())
