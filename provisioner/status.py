"""From a decision to the status to be written, and to the events that tell of the change."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from controller.api.claims import NODE_CLAIM, READY, Claim
from controller.api.conditions import TRUE, UNKNOWN, Condition, merge_conditions
from controller.api.json import Json
from controller.api.reasons import MEANINGS, Reason
from provisioner.metrics import PHASES
from provisioner.registration import node_of
from provisioner.steps import Observed
from provisioner.times import rfc3339, seconds_since
from provisioner.verdict import is_failure

_QUIET: Final = frozenset(
    {
        Reason.AWAITING_RECONCILIATION,
        Reason.RECONCILING_DEPENDENTS,
        Reason.NOT_LAUNCHED,
        Reason.NOT_REGISTERED,
        Reason.NODE_NOT_FOUND,
        Reason.NODE_NOT_READY,
        Reason.EPHEMERAL_TAINTS_EXIST,
    }
)
"""What every launch passes through on its good way."""

_KEPT: Final = ("providerID", "nodeName", "capacity", "allocatable", "imageID")


@dataclass(frozen=True, slots=True)
class Told:
    """One event to be recorded."""

    type: str
    reason: str
    note: str


def new_status(seen: Observed, wanted: Sequence[Condition]) -> Json | None:
    """The whole status this program owns, or None when the stored one already says it.

    Args:
        seen: what the decision was made from.
        wanted: the conditions decided.
    """
    claim, stored = seen.claim, seen.stored.get("status") or {}
    before = {**_untouched(claim), **claim.conditions}
    conditions = merge_conditions(before, wanted, generation=claim.generation, now=rfc3339(seen.now))
    status: Json = {key: stored[key] for key in _KEPT if stored.get(key)}
    status.update(_node_facts(seen, wanted, stored))
    if claim.kind is NODE_CLAIM and seen.pool is not None and seen.pool.image:
        status["imageID"] = seen.pool.image
    status["conditions"] = [condition.as_json() for condition in conditions]
    same = all(claim.conditions.get(condition.type) == condition for condition in conditions)
    return None if same and all(stored.get(key) == status.get(key) for key in _KEPT) else status


def _untouched(claim: Claim) -> dict[str, Condition]:
    """A claim nobody looked at yet counts as Unknown since its creation (awslabs/operatorpkg `status`)."""
    return {
        type_: Condition(type_, UNKNOWN, Reason.AWAITING_RECONCILIATION, last_transition_time=claim.creation_time)
        for type_ in claim.kind.dependents
    }


def _node_facts(seen: Observed, wanted: Sequence[Condition], stored: Json) -> Json:
    """Identity as soon as the node joined; its resources once, at the moment it is complete."""
    node, kind = node_of(seen), seen.claim.kind
    held = {condition.type for condition in wanted if condition.status == TRUE}
    if node is None or seen.claim.deleting or kind.registered not in held:
        return {}
    facts: Json = {"providerID": node.provider_id, "nodeName": node.name}
    if kind.initialized in held and not stored.get("capacity"):
        facts.update(capacity=dict(node.capacity), allocatable=dict(node.allocatable))
    return {key: value for key, value in facts.items() if value}


def events_for(before: dict[str, Condition], wanted: Sequence[Condition]) -> list[Told]:
    """One event for each condition whose status or reason changes; waiting for an earlier phase is not news."""
    told = []
    for condition in wanted:
        known = before.get(condition.type)
        if known is not None and (known.status, known.reason) == (condition.status, condition.reason):
            continue
        if condition.reason in _QUIET or _repeats(condition, wanted):
            continue
        kind = "Warning" if is_failure(condition) else "Normal"
        told.append(Told(kind, condition.reason, condition.message or _meaning(condition.reason)))
    return told


def phases_over(claim: Claim, conditions: Sequence[Condition], now: datetime) -> dict[str, float]:
    """Seconds that each phase took which is over now and was not before, by its name in `metrics.PHASES`."""
    held = {condition.type for condition in conditions if condition.status == TRUE}
    found, since = {}, claim.creation_time
    for type_, phase in zip(claim.kind.dependents, PHASES, strict=True):
        if claim.is_true(type_):
            since = claim.conditions[type_].last_transition_time
        elif type_ in held:
            found[phase] = seconds_since(since, now)
            since = rfc3339(now)
    return found


def _meaning(reason: str) -> str:
    return MEANINGS[Reason(reason)].meaning if reason in set(Reason) else reason


def _repeats(condition: Condition, wanted: Sequence[Condition]) -> bool:
    """Whether the root condition only repeats one of the others, or sums them up."""
    sums_up = condition.reason == Reason.UNHEALTHY_DEPENDENTS
    same = any(other.type != READY and other.reason == condition.reason for other in wanted)
    return condition.type == READY and (sums_up or same)
