"""What the API server refuses for good is shown on the claim, in the phase that cannot go on."""

import re
from dataclasses import dataclass, replace
from typing import Final

from controller.api.claims import READY
from controller.api.conditions import FALSE, TRUE, UNKNOWN, Condition
from controller.api.messages import shorten
from controller.api.reasons import Reason
from controller.runtime.errors import ApiError
from provisioner.departure import departing, stage_shown
from provisioner.steps import (
    Action,
    DeleteClaim,
    DeleteNode,
    DrainNode,
    LookForUsers,
    Observed,
    PatchClaim,
    PatchNode,
    Step,
)
from provisioner.texts import headline
from provisioner.verdict import sum_up

_WORDS: Final = 700
_FIX: Final = "change the policy, quota or role it names"
_DENIAL: Final = re.compile(r"denied (?:the )?request: ")
"""What admission policies and webhooks put between their own names and what they have to say."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refused change.

    Attributes:
        what: what was not done.
        why: the API server's own words.
        object: whom it was to be done to, as one of `metrics.REFUSABLE`.
    """

    what: str
    why: str
    object: str = "claim"

    @property
    def text(self) -> str:
        """The refusal for people: the headline, then the API server's words in full."""
        cause = _DENIAL.split(self.why)[-1]
        return headline(self.what, cause, Reason.OBJECT_REFUSED, _FIX) + f"\n{self.why}"


def refusal_of(action: Action, error: ApiError) -> Refusal:
    """The refusal an error states."""
    return Refusal(_what(action), shorten(error.message or error.reason or str(error.status), _WORDS), _object(action))


def _object(action: Action) -> str:
    if isinstance(action, DrainNode | LookForUsers):
        return "pods"
    return "node" if isinstance(action, PatchNode | DeleteNode) else "claim"


def _what(action: Action) -> str:
    match action:
        case PatchNode(node) | DeleteNode(node):
            return f"Node {node} cannot be changed"
        case DrainNode(node) | LookForUsers(node):
            return f"Pods and volumes of node {node} cannot be read"
        case DeleteClaim():
            return "The claim, whose instance is gone, cannot be deleted"
        case PatchClaim(dispensable=True):
            return "A note on the claim cannot be written, which holds nothing up"
        case _:
            return "The claim cannot be changed"


def refused(seen: Observed, step: Step, refusal: Refusal, wait: float) -> Step:
    """The step to show when its action was refused: nothing more is done until `wait` seconds have passed.

    A claim that has all it asked for stays Ready; only one whose instance is gone does not.
    """
    conditions = _conditions(seen, step, Condition(READY, FALSE, Reason.OBJECT_REFUSED, refusal.text))
    return replace(step, conditions=conditions, action=None, requeue_after=wait)


def _conditions(seen: Observed, step: Step, told: Condition) -> tuple[Condition, ...]:
    claim, phase = seen.claim, _phase(seen, step.action)
    kept = tuple(condition for condition in step.conditions if condition.type != READY)
    if claim.deleting:
        return departing(claim, stage_shown(step.conditions), Reason.OBJECT_REFUSED, told.message)
    if phase == READY:
        return (*kept, told)
    if not phase or claim.is_true(phase):
        return step.conditions
    shown = tuple(_shown(seen, condition, replace(told, type=phase, status=claim.kind.hindered)) for condition in kept)
    return (*shown, sum_up(claim.kind, shown))


def _phase(seen: Observed, action: Action | None) -> str:
    """The condition an action works for; empty for one that no condition waits for."""
    kind = seen.claim.kind
    if isinstance(action, DeleteClaim):
        return READY
    if not isinstance(action, PatchNode):
        return kind.launched
    changed = action.patch["metadata"]
    if "ownerReferences" in changed:
        return kind.registered
    return kind.initialized if "labels" in changed else ""


def _shown(seen: Observed, condition: Condition, told: Condition) -> Condition:
    """The phase at work fails; those after it have not come to pass, whatever the refused action would have made."""
    order, claim = seen.claim.kind.dependents, seen.claim
    if condition.type == told.type:
        return told
    later = order.index(condition.type) > order.index(told.type)
    if later and condition.status == TRUE and not claim.is_true(condition.type):
        return Condition(condition.type, UNKNOWN, Reason.AWAITING_RECONCILIATION)
    return condition
