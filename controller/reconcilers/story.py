"""Tells what happened: one event for every transition of a Workspace's conditions."""

import logging
from collections.abc import Iterable

from controller.api.conditions import TRUE, Condition, conditions_of
from controller.api.json import Json
from controller.api.reasons import MEANINGS, Actor, Reason, is_waiting
from controller.api.workspace import ConditionType
from controller.runtime import logs
from controller.runtime.events import Recorder

log = logs.get_logger(__name__)

NORMAL = "Normal"
WARNING = "Warning"

TOLD = (
    ConditionType.MACHINE_READY,
    ConditionType.NODE_CLAIM_READY,
    ConditionType.RESOURCE_READY,
    ConditionType.INFERENCE_READY,
    ConditionType.JOB_STARTED,
    ConditionType.WORKSPACE_SUCCEEDED,
    ConditionType.WORKSPACE_READY,
    ConditionType.PAUSED,
)
"""Conditions that have a story of their own; the others only repeat it."""


def tell(recorder: Recorder, obj: Json, status: Json) -> None:
    """Records an event for each condition whose status or reason changes with the new status, each cause once.

    One step often changes several conditions: a training run that begins is JobStarted, and no success yet.
    """
    before = conditions_of(obj)
    told: set[tuple[str, str]] = set()
    for condition in _in_order(conditions_of({"status": status})):
        earlier = before.get(condition.type)
        type_ = severity(condition)
        cause = (condition.reason, type_)
        if earlier is not None and (earlier.reason, earlier.status) == (condition.reason, condition.status):
            told.add(cause)
            continue
        if cause in told:
            continue
        told.add(cause)
        note = f"{condition.type}: {condition.message or _meaning(condition.reason)}"
        recorder.event(obj, type=type_, reason=condition.reason, note=note)
        log.log(logging.WARNING if type_ == WARNING else logging.INFO, note, extra=logs.fields(reason=condition.reason))


def _in_order(conditions: dict[str, Condition]) -> Iterable[Condition]:
    return (conditions[type_] for type_ in TOLD if type_ in conditions)


def _meaning(reason: str) -> str:
    return MEANINGS[Reason(reason)].meaning if reason in set(Reason) else reason


def severity(condition: Condition) -> str:
    """Whether people should worry: a failure that does not pass by itself is a warning."""
    if condition.status == TRUE or is_waiting(condition.reason) or condition.reason not in set(Reason):
        return NORMAL
    actor = MEANINGS[Reason(condition.reason)].actor
    return NORMAL if actor in (Actor.NOBODY, Actor.OPERATOR) else WARNING
