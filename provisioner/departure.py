"""What a claim shows while it is being removed."""

from enum import Enum, auto
from typing import Final

from controller.api.claims import NODE_CLAIM, READY, Claim
from controller.api.conditions import FALSE, TRUE, UNKNOWN, Condition
from controller.api.reasons import Reason
from provisioner.verdict import sum_up

DRAINED: Final = "Drained"
INSTANCE_TERMINATING: Final = "InstanceTerminating"
"""Condition types of kubernetes-sigs/karpenter core v1 that no root condition depends on."""


class Stage(Enum):
    """How far the removal is: the cloud not read yet, pods leaving, instance leaving."""

    UNSEEN = auto()
    DRAINING = auto()
    REMOVING = auto()


def departing(claim: Claim, stage: Stage, reason: Reason, text: str) -> tuple[Condition, ...]:
    """The conditions of a claim that is being removed.

    A Machine has no room for them but Ready. A NodeClaim's Ready goes on to sum up how it came to be, and conditions of
    their own tell how far it has gone.

    Args:
        claim: the claim.
        stage: how far its removal is.
        reason: what it waits for or is hindered by.
        text: the same in words.
    """
    known = claim.conditions
    if claim.kind is not NODE_CLAIM:
        kept = tuple(known[type_] for type_ in claim.kind.dependents if type_ in known)
        return (*kept, Condition(READY, FALSE, reason, text))
    dependents = tuple(
        known.get(type_) or Condition(type_, UNKNOWN, Reason.AWAITING_RECONCILIATION) for type_ in claim.kind.dependents
    )
    return (*dependents, *_stages(claim, stage, reason, text), sum_up(claim.kind, dependents))


def _stages(claim: Claim, stage: Stage, reason: Reason, text: str) -> list[Condition]:
    if stage is Stage.DRAINING:
        return [Condition(DRAINED, UNKNOWN, reason, text)]
    before = [claim.conditions[DRAINED]] if DRAINED in claim.conditions else []
    if stage is Stage.UNSEEN:
        return [*before, Condition(INSTANCE_TERMINATING, UNKNOWN, reason, text)]
    drained = [Condition(DRAINED, TRUE, Reason.DRAINED)] if claim.is_true(claim.kind.registered) else before
    status = TRUE if reason == Reason.INSTANCE_TERMINATING else UNKNOWN
    return [*drained, Condition(INSTANCE_TERMINATING, status, reason, text)]


def stage_shown(conditions: tuple[Condition, ...]) -> Stage:
    """The stage that `departing` was told when it gave these conditions of a NodeClaim."""
    draining = any(condition.type == DRAINED and condition.status == UNKNOWN for condition in conditions)
    return Stage.DRAINING if draining else Stage.REMOVING
