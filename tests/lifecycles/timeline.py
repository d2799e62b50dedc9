"""The story of a life as a person reads it: phases with their times, then the events."""

from collections.abc import Iterable

from controller.api.json import Json
from tests.lifecycles.lives import Life
from tests.system.audit import moment
from tests.system.planned import View


def phases_of(seen: View) -> list[Json]:
    """The phases the status tells."""
    phases: list[Json] = (seen.workspace.get("status") or {}).get("phases") or []
    return phases


def timeline(name: str, life: Life) -> str:
    """The phases of the first start, and every event, in seconds since the Workspace was created or first spoken of."""
    moments = [moment(event["eventTime"]) for event in life.events]
    if life.before is None:
        return "\n".join([name, *_events(life.events, min(moments, default=0.0))])
    begin = moment(life.before.workspace["metadata"]["creationTimestamp"])
    return "\n".join([name, *_phases(life.before, begin), *_events(life.events, begin)])


def _phases(seen: View, begin: float) -> Iterable[str]:
    for phase in phases_of(seen):
        start, end = moment(phase["startTime"]) - begin, phase.get("endTime")
        until = f"{moment(end) - begin:5.1f} s" if end else "     …"
        yield f"  {start:5.1f} s to {until}  {phase['name']}"


def _events(events: Iterable[Json], begin: float) -> Iterable[str]:
    for event in events:
        yield f"  {moment(event['eventTime']) - begin:5.1f} s  {event['type']:7}  {event['reason']}: {event['note']}"
