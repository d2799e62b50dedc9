from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.planning.containers import Trouble
from controller.planning.moments import read
from controller.planning.pods import (
    first_failure,
    first_trouble,
    has_worked,
    ready_since,
    standing,
    trouble_of,
    undecided,
)


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
PROBED: Json = {
    "spec": {"template": {"spec": {"containers": [{"name": "phi", "startupProbe": {"periodSeconds": 10}}]}}}
}
RUNNING = {"name": "phi", "state": {"running": {"startedAt": "2026-01-05T10:00:00Z"}}}
NO_NODE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}
NO_VOLUME = {**NO_NODE, "message": "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims"}
PLACED = {"type": "PodScheduled", "status": "True"}
NO_SANDBOX = {"type": "PodReadyToStartContainers", "status": "False"}


@pytest.mark.parametrize(
    ("found", "reason", "words"),
    [
        (pod("p", waiting("ImagePullBackOff")), Reason.IMAGE_PULL_FAILED, "cannot pull i:1: words"),
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
        (pod("p", conditions=[NO_VOLUME]), Reason.VOLUME_NOT_BOUND, "unbound immediate"),
    ],
)
def test_trouble_is_named_with_its_cause(found: Json, reason: Reason, words: str) -> None:
    trouble = trouble_of(found, PROBED)
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
    assert trouble_of(fine, PROBED) is None


def test_a_pod_that_waits_for_its_predecessor_to_end_is_no_trouble() -> None:
    waits, leaves = pod("b", conditions=[NO_NODE]), pod("a", deletionTimestamp="2026-01-01T00:00:00Z")
    assert first_trouble([waits], {}) is not None
    assert first_trouble([waits, leaves], {}) is None
    assert standing([waits, leaves], {}) == "pod a is ending first"


NO_GPU = {**NO_NODE, "message": "0/1 nodes are available: 1 Insufficient nvidia.com/gpu. preemption: none"}
BORN = "2026-01-05T10:00:00Z"
FIRST: Json = {"metadata": {"generation": 1, "creationTimestamp": BORN}}
ROLLED: Json = {"metadata": {"generation": 2, "creationTimestamp": BORN}}
BRIEF: Json = {**ROLLED, "spec": {"template": {"spec": {"terminationGracePeriodSeconds": 5}}}}
LONG: Json = {**ROLLED, "spec": {"template": {"spec": {"terminationGracePeriodSeconds": 7200}}}}


@pytest.mark.parametrize(
    ("condition", "born", "workload", "seconds"),
    [
        (NO_GPU, 60, ROLLED, 45),
        (NO_GPU, 60, BRIEF, 20),
        (NO_GPU, 60, LONG, 75),
        (NO_GPU, 1, ROLLED, 45),
        (NO_GPU, 60, FIRST, 45),  # made long after its workload: another was there before
        (NO_GPU, 1, FIRST, 0),  # the first pod of all waits for nobody
        (NO_GPU, 60, {}, 0),
        (NO_NODE, 60, ROLLED, 0),
        (NO_VOLUME, 60, ROLLED, 0),
        (PLACED, 60, ROLLED, 0),
    ],
)
def test_devices_a_predecessor_held_may_be_free_until_the_scheduler_has_looked_again(
    condition: Json, born: int, workload: Json, seconds: float
) -> None:
    begun = read(BORN)
    assert begun is not None
    made = begun + timedelta(seconds=born)
    found = pod("new", conditions=[condition], creationTimestamp=made.isoformat())
    for age in (0, 4, 19, 20, 44, 45, 3600):
        now = made + timedelta(seconds=age)
        left = max(0.0, seconds - age)
        assert undecided(found, workload, now) == left, f"{age} s after it was made"
        told = first_trouble([found], workload, now=now)
        counts = condition is not PLACED and not left
        assert (told is not None) is counts, f"{age} s after it was made: {told}"


def test_a_pod_that_leaves_is_not_decided_upon() -> None:
    leaving = pod(conditions=[NO_GPU], creationTimestamp=BORN, deletionTimestamp=BORN)
    now = read(BORN)
    assert now is not None
    assert undecided(leaving, ROLLED, now) == 0


