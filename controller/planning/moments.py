"""Moments as the API server writes them, and the time between them; clocks that were set never make a wait longer."""

from datetime import UTC, datetime

from controller.api.json import Json

BEGINNING = datetime.fromtimestamp(0, UTC)
"""A moment before every other, for those to whom time does not matter."""


def written(moment: datetime) -> str:
    """A moment in UTC to the second, such as `2026-08-21T10:11:12Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read(text: str) -> datetime | None:
    """The moment a text states; None when it states none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def remaining(since: str, seconds: float, now: datetime) -> float:
    """Seconds that are left of a wait, 0 once it is over or its beginning is unreadable.

    Args:
        since: when it began; a moment still to come counts as now, so that no clock makes the wait longer than it is.
        seconds: how long it is.
        now: the present moment.
    """
    begun = read(since)
    return 0.0 if begun is None else max(0.0, seconds - max(0.0, (now - begun).total_seconds()))


def past(since: str, now: datetime) -> str:
    """The moment itself, or now where it is still to come: a clock that was set back must not hold up a wait.

    Args:
        since: when a wait began, as it was written down; unreadable texts stay as they are.
        now: the present moment.
    """
    begun = read(since)
    return written(now) if begun is not None and begun > now else since


def created(obj: Json) -> str:
    """When an object was made, as RFC 3339; empty while it is not stored."""
    return str((obj.get("metadata") or {}).get("creationTimestamp") or "")
