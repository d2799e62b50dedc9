"""How the claims for a Workspace's nodes fared: failures are counted, and the next try waits the longer.

A provisioner that tries again by itself keeps its claim and says on it what went wrong. One that gives up deletes the
claim, or says that only a new one helps; then a new one is made after a pause that doubles with every failure in a row.
What is needed for that stands in the Workspace's status, so that no restart forgets it.
"""

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from controller.api.claims import READY, Claim
from controller.api.conditions import FALSE, Condition
from controller.api.json import Json
from controller.api.messages import shorten
from controller.api.reasons import Reason, is_waiting
from controller.planning.moments import BEGINNING, past, read, remaining, written

FIRST_PAUSE: Final = 5.0
"""Seconds between the first failure and the next claim; they double with every further one."""

LONGEST_PAUSE: Final = 1800.0
"""Seconds after which a new claim is made at the latest."""

STALLED_AFTER: Final = 6
"""Failures in a row after which the Workspace counts as stalled; claims are still tried, at the longest pauses."""

MESSAGE_CHARACTERS: Final = 400
"""Characters of a claim's own words that are kept."""

_GIVEN_UP: Final = frozenset({Reason.REGISTRATION_TIMEOUT, Reason.INITIALIZATION_TIMEOUT})
"""Reasons with which a provisioner says that a claim comes to nothing and only a new one helps."""

_FAR: Final = 20
"""Doublings after which the longest pause is reached in any case."""


@dataclass(frozen=True, slots=True)
class Provisioning:
    """How the claims fared since the last time all nodes were there.

    Attributes:
        failures: claims, or rounds of them, that came to nothing, in a row.
        last_failure: when the last one was found, as RFC 3339; empty before the first.
        reason: why, in the claim's own word.
        message: why, in the claim's own sentence.
        order: digest of what the claims ask for; what failed for one order says nothing of another.
        under_way: UIDs of the claims that are not ready yet.
    """

    failures: int = 0
    last_failure: str = ""
    reason: str = ""
    message: str = ""
    order: str = ""
    under_way: tuple[str, ...] = ()

    @property
    def stalled(self) -> bool:
        """Whether so many failed that people should look."""
        return self.failures >= STALLED_AFTER

    @property
    def pause(self) -> float:
        """Seconds from the last failure to the next claim."""
        if not self.failures:
            return 0.0
        return min(FIRST_PAUSE * 2.0 ** min(self.failures - 1, _FAR), LONGEST_PAUSE)

    @property
    def next_try(self) -> str:
        """The moment from which claims may be made again, as RFC 3339."""
        last = read(self.last_failure) or BEGINNING
        return written(last + timedelta(seconds=self.pause))

    def wait(self, now: datetime) -> float:
        """Seconds until claims may be made again; 0 when they may now."""
        return remaining(self.last_failure, self.pause, now)

    def misses(self, claims: Iterable[Claim]) -> bool:
        """Whether a claim that was under way is not among the claims any more."""
        return not set(self.under_way) <= {claim.uid for claim in claims}

    def as_json(self) -> Json:
        """The value of `status.provisioning`; empty when there is nothing to remember."""
        if not (self.failures or self.under_way):
            return {}
        told = {
            "failures": self.failures,
            "lastFailureTime": self.last_failure,
            "reason": self.reason,
            "message": self.message,
            "order": self.order,
            "underWay": list(self.under_way),
        }
        return {key: value for key, value in told.items() if value}


UNTRIED: Final = Provisioning()


def parse_provisioning(status: Json) -> Provisioning:
    """What a stored status remembers; nothing where it remembers nothing or something unreadable."""
    told = status.get("provisioning")
    if not isinstance(told, dict):
        return UNTRIED
    failures, under_way = told.get("failures"), told.get("underWay")
    return Provisioning(
        failures=failures if isinstance(failures, int) and failures > 0 else 0,
        last_failure=str(told.get("lastFailureTime") or ""),
        reason=str(told.get("reason") or ""),
        message=str(told.get("message") or ""),
        order=str(told.get("order") or ""),
        under_way=tuple(map(str, under_way)) if isinstance(under_way, list) else (),
    )


def digest(spec: Json) -> str:
    """A short text that stands for what a claim asks for."""
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:12]


def gave_up(claim: Claim, *, keeps_node: bool = False) -> bool:
    """Whether the provisioner says that nothing will come of the claim by itself.

    A node that joined without becoming usable is kept once so many failed that people should look: it shows what is
    wrong, and the next one would not be better. So is a Ready node that merely shows no GPUs: its provisioner replaces
    such nodes itself, as often as it was told to (`--gpu-replacements`), and only what it keeps stays.

    Args:
        claim: the claim.
        keeps_node: whether a node that joined is kept.
    """
    hopeless = _GIVEN_UP - {Reason.INITIALIZATION_TIMEOUT} if keeps_node else _GIVEN_UP
    return not claim.ready and any(
        condition is not None and condition.reason in hopeless
        for condition in map(claim.conditions.get, claim.kind.dependents)
    )


def follow(
    before: Provisioning, claims: Collection[Claim], hopeless: Collection[str] = (), *, order: str, now: datetime
) -> Provisioning:
    """What is known after another look at the claims.

    Claims that end together, or while the next ones are waited with, are one failure.

    Args:
        before: what was known.
        claims: the claims made for the Workspace, those on their way out included.
        hopeless: UIDs of those nothing will come of.
        order: digest of what claims ask for now.
        now: the present moment.
    """
    if before.order != order:
        before = replace(before, failures=0, last_failure="", order=order)
    before = replace(before, last_failure=past(before.last_failure, now))
    trouble, ended = _trouble(claims), _ended(before, claims, hopeless)
    known = replace(before, reason=trouble.reason, message=trouble.message) if trouble is not None else before
    if trouble is None and not before.failures and not ended:
        known = replace(known, reason="", message="")
    if not ended or before.wait(now):
        return known
    return replace(
        known,
        failures=before.failures + 1,
        last_failure=written(now),
        reason=known.reason or Reason.CLAIM_LOST,
        message=known.message or "the claim went away before its node was ready, and did not say why",
    )


def _ended(before: Provisioning, claims: Iterable[Claim], hopeless: Collection[str]) -> bool:
    """Whether a claim that was under way came to nothing."""
    alive = {claim.uid for claim in claims if _has_served(claim) or not (claim.deleting or claim.uid in hopeless)}
    return not set(before.under_way) <= alive


def _has_served(claim: Claim) -> bool:
    return claim.is_true(READY) or claim.is_true(claim.kind.initialized)


def _trouble(claims: Iterable[Claim]) -> Condition | None:
    """What the claims that are not ready complain of: the gravest of it, in their own words."""
    told = ((claim.name, claim.holdup) for claim in claims if not claim.ready)
    grave = [(name, holdup) for name, holdup in told if holdup is not None and not is_waiting(holdup.reason)]
    if not grave:
        return None
    name, worst = min(grave, key=lambda each: (each[1].status != FALSE, each[0]))
    return replace(worst, message=f"{name}: {shorten(worst.message, MESSAGE_CHARACTERS)}")


def concluded(known: Provisioning, claims: Iterable[Claim], *, complete: bool) -> Provisioning:
    """What is to be remembered once it is decided what to do.

    Args:
        known: what the look at the claims gave.
        claims: the claims that are kept.
        complete: whether there is a claim or a node for every node wanted.
    """
    kept = tuple(claims)
    under_way = tuple(sorted(claim.uid for claim in kept if not _has_served(claim)))
    if complete and not under_way:
        return UNTRIED
    return replace(known, under_way=under_way)
