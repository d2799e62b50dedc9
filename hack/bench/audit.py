"""What a program asked of the API server, counted from the server's own audit log."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from controller.api.json import Json
from hack.devcluster.layout import Layout
from hack.devcluster.programs import NAMESPACE

_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class Call:
    """One kind of request: its verb, and the resource with its subresource, such as `workspaces/status`."""

    verb: str
    resource: str

    @property
    def writes(self) -> bool:
        """Whether it asks for a change, renewals of Leases aside."""
        return self.verb in _WRITES and self.resource != "leases"


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, in seconds since the epoch."""

    begin: float
    end: float


def calls(layout: Layout, program: str, span: Span) -> Counter[Call]:
    """The requests of a program's service account that were answered in the span. A rehearsal counts as `dry-run`."""
    return count(_lines(layout), f"system:serviceaccount:{NAMESPACE}:{program}", span)


def count(lines: Iterable[str], user: str, span: Span) -> Counter[Call]:
    """The same, of the lines of an audit log."""
    found: Counter[Call] = Counter()
    for line in lines:
        if user not in line or not line.endswith("\n"):
            continue
        entry = json.loads(line)
        if entry["stage"] != "ResponseComplete" or entry["user"]["username"] != user:
            continue
        if span.begin <= _moment(entry["stageTimestamp"]) < span.end:
            found[_call(entry)] += 1
    return found


def by_verb(found: Counter[Call]) -> dict[str, int]:
    """The requests by verb, most frequent first; Leases and watches, which depend on time alone, are left out."""
    return _by(found, lambda call: call.verb)


def by_kind(found: Counter[Call]) -> dict[str, int]:
    """The same by verb and resource, such as `patch workspaces/status`."""
    return _by(found, lambda call: f"{call.verb} {call.resource}")


def _by(found: Counter[Call], word: Callable[[Call], str]) -> dict[str, int]:
    counted: Counter[str] = Counter()
    for call, number in found.items():
        if call.resource != "leases" and call.verb != "watch":
            counted[word(call)] += number
    return dict(counted.most_common())


def writes(found: Counter[Call]) -> int:
    """How many of the requests ask for a change, renewals of Leases aside."""
    return sum(number for call, number in found.items() if call.writes)


async def until_silent(layout: Layout, program: str, seconds: float, *, patience: float) -> None:
    """Waits until a program has written nothing for so many seconds.

    Raises:
        TimeoutError: it still writes when the patience, in seconds, ends.
    """
    async with asyncio.timeout(patience):
        while writes(calls(layout, program, Span(time.time() - seconds, time.time()))):  # noqa: ASYNC110 - a log is no event
            await asyncio.sleep(seconds)


def _lines(layout: Layout) -> Iterator[str]:
    """The lines of the log, those the API server has put into files of their own among them."""
    for path in sorted(layout.audit_log.parent.glob("audit*.log")):
        with path.open(encoding="utf-8") as log:
            yield from log


def _call(entry: Json) -> Call:
    target: Json = entry.get("objectRef") or {}
    verb = "dry-run" if "dryRun=All" in entry["requestURI"] else str(entry["verb"])
    return Call(verb, "/".join(filter(None, (target.get("resource"), target.get("subresource")))))


def _moment(text: str) -> float:
    return datetime.fromisoformat(text.removesuffix("Z") + "+00:00").timestamp()
