"""Nodes follow the pools: the order in which a Node comes up, what faults hold back, and how it goes away."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from controller.api.json import Json, name_of
from hack.aks_simulator.node_loop import BUSY_SECONDS, RESYNC_SECONDS, NodeLoop
from hack.aks_simulator.nodes import NOT_READY, UNINITIALIZED, Create, Patch, Step, is_ready
from hack.aks_simulator.pools import Change, delete_pool, put_pool
from hack.aks_simulator.scenario import Scenario, merge_documents, parse_scenario
from hack.aks_simulator.settings import Settings
from hack.aks_simulator.simulator import Simulator
from tests.unit.hack.aks_simulator_kit import SIZES, START, Clock, pool_body


class Memory:
    """Nodes and pods of a cluster, as far as the loop touches them; counts writes."""

    def __init__(self) -> None:
        self.stored: dict[str, Json] = {}
        self.pods: list[Json] = []
        self.writes: list[Step] = []
        self.evicted: list[tuple[str, bool]] = []
        self.broken = False

    async def nodes(self) -> list[Json]:
        if self.broken:
            raise ConnectionError("no cluster")
        return list(self.stored.values())

    async def write(self, step: Step) -> None:
        self.writes.append(step)
        if isinstance(step, Create):
            assert name_of(step.node) not in self.stored, "a Node is created once"
            self.stored[name_of(step.node)] = merge_documents(step.node, {"metadata": {"resourceVersion": "1"}})
            return
        node = self.stored[step.name]
        assert step.patch["metadata"]["resourceVersion"] == node["metadata"]["resourceVersion"]
        version = str(int(node["metadata"]["resourceVersion"]) + 1)
        self.stored[step.name] = merge_documents(
            merge_documents(node, step.patch), {"metadata": {"resourceVersion": version}}
        )

    async def delete_node(self, node: Json) -> None:
        self.stored.pop(name_of(node), None)

    async def pods_on(self, node_name: str) -> list[Json]:
        return [pod for pod in self.pods if pod["spec"]["nodeName"] == node_name]

    async def evict(self, pod: Json, *, ignore_budgets: bool) -> None:
        self.evicted.append((name_of(pod), ignore_budgets))


class Stage:
    """A simulator with Nodes attached, a clock to move, and the loop to turn by hand."""

    def __init__(self, document: Json | None = None) -> None:
        self.clock = Clock()
        scenario = parse_scenario(document) if document else Scenario()
        self.simulator = Simulator(Settings(nodes_attached=True), SIZES, scenario, clock=self.clock)
        self.memory = Memory()
        self.loop = NodeLoop(self.simulator, self.memory)
        self.name = self.simulator.settings.node_name("ws1", 0)

    def put(self, **properties: Any) -> None:
        context = self.simulator.context()
        effects = {type(rule.effect): rule for rule in context.scenario.rules}
        change = Change("ws1", effects=effects)
        self.simulator.update(put_pool(self.simulator.advance(), context, change, pool_body(**properties)).world)

    def delete(self, *, ignore_budgets: bool = False) -> None:
        context = self.simulator.context()
        started = delete_pool(self.simulator.advance(), context, Change("ws1"), ignore_budgets=ignore_budgets)
        assert started
        self.simulator.update(started.world)

    async def at(self, seconds: float) -> Json | None:
        """Turn the loop at this many seconds after the start until it rests; the pool's Node then."""
        self.clock.now = START + seconds
        for _ in range(20):
            if await self.loop.sync() != BUSY_SECONDS:
                return self.memory.stored.get(self.name)
        return self.memory.stored.get(self.name)


def taints(node: Json) -> set[str]:
    return {taint["key"] for taint in node["spec"].get("taints", ())}


def gpus(node: Json) -> tuple[str | None, str | None]:
    status = node["status"]
    return status["capacity"].get("nvidia.com/gpu"), status["allocatable"].get("nvidia.com/gpu")


async def test_a_node_comes_up_as_on_aks() -> None:
    stage = Stage()
    stage.put()
    assert await stage.at(7.9) is None
    registered = await stage.at(8)
    assert registered
    assert taints(registered) == {UNINITIALIZED, NOT_READY, "sku"}
    assert "providerID" not in registered["spec"]
    assert not is_ready(registered)
    initialized = await stage.at(8.5)
    assert initialized
    assert initialized["spec"]["providerID"] == stage.simulator.settings.provider_id("ws1", 0)
    assert taints(initialized) == {NOT_READY, "sku"}
    ready = await stage.at(10)
    assert ready
    assert is_ready(ready)
    assert (taints(ready), gpus(ready)) == ({"sku"}, (None, None))
    complete = await stage.at(12)
    assert complete
    assert gpus(complete) == ("1", "1")


async def test_a_node_carries_what_provisioners_and_schedulers_read() -> None:
    stage = Stage()
    stage.put(vmSize="Standard_NC48ads_A100_v4", availabilityZones=["2"], osDiskSizeGB=512)
    node = await stage.at(12)
    assert node
    expected = {
        "agentpool": "ws1",
        "kubernetes.azure.com/agentpool": "ws1",
        "kubernetes.azure.com/cluster": "MC_rg-kaito_aks-kaito_eastus",
        "node.kubernetes.io/instance-type": "Standard_NC48ads_A100_v4",
        "kubernetes.io/arch": "amd64",
        "kubernetes.io/os": "linux",
        "kubernetes.io/hostname": stage.name,
        "topology.kubernetes.io/region": "eastus",
        "topology.kubernetes.io/zone": "eastus-2",
        "accelerator": "nvidia",
        "kaito.sh/workspace": "phi",
    }
    assert expected.items() <= node["metadata"]["labels"].items()
    assert node["metadata"]["annotations"] == {"kwok.x-k8s.io/node": "fake"}
    assert node["status"]["capacity"]["cpu"] == "48"
    assert node["status"]["capacity"]["ephemeral-storage"] == f"{512 * 2**20}Ki"
    assert gpus(node) == ("2", "2")


