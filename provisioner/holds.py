"""Offerings that failed lately, so that nothing is asked for that was just refused to somebody else.

A failure holds as much as its cause covers: a used-up quota the whole family, a missing size that size, a full zone
that zone. Each hold doubles with every further failure, and whoever tries first when it ends holds the others off until
it is known how that went.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from provisioner.errors import ErrorKind, Fault
from provisioner.offerings import SPOT, Offering
from provisioner.policy import FALLBACK_KINDS, Policy
from provisioner.sizes import Sizes, size_of
from provisioner.times import lies_ahead, parse_time, rfc3339

MOST_HOLDS: Final = 200
"""Scopes that are remembered; the oldest go first."""

_REGIONAL: Final = "regional cores"


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a scope is left alone for a while.

    Attributes:
        kind: class of the last failure.
        time: RFC 3339 moment of it, or of the latest try since.
        count: failures in a row.
    """

    kind: ErrorKind
    time: str
    count: int = 1

    def ends(self, policy: Policy) -> datetime | None:
        """The moment from which the scope may be tried again; None when the hold states no time."""
        begun = parse_time(self.time)
        return None if begun is None else begun + timedelta(seconds=policy.launch_delay(self.kind, self.count))


Holds: TypeAlias = Mapping[str, Hold]
"""Holds by scope."""


def scopes(offering: Offering, sizes: Sizes) -> tuple[str, ...]:
    """Every scope an offering lies in, widest first."""
    size, paid = offering.size.lower(), offering.capacity_type
    family = size_of(sizes, offering.size).family.lower()
    wide = (f"{paid}/region", *((f"{paid}/family/{family}",) if family else ()), f"{paid}/size/{size}")
    return (*wide, f"{paid}/size/{size}/{offering.zone}") if offering.zone else wide


def scope_of(fault: Fault, offering: Offering, sizes: Sizes) -> str:
    """The scope a failure covers; empty when another offering would have fared no better."""
    if fault.kind not in FALLBACK_KINDS:
        return ""
    within = scopes(offering, sizes)
    if fault.kind is not ErrorKind.QUOTA:
        return within[-1]
    if offering.capacity_type == SPOT or _REGIONAL in fault.text.lower():
        return within[0]
    return within[1]


def after_failure(holds: Holds, scope: str, kind: ErrorKind, time: str) -> Holds:
    """The holds with one more failure."""
    count = holds[scope].count + 1 if scope in holds else 1
    return bounded({**holds, scope: Hold(kind, time, count)})


def credible(holds: Holds, now: datetime) -> Holds:
    """The holds without those that begin ahead of now, which would last until a clock that was set back catches up."""
    return {scope: hold for scope, hold in holds.items() if not lies_ahead(hold.time, now)}


def merged(one: Holds, other: Holds) -> Holds:
    """What is known from two sides; of the same scope the later word counts."""
    both = dict(one)
    for scope, hold in other.items():
        known = both.get(scope)
        if known is None or (hold.time, hold.count) > (known.time, known.count):
            both[scope] = hold
    return both


def bounded(holds: Holds, most: int = MOST_HOLDS) -> Holds:
    """The latest holds."""
    if len(holds) <= most:
        return holds
    return dict(sorted(holds.items(), key=lambda entry: entry[1].time)[-most:])


@dataclass(frozen=True, slots=True)
class Choice:
    """What may be asked for next.

    Attributes:
        offering: which.
        after: the moment from which it may be asked for; None for now.
        hold: what holds it until then.
    """

    offering: Offering
    after: datetime | None = None
    hold: Hold | None = None


def choose(offerings: Iterable[Offering], holds: Holds, sizes: Sizes, policy: Policy, now: datetime) -> Choice:
    """The first offering that nothing holds, or the one that is free first; there must be at least one."""
    choices = (_choice(offering, holds, sizes, policy, now) for offering in offerings)
    best: Choice | None = None
    for choice in choices:
        if choice.after is None:
            return choice
        if best is None or best.after is None or choice.after < best.after:
            best = choice
    if best is None:
        raise ValueError("no offering to choose from")
    return best


def _choice(offering: Offering, holds: Holds, sizes: Sizes, policy: Policy, now: datetime) -> Choice:
    """The offering with the hold on it that lasts longest."""
    choice = Choice(offering)
    for scope in scopes(offering, sizes):
        hold = holds.get(scope)
        ends = hold.ends(policy) if hold is not None else None
        if ends is not None and ends > now and (choice.after is None or ends > choice.after):
            choice = Choice(offering, ends, hold)
    return choice


class Unavailable:
    """What this process knows of all claims' failures; a new process learns it from the claims that still stand."""

    def __init__(self) -> None:
        self._holds: Holds = {}
        self._over: dict[str, str] = {}

    def view(self) -> Holds:
        """The holds as they are now."""
        return self._holds

    def learn(self, holds: Holds, now: datetime) -> None:
        """Takes in what a claim remembers."""
        credible_ones = credible(holds, now)
        news = {scope: hold for scope, hold in credible_ones.items() if hold.time > self._over.get(scope, "")}
        if news:
            self._holds = bounded(merged(credible(self._holds, now), news))

    def trying(self, offering: Offering, sizes: Sizes, now: datetime) -> None:
        """Somebody tries an offering that failed before: the others wait and see."""
        tried = {scope: self._holds[scope] for scope in scopes(offering, sizes) if scope in self._holds}
        self.learn({scope: Hold(hold.kind, rfc3339(now), hold.count) for scope, hold in tried.items()}, now)

    def succeeded(self, offering: Offering, sizes: Sizes, asked: str, now: datetime) -> None:
        """A pool that was asked for at that moment was made: nothing older holds what it lies in."""
        if lies_ahead(asked, now):
            return
        over = {scope for scope in scopes(offering, sizes) if scope in self._holds and self._holds[scope].time <= asked}
        if over:
            self._holds = {scope: hold for scope, hold in self._holds.items() if scope not in over}
            latest = sorted((self._over | dict.fromkeys(over, asked)).items(), key=lambda entry: entry[1])
            self._over = dict(latest[-MOST_HOLDS:])
