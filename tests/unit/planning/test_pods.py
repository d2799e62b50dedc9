from typing import Any

import pytest

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.planning.pods import first_failure, first_trouble, ready_since, standing, trouble_of


def pod(name: str = "phi-0", *containers: Json, conditions: list[Json] | None = None, **metadata: Any) -> Json:
    return {
        "metadata": {"name": name, **metadata},
        "status": {"containerStatuses": list(containers), "conditions": conditions or []},
    }


def waiting(reason: str, **more: Any) -> Json:
    return {"name": "phi", "image": "i:1", "state": {"waiting": {"reason": reason, "message": "words"}}, **more}


CRASHED = {"lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": "CUDA error"}}, "restartCount": 3}
KILLED = {"lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}, "restartCount": 1}
SLOW = {
    "started": False,
    "lastState": {"terminated": {"exitCode": 143, "reason": "Error", "message": "loading shard 3 of 9"}},
    "restartCount": 1,
}
RUNNING = {"name": "phi", "state": {"running": {"startedAt": "2026-01-05T10:00:00Z"}}}
NO_NODE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}
PLACED = {"type": "PodScheduled", "status": "True"}
NO_SANDBOX = {"type": "PodReadyToStartContainers", "status": "False"}


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
        (pod("p", waiting("CreateContainerConfigError")), Reason.CONTAINER_NOT_CREATED, "cannot be made"),
        (pod("p", waiting("RunContainerError")), Reason.CONTAINER_CRASHING, "cannot be started"),
        (pod("p", RUNNING | CRASHED), Reason.CONTAINER_CRASHING, "exit code 1, 3 restarts: CUDA error"),
        (pod("p", RUNNING | SLOW), Reason.STARTUP_TIMEOUT, "before its probe ever passed (exit code 143), 1 restart"),
        (pod("p", waiting("CrashLoopBackOff", **SLOW)), Reason.STARTUP_TIMEOUT, "before its probe ever passed"),
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
        pod("again", RUNNING | CRASHED | {"restartCount": 1}),
        pod("ended", {"name": "phi", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}),
        {**pod("evicted", waiting("CrashLoopBackOff", **CRASHED)), "status": {"phase": "Failed"}},
    ],
)
def test_a_pod_that_starts_serves_or_leaves_is_no_trouble(fine: Json) -> None:
    assert trouble_of(fine) is None


def test_a_pod_that_waits_for_its_predecessor_to_end_is_no_trouble() -> None:
    waits, leaves = pod("b", conditions=[NO_NODE]), pod("a", deletionTimestamp="2026-01-01T00:00:00Z")
    assert first_trouble([waits]) is not None
    assert first_trouble([waits, leaves]) is None
    assert standing([waits, leaves], {}) == "pod a is ending first"


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (pod(), "is being placed on a node"),
        (pod("phi-0", waiting("ContainerCreating"), conditions=[PLACED]), "pulls its image"),
        (
            pod("phi-0", waiting("ContainerCreating"), conditions=[PLACED, NO_SANDBOX]),
            "waits for its network and volumes",
        ),
        (pod("phi-0", RUNNING), "runs since 2026-01-05T10:00:00Z and is not ready yet"),
    ],
)
def test_a_pod_that_merely_starts_says_how_far_it_is(found: Json, words: str) -> None:
    assert words in standing([found], {})
    assert trouble_of(found) is None


def test_what_a_pod_mounts_is_named_while_it_waits_for_it() -> None:
    volumes = [
        {"name": "a", "secret": {"secretName": "data-key"}},
        {"name": "b", "configMap": {"name": "settings"}},
        {"name": "c", "configMap": {"name": "maybe", "optional": True}},
        {"name": "d", "persistentVolumeClaim": {"claimName": "results"}},
        {"name": "e", "emptyDir": {}},
    ]
    workload = {"spec": {"template": {"spec": {"volumes": volumes}}}}
    found = pod("phi-0", waiting("ContainerCreating"), conditions=[PLACED, NO_SANDBOX])
    needed = "ConfigMap settings, PersistentVolumeClaim results, Secret data-key"
    assert standing([found], workload) == f"pod phi-0 waits for its network and volumes: {needed}"


def test_an_initial_container_that_works_is_named() -> None:
    found = pod("phi-0", waiting("PodInitializing"), conditions=[PLACED])
    found["status"]["initContainerStatuses"] = [{**RUNNING, "name": "pull-adapter"}]
    assert "pull-adapter" in standing([found], {})


def test_pods_that_are_ready_or_over_are_not_waited_for() -> None:
    ready = pod(conditions=[{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-05T10:00:00Z"}])
    over = {"metadata": {"name": "phi-1"}, "status": {"phase": "Failed"}}
    assert standing([ready, over], {}) == ""
    assert [ready_since(each) for each in (ready, over)] == ["2026-01-05T10:00:00Z", ""]


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
