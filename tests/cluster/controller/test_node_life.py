"""Nodes that come to nothing, go bad, are drained, or were made by KAITO: the Workspace gets others, and never two."""

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from controller.api import labels
from controller.api.conditions import conditions_of
from controller.api.json import Json, labels_of, name_of, uid_of
from controller.api.reasons import Reason
from controller.api.resources import MACHINES, NODES, PODS, WORKSPACES
from controller.planning.inherited import ORDINAL
from tests.cluster.controller import kaito
from tests.cluster.controller.conftest import start_operator
from tests.cluster.controller.stage import NAME, V100, Stage

READY = {"type": "Ready", "status": "True", "reason": "Ready", "message": ""}
PATIENCE = "--replace-nodes-after=1s"


@dataclass
class Replica:
    """One operator after the other, each with nothing but the cluster to remember by."""

    kubeconfig: Path
    log: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self) -> None:
        """Returns once it has said that it runs, or has ended: before that a signal would end it as any program."""
        told = self.log.read_bytes().count(b"started") if self.log.exists() else 0
        process = start_operator(self.kubeconfig, self.log, PATIENCE)
        self.processes.append(process)
        for _ in range(600):
            if self.log.read_bytes().count(b"started") > told:
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
                return

    def stop(self) -> None:
        process = self.processes.pop()
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(30)
        process.kill()
        assert process.wait() == 0, f"the operator did not end cleanly:\n{self.log.read_text()[-3000:]}"


