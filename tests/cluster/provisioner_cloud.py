"""What others do to the simulated cluster behind the provisioner's back."""

from typing import Literal

from controller.api.json import Json
from hack.aks_simulator import power
from hack.aks_simulator.pools import Change, Started, delete_pool, put_pool
from tests.cluster.harness import eventually
from tests.cluster.provisioner_kit import Bench

_SENT_BACK = ("vmSize", "nodeLabels", "nodeTaints", "tags", "scaleSetPriority")


def make_pool(world: Bench, name: str, properties: Json) -> None:
    """A pool made by somebody else."""
    simulator = world.simulator
    _happened(world, put_pool(simulator.advance(), simulator.context(), Change(name), {"properties": properties}))


def remove_pool(world: Bench, name: str) -> None:
    """A pool's removal by somebody else."""
    simulator = world.simulator
    started = delete_pool(simulator.advance(), simulator.context(), Change(name), ignore_budgets=True)
    assert started is not None, f"there is no pool {name} to remove"
    _happened(world, started)


def scale_to_nothing(world: Bench, name: str) -> None:
    """A pool that stands without its node from now on, as after a spot eviction."""
    (made,) = (entry["properties"] for entry in world.simulator.report()["pools"] if entry["name"] == name)
    make_pool(world, name, {**{key: made[key] for key in _SENT_BACK if key in made}, "count": 0})


async def switch(world: Bench, to: Literal["Running", "Stopped"]) -> None:
    """The whole cluster stopped or started, once nothing is under way on it."""

    async def rests() -> str:
        states = {
            entry["name"]: entry["properties"]["provisioningState"] for entry in world.simulator.report()["pools"]
        }
        return "" if set(states.values()) == {"Succeeded"} else f"pools {states}"

    await eventually(rests)
    _happened(world, power.switch(world.simulator.advance(), world.simulator.context(), to))


def _happened(world: Bench, started: Started) -> None:
    world.simulator.update(started.world)
    world.simulator.changed.set()
