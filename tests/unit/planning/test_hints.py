from typing import Any

import pytest

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.planning.hints import Question, answer, questions, recheck
from controller.planning.moments import read
from controller.planning.observed import Observed

HELD: Json = {
    "metadata": {"name": "phi-0", "uid": "pod"},
    "status": {
        "conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "PodReadyToStartContainers", "status": "False"},
        ]
    },
}
PREPARED: Json = {**HELD, "status": {"conditions": [{"type": "PodReadyToStartContainers", "status": "True"}]}}
OVER: Json = {"metadata": {"name": "phi-0", "uid": "pod"}, "status": {"phase": "Failed"}}


def workload(**status: Any) -> Json:
    return {"metadata": {"name": "phi", "uid": "load", "generation": 1}, "spec": {"replicas": 2}, "status": status}


def asked(kind: str = "", obj: Json | None = None, *pods: Json) -> list[tuple[str, str]]:
    objects = {(kind, "phi"): obj} if obj is not None else {}
    return [(each.kind, each.uid) for each in questions(Observed(objects=objects, pods=pods))]


def test_only_pods_their_node_has_not_prepared_are_asked_about() -> None:
    assert asked("", None, HELD) == [("Pod", "pod")]
    assert asked("", None, PREPARED, OVER) == []


def test_workloads_that_should_have_pods_and_have_none_are_asked_about() -> None:
    assert asked("StatefulSet", workload(observedGeneration=1)) == [("StatefulSet", "load")]
    assert asked("StatefulSet", workload(observedGeneration=0)) == [], "its controller has not looked yet"
    assert asked("StatefulSet", workload(observedGeneration=1), PREPARED, {**PREPARED}) == []
    assert asked("Job", workload(startTime="2026-01-05T10:00:00Z")) == [("Job", "load")]
    assert asked("Job", workload(startTime="2026-01-05T10:00:00Z"), OVER) == [("Job", "load")]
    assert asked("Job", workload()) == [], "its controller has not looked yet"
    ended = [{"type": "Complete", "status": "True"}]
    assert asked("Job", workload(startTime="2026-01-05T10:00:00Z", conditions=ended)) == []
    assert asked("Deployment", workload(observedGeneration=1)) == [], "a Deployment has a condition for it"


def test_a_run_whose_pod_has_ended_well_is_not_asked_about() -> None:
    owners = [{"uid": "load", "controller": True}]
    over = {"metadata": {"name": "phi-0", "ownerReferences": owners}, "status": {"phase": "Succeeded"}}
    assert asked("Job", workload(startTime="2026-01-05T10:00:00Z"), over) == [], "an old refusal is no news"


def test_a_verdict_that_may_be_old_is_looked_at_again_when_it_counts() -> None:
    words = "0/1 nodes are available: 1 Insufficient nvidia.com/gpu."
    verdict = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}
    made = {"name": "phi-0", "creationTimestamp": "2026-01-05T10:00:00Z"}
    rolled = {**workload(), "metadata": {"name": "phi", "generation": 2}}

    def due(now: str) -> float | None:
        moment = read(now)
        assert moment is not None
        pods = ({"metadata": made, "status": {"conditions": [verdict]}}, PREPARED)
        return recheck(Observed(objects={("Deployment", "phi"): rolled}, pods=pods, now=moment))

    assert due("2026-01-05T10:00:05Z") == 40
    assert due("2026-01-05T10:00:44.9Z") == 1, "not again and again within a moment"
    assert due("2026-01-05T10:00:45Z") is None
    assert recheck(Observed(pods=(PREPARED,))) is None


QUESTION = Question("Pod", "phi-0", "pod")


def event(reason: str, note: str, **moments: Any) -> Json:
    return {"reason": reason, "note": note, **moments}


def test_the_latest_telling_event_answers() -> None:
    events = [
        event("FailedMount", 'secret "a" not found', deprecatedLastTimestamp="2026-01-05T10:00:00Z"),
        event("FailedCreatePodSandBox", "no addresses left", eventTime="2026-01-05T10:01:00.000000Z"),
        event("FailedMount", 'secret "b" not found', series={"lastObservedTime": "2026-01-05T10:02:00.000000Z"}),
        event("Unhealthy", "something else", eventTime="2026-01-05T10:03:00.000000Z"),
    ]
    found = answer(QUESTION, events)
    assert found is not None
    assert (found.reason, found.message) == (Reason.VOLUME_NOT_MOUNTED, 'Pod phi-0: secret "b" not found')
    assert answer(QUESTION, events[1:2]) is not None
    assert answer(QUESTION, []) is None


def test_a_refusal_of_pods_is_passed_on_and_what_passes_is_not() -> None:
    refusal = event("FailedCreate", 'Error creating: pods "phi-x" is forbidden: exceeded quota: gpus')
    found = answer(Question("Job", "phi", "load"), [refusal])
    assert found is not None
    assert found.reason is Reason.OBJECT_REFUSED
    assert "Job phi: Error creating" in found.message
    assert "exceeded quota" in found.message
    passing = event("FailedMount", "MountVolume.SetUp failed: failed to sync configmap cache: timed out")
    assert answer(QUESTION, [passing]) is None, "every new node says so for a moment"


@pytest.mark.parametrize(
    ("metadata", "left"),
    [({"deletionTimestamp": "2026-01-05T10:00:00Z"}, 35), ({"creationTimestamp": "2026-01-05T10:00:00Z"}, 3575)],
    ids=["one that is to end", "one that is to start"],
)
def test_a_pod_whose_time_runs_out_is_looked_at_when_it_has(metadata: Json, left: float) -> None:
    found = {"metadata": {"name": "phi-0", **metadata}, "status": {}}
    moment = read("2026-01-05T10:00:25Z")
    assert moment is not None
    assert recheck(Observed(objects={("StatefulSet", "phi"): workload()}, pods=(found,), now=moment)) == left
