"""In whatever state a Workspace is, its deletion leaves nothing of it, and what is not its own stays."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from controller.api import labels
from controller.api.json import Json, labels_of, name_of
from controller.api.reasons import Reason
from controller.api.resources import NAMESPACES, NODES, SERVICES, Resource
from controller.runtime.client import Client
from tests.cluster.controller.stage import NAME, Stage

FOR_EVER = "1000000"
PRESET = {"name": "phi-3-mini-128k-instruct"}
TUNING = {
    "preset": PRESET,
    "method": "qlora",
    "input": {"urls": ["https://data.example.com/a.parquet"]},
    "output": {"image": "registry.example.com/out/adapter:1", "imagePushSecret": "push"},
}
ADAPTER = {"source": {"name": "poet", "image": "registry.example.com/poet:1"}}
A100 = "Standard_NC24ads_A100_v4"
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount", namespaced=True)

State: TypeAlias = Callable[[Stage], Awaitable[object]]


async def just_made(stage: Stage) -> None:
    await stage.workspace()


async def refused(stage: Stage) -> None:
    await stage.workspace(preset="phi-9")
    await stage.until_reason("Ready", Reason.PRESET_UNKNOWN)


async def without_its_config_map(stage: Stage) -> None:
    await stage.node(size=A100)
    await stage.workspace(size=A100, inference={"preset": PRESET, "config": "config"})
    await stage.until_reason("Ready", Reason.CONFIG_MAP_NOT_FOUND)


async def without_its_nodes(stage: Stage) -> None:
    await stage.node()
    await stage.workspace(count=2)
    await stage.until_machines(1)


async def without_its_name(stage: Stage) -> None:
    await stage.node()
    theirs = {"ports": [{"port": 8080}], "selector": {"app": "theirs"}}
    metadata = {"name": NAME, "namespace": stage.namespace}
    await stage.client.create(SERVICES, {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": theirs})
    await stage.workspace()
    await stage.until_reason("Ready", Reason.FOREIGN_OBJECT)


async def without_its_image(stage: Stage) -> None:
    await stage.node()
    await stage.play(fail="image-pull")
    await stage.workspace()
    await stage.until_reason("Ready", Reason.IMAGE_PULL_FAILED)


async def serving(stage: Stage) -> None:
    await stage.node()
    await stage.workspace(inference={"preset": PRESET})
    await stage.until_condition("Ready", lambda ready: ready.status == "True")


async def rolling(stage: Stage) -> None:
    await serving(stage)
    await stage.play(image_pull_seconds=FOR_EVER)
    await stage.change(inference={"adapters": [ADAPTER]})
    await stage.until_pod(lambda pod: {"initContainers", "nodeName"} <= pod["spec"].keys())


async def on_a_lost_node(stage: Stage) -> None:
    await serving(stage)
    (node,) = await nodes(stage)
    silent = {
        "type": "Ready",
        "status": "Unknown",
        "reason": "NodeStatusUnknown",
        "message": "no word from the kubelet",
    }
    body = {"status": {"conditions": [silent]}}
    await stage.client.merge(NODES, name_of(node), body, subresource="status")
    await stage.until_reason("ResourceReady", Reason.NODE_NOT_READY)


async def training(stage: Stage) -> None:
    await stage.node()
    await stage.play(run_seconds=FOR_EVER)
    await stage.workspace(tuning=TUNING)
    await stage.until_reason("WorkspaceSucceeded", Reason.TRAINING_RUNNING)


async def trained(stage: Stage) -> None:
    await stage.node()
    await stage.workspace(tuning=TUNING)
    await stage.until_reason("WorkspaceSucceeded", Reason.TRAINING_SUCCEEDED)


async def paused(stage: Stage) -> None:
    await serving(stage)
    await stage.change(metadata={"annotations": {labels.PAUSED: "true"}})
    await stage.until_reason("Paused", Reason.WORKSPACE_PAUSED)


STATES: Mapping[str, State] = {
    state.__name__.replace("_", " "): state
    for state in (
        just_made,
        refused,
        without_its_config_map,
        without_its_nodes,
        without_its_name,
        without_its_image,
        serving,
        rolling,
        on_a_lost_node,
        training,
        trained,
        paused,
    )
}


async def nodes(stage: Stage) -> list[Json]:
    """The nodes that were there before the Workspace."""
    return (await stage.client.list(NODES, labels=f"test={stage.namespace}")).items


async def life(client: Client, log: Path, state: State) -> str:
    """What is wrong after a Workspace in the state was deleted."""
    stage = Stage(client, f"test-{secrets.token_hex(4)}", log)
    await client.create(NAMESPACES, {"metadata": {"name": stage.namespace}})
    try:
        await stage.until(lambda: _without_account(stage))
        await state(stage)
        await stage.delete()
        await stage.until_gone()
        await stage.until(lambda: _taken(stage))
        if state is without_its_name:
            theirs = await client.get(SERVICES, NAME, namespace=stage.namespace)
            assert theirs["spec"]["selector"] == {"app": "theirs"}, "somebody's Service was changed"
    except AssertionError as error:
        return str(error)
    else:
        return ""
    finally:
        await stage.clean_up()
        for node in await nodes(stage):
            await client.delete(NODES, name_of(node))
        await client.delete(NAMESPACES, stage.namespace)


async def _taken(stage: Stage) -> str:
    """Nodes that are not given back; one taken at the very moment of the deletion may be so a little later."""
    found = [name_of(each) for each in await nodes(stage) if labels.WORKSPACE in labels_of(each)]
    return f"still taken: {', '.join(found)}" if found else ""


async def _without_account(stage: Stage) -> str:
    """Pods can only be made once the namespace has its service account."""
    found = await stage.client.list(SERVICE_ACCOUNTS, namespace=stage.namespace)
    return "" if found.items else "no service account yet"


async def test_in_every_state_deletion_leaves_nothing(client: Client, operator: Path) -> None:
    found = await asyncio.gather(*(life(client, operator, state) for state in STATES.values()))
    wrong = [f"{name}: {text}" for name, text in zip(STATES, found, strict=True) if text]
    assert not wrong, "\n".join(wrong)
