"""What became of earlier launches, remembered on the claim itself so that a restart neither forgets nor repeats."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from controller.api.claims import Claim
from controller.api.labels import LAUNCH_FAILURE
from controller.api.messages import shorten
from provisioner.errors import ErrorKind, Fault
from provisioner.holds import Hold, Holds, after_failure, bounded, scope_of
from provisioner.offerings import NOTHING, ON_DEMAND, Offering
from provisioner.policy import FREE_KINDS
from provisioner.sizes import Sizes

_TEXT_LIMIT: Final = 1000
_MOST_SHOWN: Final = 10
_MOST_REMEMBERED: Final = 20


@dataclass(frozen=True, slots=True)
class Failure:
    """The failed launches of a claim, summed up in the last one.

    Attributes:
        attempts: failed launches so far.
        time: RFC 3339 moment of the last failure.
        kind: its class.
        offering: what was asked for.
        code: the cloud's code, empty when it gave none.
        text: the cloud's own words.
        spent: failed launches since the claim's spec last changed, without refusals that cost nothing.
        generation: of the claim at the last failure.
        asked: whether the last of them was a request; one that was not, for want of quota, counts for nothing.
        holds: what the failures so far speak against, by scope; the latest twenty.
    """

    attempts: int
    time: str
    kind: ErrorKind
    offering: Offering = NOTHING
    code: str = ""
    text: str = ""
    holds: Holds = field(default_factory=dict)
    spent: int = 0
    generation: int = 0
    asked: bool = True

    @property
    def fault(self) -> Fault:
        """The failure as a classified fault."""
        return Fault(self.kind, self.code, self.text)

    @property
    def tried(self) -> str:
        """What failed so far, for people; empty while it is one thing only."""
        shown = [f"{scope} ({hold.kind} x{hold.count})" for scope, hold in self.holds.items()]
        return f"Tried so far: {', '.join(shown[:_MOST_SHOWN])}." if len(shown) > 1 else ""

    def as_text(self) -> str:
        """The value of the annotation."""
        fields = {
            "attempts": self.attempts,
            "time": self.time,
            "kind": str(self.kind),
            "vmSize": self.offering.size,
            "zone": self.offering.zone,
            "capacityType": self.offering.capacity_type,
            "code": self.code,
            "text": shorten(self.text, _TEXT_LIMIT),
            "spent": self.spent,
            "generation": self.generation,
            "asked": self.asked,
            "holds": {scope: [str(hold.kind), hold.time, hold.count] for scope, hold in self.holds.items()},
        }
        return json.dumps(fields, separators=(",", ":"))


def one_more(
    claim: Claim, attempt: int | None, fault: Fault, offering: Offering, *, time: str, sizes: Sizes
) -> Failure:
    """The record with one more failed launch, or one that was not even begun.

    Args:
        claim: carries the record so far.
        attempt: number of the launch that failed; None for what kept anything from being asked for.
        fault: why.
        offering: what was asked for.
        time: RFC 3339 moment of the failure.
        sizes: what is known of sizes.
    """
    before = failure_of(claim)
    holds = before.holds if before else {}
    if scope := scope_of(fault, offering, sizes):
        holds = bounded(after_failure(holds, scope, fault.kind, time), _MOST_REMEMBERED)
    spent = before.spent if before and before.generation == claim.generation else 0
    asked, before_this = attempt is not None, before.attempts if before else 0
    count, spent = attempt or before_this, spent + (asked and fault.kind not in FREE_KINDS)
    return Failure(count, time, fault.kind, offering, fault.code, fault.text, holds, spent, claim.generation, asked)


def failure_of(claim: Claim) -> Failure | None:
    """The failure the claim remembers; None when it remembers none or something unreadable."""
    try:
        fields = json.loads(claim.annotations.get(LAUNCH_FAILURE, "null"))
        asked = fields.get("asked") is not False
        return Failure(
            attempts=max(1 if asked else 0, int(fields["attempts"])),
            time=str(fields["time"]),
            kind=ErrorKind(fields["kind"]),
            offering=_offering(fields),
            code=str(fields.get("code") or ""),
            text=str(fields.get("text") or ""),
            holds=_holds(fields.get("holds") or {}),
            spent=int(fields.get("spent") or 0),
            generation=int(fields.get("generation") or 0),
            asked=asked,
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None


def _offering(fields: Mapping[str, Any]) -> Offering:
    zone, paid = str(fields.get("zone") or ""), str(fields.get("capacityType") or ON_DEMAND)
    return Offering(str(fields.get("vmSize") or ""), zone, paid)


def _holds(entries: Mapping[str, Any]) -> Holds:
    found = {
        str(scope): Hold(ErrorKind(kind), str(time), max(1, int(count)))
        for scope, (kind, time, count) in entries.items()
    }
    return bounded(found, _MOST_REMEMBERED)
