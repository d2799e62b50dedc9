from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.api.conditions import Condition
from controller.api.json import Json
from controller.api.workspace import Workspace, parse_workspace
from controller.planning.hints import recheck
from controller.planning.node_plan import plan_nodes
from controller.planning.observed import Observed
from controller.planning.status import conditions_for, state_of
from tests.unit.planning.builders import UID, claim, demand, node
from tests.unit.planning.rendering.kit import tuned

OWNER = parse_workspace(tuned())
READY = Observed(claims=(claim(OWNER, 0, ready=True),), nodes=(node("n", of=OWNER, made_for=0),))
REF = ("Job", "phi")


def job(**status: Any) -> Json:
    owners = [{"uid": UID, "controller": True}]
    return {"metadata": {"name": "phi", "uid": "job", "ownerReferences": owners}, "status": status}


OVER: Json = {
    "metadata": {"name": "phi-x", "ownerReferences": [{"uid": "job", "controller": True}]},
    "status": {"phase": "Succeeded"},
}


def ended(type_: str, message: str = "") -> list[Json]:
    return [{"type": type_, "status": "True", "reason": "BackoffLimitExceeded", "message": message}]


def told(observed: Observed, owner: Workspace = OWNER) -> tuple[dict[str, Condition], str]:
    found = conditions_for(owner, demand(), plan_nodes(owner, demand(), observed), observed)
    return {each.type: each for each in found}, state_of(owner, found, "")


STORY = [
    (Observed(), "False WaitingForNodes", "False WaitingForNodes", "Pending"),
    (READY, "False PodsPending", "False PodsPending", "Pending"),
    (replace(READY, objects={REF: job()}), "False PodsPending", "False PodsPending", "Pending"),
    (replace(READY, objects={REF: job(ready=1)}), "True TrainingRunning", "False TrainingRunning", "Running"),
    (
        replace(READY, objects={REF: job(ready=0)}, pods=(OVER,)),
        "True TrainingRunning",
        "False TrainingRunning",
        "Running",
    ),
    (
        replace(READY, objects={REF: job(ready=0, succeeded=1)}),
        "True TrainingRunning",
        "False TrainingRunning",
        "Running",
    ),
    (
        replace(READY, objects={REF: job(ready=0, failed=1)}),
        "False PodsPending",
        "False PodsPending",
        "Pending",
    ),
    (
        replace(READY, objects={REF: job(failed=3, conditions=ended("Failed"))}),
        "True TrainingFailed",
        "False TrainingFailed",
        "Failed",
    ),
    (
        replace(READY, objects={REF: job(succeeded=1, conditions=ended("Complete"))}),
        "True TrainingSucceeded",
        "True TrainingSucceeded",
        "Succeeded",
    ),
    (Observed(trained=True), "True TrainingSucceeded", "True TrainingSucceeded", "Succeeded"),
]


@pytest.mark.parametrize(("observed", "started", "succeeded", "state"), STORY)
def test_the_conditions_follow_the_run(observed: Observed, started: str, succeeded: str, state: str) -> None:
    found, word = told(observed)
    assert f"{found['JobStarted'].status} {found['JobStarted'].reason}" == started
    assert f"{found['WorkspaceSucceeded'].status} {found['WorkspaceSucceeded'].reason}" == succeeded
    assert word == state
    assert found["Ready"].status == str(state == "Succeeded")


def test_an_attempt_that_failed_is_told_while_the_run_may_still_succeed() -> None:
    found, state = told(replace(READY, objects={REF: job(ready=1, failed=1)}))
    assert "1 attempt failed before" in found["JobStarted"].message
    assert state == "Running"


@pytest.mark.parametrize(("generation", "second", "reason"), [
    (1, 5, "Unschedulable"), (2, 5, "PodsPending"), (2, 44, "PodsPending"), (2, 45, "Unschedulable"),
])  # fmt: skip
def test_a_run_that_succeeds_another_is_not_warned_of_before_the_scheduler_has_looked_again(
    generation: int, second: int, reason: str
) -> None:
    words = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    verdict = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}
    metadata = {"name": "phi-x", "creationTimestamp": "2026-01-05T10:00:00Z"}
    run = job()
    run["metadata"]["creationTimestamp"] = metadata["creationTimestamp"]
    pods = ({"metadata": metadata, "status": {"conditions": [verdict]}},)
    now = datetime(2026, 1, 5, 10, 0, second, tzinfo=UTC)
    seen = replace(READY, objects={REF: run}, pods=pods, now=now)
    found, _ = told(seen, replace(OWNER, generation=generation))
    assert found["JobStarted"].reason == reason
    if reason == "PodsPending":
        assert recheck(seen) == 45 - second, "nothing else would look again"


def test_a_run_whose_pod_never_comes_to_run_is_stalled_since_nothing_else_tells() -> None:
    metadata = {"name": "phi-x", "creationTimestamp": "2026-01-05T10:00:00Z"}
    pulling = {"metadata": metadata, "status": {"conditions": [{"type": "PodScheduled", "status": "True"}]}}
    seen = replace(READY, objects={REF: job()}, pods=(pulling,))
    for minute, reason, mover in ((59, "PodsPending", "Reconciling"), (60, "StartupTimeout", "Stalled")):
        found, state = told(replace(seen, now=datetime(2026, 1, 5, 10 + minute // 60, minute % 60, tzinfo=UTC)))
        assert (found["JobStarted"].reason, found[mover].reason, state) == (reason, reason, "Pending")
        assert "pod phi-x pulls its image" in found["JobStarted"].message


def test_a_run_that_somebody_suspended_says_so() -> None:
    found, _ = told(replace(READY, objects={REF: {**job(), "spec": {"suspend": True}}}))
    assert found["JobStarted"].message == "the Job is suspended (spec.suspend)"
    assert told(replace(READY, objects={REF: job()}))[0]["JobStarted"].message == "the pod is being made"


def test_a_failed_run_is_told_in_the_words_of_the_container_that_ended_it() -> None:
    over = {"name": "phi", "state": {"terminated": {"exitCode": 1, "message": "no data found"}}}
    pods = ({"metadata": {"name": "phi-x"}, "status": {"phase": "Failed", "containerStatuses": [over]}},)
    run = job(failed=3, conditions=ended("Failed", "Job has reached the specified backoff limit"))
    found, _ = told(replace(READY, objects={REF: run}, pods=pods))
    assert "no data found" in found["Ready"].message
    assert "backoff limit" in found["Ready"].message


def test_a_job_of_somebody_else_is_no_run_of_ours() -> None:
    foreign = {"metadata": {"name": "phi"}, "status": {"conditions": ended("Complete")}}
    assert told(replace(READY, objects={REF: foreign}))[1] == "Pending"
