"""Faults of images, containers, pods and volumes: kwok plays the kubelet, or else the test does."""

from datetime import UTC, datetime, timedelta

from controller.api.json import Json, name_of, namespace_of, uid_of
from controller.api.resources import EVENTS, PODS, SECRETS, WORKSPACES, Resource
from controller.planning.containers import is_running
from tests.faults_table.injection import Injection
from tests.faults_table.place import NAME, PRESET, Place

FOR_EVER = "1000000"
VOLUMES = Resource("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)
VOLUME_CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", namespaced=True)

TUNING: Json = {
    "preset": {"name": PRESET},
    "method": "qlora",
    "input": {"urls": ["https://data.example.com/a.parquet"]},
    "output": {"image": "registry.example.com/out/adapter:1", "imagePushSecret": "push"},
}
INTO_VOLUME: Json = {**TUNING, "output": {"volumeSource": {"persistentVolumeClaim": {"claimName": "results"}}}}


def now(*, ago: float = 0.0) -> str:
    return (datetime.now(UTC) - timedelta(seconds=ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def states(pod: Json) -> str:
    return str(pod["status"].get("containerStatuses") or "")


def pulls(error: str) -> Injection:
    """An image that cannot be pulled, with the registry's answer; empty for 403."""

    async def make(place: Place) -> None:
        await place.node()
        await place.play(fail="image-pull", pull_error=error or None)
        await place.order()

    return Injection(make, lambda place: place.play_now(fail=None), lambda place: any(map(_denied, place.pods())))


def _denied(pod: Json) -> bool:
    return "ErrImagePull" in states(pod)


def fails(kind: str, words: str = "") -> Injection:
    """A container that fails in a loop."""

    async def make(place: Place) -> None:
        await place.node()
        await place.play(fail=kind, last_words=words or None)
        await place.order()

    return Injection(
        make,
        lambda place: place.play_now(fail=None),
        lambda place: any("CrashLoopBackOff" in states(pod) for pod in place.pods()),
    )


async def _start_up_runs_out(place: Place) -> None:
    await place.node()
    await place.play(fail="unready", start_seconds=FOR_EVER)
    await place.order()
    pod = await place.pod("runs", lambda pod: all(map(is_running, pod["status"].get("containerStatuses") or [{}])))
    past = {"exitCode": 137, "reason": "Error", "startedAt": now(ago=7200), "finishedAt": now()}
    container = {**pod["status"]["containerStatuses"][0], "started": False, "restartCount": 1}
    await place.report(pod, containerStatuses=[{**container, "lastState": {"terminated": past}}])


async def _stops_answering(place: Place) -> None:
    await place.node()
    # Ready seconds after the start, so that the end of being ready is later than the start in whole seconds.
    await place.play(start_seconds="20")
    await place.order()
    await place.until_ready()
    await place.play_now(fail="unready")


def cannot_begin(reason: str, message: str) -> Injection:
    """A container the kubelet cannot make or start."""

    async def make(place: Place) -> None:
        await place.node()
        await place.play(fail="image-pull")
        await place.order()
        pod = await place.pod("backs off", lambda pod: "ImagePullBackOff" in states(pod))
        waiting = {"reason": reason, "message": message}
        containers = [{**each, "state": {"waiting": waiting}} for each in pod["status"]["containerStatuses"]]
        await place.report(pod, containerStatuses=containers)

    return Injection(make, _pods_anew)


async def _pods_anew(place: Place) -> None:
    await place.play(fail=None)
    for pod in place.pods():
        await place.client.delete(PODS, name_of(pod), namespace=place.namespace)


async def _gpu_held(place: Place) -> None:
    node = await place.node()
    limits = {"limits": {"nvidia.com/gpu": "1"}}
    containers = [{"name": "theirs", "image": "registry.example.com/theirs:1", "resources": limits}]
    await place.order()
    await place.until_ready()
    await place.create(PODS, metadata={"name": "theirs"}, spec={"nodeName": node, "containers": containers})
    await _pods_anew(place)


def _unplaced(place: Place) -> bool:
    return any("Unschedulable" in str(pod["status"].get("conditions")) for pod in place.pods())


async def _evicted(place: Place) -> None:
    await place.node()
    await place.order()
    await place.until_ready()
    await place.play(image_pull_seconds=FOR_EVER)
    (pod,) = place.pods()
    words = "The node was low on resource: ephemeral-storage."
    target = {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": words}
    unready = {"type": "Ready", "status": "False", "reason": "PodFailed", "lastTransitionTime": now()}
    await place.report(
        pod, phase="Failed", reason="Evicted", conditions=[{**target, "lastTransitionTime": now()}, unready]
    )


def training_fails(exit_code: str, attempts: int) -> Injection:
    """A run whose container ends with the code, as often as it takes for the Job to give up."""

    async def make(place: Place) -> None:
        await place.node()
        await place.play(fail="crash", exit_code=exit_code, last_words="ValueError: no column named text")
        await place.order(tuning=TUNING)

    def failed(place: Place) -> bool:
        found = (pod for pod in place.world.pods.values() if namespace_of(pod) == place.namespace)
        return [pod["status"].get("phase") for pod in found].count("Failed") >= attempts

    return Injection(make, _another_run, failed)


async def _another_run(place: Place) -> None:
    await place.play(fail=None)
    again = {"tuning": {"input": {"urls": ["https://data.example.com/b.parquet"]}}}
    await place.client.merge(WORKSPACES, NAME, again, namespace=place.namespace)


async def _no_claim(place: Place) -> None:
    await place.node()
    await place.order(tuning=INTO_VOLUME)


async def _claim(place: Place) -> None:
    await place.create(
        VOLUME_CLAIMS,
        metadata={"name": "results"},
        spec={
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "",
            "resources": {"requests": {"storage": "1Gi"}},
            "volumeName": place.namespace,
        },
    )


async def _volume(place: Place) -> None:
    await place.create(
        VOLUMES,
        spec={
            "accessModes": ["ReadWriteOnce"],
            "capacity": {"storage": "1Gi"},
            "hostPath": {"path": "/data"},
            "storageClassName": "",
        },
    )


async def _unbound(place: Place) -> None:
    await _claim(place)
    await _no_claim(place)


async def _bound(place: Place) -> None:
    await _volume(place)
    await _claim(place)


async def _not_mounted(place: Place) -> None:
    words = 'MountVolume.SetUp failed for volume "data" : secret "data-key" not found'
    await _unprepared(place, "FailedMount", words)


async def _no_network(place: Place) -> None:
    await _unprepared(place, "FailedCreatePodSandBox", "failed to assign an IP address to container")


async def _unprepared(place: Place, reason: str, words: str) -> None:
    """A pod its node does not prepare, and the event in which the node says why."""
    await place.node()
    await place.play(image_pull_seconds=FOR_EVER)
    volume = {"name": "data", "secret": {"secretName": "data-key"}}
    limits = {"limits": {"nvidia.com/gpu": "1"}}
    container = {"name": "own", "image": "registry.example.com/own:1", "resources": limits}
    await place.order(inference={"template": {"spec": {"containers": [container], "volumes": [volume]}}})
    pod = await place.pod("waits for its image", lambda pod: "ContainerCreating" in states(pod))
    await place.report(pod, conditions=[_prepared("False")])
    about = {
        "apiVersion": "v1",
        "kind": "Pod",
        "name": name_of(pod),
        "namespace": namespace_of(pod),
        "uid": uid_of(pod),
    }
    await place.create(
        EVENTS, metadata={"name": "unprepared"}, type="Warning", reason=reason, note=words, action="Preparing",
        eventTime=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"), regarding=about, reportingController="kubelet",
        reportingInstance="node",
    )  # fmt: skip


async def _mounted(place: Place) -> None:
    await place.create(SECRETS, metadata={"name": "data-key"})
    (pod,) = place.pods()
    await place.report(pod, conditions=[_prepared("True")])
    await place.play_now(image_pull_seconds=None)


def _prepared(status: str) -> Json:
    return {"type": "PodReadyToStartContainers", "status": status, "lastTransitionTime": now()}


INJECTIONS = {
    "image-denied": pulls(""),
    "image-missing": pulls('failed to resolve reference "registry.example.com/i:1": not found'),
    "image-throttled": pulls("unexpected status: 429 Too Many Requests - toomanyrequests: slow down"),
    "crash-loop": fails("crash", "CUDA error: no kernel image is available for execution on the device"),
    "out-of-memory": fails("oom"),
    "startup-timeout": Injection(_start_up_runs_out, lambda place: place.play_now(fail=None, start_seconds=None)),
    "readiness-lost": Injection(_stops_answering, lambda place: place.play_now(fail=None, start_seconds=None)),
    "secret-missing": cannot_begin("CreateContainerConfigError", 'secret "hf-token" not found'),
    "container-not-started": cannot_begin("RunContainerError", "nvidia-container-cli: initialization error"),
    "unschedulable": Injection(
        _gpu_held, lambda place: place.client.delete(PODS, "theirs", namespace=place.namespace), _unplaced
    ),
    "evicted": Injection(_evicted, lambda place: place.play_now(image_pull_seconds=None)),
    "training-failed": training_fails("1", attempts=3),
    "result-not-pushed": training_fails("42", attempts=1),
    "volume-claim-missing": Injection(_no_claim, _bound, _unplaced),
    "volume-unbound": Injection(_unbound, _volume, _unplaced),
    "volume-not-mounted": Injection(_not_mounted, _mounted),
    "pod-network": Injection(_no_network, _mounted),
}
