"""A Workspace that names a configuration: waits for it, is told what is wrong with it, and runs with what it says."""

from controller.api.json import Json
from controller.api.resources import CONFIG_MAPS, DEPLOYMENTS, WORKSPACES
from tests.cluster.controller.stage import NAME, V100, Stage
from tests.unit.planning.manifests import example

CONFIG = "mine"


async def create(stage: Stage) -> None:
    """The example on vLLM, with a configuration nobody has written yet."""
    obj = example(
        metadata={"name": NAME, "namespace": stage.namespace, "annotations": {"kaito.sh/runtime": "vllm"}},
        resource={"count": 1, "instanceType": V100, "labelSelector": {"matchLabels": {"test": stage.namespace}}},
        inference__config=CONFIG,
    )
    await stage.client.create(WORKSPACES, {**obj, "apiVersion": WORKSPACES.api_version})


async def write(stage: Stage, text: str, *, new: bool = False) -> None:
    """The ConfigMap with a document."""
    data = {"inference_config.yaml": text}
    if new:
        metadata = {"name": CONFIG, "namespace": stage.namespace}
        obj: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}
        await stage.client.create(CONFIG_MAPS, obj)
    else:
        await stage.client.merge(CONFIG_MAPS, CONFIG, {"data": data}, namespace=stage.namespace)


async def until_started_with(stage: Stage, flag: str) -> None:
    """Waits until the server's command line has the flag."""

    async def look() -> str:
        found = await stage.owned(DEPLOYMENTS)
        commands = [each["spec"]["template"]["spec"]["containers"][0]["command"] for each in found]
        return "" if any(flag in command for command in commands) else f"{commands}"

    await stage.until(look)


async def test_a_late_configuration_heals_a_wrong_one_is_told_and_a_new_one_rolls(stage: Stage) -> None:
    await stage.node()
    await create(stage)
    waiting = await stage.until_reason("WorkspaceReady", "ConfigMapNotFound")
    assert 'inference.config names ConfigMap "mine", which is not in the namespace' in waiting.message
    assert await stage.owned(DEPLOYMENTS) == [], "nothing is started before the configuration is there"

    await write(stage, "vllm: {max-model-lenght: 2048}", new=True)
    wrong = await stage.until_reason("WorkspaceReady", "ConfigInvalid")
    assert "Fix: use max-model-len" in wrong.message

    await write(stage, "vllm: {max-model-len: 2048}")
    await until_started_with(stage, "--max-model-len=2048")
    await stage.until_condition("Ready", lambda ready: ready.status == "True")

    await write(stage, "vllm: {max-model-len: 1024, swap-space: 2}")
    await until_started_with(stage, "--max-model-len=1024")
