"""The example of the README, applied and deleted by hand."""

import re

import yaml

from controller.api.conditions import conditions_of
from controller.api.json import finalizers_of, name_of
from hack.devcluster.layout import REPOSITORY
from tests.cluster.harness import eventually
from tests.system import golden
from tests.system.harness import PATIENCE_SECONDS, System, in_order

EXAMPLE = REPOSITORY / "examples" / "inference" / "kaito_workspace_phi_3.yaml"
NAME = "workspace-phi-3-mini"

RISE = ["MachineCreated", "AgentPoolCreating", "WorkloadApplied", "InferenceReady", "WorkspaceReady"]
NODES_RISE = ["MachineCreated", "ResourcesReady", "InferenceReady"]
FALL = ["MachineDeleted", "WorkspaceDeleted"]
MACHINE_RISE = ["Launched", "Registered", "Initialized", "Ready"]


async def apply_example(system: System, namespace: str) -> None:
    code, text = await system.kubectl("apply", "-n", namespace, "-f", str(EXAMPLE))
    assert code == 0, f"the example was refused: {text}"
    assert f"workspace.kaito.sh/{NAME} created" in text
    assert "Warning: Standard_NC6s_v3 was retired" in text, "a retired size works and says so"


async def delete_example(system: System, namespace: str) -> None:
    code, text = await system.kubectl("delete", "workspace", NAME, "-n", namespace, "--timeout=120s")
    assert code == 0, f"the deletion did not end: {text}"


def told(description: str) -> list[tuple[str, str]]:
    """Type and reason of the events in the order `kubectl describe` shows them."""
    _, _, table = description.partition("\nEvents:\n")
    return [(line.split()[0], line.split()[1]) for line in table.splitlines()[2:]]


async def test_every_column_turns_true(system: System, namespace: str) -> None:
    await apply_example(system, namespace)
    scene = await system.until_settled(namespace, NAME)

    code, text = await system.kubectl("get", "workspace", "-n", namespace)
    golden.compare("workspace_ready.txt", re.sub(r"\d+m?\d*s\n", "<age>\n", text))
    assert code == 0
    assert scene.workspace
    assert {held.status for held in conditions_of(scene.workspace).values()} == {"True"}, scene.summary
    assert scene.workspace["status"]["observedGeneration"] == 1
    assert scene.workspace["status"]["workerNodes"] == [name_of(node) for node in scene.nodes]
    assert len(scene.machines) == len(scene.pools) == len(scene.nodes) == 1, f"there must be one of each: {scene.left}"


async def test_describe_tells_the_story_in_the_order_it_happened(system: System, namespace: str) -> None:
    await apply_example(system, namespace)
    scene = await system.until_ready(namespace, NAME)
    machine = name_of(scene.machines[0])

    async def whole_story() -> str:
        _, description = await system.kubectl("describe", "workspace", NAME, "-n", namespace)
        reasons = [reason for _, reason in told(description)]
        missing = in_order(RISE, reasons) or in_order(NODES_RISE, reasons)
        return f"{missing} does not follow what comes before it in:\n{description}" if missing else ""

    async def whole_story_of_the_machine() -> str:
        _, description = await system.kubectl("describe", "machine", machine)
        missing = in_order(MACHINE_RISE, [reason for _, reason in told(description)])
        return f"{missing} does not follow what comes before it in:\n{description}" if missing else ""

    await eventually(whole_story, PATIENCE_SECONDS)
    await eventually(whole_story_of_the_machine, PATIENCE_SECONDS)
    _, description = await system.kubectl("describe", "workspace", NAME, "-n", namespace)
    warnings = [reason for kind, reason in told(description) if kind != "Normal"]
    assert not warnings, f"nothing went wrong, so nothing may warn: {warnings}\n{description}"
    assert not re.search(r": *$", description.partition("\nEvents:\n")[2], re.MULTILINE), (
        f"an event says nothing: {description}"
    )


async def test_deletion_leaves_nothing_behind(system: System, namespace: str) -> None:
    await apply_example(system, namespace)
    scene = await system.until_ready(namespace, NAME)
    assert scene.workspace
    assert finalizers_of(scene.workspace), "without a finalizer the nodes would outlive the Workspace"

    await delete_example(system, namespace)

    after = await system.look(namespace, NAME)
    assert not after.machines, f"kubectl delete must wait for the machines: {after.left}"
    assert not after.pools, f"kubectl delete must wait for the cloud: {after.left}"
    await system.until_gone(namespace, NAME)
    pools = [pool["name"] for pool in (await system.cloud())["pools"]]
    assert pools == ["nodepool1"], f"only the cluster's own pool stays: {pools}"

    async def end_of_the_story() -> str:
        reasons = [str(event["reason"]) for event in await system.events(namespace, "Workspace", NAME)]
        missing = in_order(FALL, reasons)
        return f"{missing} does not follow what comes before it in {reasons}" if missing else ""

    await eventually(end_of_the_story, PATIENCE_SECONDS)


def test_the_example_is_the_one_people_know() -> None:
    document = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))

    assert document == {
        "apiVersion": "kaito.sh/v1alpha1",
        "kind": "Workspace",
        "metadata": {"name": NAME},
        "resource": {"instanceType": "Standard_NC6s_v3", "labelSelector": {"matchLabels": {"apps": "phi-3"}}},
        "inference": {"preset": {"name": "phi-3-mini-4k-instruct"}},
    }