@pytest.mark.parametrize(
    ("found", "worked"),
    [
        (pod("runs", RUNNING, conditions=[{"type": "Ready", "status": "True"}]), True),
        ({"metadata": {"name": "over"}, "status": {"phase": "Succeeded"}}, True),
        (pod("pushed", {"name": "phi", "state": {"terminated": {"exitCode": 0}}}), True),
        (pod("failed", {"name": "phi", "state": {"terminated": {"exitCode": 1}}}), False),
        (pod("starts", waiting("ContainerCreating")), False),
        (pod("new"), False),
    ],
)
def test_a_run_whose_pod_has_worked_has_begun_whatever_its_job_says(found: Json, worked: bool) -> None:
    owner = {"ownerReferences": [{"uid": "job", "controller": True}]}
    ours = {**found, "metadata": {**found["metadata"], **owner}}
    assert has_worked([ours], {"metadata": {"uid": "job"}}) is worked
    assert not has_worked([ours], {"metadata": {"uid": "another"}}), "the pods of an earlier run tell nothing"


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


def test_the_claim_a_pod_waits_for_is_named() -> None:
    volumes = [{"name": "d", "persistentVolumeClaim": {"claimName": "results"}}]
    workload = {"spec": {"template": {"spec": {"volumes": volumes}}}}
    trouble = trouble_of(pod("p", conditions=[NO_VOLUME]), workload)
    assert trouble is not None
    assert "(PersistentVolumeClaim results)" in trouble.message


def test_what_a_node_reports_of_a_pod_it_does_not_start_is_passed_on() -> None:
    report = Trouble(Reason.VOLUME_NOT_MOUNTED, 'Pod phi-0: secret "data-key" not found')
    held = pod("phi-0", waiting("ContainerCreating"), conditions=[PLACED, NO_SANDBOX], uid="u")
    assert trouble_of(held, {}, {"u": report}) is report
    assert trouble_of(held, {}, {"other": report}) is None
    prepared = pod("phi-0", waiting("ContainerCreating"), conditions=[PLACED], uid="u")
    assert trouble_of(prepared, {}, {"u": report}) is None, "what has passed is still told"


def unready(since: str) -> Json:
    return {"type": "Ready", "status": "False", "lastTransitionTime": since}


def test_a_pod_that_served_and_stopped_answering_is_told_from_one_that_loads() -> None:
    loads = pod("p", {**RUNNING, "ready": False}, conditions=[unready("2026-01-05T09:59:58Z")])
    assert trouble_of(loads) is None
    silent = pod("p", {**RUNNING, "ready": False}, conditions=[unready("2026-01-05T11:00:00Z")])
    trouble = trouble_of(silent)
    assert trouble is not None
    assert trouble.reason is Reason.READINESS_LOST
    assert "pod p, container phi, has stopped answering its readiness probe since 2026-01-05T11" in trouble.message


def test_a_readiness_probe_that_never_passes_is_told_from_a_model_that_loads() -> None:
    started = pod("p", {**RUNNING, "started": True})
    assert "its readiness probe does not pass" in standing([started], PROBED)
    assert "the model is being loaded" in standing([started], {}), "without a start-up probe nobody can tell"
    assert "the model is being loaded" in standing([pod("p", {**RUNNING, "started": False})], PROBED)


def evicted(at: str) -> Json:
    words = "The node was low on resource: ephemeral-storage."
    target = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": words}
    found = pod("old", conditions=[{**target, "lastTransitionTime": at}])
    return {**found, "status": {**found["status"], "phase": "Failed"}}


def test_an_eviction_is_told_until_the_successor_serves() -> None:
    old = evicted("2026-01-05T10:00:00Z")
    follows = pod("new", waiting("ContainerCreating"), creationTimestamp="2026-01-05T10:00:31Z")
    trouble = first_trouble([follows, old], {})
    assert trouble is not None
    assert trouble.reason is Reason.POD_EVICTED
    assert "pod old was taken off its node: TerminationByKubelet: The node was low" in trouble.message
    assert trouble.message.endswith("pod new follows")
    later = pod("new", waiting("ContainerCreating"), creationTimestamp="2026-01-05T12:00:00Z")
    assert first_trouble([later, old], {}) is None, "a roll-out hours later is another story"
    ready = pod("new", creationTimestamp="2026-01-05T10:00:31Z", conditions=[{"type": "Ready", "status": "True"}])
    assert first_trouble([ready, old], {}) is None


