"""The simulator's Nodes on a real API server: registered, used by Pods, drained and removed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from controller.api.json import Json
from controller.api.resources import NODES, PODS, Resource
from controller.runtime.client import Client
from controller.runtime.errors import NotFound
from hack.aks_simulator.node_loop import RESYNC_SECONDS, NodeLoop
from hack.aks_simulator.node_writer import ClientNodeWriter
from hack.aks_simulator.nodes import is_ready
from hack.aks_simulator.pools import Change, delete_pool, put_pool
from hack.aks_simulator.scenario import Scenario, parse_scenario
from hack.aks_simulator.settings import Settings
from hack.aks_simulator.simulator import Simulator
from hack.aks_simulator.sizes import offered_sizes

SIZES = offered_sizes()
BUDGETS = Resource("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget", namespaced=True)
DEADLINE_SECONDS = 60.0
POOL = {
    "properties": {
        "count": 1,
        "vmSize": "Standard_NC6s_v3",
        "nodeLabels": {"apps": "phi-3"},
        "nodeTaints": ["sku=gpu:NoSchedule"],
    }
}


def make_simulator(cluster: str, state: Path | None = None, scenario: Json | None = None) -> Simulator:
    """A simulator eight times as fast as usual, of an AKS cluster of its own."""
    settings = Settings(cluster=cluster, speed=8, nodes_attached=True)
    return Simulator(settings, SIZES, parse_scenario(scenario) if scenario else Scenario(), state_file=state)


@asynccontextmanager
async def followed(simulator: Simulator, client: Client) -> AsyncIterator[None]:
    """The node loop running beside the test."""
    loop = NodeLoop(simulator, ClientNodeWriter(client, simulator.settings.node_resource_group))
    task = asyncio.create_task(loop.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def cleaned(simulator: Simulator, client: Client) -> AsyncIterator[Simulator]:
    """Removes the simulator's Nodes at the end, whatever happened."""
    try:
        yield simulator
    finally:
        writer = ClientNodeWriter(client, simulator.settings.node_resource_group)
        for node in await writer.nodes():
            await writer.delete_node(node)


@pytest.fixture
async def simulator(namespace: str, client: Client) -> AsyncIterator[Simulator]:
    async with cleaned(make_simulator(namespace), client) as made:
        yield made


def create(simulator: Simulator) -> str:
    """Ask for the pool; the name its Node will have."""
    started = put_pool(simulator.advance(), simulator.context(), Change("ws1"), POOL)
    simulator.update(started.world)
    simulator.changed.set()
    return simulator.settings.node_name("ws1", 0)


def delete(simulator: Simulator, *, ignore_budgets: bool = False) -> None:
    started = delete_pool(simulator.advance(), simulator.context(), Change("ws1"), ignore_budgets=ignore_budgets)
    assert started
    simulator.update(started.world)
    simulator.changed.set()


async def eventually(what: str, probe: Callable[[], Awaitable[object]], done: Callable[[object], bool]) -> object:
    """Probe until done says so; fails with everything seen on the way."""
    seen: list[str] = []
    clock = asyncio.get_running_loop().time
    start = clock()
    while clock() - start < DEADLINE_SECONDS:
        value = await probe()
        if not seen or not seen[-1].endswith(repr(value)):
            seen.append(f"{clock() - start:5.1f} s {value!r}")
        if done(value):
            return value
        await asyncio.sleep(0.1)
    raise AssertionError(f"{what} did not come within {DEADLINE_SECONDS:g} s; seen:\n" + "\n".join(seen[-20:]))


def node_view(client: Client, name: str) -> Callable[[], Awaitable[object]]:
    """What the tests wait for on a Node: Ready, providerID and GPUs; None without the Node."""

    async def view() -> object:
        with suppress(NotFound):
            node = await client.get(NODES, name)
            allocatable = node["status"].get("allocatable", {})
            return is_ready(node), bool(node["spec"].get("providerID")), allocatable.get("nvidia.com/gpu")
        return None

    return view


COMPLETE = (True, True, "1")


