"""Runs every row at once, each in its own namespace, and keeps what came of it."""

import asyncio
import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp

from controller.api.conditions import TRUE
from controller.runtime.client import Client
from controller.runtime.errors import ApiError
from hack.devcluster import state
from hack.devcluster.layout import Layout
from hack.devcluster.ports import LOOPBACK
from hack.docs.fault import Fault
from hack.docs.faults import FAULTS
from tests.cluster.harness import eventually
from tests.faults_table import clouds, objects, pods, refusals
from tests.faults_table.cloud import Cloud
from tests.faults_table.injection import Injection
from tests.faults_table.place import PATIENCE_SECONDS, Place, World

INJECTIONS: Mapping[str, Injection] = {
    **pods.INJECTIONS,
    **objects.INJECTIONS,
    **refusals.INJECTIONS,
    **clouds.INJECTIONS,
}

AT_ONCE = 10
"""Rows that wait to be told at the same time: what is measured is not how a small machine bears them all."""

SINCE = "kaito_workspace_condition_since_timestamp_seconds"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one row.

    Attributes:
        problem: what did not come as the table says; empty where all did.
        seconds: from the moment the fact could be read to the moment the Workspace told it; None where it never did.
    """

    problem: str = ""
    seconds: float | None = None


async def run_all(layout: Layout) -> dict[str, Outcome]:
    """Makes every fault of the table happen on the running system."""
    present = state.load(layout)
    assert present is not None, f"no cluster runs in {layout.root}"
    tls = ssl.create_default_context(cafile=layout.certificate("ca"))
    (metrics,) = [
        f"http://{LOOPBACK}:{process.ports['metrics']}/metrics"
        for process in present.processes
        if process.name.startswith("kaito-controller-")
    ]
    async with (
        await Client.connect(user_agent="kaito-tests", kubeconfig=layout.kubeconfig) as client,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session,
        World.seen(client) as world,
    ):
        cloud = Cloud(session, present.endpoints["aks-simulator"])
        places = {name: Place(client, world, cloud, f"{name}-{secrets.token_hex(3)}") for name in FAULTS}
        turn = asyncio.Semaphore(AT_ONCE)
        runs = (_run(FAULTS[name], INJECTIONS[name], place, metrics, turn) for name, place in places.items())
        return dict(zip(places, await asyncio.gather(*runs), strict=True))


async def _run(fault: Fault, injection: Injection, place: Place, metrics: str, turn: asyncio.Semaphore) -> Outcome:
    loop = asyncio.get_running_loop()
    seconds: float | None = None
    try:
        async with turn:
            await place.settle()
            await injection.make(place)
            await place.until("the fact to be readable", lambda: injection.readable(place))
            since = loop.time()
            await place.until(f"{fault.condition} {fault.reason}", lambda: _told(fault, place))
            seconds = loop.time() - since
        await place.until(f"the event {fault.reason}", lambda: (fault.event_type, fault.reason) in place.events())
        await _until_measured(fault, place, metrics)
        await injection.heal(place)
        await place.until_ready()
    except (AssertionError, ApiError, ValueError) as error:
        return Outcome(f"{type(error).__name__}: {error}", seconds)
    return Outcome("", seconds)


def _told(fault: Fault, place: Place) -> bool:
    """Whether the condition, Ready, and who moves it on say what the table says."""
    told, ready = place.condition(fault.condition), place.condition("Ready")
    if told is None or ready is None or TRUE in (told.status, ready.status):
        return False
    moved = place.condition("Stalled" if fault.stalls else "Reconciling")
    return {told.reason, ready.reason, moved.reason if moved else ""} == {fault.reason} and fault.shows in told.message


async def _until_measured(fault: Fault, place: Place, metrics: str) -> None:
    """Waits until the metric has the reason too."""
    labels = [f'workspace_namespace="{place.namespace}"', 'condition="Ready"', f'reason="{fault.reason}"']

    async def missing() -> str:
        async with place.cloud.session.get(metrics) as reply:
            lines = (await reply.text()).splitlines()
        found = [line for line in lines if line.startswith(f"{SINCE}{{") and labels[0] in line]
        return "" if any(all(label in line for label in labels) for line in found) else f"not in {found}"

    await eventually(missing, PATIENCE_SECONDS)
