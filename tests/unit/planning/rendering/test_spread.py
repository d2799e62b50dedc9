import pytest

from controller.api import labels
from controller.api.json import Json
from controller.api.workspace import parse_workspace
from controller.planning.rendering.names import headless_name, leader_address, spread_name
from controller.planning.rendering.serving import JOIN_SECONDS, PULL_SECONDS
from tests.unit.planning.builders import workspace_object
from tests.unit.planning.rendering.kit import manifest, pod, rendered, served, server

H100_8 = "Standard_ND96isr_H100_v5"
LEADER = "phi-0.phi-headless.default.svc"


def large(count: int | None = None, **metadata: object) -> Json:
    """A model that needs two nodes of eight H100."""
    obj = manifest(H100_8, count, inference={"preset": {"name": "deepseek-r1-0528"}})
    return {**obj, "metadata": {**obj["metadata"], **metadata}}


def test_a_model_larger_than_a_node_is_one_stateful_set_with_a_pod_on_each() -> None:
    found = rendered(large()).workload
    assert (found["kind"], found["spec"]["replicas"], found["spec"]["podManagementPolicy"]) == (
        "StatefulSet", 2, "Parallel",
    )  # fmt: skip
    (term,) = pod(rendered(large()))["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term == {
        "labelSelector": {"matchLabels": {labels.WORKSPACE: "phi"}}, "topologyKey": "kubernetes.io/hostname",
    }  # fmt: skip
    assert server(rendered(large()))["resources"]["limits"] == {"nvidia.com/gpu": "8"}


def test_every_gpu_of_every_node_takes_part() -> None:
    command = server(rendered(large()))["command"]
    assert {"--tensor-parallel-size=8", "--pipeline-parallel-size=2", "--distributed-executor-backend=ray"} <= {
        *command
    }
    assert "--pipeline-parallel-size=4" in server(rendered(large(4)))["command"]
    assert not [word for word in command if word.startswith("--data-parallel")]


def test_the_first_pod_leads_and_serves_and_the_others_join_it() -> None:
    found = server(rendered(large()))
    assert found["command"][4:6] == [LEADER, "2"]
    script = found["command"][2]
    assert script.index("leader --ray_cluster_size") < script.index('exec "$@"') < script.index("worker --ray_address")
    assert found["env"][0]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.labels['apps.kubernetes.io/pod-index']"


def test_pods_wait_for_one_that_pulls_its_image_on_a_new_node_and_that_wait_is_no_failed_start() -> None:
    found = server(rendered(large()))
    for side in ("leader", "worker"):
        (line,) = [line for line in found["command"][2].splitlines() if f"multi-node-serving.sh {side} " in line]
        assert f"--ray_init_timeout={JOIN_SECONDS}" in line, f"the {side} gives up after vLLM's own 300 s: {line}"
    assert JOIN_SECONDS >= 2 * PULL_SECONDS
    probe = found["startupProbe"]
    alone = server(rendered(served("phi-4-mini-instruct", H100_8)))["startupProbe"]
    assert probe["failureThreshold"] * probe["periodSeconds"] > JOIN_SECONDS, "killed while it waits for the others"
    assert alone["failureThreshold"] * alone["periodSeconds"] <= JOIN_SECONDS, "nothing is waited for on one node"


def test_a_pod_that_only_lends_its_gpus_counts_as_ready() -> None:
    probe = server(rendered(large()))["readinessProbe"]["exec"]["command"]
    assert probe[2].startswith('[ "$POD_INDEX" != 0 ] || ')
    assert probe[-2:] == [LEADER, "5000"]


def test_clients_reach_the_leader_and_rays_ports_stay_inside() -> None:
    clients, headless = rendered(large(annotations={labels.ENABLE_LOAD_BALANCER: "True"})).services
    assert clients["spec"]["selector"]["statefulset.kubernetes.io/pod-name"] == "phi-0"
    assert [port["port"] for port in clients["spec"]["ports"]] == [80]
    assert (headless["spec"]["clusterIP"], headless["spec"]["publishNotReadyAddresses"]) == ("None", True)
    assert [port["port"] for port in headless["spec"]["ports"]] == [6379, 8265]


@pytest.mark.parametrize("length", [1, 52, 53, 54, 55, 63])
def test_names_stay_within_what_kubernetes_takes(length: int) -> None:
    name = "w" * length
    owner = parse_workspace(workspace_object(metadata={"name": name, "namespace": "default"}))
    assert len(spread_name(owner)) <= 52
    assert len(headless_name(owner)) <= 63
    assert spread_name(owner) == name or length > 52
    assert leader_address(owner).startswith(f"{spread_name(owner)}-0.{headless_name(owner)}.")
