"""What became of earlier launches, remembered on the claim itself so that a restart neither forgets nor repeats."""

import json
from dataclasses import dataclass
from typing import Final

from controller.api.claims import Claim
from controller.api.labels import LAUNCH_FAILURE
from controller.api.messages import shorten
from provisioner.errors import ErrorKind, Fault

_TEXT_LIMIT: Final = 1000


@dataclass(frozen=True, slots=True)
class Failure:
    """The failed launches of a claim, summed up in the last one.

    Attributes:
        attempts: failed launches so far.
        time: RFC 3339 moment of the last failure.
        kind: its class.
        vm_size: the instance type it concerned.
        code: the cloud's code, empty when it gave none.
        text: the cloud's own words.
    """

    attempts: int
    time: str
    kind: ErrorKind
    vm_size: str = ""
    code: str = ""
    text: str = ""

    @property
    def fault(self) -> Fault:
        """The failure as a classified fault."""
        return Fault(self.kind, self.code, self.text)

    def as_text(self) -> str:
        """The value of the annotation."""
        fields = {
            "attempts": self.attempts,
            "time": self.time,
            "kind": str(self.kind),
            "vmSize": self.vm_size,
            "code": self.code,
            "text": shorten(self.text, _TEXT_LIMIT),
        }
        return json.dumps(fields, separators=(",", ":"))


def failure_of(claim: Claim) -> Failure | None:
    """The failure the claim remembers; None when it remembers none or something unreadable."""
    try:
        fields = json.loads(claim.annotations.get(LAUNCH_FAILURE, "null"))
        return Failure(
            attempts=max(1, int(fields["attempts"])),
            time=str(fields["time"]),
            kind=ErrorKind(fields["kind"]),
            vm_size=str(fields.get("vmSize") or ""),
            code=str(fields.get("code") or ""),
            text=str(fields.get("text") or ""),
        )
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