async def run_pod(client: Client, namespace: str) -> None:
    """A Pod that asks for a GPU of the pool, running."""
    tolerations = [{"key": "sku", "operator": "Equal", "value": "gpu", "effect": "NoSchedule"}]
    container = {"name": "main", "image": "phi-3", "resources": {"limits": {"nvidia.com/gpu": "1"}}}
    annotations = {"devcluster.kaito.sh/image-pull-seconds": "0", "devcluster.kaito.sh/start-seconds": "0"}
    await client.create(
        PODS,
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "gpu", "namespace": namespace, "labels": {"app": "gpu"}, "annotations": annotations},
            "spec": {"containers": [container], "tolerations": tolerations, "nodeSelector": {"apps": "phi-3"}},
        },
    )
    await eventually("a running Pod", pod_phase(client, namespace), lambda phase: phase == "Running")


def pod_phase(client: Client, namespace: str) -> Callable[[], Awaitable[object]]:
    async def phase() -> object:
        with suppress(NotFound):
            return (await client.get(PODS, "gpu", namespace=namespace))["status"].get("phase")
        return None

    return phase


def pool_state(simulator: Simulator) -> Callable[[], Awaitable[object]]:
    async def state() -> object:
        pool = simulator.advance().pools.get("ws1")
        return pool.state if pool else None

    return state


async def budget(client: Client, namespace: str) -> None:
    """A disruption budget that never lets the Pod go."""
    await client.create(
        BUDGETS,
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": "stay", "namespace": namespace},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "gpu"}}},
        },
    )


async def test_a_pool_becomes_a_node_that_runs_pods_and_goes_with_them(
    simulator: Simulator, client: Client, namespace: str
) -> None:
    async with followed(simulator, client):
        name = create(simulator)
        await eventually("a complete Node", node_view(client, name), lambda seen: seen == COMPLETE)
        await run_pod(client, namespace)
        delete(simulator)
        await eventually("the end of the pool", pool_state(simulator), lambda state: state is None)
        assert await node_view(client, name)() is None, "the Node goes before the operation ends"
        await eventually("the end of the Pod", pod_phase(client, namespace), lambda phase: phase is None)


async def test_a_budget_fails_the_deletion_and_can_be_ignored(client: Client, namespace: str) -> None:
    made = make_simulator(namespace, scenario={"timing": {"drain_timeout_seconds": 40}})
    async with cleaned(made, client) as simulator, followed(simulator, client):
        name = create(simulator)
        await eventually("a complete Node", node_view(client, name), lambda seen: seen == COMPLETE)
        await budget(client, namespace)
        await run_pod(client, namespace)
        delete(simulator)
        await eventually("the failure", pool_state(simulator), lambda state: state == "Failed")
        error = simulator.world.pools["ws1"].error
        assert error
        assert error.code == "PodDrainFailure"
        assert await pod_phase(client, namespace)() == "Running", "the budget kept the Pod"
        delete(simulator, ignore_budgets=True)
        await eventually("the end of the pool", pool_state(simulator), lambda state: state is None)


async def test_a_restart_resumes_where_the_nodes_were_left(client: Client, namespace: str, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    first = make_simulator(namespace, state)
    async with cleaned(first, client):
        async with followed(first, client):
            name = create(first)
            await eventually("a registered Node", node_view(client, name), lambda seen: seen is not None)
        again = make_simulator(namespace, state)
        async with followed(again, client):
            await eventually("a complete Node", node_view(client, name), lambda seen: seen == COMPLETE)
            delete(again)
            await eventually("the end of the pool", pool_state(again), lambda state: state is None)


async def test_a_complete_node_is_left_alone(simulator: Simulator, client: Client) -> None:
    name = create(simulator)
    loop = NodeLoop(simulator, ClientNodeWriter(client, simulator.settings.node_resource_group))
    async with followed(simulator, client):
        await eventually("a complete Node", node_view(client, name), lambda seen: seen == COMPLETE)
    looks = [await loop.sync() for _ in range(3)]
    assert looks == [RESYNC_SECONDS] * 3, "what the API server stored differs from what the simulator wants"