async def test_nothing_is_written_once_the_nodes_are_as_they_should_be() -> None:
    stage = Stage()
    stage.put()
    await stage.at(12)
    before = len(stage.memory.writes)
    await stage.at(500)
    assert len(stage.memory.writes) == before
    ready = [write for write in stage.memory.writes if isinstance(write, Patch) and "conditions" in str(write.patch)]
    assert len(ready) == 2, "Ready is set once for the system node and once for the GPU node"
    assert await stage.loop.sync() == RESYNC_SECONDS


async def test_a_loop_that_slept_through_it_all_catches_up() -> None:
    stage = Stage()
    stage.put()
    node = await stage.at(1000)
    assert node
    assert (is_ready(node), gpus(node)) == (True, ("1", "1"))


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("never_registers", lambda node: node is None),
        ("never_ready", lambda node: node is not None and not is_ready(node)),
        ("no_gpu", lambda node: is_ready(node) and gpus(node) == (None, None)),
    ],
)
async def test_node_trouble_lasts_until_the_rule_is_gone(fault: str, check: Callable[[Any], bool]) -> None:
    stage = Stage({"rules": [{"node": fault}]})
    stage.put()
    assert check(await stage.at(1000))
    stage.simulator.replace_scenario({})
    healed = await stage.at(1001)
    assert healed
    assert (is_ready(healed), gpus(healed)) == (True, ("1", "1"))


async def test_changed_labels_and_taints_reach_the_node_and_others_stay() -> None:
    stage = Stage()
    stage.put()
    node = await stage.at(12)
    assert node
    node["metadata"]["labels"]["mine"] = "stays"
    node["spec"]["taints"].append({"key": "other", "effect": "NoExecute"})
    stage.put(nodeLabels={"team": "ml"}, nodeTaints=["dedicated=ml:NoSchedule"])
    changed = await stage.at(20)
    assert changed
    labels = changed["metadata"]["labels"]
    assert (labels["team"], labels["mine"], "kaito.sh/workspace" in labels) == ("ml", "stays", False)
    assert taints(changed) == {"dedicated", "other"}


async def test_a_node_deleted_by_hand_registers_again() -> None:
    stage = Stage()
    stage.put()
    await stage.at(12)
    stage.memory.stored.pop(stage.name)
    node = await stage.at(13)
    assert node
    assert is_ready(node)


def pod(stage: Stage, name: str, owner: str = "ReplicaSet", phase: str = "Running") -> Json:
    owners = [{"kind": owner, "name": "owner"}]
    metadata = {"name": name, "namespace": "default", "ownerReferences": owners}
    return {"metadata": metadata, "spec": {"nodeName": stage.name}, "status": {"phase": phase}}


@pytest.mark.parametrize("ignore_budgets", [False, True])
async def test_a_deletion_drains_then_removes_the_node_then_ends(ignore_budgets: bool) -> None:
    stage = Stage()
    stage.put()
    await stage.at(12)
    stage.memory.pods = [pod(stage, "web"), pod(stage, "agent", "DaemonSet"), pod(stage, "done", phase="Succeeded")]
    stage.delete(ignore_budgets=ignore_budgets)
    draining = await stage.at(30)
    assert draining
    assert draining["spec"]["unschedulable"] is True
    assert set(stage.memory.evicted) == {("web", ignore_budgets)}
    assert stage.simulator.world.pools["ws1"].state == "Deleting", "the VM outlives its pods"
    stage.memory.pods.clear()
    assert await stage.at(31) is None
    assert "ws1" not in stage.simulator.advance().pools


async def test_a_node_stays_until_the_machine_is_gone() -> None:
    stage = Stage()
    stage.put()
    await stage.at(12)
    stage.delete()
    assert await stage.at(15.9), "the removal of the VM takes 4 seconds"
    assert await stage.at(16) is None


async def test_nodes_without_a_machine_are_removed() -> None:
    stage = Stage()
    stage.memory.stored["aks-old-1-vmss000000"] = {"metadata": {"name": "aks-old-1-vmss000000"}}
    await stage.at(0)
    assert "aks-old-1-vmss000000" not in stage.memory.stored


async def test_a_reset_removes_the_nodes_of_the_pools_it_forgets() -> None:
    stage = Stage()
    stage.put()
    await stage.at(12)
    stage.simulator.reset()
    assert await stage.at(13) is None
    assert sorted(stage.memory.stored) == [stage.simulator.settings.node_name("nodepool1", 0)]


async def test_failed_calls_are_reported_together() -> None:
    stage = Stage()
    stage.put(count=2)
    await stage.at(12)
    stage.memory.stored.clear()

    async def refuse(step: Step) -> None:
        raise ConnectionError("refused")

    stage.memory.write = refuse  # type: ignore[method-assign]
    with pytest.raises(ExceptionGroup, match="refused") as failed:
        await stage.loop.sync()
    assert len(failed.value.exceptions) == 3


def test_kinds_of_gpu() -> None:
    def resources(names: Iterable[str]) -> set[tuple[str, str]]:
        return {(SIZES[name].gpu_resource, SIZES[name].vendor) for name in names}

    assert resources(["standard_nc6s_v3"]) == {("nvidia.com/gpu", "nvidia")}
    assert resources(["standard_d4ds_v5"]) == {("", "")}
    assert resources(["standard_ng32ads_v620_v1"]) == {("amd.com/gpu", "amd")}
