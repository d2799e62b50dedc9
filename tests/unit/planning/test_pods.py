from typing import Any

import pytest

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.planning.pods import first_failure, first_trouble, trouble_of


def pod(name: str = "phi-0", *containers: Json, conditions: list[Json] | None = None, **metadata: Any) -> Json:
    return {
        "metadata": {"name": name, **metadata},
        "status": {"containerStatuses": list(containers), "conditions": conditions or []},
    }


def waiting(reason: str, **more: Any) -> Json:
    return {"name": "phi", "image": "i:1", "state": {"waiting": {"reason": reason, "message": "words"}}, **more}


CRASHED = {"lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": "CUDA error"}}, "restartCount": 3}
KILLED = {"lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}, "restartCount": 1}
NO_NODE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}


@pytest.mark.parametrize(
    ("found", "reason", "words"),
    [
        (pod("p", waiting("ImagePullBackOff")), Reason.IMAGE_PULL_FAILED, "ImagePullBackOff for i:1: words"),
        (
            pod("p", waiting("CrashLoopBackOff", **CRASHED)),
            Reason.CONTAINER_CRASHING,
            "exit code 1, 3 restarts: CUDA error",
        ),
        (pod("p", waiting("CrashLoopBackOff", **KILLED)), Reason.OUT_OF_MEMORY, "lack of memory, 1 restart"),
        (pod("p", waiting("CreateContainerConfigError")), Reason.CONTAINER_CRASHING, "cannot be started"),
        (pod("p", conditions=[NO_NODE]), Reason.UNSCHEDULABLE, "0/3 nodes are available"),
    ],
)
def test_trouble_is_named_with_its_cause(found: Json, reason: Reason, words: str) -> None:
    trouble = trouble_of(found)
    assert trouble is not None
    assert trouble.reason is reason
    assert words in trouble.message
    assert "pod p" in trouble.message


@pytest.mark.parametrize(
    "fine",
    [
        pod("starting", waiting("ContainerCreating")),
        pod("ready", waiting("CrashLoopBackOff"), conditions=[{"type": "Ready", "status": "True"}]),
        pod("leaving", waiting("ImagePullBackOff"), deletionTimestamp="2026-01-01T00:00:00Z"),
        pod("new"),
        {**pod("evicted", waiting("CrashLoopBackOff", **CRASHED)), "status": {"phase": "Failed"}},
    ],
)
def test_a_pod_that_starts_serves_or_leaves_is_no_trouble(fine: Json) -> None:
    assert trouble_of(fine) is None


def test_the_gravest_trouble_is_told_first() -> None:
    pods = [
        pod("a", conditions=[NO_NODE]),
        pod("b", waiting("ImagePullBackOff")),
        pod("c", waiting("CrashLoopBackOff", **KILLED)),
    ]
    trouble = first_trouble(pods)
    assert trouble is not None
    assert trouble.reason is Reason.OUT_OF_MEMORY


def test_of_pods_that_are_over_the_one_that_failed_tells_why() -> None:
    ended = {"name": "phi", "state": {"terminated": {"exitCode": 3, "reason": "Error", "message": "no data"}}}
    over = [
        {"metadata": {"name": name}, "status": {"phase": phase, "containerStatuses": [ended]}}
        for name, phase in (("a", "Succeeded"), ("b", "Failed"))
    ]
    found = first_failure(over)
    assert found is not None
    assert "pod b" in found.message
    assert "exit code 3, 0 restarts: no data" in found.message
    assert first_failure(over[:1]) is None
