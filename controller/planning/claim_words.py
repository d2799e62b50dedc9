"""What is said about claims, in the words of their kind: people who look for NodeClaims find NodeClaims."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from controller.api.claims import NODE_CLAIM, ClaimKind
from controller.api.conditions import Condition
from controller.api.reasons import Reason
from controller.api.workspace import ConditionType

_OF_NODE_CLAIMS: Final[Mapping[str, Reason]] = {
    Reason.MACHINES_READY: Reason.NODE_CLAIMS_READY,
    Reason.MACHINES_PENDING: Reason.NODE_CLAIMS_PENDING,
    Reason.NO_MACHINES_NEEDED: Reason.NO_NODE_CLAIMS_NEEDED,
    Reason.MACHINE_CREATED: Reason.NODE_CLAIM_CREATED,
    Reason.MACHINE_DELETED: Reason.NODE_CLAIM_DELETED,
}


def word_for(kind: ClaimKind, reason: Reason) -> Reason:
    """The reason of a Machine as it is called for claims of the kind."""
    return _OF_NODE_CLAIMS.get(reason, reason) if kind == NODE_CLAIM else reason


def noun_for(kind: ClaimKind) -> str:
    """What one claim of the kind is called within a sentence."""
    return "NodeClaim" if kind == NODE_CLAIM else "machine"


def told_for(kind: ClaimKind, condition: Condition) -> Condition:
    """MachineReady as it is told where nodes are asked for with claims of the kind."""
    if kind != NODE_CLAIM:
        return condition
    reason = _OF_NODE_CLAIMS.get(condition.reason, condition.reason)
    return replace(condition, type=ConditionType.NODE_CLAIM_READY, reason=reason)
