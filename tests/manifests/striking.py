"""SIGKILL of every replica while the webhook is asked and a Workspace comes to life: what it costs, and how long."""

import asyncio
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest

from controller.api.conditions import is_true
from controller.api.json import Json, is_deleting, labels_of, name_of
from controller.api.resources import PODS
from controller.runtime.errors import NotFound
from hack.devcluster.programs import NAMESPACE
from hack.nodeagent.services import ENDPOINT_SLICES
from hack.nodeagent.status import SCHEME
from tests.cluster.harness import eventually
from tests.manifests.load import Failure, admissions
from tests.system import audit
from tests.system.harness import CONTROLLER, PATIENCE_SECONDS, PROVISIONER, WEBHOOK, System, workspace

LED = (CONTROLLER, PROVISIONER)

PROXY_SECONDS = 5.0
"""How much later than we a node's proxy may learn that a replica is withdrawn, on a busy machine."""


@dataclass(slots=True)
class Strike:
    """One replica of each program, killed at once.

    Attributes:
        pods: the victims by program.
        begun: when, in seconds of the loop's clock.
        wall: the same, since the epoch.
        withdrawn: when the endpoints no longer named the webhook, by the loop's clock.
        leads: seconds until somebody renewed the Lease of a program whose leader was killed.
        back: seconds until the replica was ready again.
    """

    pods: dict[str, Json]
    begun: float = 0.0
    wall: float = 0.0
    withdrawn: float = 0.0
    leads: dict[str, float] = field(default_factory=dict)
    back: dict[str, float] = field(default_factory=dict)

    @property
    def figures(self) -> str:
        """What was measured, as text."""
        parts = [f"webhook withdrawn after {self.withdrawn - self.begun:.1f} s"] if WEBHOOK in self.pods else []
        parts += [f"{program} led again after {seconds:.1f} s" for program, seconds in self.leads.items()]
        parts += [f"{program} ready again after {seconds:.1f} s" for program, seconds in self.back.items()]
        return ", ".join(parts)

    def explains(self, failure: Failure) -> bool:
        """Whether the request was under way at the kill, or sent before everybody knew that the replica is gone."""
        return WEBHOOK in self.pods and failure.begun <= self.withdrawn + PROXY_SECONDS and self.begun <= failure.ended


async def strike_everybody(system: System, comes_to_life: Json, rate: float) -> None:
    """Kills every replica of every program, one of each at a time; only what that cut off may fail.

    Args:
        system: the installation.
        comes_to_life: a Workspace that is applied before and must be ready in the end.
        rate: admissions a second meanwhile.
    """
    groups = [await running(system, program) for program in (WEBHOOK, *LED)]
    async with admissions(system.cluster, workspace("default", "other"), rate) as tally:
        await system.apply(comes_to_life)
        done = [await strike(system, filter(None, pods)) for pods in zip_longest(*groups)]
        await system.until_ready("default", name_of(comes_to_life))
    for one in done:
        print(f"figure: SIGKILL: {one.figures}")
    print(f"figure: {sum(map(len, groups))} replicas killed: {tally.figures}")
    assert [item for item in tally.failures if not any(one.explains(item) for one in done)] == []


async def strike(system: System, pods: Iterable[Json]) -> Strike:
    """Kills one replica of each program, and waits until all of them are ready again."""
    now = [await as_it_is(system, pod) for pod in pods]
    made = Strike({labels_of(pod)["app.kubernetes.io/name"]: pod for pod in now})
    led = [program for program in LED if program in made.pods and await leads(system, made.pods[program])]
    made.begun, made.wall = asyncio.get_running_loop().time(), time.time()
    for pod in made.pods.values():
        os.kill(int(process_of(pod).removeprefix(SCHEME)), signal.SIGKILL)
    await asyncio.gather(
        *(until_led(system, made, program) for program in led),
        *(until_back(system, made, program) for program in made.pods),
        *([until_withdrawn(system, made)] if WEBHOOK in made.pods else ()),
    )
    return made


async def running(system: System, program: str) -> list[Json]:
    """The Pods of a program that stay; what an earlier restart left behind serves on for a while."""
    pods = await system.everything(PODS, NAMESPACE, labels=f"app.kubernetes.io/name={program}")
    return [pod for pod in pods if not is_deleting(pod)]


async def as_it_is(system: System, pod: Json) -> Json:
    """The Pod once it is ready, with the process it has now: earlier strikes may have cost it the one it had."""
    found = pod

    async def ready() -> str:
        nonlocal found
        found = await system.client.get(PODS, name_of(pod), namespace=NAMESPACE)
        return "" if is_true(found, "Ready") else f"{name_of(pod)} is not ready"

    await eventually(ready, PATIENCE_SECONDS)
    return found


def process_of(pod: Json) -> str:
    """What the node agent names the running process by."""
    return str(pod["status"]["containerStatuses"][0]["containerID"])


async def leads(system: System, pod: Json) -> bool:
    """Whether the Pod is the one that leads its program."""
    return await system.leader(labels_of(pod)["app.kubernetes.io/name"]) == name_of(pod)


async def until_led(system: System, made: Strike, program: str) -> None:
    """Somebody has written the Lease after the kill."""

    async def led() -> str:
        lease = await system.lease(program)
        since = audit.moment(str(lease["renewTime"])) - made.wall if lease.get("holderIdentity") else 0.0
        made.leads[program] = since
        return "" if since > 0 else f"{program}: the Lease is {lease}"

    await eventually(led, PATIENCE_SECONDS)


async def until_back(system: System, made: Strike, program: str) -> None:
    """The node has started the replica again, and it is ready."""
    pod = made.pods[program]

    async def back() -> str:
        return "" if await is_back(system, pod) else f"{name_of(pod)} is not ready again"

    await eventually(back, PATIENCE_SECONDS)
    made.back[program] = asyncio.get_running_loop().time() - made.begun


async def until_withdrawn(system: System, made: Strike) -> None:
    """No endpoint names the webhook's replica; or it is back already, which nobody may have seen it go before."""
    pod = made.pods[WEBHOOK]

    async def withdrawn() -> str:
        slices = await system.everything(ENDPOINT_SLICES, NAMESPACE, labels=f"kubernetes.io/service-name={WEBHOOK}")
        ready = {
            address
            for item in slices
            for endpoint in item.get("endpoints") or ()
            if (endpoint.get("conditions") or {}).get("ready")
            for address in endpoint["addresses"]
        }
        gone = pod["status"]["podIP"] not in ready or await is_back(system, pod)
        return "" if gone else f"{name_of(pod)} is still an endpoint"

    await eventually(withdrawn, PATIENCE_SECONDS)
    made.withdrawn = asyncio.get_running_loop().time()


async def is_back(system: System, pod: Json) -> bool:
    """Whether the Pod is ready with another process."""
    try:
        now = await system.client.get(PODS, name_of(pod), namespace=NAMESPACE)
    except NotFound:
        return False
    return is_true(now, "Ready") and process_of(now) != process_of(pod)
