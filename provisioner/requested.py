"""Requests for an agent pool that may still be on their way, so that no claim is let go before its pool can come.

A process may die, or be cut off, after its request has left and before the answer is there; the cloud may then make the
pool although a look at it has just said that there is none. So each request is written down on the claim before it
leaves, and a claim that is deleted waits until the last of them can no longer arrive.
"""

from datetime import datetime, timedelta
from typing import Final

from controller.api.claims import Claim
from controller.api.labels import LAUNCH_REQUESTED
from provisioner.steps import Observed
from provisioner.times import parse_time, rfc3339

_WHOLE_SECOND: Final = 1.0
"""Moments are written down to the second, so that each may be up to one second later than it says."""

_MOST_OPEN: Final = 50
_MOST_KNOWN: Final = 2 * _MOST_OPEN

_MOST_AHEAD: Final = timedelta(hours=1)
"""How far ahead a moment may lie; what is further was written by hand or by a clock that has been set back since."""

_PREPARATION: Final = 0.3
"""Share of the request's deadline within which it has to leave; the rest is the cloud's."""


class Answers:
    """Which requests of which claim this process knows to be over; a new process knows of none, which only delays."""

    def __init__(self) -> None:
        self._known: dict[str, frozenset[str]] = {}

    def note(self, name: str, moment: str) -> None:
        """The request made at that moment was answered, or its pool was seen."""
        self._known[name] = frozenset(sorted(self.of(name) | {moment})[-_MOST_KNOWN:])

    def begin(self, name: str, moment: str) -> None:
        """A request leaves; what is known of another one made within the same second does not speak for it."""
        self._known[name] = self.of(name) - {moment}

    def of(self, name: str) -> frozenset[str]:
        """Moments of the requests that are over."""
        return self._known.get(name, frozenset())

    def forget(self, name: str) -> None:
        """The claim is gone."""
        self._known.pop(name, None)


def open_requests(claim: Claim, answered: frozenset[str]) -> tuple[str, ...]:
    """Moments of the requests of which no answer is known, oldest first.

    Of two that were made within one second an answer tells nothing: it may be either's.
    """
    written = claim.annotations.get(LAUNCH_REQUESTED, "").split()
    return tuple(each for each in written if each not in answered or written.count(each) > 1)


def with_request(seen: Observed) -> str:
    """The annotation's value with one more request, made now; those that can no longer arrive are left out."""
    known = open_requests(seen.claim, seen.answered)
    kept = [each for each in known if (last := _last_arrival(each, seen)) is not None and last > seen.now]
    return " ".join([*kept[-_MOST_OPEN:], rfc3339(seen.now)])


def last_arrival(seen: Observed) -> datetime | None:
    """The moment from which no request of the claim can bring a pool any more; None when none can already."""
    moments = (_last_arrival(each, seen) for each in open_requests(seen.claim, seen.answered))
    latest = max((each for each in moments if each is not None), default=None)
    return latest if latest is not None and latest > seen.now else None


def preparation(seen: Observed) -> float:
    """Seconds after which a request that has not left yet is not sent any more."""
    return seen.policy.request_deadline * _PREPARATION


def _last_arrival(moment: str, seen: Observed) -> datetime | None:
    """None for what is no moment, and for one so far ahead that it might hold a claim for ever."""
    made = parse_time(moment)
    if made is None or made - seen.now > _MOST_AHEAD:
        return None
    return made + timedelta(seconds=seen.policy.request_deadline + _WHOLE_SECOND)