def test_a_pod_that_is_being_evicted_says_by_whom() -> None:
    leaving = evicted("2026-01-05T10:00:00Z")
    leaving["metadata"]["deletionTimestamp"] = "2026-01-05T10:00:00Z"
    assert standing([leaving], {}).startswith("pod old is ending first: TerminationByKubelet: The node was low")


def test_an_initial_container_that_works_is_named() -> None:
    found = pod("phi-0", waiting("PodInitializing"), conditions=[PLACED])
    found["status"]["initContainerStatuses"] = [{**RUNNING, "name": "pull-adapter"}]
    assert "pull-adapter" in standing([found], {})


def test_a_container_that_stays_beside_the_pods_own_is_not_what_is_waited_for() -> None:
    found = pod("phi-0", waiting("PodInitializing"), conditions=[PLACED])
    found["status"]["initContainerStatuses"] = [{**RUNNING, "name": "push"}, {**RUNNING, "name": "fetch"}]
    initial = [{"name": "push", "restartPolicy": "Always"}, {"name": "fetch"}]
    workload = {"spec": {"template": {"spec": {"initContainers": initial}}}}
    assert standing([found], workload) == "pod phi-0 is prepared by its container fetch"


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
    trouble = first_trouble(pods, {})
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


MOMENTS = st.sampled_from(["", "2026-01-05T10:00:00Z", "2026-01-05T11:00:00Z", "nonsense"])
WORDS = st.sampled_from(
    [
        "",
        "OOMKilled",
        "CrashLoopBackOff",
        "ErrImagePull",
        "InvalidImageName",
        "CreateContainerError",
        "Unschedulable",
        "x",
    ]
)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Json]:
    """Any of the fields, or none: the API server leaves out what is not set."""
    return st.fixed_dictionaries({}, optional=fields)


WAITING = some(reason=WORDS, message=WORDS)
ENDED = some(exitCode=st.sampled_from([0, 1, 137, 143]), reason=WORDS, startedAt=MOMENTS, finishedAt=MOMENTS)
STATE = some(waiting=WAITING, running=some(startedAt=MOMENTS), terminated=ENDED)
CONTAINER = some(
    name=st.sampled_from(["phi", "other"]),
    image=WORDS,
    ready=st.booleans(),
    started=st.booleans(),
    restartCount=st.integers(0, 3),
    state=STATE,
    lastState=STATE,
)
CONDITION = some(
    type=st.sampled_from(["Ready", "PodScheduled", "PodReadyToStartContainers", "DisruptionTarget"]),
    status=st.sampled_from(["True", "False", "Unknown"]),
    reason=WORDS,
    message=WORDS,
    lastTransitionTime=MOMENTS,
)
ANY_POD = st.fixed_dictionaries(
    {"metadata": some(name=WORDS, uid=st.just("u"), creationTimestamp=MOMENTS, deletionTimestamp=MOMENTS)},
    optional={
        "status": some(
            phase=st.sampled_from(["Pending", "Running", "Failed", "Succeeded"]),
            conditions=st.lists(CONDITION, max_size=4),
            containerStatuses=st.lists(CONTAINER, max_size=2),
            initContainerStatuses=st.lists(CONTAINER, max_size=1),
        )
    },
)


@given(st.lists(ANY_POD, max_size=3), st.sampled_from([Reason.VOLUME_NOT_MOUNTED, Reason.OBJECT_REFUSED]))
def test_whatever_pods_say_there_is_an_answer_and_it_fits_a_condition(pods: list[Json], reported: Reason) -> None:
    reports = {"u": Trouble(reported, "words of a node")}
    for workload in ({}, PROBED):
        trouble = first_trouble(pods, workload, reports)
        text = standing(pods, workload) if trouble is None else trouble.message
        assert len(text) < 1000, "more than people read"
