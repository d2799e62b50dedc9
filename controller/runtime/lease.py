"""The Lease record of leader election as a value: reading it, writing it, judging it. No I/O, no clock of its own."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from controller.api.json import Json, metadata_of
from controller.api.resources import LEASES

RELEASED_SECONDS: Final = 1
"""Duration written when a holder gives the lease back (the smallest the API accepts)."""

KEPT_METADATA: Final = ("labels", "annotations", "ownerReferences", "finalizers")
"""What others may have written beside the record, and a renewal must not remove."""

RETRY_JITTER: Final = 1.2
"""A pause between attempts is stretched by up to this factor, so that replicas do not move in step."""


LONGEST_GRACE: Final = 1.0
LEAST_GRACE: Final = 0.1
"""Seconds that work gets to stop, once when asked and once when told."""

LEAST_MARGIN: Final = 0.2
CLOCK_RATES: Final = 0.02
"""By which share clocks of two machines may run apart, suspended or throttled processes included."""


def microtime(moment: datetime) -> str:
    """A Kubernetes MicroTime: RFC 3339 in UTC with exactly six decimals."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """Seconds of the election protocol; the defaults are client-go's.

    Attributes:
        lease: how long others wait after the record last changed before they take it.
        renew_deadline: how long after its last success a holder keeps working.
        retry: from one attempt to the next, stretched by jitter.

    Raises:
        ValueError: unless renew_deadline > 1.2 x retry > 0 and the lease outlasts the renew deadline by the time in
            which work is stopped, 2 x stop_grace, and by the margin: the protocol's safety rests on that.
    """

    lease: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        if not self.renew_deadline > RETRY_JITTER * self.retry > 0:
            raise ValueError(
                f"renew deadline {self.renew_deadline:g}s must exceed {RETRY_JITTER} x retry period {self.retry:g}s, "
                "and that 0: a renewal that failed once needs time for another attempt"
            )
        least = self.renew_deadline + self.margin + 2 * LEAST_GRACE
        if self.lease < least:
            raise ValueError(
                f"lease duration {self.lease:g}s must exceed renew deadline {self.renew_deadline:g}s by "
                f"{least - self.renew_deadline:g}s or more, in which a leader that lost the lease stops its work"
            )
        if self.lease < 1 or self.lease != int(self.lease):
            raise ValueError(f"lease duration {self.lease:g}s must be whole seconds: the Lease stores an integer")

    @property
    def margin(self) -> float:
        """Seconds before the end of the lease in which no work is done: clocks run at different rates."""
        return max(LEAST_MARGIN, self.lease * CLOCK_RATES)

    @property
    def stop_grace(self) -> float:
        """Seconds that cancelled work gets when leadership is lost, twice over, before the lease can be taken."""
        return min(LONGEST_GRACE, (self.lease - self.margin - self.renew_deadline) / 2)

    @property
    def safe(self) -> float:
        """Seconds after the start of a successful renewal in which nobody else can hold the lease."""
        return self.lease - self.margin


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """Who leads.

    `version` is the resourceVersion that makes the next write a compare-and-set; `kept` is the metadata others wrote,
    no part of the record and handed back as it was.
    """

    holder: str = ""
    duration: float = 0.0
    acquired: str = ""
    renewed: str = ""
    transitions: int = 0
    version: str = ""
    kept: Json = field(default_factory=dict, compare=False)

    @classmethod
    def parse(cls, obj: Json) -> "LeaseRecord":
        """The record in a Lease object; fields that are missing count as empty."""
        spec, metadata = obj.get("spec") or {}, metadata_of(obj)
        return cls(
            holder=str(spec.get("holderIdentity") or ""),
            duration=float(spec.get("leaseDurationSeconds") or 0),
            acquired=str(spec.get("acquireTime") or ""),
            renewed=str(spec.get("renewTime") or ""),
            transitions=int(spec.get("leaseTransitions") or 0),
            version=str(metadata.get("resourceVersion") or ""),
            kept={name: metadata[name] for name in KEPT_METADATA if name in metadata},
        )

    def body(self, *, name: str, namespace: str) -> Json:
        """The Lease object to write; carries the resourceVersion unless the record was never stored."""
        metadata: Json = {**self.kept, "name": name, "namespace": namespace}
        if self.version:
            metadata["resourceVersion"] = self.version
        spec: Json = {
            "holderIdentity": self.holder or None,
            "leaseDurationSeconds": int(self.duration),
            "acquireTime": self.acquired,
            "renewTime": self.renewed,
            "leaseTransitions": self.transitions,
        }
        return {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec}

    def held_by(self, identity: str, *, duration: float, now: str) -> "LeaseRecord":
        """This record renewed by its holder, or taken by another: then the transition is counted."""
        if self.holder == identity:
            return replace(self, duration=duration, renewed=now)
        transitions = self.transitions + 1 if self.acquired else 0
        return replace(self, holder=identity, duration=duration, acquired=now, renewed=now, transitions=transitions)

    def released(self, now: str) -> "LeaseRecord":
        """This record without a holder: any standby may take it at once."""
        return replace(self, holder="", duration=RELEASED_SECONDS, acquired=now, renewed=now)


@dataclass(frozen=True, slots=True)
class Sighting:
    """A record and the local moment at which it was first seen in this form.

    Expiry is judged by this moment alone: clocks of other machines, and the times written in the record, say nothing.
    """

    record: LeaseRecord
    since: float

    def updated(self, record: LeaseRecord, now: float) -> "Sighting":
        """What is known after reading `record`: one in which its holder changed nothing keeps its age.

        Its version and metadata do not count: a label put on the Lease by hand is no sign of life.
        """
        renewed = replace(record, version="") != replace(self.record, version="")
        return Sighting(record, now if renewed else self.since)

    def free_at(self, identity: str) -> float:
        """The local time from which `identity` may take the lease; minus infinity when at once."""
        if not self.record.holder or self.record.holder == identity:
            return float("-inf")
        return self.since + self.record.duration
