"""Every kind of workload against the real API server: it comes up, follows changes, and goes."""

from controller.api import labels
from controller.api.conditions import conditions_of
from controller.api.json import Json, annotations_of, name_of, uid_of
from controller.api.resources import CONFIG_MAPS, DEPLOYMENTS, JOBS, NODES, PODS, SERVICES, STATEFUL_SETS
from controller.planning.configs import INFERENCE_KEY, TRAINING_KEY
from tests.cluster.controller.stage import NAME, Stage

A100 = "Standard_NC24ads_A100_v4"
H100_8 = "Standard_ND96isr_H100_v5"
PRESET = {"name": "phi-3-mini-4k-instruct"}


def command_of(pod: Json) -> list[str]:
    found: list[str] = pod["spec"]["containers"][0]["command"]
    return found


async def until_ready(stage: Stage) -> None:
    await stage.until_condition("Ready", lambda ready: ready.status == "True")


async def test_a_configuration_is_waited_for_followed_and_put_on_the_command_line(stage: Stage) -> None:
    await stage.node(size=A100)
    await stage.workspace(size=A100, inference={"preset": PRESET, "config": "config"})
    await stage.until_reason("Ready", "ConfigMapNotFound")
    await stage.config_map(INFERENCE_KEY, "vllm: {max-model-len: 1024}")
    await until_ready(stage)
    pod = await stage.until_pod(lambda pod: "--max-model-len=1024" in command_of(pod))
    await stage.config_map(INFERENCE_KEY, "vllm: {max-model-len: 2048}")
    newer = await stage.until_pod(lambda pod: "--max-model-len=2048" in command_of(pod))
    assert uid_of(newer) != uid_of(pod)
    await until_ready(stage)


async def test_an_adapter_that_comes_rolls_the_workload_and_the_old_pod_goes_first(stage: Stage) -> None:
    await stage.node()
    preset = {"name": "phi-3-mini-128k-instruct"}
    await stage.workspace(inference={"preset": preset})
    await until_ready(stage)
    (before,) = await stage.owned(PODS)
    adapter = {"source": {"name": "poet", "image": "registry.example.com/poet:1"}, "strength": "0.5"}
    await stage.change(inference={"adapters": [adapter]})
    pod = await stage.until_pod(lambda pod: {"initContainers", "nodeName"} <= pod["spec"].keys())
    assert {"name": "poet", "value": "0.5"} in pod["spec"]["containers"][0]["env"]
    assert pod["spec"]["nodeName"] == before["spec"]["nodeName"], "one node, one GPU: the old pod had to go"
    await until_ready(stage)


async def test_a_pod_of_the_users_own_is_run_on_the_workspaces_node_and_left_alone(stage: Stage) -> None:
    node = await stage.node()
    resources = {"limits": {"nvidia.com/gpu": "1", "cpu": "1"}}
    ports = [{"containerPort": 8080}]
    container = {"name": "own", "image": "registry.example.com/own:1", "resources": resources, "ports": ports}
    await stage.workspace(inference={"template": {"spec": {"containers": [container]}}})
    await until_ready(stage)
    (pod,) = await stage.owned(PODS)
    assert pod["spec"]["nodeName"] == node
    service = await stage.client.get(SERVICES, NAME, namespace=stage.namespace)
    assert service["spec"]["ports"][0]["targetPort"] == 8080
    newer = {**container, "image": "registry.example.com/own:2"}
    await stage.change(inference={"template": {"spec": {"containers": [newer]}}})
    await stage.until_pod(lambda pod: bool(pod["spec"]["containers"][0]["image"] == newer["image"]))
    await until_ready(stage)


TUNING = {
    "preset": PRESET,
    "method": "qlora",
    "input": {"urls": ["https://data.example.com/a.parquet"]},
    "output": {"image": "registry.example.com/out/adapter:1", "imagePushSecret": "push"},
}


async def test_a_training_run_succeeds_and_its_node_is_given_back_if_wished(stage: Stage) -> None:
    node = await stage.node()
    await stage.workspace(annotations={labels.RELEASE_NODES: labels.WHEN_DONE}, tuning=TUNING)
    await stage.until_condition("WorkspaceSucceeded", lambda succeeded: succeeded.status == "True")
    await until_ready(stage)

    async def free() -> str:
        found = annotations_of(await stage.get()), (await stage.client.get(NODES, node))["metadata"]["labels"]
        return "" if labels.WORKSPACE not in found[1] else f"{found}"

    await stage.until(free)
    assert (await stage.get())["status"]["state"] == "Succeeded"

    async def story() -> str:
        reasons = await stage.event_reasons()
        told = [reason for reason in dict.fromkeys(reasons) if reason in ("TrainingRunning", "TrainingSucceeded")]
        return "" if told == ["TrainingRunning", "TrainingSucceeded"] else f"the story was told as {reasons}"

    await stage.until(story)
    assert await stage.machines() == []


