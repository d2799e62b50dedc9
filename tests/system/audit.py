"""What the API server's audit log says about our programs: who asked for what, when, and with which outcome."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from controller.api.json import Json
from hack.devcluster.layout import Layout
from hack.devcluster.programs import NAMESPACE

_OURS = f"system:serviceaccount:{NAMESPACE}:kaito-"
_WRITES = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class Call:
    """One request of one of our programs that has been answered."""

    program: str
    verb: str
    resource: str
    name: str
    code: int
    moment: float
    """When the answer was complete, in seconds since the epoch."""
    rehearsed: bool
    """Whether it was to store nothing."""

    @property
    def writes(self) -> bool:
        """Whether it asks for a change, renewals of Leases aside."""
        return self.verb in _WRITES and self.resource != "leases"

    @property
    def changes(self) -> bool:
        """The same of what is stored."""
        return self.writes and not self.rehearsed

    @property
    def text(self) -> str:
        """The request in a line."""
        return f"{self.program} {self.verb} {self.resource} {self.name}: {self.code}"


def calls(layout: Layout, *, since: float) -> list[Call]:
    """The requests of our programs from a moment on, in the order they were answered."""
    with layout.audit_log.open(encoding="utf-8") as log:
        found = [_parse(json.loads(line)) for line in log if _OURS in line and line.endswith("\n")]
    return sorted((call for call in found if call.moment >= since), key=lambda call: call.moment)


def writes(layout: Layout, *, since: float) -> list[Call]:
    """The changes our programs asked for from a moment on, renewals of Leases aside."""
    return [call for call in calls(layout, since=since) if call.writes]


def made(seen: Iterable[Call], resource: str) -> list[str]:
    """Names of the objects of a kind that were created, each as often as it was."""
    return [call.name for call in seen if (call.verb, call.resource, call.code) == ("create", resource, 201)]


def agreed(answers: Json) -> int:
    """How often the cloud said yes, by the numbers of its answers."""
    return sum(number for status, number in answers.items() if str(status).startswith("2"))


def _parse(entry: Json) -> Call:
    target: Json = entry.get("objectRef") or {}
    return Call(
        program=str(entry["user"]["username"]).rpartition(":")[2],
        verb=str(entry["verb"]),
        resource="/".join(filter(None, (target.get("resource"), target.get("subresource")))),
        name=str(target.get("name") or ""),
        code=int((entry.get("responseStatus") or {}).get("code") or 0),
        moment=moment(str(entry["stageTimestamp"])),
        rehearsed="dryRun=All" in str(entry["requestURI"]),
    )


def moment(text: str) -> float:
    """Seconds since the epoch of a time as Kubernetes and Azure write it; digits below a microsecond are dropped."""
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction[:6] or 0}")