@pytest.fixture(scope="module")
def replica(operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    found = Replica(operator_kubeconfig, tmp_path_factory.mktemp("operator") / "controller.log")
    found.start()
    yield found
    found.stop()


@pytest.fixture(scope="module")
def operator(replica: Replica) -> Path:
    return replica.log


async def until_replaced(stage: Stage, before: Json) -> Json:
    """Waits for exactly one claim that is another than the one before."""

    async def look() -> str:
        found = [uid_of(each) for each in await stage.machines()]
        return "" if len(found) == 1 and uid_of(before) not in found else f"machines: {found}"

    await stage.until(look)
    (machine,) = await stage.machines()
    return machine


async def until_failures(stage: Stage, count: int) -> Json:
    """Waits until so many failures are told; the whole memory of them."""

    async def look() -> str:
        told = ((await stage.get()).get("status") or {}).get("provisioning")
        return "" if told is not None and told.get("failures") == count else f"provisioning: {told}"

    await stage.until(look)
    found: Json = (await stage.get())["status"]["provisioning"]
    return found


async def test_claims_that_come_to_nothing_are_counted_across_restarts_and_told_in_their_words(
    stage: Stage, replica: Replica
) -> None:
    await stage.workspace()
    (first,) = await stage.until_machines(1)
    words = {"type": "MachineLaunched", "status": "False", "reason": "AllocationFailure", "message": "no capacity"}
    await stage.report(name_of(first), conditions=[words])
    await stage.until_reason("MachineReady", "AllocationFailure")
    await stage.client.delete(MACHINES, name_of(first))
    told = await until_failures(stage, 1)
    assert (told["reason"], told["message"]) == ("AllocationFailure", f"{name_of(first)}: no capacity")
    second = await until_replaced(stage, first)
    replica.stop()
    await stage.client.delete(MACHINES, name_of(second))
    replica.start()
    await until_failures(stage, 2)
    third = await until_replaced(stage, second)
    condition = conditions_of(await stage.get())["MachineReady"]
    assert (condition.status, condition.reason) == ("False", "AllocationFailure")
    await stage.node(also=labels_of(third))
    await stage.report(name_of(third), conditions=[READY])
    await stage.until_condition("Ready", lambda ready: ready.status == "True")
    assert "provisioning" not in (await stage.get())["status"], "what is over is forgotten"


async def test_a_claim_nothing_was_made_for_follows_the_wishes(stage: Stage) -> None:
    await stage.workspace()
    (before,) = await stage.until_machines(1)
    await stage.change(metadata={"annotations": {labels.ZONES: "eastus-1"}})
    after = await until_replaced(stage, before)
    asked = {each["key"]: each["values"] for each in after["spec"]["requirements"]}
    assert (asked[labels.INSTANCE_TYPE], asked[labels.ZONE]) == ([V100], ["eastus-1"])


async def test_a_cordoned_node_goes_on_serving_and_a_drained_one_is_replaced(stage: Stage) -> None:
    node = await stage.node("-a")
    await stage.workspace()
    await stage.until_condition("Ready", lambda ready: ready.status == "True")
    await stage.client.merge(NODES, node, {"spec": {"unschedulable": True}})
    told = await stage.until_condition("NodesReady", lambda nodes: nodes.status == "False")
    assert f"{node} is cordoned" in told.message
    workspace = await stage.get()
    assert conditions_of(workspace)["InferenceReady"].status == "True"
    assert "troubledNodes" not in workspace["status"], "what serves is left alone"
    other = await stage.node("-b")
    for pod in await stage.owned(PODS):
        await stage.client.delete(PODS, name_of(pod), namespace=stage.namespace)
    await stage.until_condition("Ready", lambda ready: ready.status == "True")
    assert (await stage.get())["status"]["workerNodes"] == [other]
    assert labels.WORKSPACE_UID not in labels_of(await stage.client.get(NODES, node)), "it is free again"
    assert await stage.machines() == [], "a node was bought although a free one was there"


async def test_a_node_that_turns_the_pods_away_is_replaced_by_a_claim_where_none_is_free(stage: Stage) -> None:
    node = await stage.node()
    await stage.workspace()
    await stage.until_condition("Ready", lambda ready: ready.status == "True")
    taint = {"key": "maintenance", "effect": "NoExecute"}
    await stage.client.merge(NODES, node, {"spec": {"taints": [taint]}})
    (machine,) = await stage.until_machines(1)
    assert labels.WORKSPACE_UID not in labels_of(await stage.client.get(NODES, node))
    await stage.client.merge(NODES, node, {"spec": {"taints": None}})
    await stage.node("-made", also=labels_of(machine))
    await stage.report(name_of(machine), conditions=[READY])
    await stage.until_condition("Ready", lambda ready: ready.status == "True")
    assert (await stage.get())["status"]["workerNodes"] == [f"{stage.namespace}-made"], "the old one is not taken back"


def manifest(stage: Stage, name: str = NAME, **resource: object) -> Json:
    selector = {"matchLabels": {"test": stage.namespace}}
    return {
        "apiVersion": WORKSPACES.api_version,
        "kind": WORKSPACES.kind,
        "metadata": {"name": name, "namespace": stage.namespace},
        "resource": {"instanceType": V100, "labelSelector": selector, **resource},
        "inference": {"preset": {"name": "phi-3-mini-4k-instruct"}},
    }


async def test_a_node_many_want_serves_one_after_the_other(stage: Stage) -> None:
    node = await stage.node()
    waiting: dict[str, str] = {}
    for name in ("phi-a", "phi-b", "phi-c"):
        asked = manifest(stage, name)
        asked["metadata"]["annotations"] = {labels.NODE_SOURCE: "existing"}
        waiting[uid_of(await stage.client.create(WORKSPACES, asked))] = name

    async def owned() -> str:
        owner = labels_of(await stage.client.get(NODES, node)).get(labels.WORKSPACE_UID)
        return "" if owner in waiting else f"the node serves {owner}"

    while waiting:
        await stage.until(owned)
        owner = labels_of(await stage.client.get(NODES, node))[labels.WORKSPACE_UID]
        await stage.client.delete(WORKSPACES, waiting.pop(owner), namespace=stage.namespace)
    assert await stage.machines() == []


async def test_a_node_whose_gpu_somebody_elses_pod_holds_is_passed_over(stage: Stage) -> None:
    in_use, free = await stage.node("-a"), await stage.node("-b")
    held = {"limits": {labels.NVIDIA_GPU: "1"}}
    body = {
        "metadata": {"name": "theirs", "namespace": stage.namespace},
        "spec": {"nodeName": in_use, "containers": [{"name": "job", "image": "job", "resources": held}]},
    }
    await stage.client.create(PODS, body)
    await stage.workspace(count=2, annotations={labels.NODE_SOURCE: "existing"})
    why = f"pods of others hold the GPUs of {in_use}"
    told = await stage.until_condition("ResourceReady", lambda found: found.message.endswith(why))
    assert told.reason == Reason.NODES_MISSING
    await stage.until_condition("ResourceReady", lambda found: found.message.startswith("1 of 2 nodes found"))
    assert labels_of(await stage.client.get(NODES, free))[labels.WORKSPACE_UID]
    assert labels.WORKSPACE_UID not in labels_of(await stage.client.get(NODES, in_use))
    third = await stage.node("-c")
    await stage.until_condition("ResourceReady", lambda found: found.status == "True")
    assert sorted((await stage.get())["status"]["workerNodes"]) == [free, third]


async def test_preferred_nodes_are_used_before_others(stage: Stage) -> None:
    await stage.node("-a")
    wanted = await stage.node("-z")
    await stage.client.create(WORKSPACES, manifest(stage, preferredNodes=["no-such-node", wanted]))
    await stage.until_condition("ResourceReady", lambda found: found.status == "True")
    assert (await stage.get())["status"]["workerNodes"] == [wanted]


async def test_a_machine_kaito_made_is_adopted_with_its_node_and_goes_with_the_workspace(
    stage: Stage, replica: Replica
) -> None:
    replica.stop()
    workspace = await stage.workspace()
    machine = kaito.machine(workspace, "ws012345678")
    stored = await stage.client.create(MACHINES, machine)
    node = await stage.node(also=labels_of(machine))
    await stage.report(name_of(stored), conditions=[READY], nodeName=node)
    replica.start()
    await stage.until_condition("Ready", lambda ready: ready.status == "True")
    assert [uid_of(each) for each in await stage.machines()] == [uid_of(stored)], "a second node was bought"
    found = labels_of(await stage.client.get(NODES, node))
    assert (found[labels.WORKSPACE_UID], found[labels.CLAIM_ORDINAL]) == (uid_of(workspace), ORDINAL)
    await stage.delete()
    await stage.until_gone()
