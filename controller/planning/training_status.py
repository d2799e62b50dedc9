"""JobStarted and WorkspaceSucceeded: how a training run fares."""

from collections.abc import Sequence
from typing import Final

from controller.api.conditions import FALSE, TRUE, Condition
from controller.api.json import Json, uid_of
from controller.api.messages import shorten
from controller.api.reasons import Reason
from controller.api.workspace import ConditionType, Workspace
from controller.planning.lateness import overdue
from controller.planning.observed import Observed, is_owned_by
from controller.planning.pods import first_failure, first_trouble, has_worked, standing
from controller.planning.progress import Run, counted, job_of, read_job

FAILURE_CHARACTERS: Final = 200
"""Characters of the Job's own message that are shown on the Workspace."""


def training_conditions(workspace: Workspace, observed: Observed, obstacle: Condition) -> list[Condition]:
    """JobStarted and WorkspaceSucceeded, in this order.

    Args:
        workspace: the Workspace.
        observed: its surroundings.
        obstacle: what keeps the Job from being made; told while it is not True and there is no Job.
    """
    job = job_of(observed)
    if job is None and observed.trained:
        return _done()
    if job is None or not is_owned_by(job, workspace.uid):
        reason, text = Reason.PODS_PENDING, "the Job is about to be made"
        if obstacle.status != TRUE:
            waits = obstacle.type == ConditionType.RESOURCE_READY
            text = "the Job is made once the nodes are ready" if waits else obstacle.message
            reason = Reason.WAITING_FOR_NODES if waits else Reason(obstacle.reason)
        return [_started(FALSE, reason, text), _succeeded(FALSE, reason, text)]
    run = read_job(job)
    if run.succeeded:
        return _done()
    if run.failed:
        text = _failure(run, observed)
        return [_started(TRUE, Reason.TRAINING_FAILED, text), _succeeded(FALSE, Reason.TRAINING_FAILED, text)]
    return _under_way(run, job, observed, succeeds=workspace.generation > 1)


def _done() -> list[Condition]:
    text = "the training run ended and its result is where it was asked for"
    return [_started(TRUE, Reason.TRAINING_SUCCEEDED, text), _succeeded(TRUE, Reason.TRAINING_SUCCEEDED, text)]


def _under_way(run: Run, job: Json, observed: Observed, *, succeeds: bool) -> list[Condition]:
    """How a run fares that has not ended; one of a manifest that was changed may succeed another run."""
    again = f"; {counted(run.failures, 'attempt')} failed before" if run.failures else ""
    trouble = first_trouble(observed.pods, job, observed.reports, observed.now, succeeds=succeeds)
    trouble = trouble or observed.reports.get(uid_of(job))
    if trouble is not None:
        text = f"{trouble.message}{again}"
        return [_started(FALSE, trouble.reason, text), _succeeded(FALSE, trouble.reason, text)]
    if run.running or has_worked(observed.pods, job):
        text = f"the training run is under way{again}"
        return [_started(TRUE, Reason.TRAINING_RUNNING, text), _succeeded(FALSE, Reason.TRAINING_RUNNING, text)]
    if late := overdue(observed):
        text = f"{late}{again}"
        return [_started(FALSE, Reason.STARTUP_TIMEOUT, text), _succeeded(FALSE, Reason.STARTUP_TIMEOUT, text)]
    made = "the Job is suspended (spec.suspend)" if (job.get("spec") or {}).get("suspend") else "the pod is being made"
    text = f"{standing(observed.pods, job) or made}{again}"
    return [_started(FALSE, Reason.PODS_PENDING, text), _succeeded(FALSE, Reason.PODS_PENDING, text)]


def _failure(run: Run, observed: Observed) -> str:
    """The Job's own words, and those of the container that ended it."""
    cause = first_failure(observed.pods)
    told = shorten(run.failed, FAILURE_CHARACTERS)
    return f"{cause.message}; {told}" if cause is not None else told


def has_succeeded(training: Sequence[Condition]) -> bool:
    """Whether the run ended well."""
    return any(each.type == ConditionType.WORKSPACE_SUCCEEDED and each.status == TRUE for each in training)


def training_state(conditions: Sequence[Condition]) -> str:
    """`Pending`, `Running`, `Succeeded` or `Failed`."""
    known = {each.type: each for each in conditions}
    started = known.get(ConditionType.JOB_STARTED)
    if has_succeeded(conditions):
        return "Succeeded"
    if started is None or started.status != TRUE:
        return "Pending"
    return "Failed" if started.reason == Reason.TRAINING_FAILED else "Running"


def _started(status: str, reason: Reason, text: str) -> Condition:
    return Condition(ConditionType.JOB_STARTED, status, reason, text)


def _succeeded(status: str, reason: Reason, text: str) -> Condition:
    return Condition(ConditionType.WORKSPACE_SUCCEEDED, status, reason, text)