async def test_the_node_of_a_run_that_is_over_is_given_back_though_its_configuration_is_gone(stage: Stage) -> None:
    node = await stage.node()
    await stage.config_map(TRAINING_KEY, "training_config: {QuantizationConfig: {load_in_4bit: true}}")
    await stage.workspace(tuning={**TUNING, "config": "config"})
    await stage.until_condition("WorkspaceSucceeded", lambda succeeded: succeeded.status == "True")
    await stage.client.delete(CONFIG_MAPS, "config", namespace=stage.namespace)
    await stage.change(metadata={"annotations": {labels.RELEASE_NODES: labels.WHEN_DONE}})

    async def free() -> str:
        found = (await stage.client.get(NODES, node))["metadata"]["labels"]
        serving = (await stage.get())["status"]["workerNodes"]
        return "" if labels.WORKSPACE not in found and not serving else f"{found}, {serving}"

    await stage.until(free)
    assert conditions_of(await stage.get())["WorkspaceSucceeded"].status == "True", "what is over stays over"


async def test_a_run_whose_job_was_cleaned_up_is_not_repeated_and_a_new_wish_is(stage: Stage) -> None:
    node = await stage.node()
    await stage.workspace(tuning=TUNING)
    await stage.until_condition("WorkspaceSucceeded", lambda succeeded: succeeded.status == "True")
    await stage.client.delete(JOBS, NAME, namespace=stage.namespace)
    await stage.change(resource={"preferredNodes": [node]})
    generation = (await stage.get())["metadata"]["generation"]
    over = await stage.until_condition("WorkspaceSucceeded", lambda each: each.observed_generation == generation)
    assert over.status == "True", "another field changed, and the run that had ended was begun again"
    assert await stage.owned(JOBS) == []
    await stage.change(tuning={"input": {"urls": ["https://data.example.com/b.parquet"]}})
    await stage.until_condition("WorkspaceSucceeded", lambda succeeded: succeeded.status == "False")
    await stage.until_condition("WorkspaceSucceeded", lambda succeeded: succeeded.status == "True")
    assert len(await stage.owned(JOBS)) == 1


async def test_a_result_that_cannot_be_pushed_fails_the_run_at_once(stage: Stage) -> None:
    await stage.node()
    await stage.play(fail="crash", exit_code="42")
    await stage.workspace(tuning=TUNING)
    failed = await stage.until_reason("WorkspaceSucceeded", "TrainingFailed")
    assert "exit code 42" in failed.message
    assert len(await stage.owned(PODS)) == 1, "training again does not help a push"
    assert (await stage.get())["status"]["state"] == "Failed"


async def test_a_model_larger_than_a_node_is_served_by_one_pod_on_each(stage: Stage) -> None:
    for number in range(2):
        await stage.node(f"-{number}", gpus=8, size=H100_8)
    await stage.workspace(count=2, size=H100_8, inference={"preset": {"name": "deepseek-r1-0528"}})
    await until_ready(stage)
    pods = await stage.owned(PODS)
    assert len({pod["spec"]["nodeName"] for pod in pods}) == len(pods) == 2
    services = {name_of(service): service["spec"] for service in await stage.owned(SERVICES)}
    assert services[NAME]["selector"]["statefulset.kubernetes.io/pod-name"] == f"{NAME}-0"
    assert services[f"{NAME}-headless"]["clusterIP"] == "None"
    await stage.config_map(INFERENCE_KEY, "vllm: {max-model-len: 4096}")
    await stage.change(inference={"config": "config"})
    before = {uid_of(pod) for pod in pods}

    async def rolled() -> str:
        found = await stage.owned(PODS)
        return "" if len(found) == 2 and before.isdisjoint(map(uid_of, found)) else f"{[name_of(pod) for pod in found]}"

    await stage.until(rolled)
    await until_ready(stage)
    await stage.delete()
    await stage.until_gone()


async def test_a_workload_of_another_kind_that_was_ours_goes(stage: Stage) -> None:
    """As KAITO leaves one: it makes a StatefulSet where one Deployment is enough."""
    await stage.node()
    workspace = await stage.workspace()
    await until_ready(stage)
    deployment = await stage.client.get(DEPLOYMENTS, NAME, namespace=stage.namespace)
    spec = deployment["spec"]
    older = {
        "metadata": {key: deployment["metadata"][key] for key in ("name", "namespace", "labels", "ownerReferences")},
        "spec": {"serviceName": "", "replicas": 0, "selector": spec["selector"], "template": spec["template"]},
    }
    await stage.client.create(STATEFUL_SETS, {"apiVersion": "apps/v1", "kind": "StatefulSet", **older})

    async def gone() -> str:
        return str([name_of(each) for each in await stage.owned(STATEFUL_SETS)] or "")

    await stage.until(gone)
    assert uid_of(await stage.get()) == uid_of(workspace)
