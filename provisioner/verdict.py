"""What the conditions of a claim come to: the root condition, and whether something is wrong."""

from collections.abc import Sequence
from typing import Final

from controller.api.claims import NODE_CLAIM, READY, ClaimKind
from controller.api.conditions import FALSE, TRUE, UNKNOWN, Condition, root_condition
from controller.api.reasons import Reason
from provisioner.errors import REASONS, TRANSIENT

EXPECTED: Final = frozenset({Reason.DRAINING, Reason.AWAITING_VOLUME_DETACHMENT, Reason.INSTANCE_TERMINATING})
"""Reasons for which Ready is False although all goes well."""

_FAILURES: Final = frozenset(
    {
        *(reason for kind, reason in REASONS.items() if kind not in TRANSIENT),
        Reason.LAUNCH_TIMEOUT,
        Reason.REGISTRATION_TIMEOUT,
        Reason.INITIALIZATION_TIMEOUT,
        Reason.OBJECT_REFUSED,
        Reason.REMOVAL_FAILED,
    }
)


def sum_up(kind: ClaimKind, dependents: Sequence[Condition]) -> Condition:
    """The root condition Ready of a claim.

    A Machine's repeats the first condition that is not True, a NodeClaim's names all of them: that is what consumers of
    each observe (knative conditions; awslabs/operatorpkg `status`).
    """
    if kind is not NODE_CLAIM:
        return root_condition(READY, dependents, Reason.READY)
    open_ones = [condition for condition in dependents if condition.status != TRUE]
    if not open_ones:
        return Condition(READY, TRUE, Reason.READY)
    unhealthy = any(condition.status == FALSE for condition in open_ones)
    message = ", ".join(f"{condition.type}={condition.status}" for condition in open_ones)
    if unhealthy:
        return Condition(READY, FALSE, Reason.UNHEALTHY_DEPENDENTS, message)
    return Condition(READY, UNKNOWN, Reason.RECONCILING_DEPENDENTS, message)


def is_failure(condition: Condition) -> bool:
    """Whether the condition tells of something that does not go as it should, rather than of a wait."""
    if condition.status == FALSE:
        return condition.reason not in EXPECTED
    return condition.status == UNKNOWN and condition.reason in _FAILURES
