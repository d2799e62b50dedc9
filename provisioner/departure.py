"""What a claim shows while it is being removed."""

from enum import Enum, auto
from typing import Final

from controller.api.claims import NODE_CLAIM, READY, Claim
from controller.api.conditions import FALSE, TRUE, UNKNOWN, Condition
from controller.api.reasons import Reason
from provisioner.verdict import sum_up

DRAINED: Final = "Drained"
VOLUMES_DETACHED: Final = "VolumesDetached"
INSTANCE_TERMINATING: Final = "InstanceTerminating"
"""Condition types of kubernetes-sigs/karpenter core v1 that no root condition depends on."""


class Stage(Enum):
    """How far the removal is: the cloud not read yet, pods leaving, volumes leaving, instance leaving."""

    UNSEEN = auto()
    DRAINING = auto()
    DETACHING = auto()
    REMOVING = auto()


def departing(claim: Claim, stage: Stage, reason: Reason, text: str, *, late: bool = False) -> tuple[Condition, ...]:
    """The conditions of a claim that is being removed.

    A Machine has no room for them but Ready. A NodeClaim's Ready goes on to sum up how it came to be, and conditions of
    their own tell how far it has gone.

    Args:
        claim: the claim.
        stage: how far its removal is.
        reason: what it waits for or is hindered by.
        text: the same in words.
        late: whether the time for pods and volumes is over, so that nothing waits for them any more.
    """
    known = claim.conditions
    if claim.kind is not NODE_CLAIM:
        kept = tuple(known[type_] for type_ in claim.kind.dependents if type_ in known)
        return (*kept, Condition(READY, FALSE, reason, text))
    dependents = tuple(
        known.get(type_) or Condition(type_, UNKNOWN, Reason.AWAITING_RECONCILIATION) for type_ in claim.kind.dependents
    )
    return (*dependents, *_stages(claim, stage, reason, text, late=late), sum_up(claim.kind, dependents))


def _stages(claim: Claim, stage: Stage, reason: Reason, text: str, *, late: bool) -> list[Condition]:
    if stage is Stage.DRAINING:
        return [Condition(DRAINED, UNKNOWN, reason, text)]
    drained = Condition(DRAINED, TRUE, Reason.DRAINED)
    if stage is Stage.DETACHING:
        return [drained, Condition(VOLUMES_DETACHED, UNKNOWN, reason, text)]
    known = [claim.conditions[type_] for type_ in (DRAINED, VOLUMES_DETACHED) if type_ in claim.conditions]
    if stage is Stage.UNSEEN:
        return [*known, Condition(INSTANCE_TERMINATING, UNKNOWN, reason, text)]
    before = [drained, _volumes(claim, late=late)] if claim.is_true(claim.kind.registered) else known
    status = TRUE if reason == Reason.INSTANCE_TERMINATING else UNKNOWN
    return [*before, Condition(INSTANCE_TERMINATING, status, reason, text)]


def _volumes(claim: Claim, *, late: bool) -> Condition:
    """Whether the volumes went before the instance; those still waited for when the time was over did not."""
    known = claim.conditions.get(VOLUMES_DETACHED)
    if known is not None and (known.status == FALSE or (late and known.status == UNKNOWN)):
        text = known.message if known.status == FALSE else f"The time is over: {known.message}"
        return Condition(VOLUMES_DETACHED, FALSE, Reason.TERMINATION_GRACE_PERIOD_ELAPSED, text)
    return Condition(VOLUMES_DETACHED, TRUE, Reason.VOLUMES_DETACHED)


def stage_shown(conditions: tuple[Condition, ...]) -> Stage:
    """The stage that `departing` was told when it gave these conditions of a NodeClaim."""
    open_ones = {condition.type for condition in conditions if condition.status == UNKNOWN}
    if DRAINED in open_ones:
        return Stage.DRAINING
    return Stage.DETACHING if VOLUMES_DETACHED in open_ones else Stage.REMOVING
