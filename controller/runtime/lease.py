"""The Lease record of leader election as a value: reading it, writing it, judging it. No I/O, no clock of its own."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from controller.api.json import Json, metadata_of
from controller.api.resources import LEASES

RELEASED_SECONDS: Final = 1
"""Duration written when a holder gives the lease back (the smallest the API accepts)."""

RETRY_JITTER: Final = 1.2
"""A pause between attempts is stretched by up to this factor, so that replicas do not move in step."""


def microtime(moment: datetime) -> str:
    """A Kubernetes MicroTime: RFC 3339 in UTC with exactly six decimals."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True, slots=True)
class LeaseTiming:
    """Seconds of the election protocol; the defaults are client-go's.

    Attributes:
        lease: how long others wait after the record last changed before they take it.
        renew_deadline: how long after its last success a holder keeps working.
        retry: pause between attempts, stretched by jitter.

    Raises:
        ValueError: unless lease > renew_deadline > 1.2 x retry > 0, which the protocol's safety rests on.
    """

    lease: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        if not self.lease > self.renew_deadline > RETRY_JITTER * self.retry > 0:
            raise ValueError(
                f"lease duration {self.lease:g}s must exceed renew deadline {self.renew_deadline:g}s, "
                f"and that must exceed {RETRY_JITTER} x retry period {self.retry:g}s"
            )
        if self.lease < 1 or self.lease != int(self.lease):
            raise ValueError(f"lease duration {self.lease:g}s must be whole seconds: the Lease stores an integer")

    @property
    def stop_grace(self) -> float:
        """Seconds that cancelled work gets when leadership is lost, twice over, before the lease can be taken."""
        return min(1.0, (self.lease - self.renew_deadline) / 3)


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """Who leads. `version` is the resourceVersion that makes the next write a compare-and-set."""

    holder: str = ""
    duration: float = 0.0
    acquired: str = ""
    renewed: str = ""
    transitions: int = 0
    version: str = ""

    @classmethod
    def parse(cls, obj: Json) -> "LeaseRecord":
        """The record in a Lease object; fields that are missing count as empty."""
        spec = obj.get("spec") or {}
        return cls(
            holder=str(spec.get("holderIdentity") or ""),
            duration=float(spec.get("leaseDurationSeconds") or 0),
            acquired=str(spec.get("acquireTime") or ""),
            renewed=str(spec.get("renewTime") or ""),
            transitions=int(spec.get("leaseTransitions") or 0),
            version=str(metadata_of(obj).get("resourceVersion") or ""),
        )

    def body(self, *, name: str, namespace: str) -> Json:
        """The Lease object to write; carries the resourceVersion unless the record was never stored."""
        metadata: Json = {"name": name, "namespace": namespace}
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
        """What is known after reading `record`: an unchanged one keeps its age."""
        return self if record == self.record else Sighting(record, now)

    def free_at(self, identity: str) -> float:
        """The local time from which `identity` may take the lease; minus infinity when at once."""
        if not self.record.holder or self.record.holder == identity:
            return float("-inf")
        return self.since + self.record.duration
