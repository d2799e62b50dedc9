"""Moments as the API server writes them."""

from datetime import UTC, datetime, timedelta
from typing import Final

CLOCKS_DIFFER: Final = timedelta(minutes=1)
"""How far the clocks of two machines may be apart."""

_NO_SUCH_YEAR: Final = 9000
"""Moments end with the year 9999; one near that, to which a delay is added, is none any more."""


def rfc3339(moment: datetime) -> str:
    """A moment in UTC to the second, such as `2026-08-21T10:11:12Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def label_time(text: str) -> str:
    """An RFC 3339 moment as a label value: dashes in place of colons."""
    return text.replace(":", "-")


def parse_time(text: str) -> datetime | None:
    """The moment a timestamp or a label made by `label_time` states; None when it states none."""
    date, _, clock = text.partition("T")
    try:
        moment = datetime.fromisoformat(f"{date}T{clock.replace('-', ':')}")
        moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year < _NO_SUCH_YEAR else None


def seconds_since(text: str, now: datetime) -> float:
    """Seconds from a stored moment to now, never negative; 0 when the text is no moment."""
    moment = parse_time(text)
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())


def lies_ahead(text: str, now: datetime) -> bool:
    """Whether a stored moment is further ahead than clocks differ: it was written before a clock was set back."""
    moment = parse_time(text)
    return moment is not None and moment - now > CLOCKS_DIFFER


def in_words(seconds: float) -> str:
    """A duration for people: `45 s`, `12 min`, `3 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)
