"""Conditions: one entry per type, transition times that mean something, and the root condition computed from the rest.

Semantics follow the API conventions for `metav1.Condition` and, for the root, the condition library Karpenter's
consumers observe (awslabs/operatorpkg `status`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from controller.api.json import Json
from controller.api.reasons import Reason

TRUE: Final = "True"
FALSE: Final = "False"
UNKNOWN: Final = "Unknown"

MESSAGE_LIMIT: Final = 32768
"""Characters the API server accepts in a condition's message."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One observed aspect of an object."""

    type: str
    status: str
    reason: str
    message: str = ""
    observed_generation: int = 0
    last_transition_time: str = ""

    def as_json(self) -> Json:
        """The condition as it stands in `status.conditions`."""
        return {
            "type": self.type,
            "status": self.status,
            "reason": self.reason,
            "message": self.message[:MESSAGE_LIMIT],
            "observedGeneration": self.observed_generation,
            "lastTransitionTime": self.last_transition_time,
        }


def conditions_of(obj: Json) -> dict[str, Condition]:
    """The conditions of an object by type; entries without a type are ignored."""
    entries = (obj.get("status") or {}).get("conditions") or []
    return {entry["type"]: _parse(entry) for entry in entries if isinstance(entry, dict) and entry.get("type")}


def _parse(entry: Json) -> Condition:
    return Condition(
        type=str(entry["type"]),
        status=str(entry.get("status") or UNKNOWN),
        reason=str(entry.get("reason") or ""),
        message=str(entry.get("message") or ""),
        observed_generation=int(entry.get("observedGeneration") or 0),
        last_transition_time=str(entry.get("lastTransitionTime") or ""),
    )


def is_true(obj: Json, type_: str) -> bool:
    """Whether the object has the condition with status True."""
    entries = (obj.get("status") or {}).get("conditions") or []
    # Asked of every pod and Workspace: nothing is parsed. Of two entries of one type the last counts, as above.
    told = [entry.get("status") for entry in entries if isinstance(entry, dict) and entry.get("type") == type_]
    return bool(told) and told[-1] == TRUE


def merge_conditions(
    previous: dict[str, Condition], wanted: Iterable[Condition], *, generation: int, now: str
) -> list[Condition]:
    """The list to write: wanted conditions with generation and transition times settled.

    A transition time changes only when the status does. Types that are no longer wanted are dropped.

    Args:
        previous: what the object says now, by type.
        wanted: what it should say; transition times and generations in it are ignored.
        generation: the object's metadata.generation these conditions speak of.
        now: the present moment as RFC 3339.
    """
    return [_settle(previous.get(condition.type), condition, generation, now) for condition in wanted]


def _settle(before: Condition | None, condition: Condition, generation: int, now: str) -> Condition:
    same_status = before is not None and before.status == condition.status and before.last_transition_time
    since = before.last_transition_time if before is not None and same_status else now
    return replace(condition, observed_generation=generation, last_transition_time=since)


def root_condition(type_: str, dependents: Sequence[Condition], ready_reason: Reason) -> Condition:
    """The condition that sums up the dependents: True when all are, False when one is, else Unknown.

    Its reason and message are those of the first dependent that is not True, so that one look at the root tells why.
    """
    for status in (FALSE, UNKNOWN):
        for dependent in dependents:
            if dependent.status == status:
                return Condition(
                    type_, status, dependent.reason, f"{dependent.type}: {dependent.message}"[:MESSAGE_LIMIT]
                )
    return Condition(type_, TRUE, ready_reason)
