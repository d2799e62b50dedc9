"""One life of a Workspace, from `kubectl apply` to nothing left, with or without a program being killed on the way."""

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from controller.api.json import Json, name_of
from hack.devcluster.processes import wait_gone
from tests.cluster.harness import eventually
from tests.system import audit
from tests.system.harness import CONTROLLER, PATIENCE_SECONDS, PROVISIONER, WEBHOOK, Scene, System, workspace
from tests.system.portrait import differences, portrait

NODES = 2
NAME = "phi"
_DEATH_SECONDS = 10.0
_PROGRAMS = (WEBHOOK, CONTROLLER, PROVISIONER)


@dataclass(frozen=True, slots=True)
class Strike:
    """Every replica of a program is killed at a moment of the run."""

    program: str
    after: float
    """Where in the run, as a fraction of the time an undisturbed one takes."""

    @property
    def text(self) -> str:
        """For test names."""
        return f"{self.program}-at-{self.after:.0%}"


@dataclass(frozen=True, slots=True)
class Life:
    """What came of one Workspace."""

    portrait: Json
    """How everything looked once it was Ready."""
    machines: Sequence[str]
    """Names of the Machines that were created over the whole life, each as often as it was."""
    pools: Counter[str]
    """How often the cloud agreed to make each pool."""
    seconds: float


def strikes(moments: int) -> list[Strike]:
    """Each program in turn, at so many random moments; KAITO_SEED repeats or varies them."""
    seed = int(os.environ.get("KAITO_SEED", "2"))
    generator = random.Random(seed)
    return [Strike(program, generator.random()) for _ in range(moments) for program in _PROGRAMS]


async def live(
    system: System, namespace: str, strike: Strike | None = None, *, length: float = 0.0, like: Json | None = None
) -> Life:
    """Create a Workspace, wait until it has settled, delete it, wait until nothing is left.

    Args:
        system: where.
        namespace: that of the Workspace.
        strike: whom to kill, and when.
        length: seconds an undisturbed run takes.
        like: the portrait everything must come to resemble before the Workspace is deleted; None for any.
    """
    begin = time.time()
    killing = asyncio.create_task(_kill(system, strike, length))
    await system.apply(workspace(namespace, NAME, count=NODES))
    scene = await _until_alike(system, namespace, like)
    drawn = portrait(scene)
    await system.kubectl("delete", "workspace", NAME, "-n", namespace, "--wait=false")
    await system.until_gone(namespace, NAME)
    seconds = time.time() - begin
    await killing
    machines = audit.made(audit.calls(system.layout, since=begin), "machines")
    requests = (await system.cloud())["requests_by_pool"]
    names = {name_of(machine) for machine in scene.machines} | set(machines)
    pools = Counter({name: audit.agreed(requests.get(name, {}).get("put_pool", {})) for name in names})
    return Life(drawn, machines, pools, seconds)


async def _until_alike(system: System, namespace: str, like: Json | None) -> Scene:
    """The settled scene; a moment after a kill something may still be on its way that nobody reports on."""
    scene = await system.until_settled(namespace, NAME)

    async def alike() -> str:
        nonlocal scene
        scene = await system.until_settled(namespace, NAME)
        return differences(like, portrait(scene)) if like else ""

    await eventually(alike, PATIENCE_SECONDS)
    return scene


async def _kill(system: System, strike: Strike | None, length: float) -> None:
    if strike is None:
        return
    await asyncio.sleep(strike.after * length)
    victims = [replica.process for replica in system.replicas(strike.program) if replica.process]
    assert victims, f"nobody to kill: no {strike.program} runs"
    for victim in victims:
        victim.signal(signal.SIGKILL)
    assert not await wait_gone(victims, _DEATH_SECONDS), f"{strike.program} survived SIGKILL"
