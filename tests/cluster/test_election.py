"""Leader election on the real API server."""

import asyncio
from pathlib import Path

import pytest

from controller.api.json import Json
from controller.api.resources import LEASES
from controller.runtime.client import Client
from controller.runtime.election import Elector, LeadershipLost
from controller.runtime.lease import LeaseTiming
from tests.cluster.harness import eventually
from tests.faults.proxy import Drop, FaultProxy, Rule

QUICK = LeaseTiming(lease=3, renew_deadline=2, retry=0.4)
PATIENT = LeaseTiming(lease=60, renew_deadline=40, retry=1)
"""Expires so late that a quick takeover can only come from a release."""


class Stage:
    """Candidates of one Lease and the order in which their work began and ended."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace
        self.story: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    def start(self, client: Client, name: str, timing: LeaseTiming) -> None:
        elector = Elector(client, name="stage", namespace=self.namespace, identity=name, timing=timing)
        self.tasks[name] = asyncio.create_task(elector.run(lambda: self._work(name)))

    async def reaches(self, *story: str) -> None:
        """Waits until exactly this has happened."""

        async def check() -> str:
            return "" if self.story == list(story) else f"so far {self.story}, waiting for {list(story)}"

        await eventually(check)

    async def end(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    async def _work(self, name: str) -> None:
        self.story.append(f"{name} begins")
        try:
            await asyncio.Event().wait()
        finally:
            self.story.append(f"{name} ends")


async def spec_of(client: Client, namespace: str) -> Json:
    lease = await client.get(LEASES, "stage", namespace=namespace)
    spec: Json = lease["spec"]
    return spec


async def test_a_released_lease_is_handed_over_without_waiting_for_its_expiry(client: Client, namespace: str) -> None:
    stage = Stage(namespace)
    stage.start(client, "a", PATIENT)
    await stage.reaches("a begins")
    stage.start(client, "b", PATIENT)
    stage.start(client, "c", PATIENT)
    first = await spec_of(client, namespace)
    renewed: Json = {}

    async def renewed_twice() -> str:
        nonlocal renewed
        times.add((renewed := await spec_of(client, namespace))["renewTime"])
        return "" if len(times) >= 3 else f"renewed {len(times) - 1} times"

    times = {first["renewTime"]}
    await eventually(renewed_twice, seconds=20)  # by then the standbys have opened their watches, too
    stage.tasks["a"].cancel()

    async def one_more() -> str:
        return "" if len(stage.story) == 3 else f"so far {stage.story}"

    await eventually(one_more, seconds=20)
    assert stage.story[:2] == ["a begins", "a ends"]
    last = await spec_of(client, namespace)
    await stage.end()
    assert (first["holderIdentity"], first["leaseTransitions"]) == ("a", 0)
    assert renewed["renewTime"] > first["renewTime"] == first["acquireTime"]
    assert stage.story[2] == f"{last['holderIdentity']} begins"
    assert last["leaseTransitions"] == 1, "exactly one of the two standbys took it"


async def test_of_five_candidates_at_once_one_leads(client: Client, namespace: str) -> None:
    stage = Stage(namespace)
    for number in range(5):
        stage.start(client, str(number), QUICK)
    await asyncio.sleep(QUICK.lease + 1)
    story = list(stage.story)
    await stage.end()
    assert len(story) == 1, f"{story}: more than one has led although the first is alive"


async def test_a_leader_without_connection_ends_before_the_standby_begins(
    client: Client, namespace: str, fault_proxy: FaultProxy, proxied_kubeconfig: Path
) -> None:
    stage = Stage(namespace)
    async with await Client.connect(user_agent="cut-off", kubeconfig=proxied_kubeconfig) as cut_off:
        stage.start(cut_off, "a", QUICK)
        await stage.reaches("a begins")
        stage.start(client, "b", QUICK)
        fault_proxy.add(Rule(Drop(), path="/leases/", times=None))
        await stage.reaches("a begins", "a ends", "b begins")
        with pytest.raises(LeadershipLost, match="not renewed within 2 s"):
            await stage.tasks["a"]
    await stage.end()
    assert (await spec_of(client, namespace))["leaseTransitions"] == 1


async def test_a_lease_of_a_dead_leader_is_taken_after_its_duration(client: Client, namespace: str) -> None:
    dead = {
        "apiVersion": LEASES.api_version,
        "kind": LEASES.kind,
        "metadata": {"name": "stage", "namespace": namespace},
        "spec": {
            "holderIdentity": "dead",
            "leaseDurationSeconds": 2,
            "acquireTime": "2999-01-01T00:00:00.000000Z",
            "renewTime": "2999-01-01T00:00:00.000000Z",
            "leaseTransitions": 7,
        },
    }
    await client.create(LEASES, dead)
    stage = Stage(namespace)
    stage.start(client, "a", QUICK)
    await stage.reaches("a begins")
    spec = await spec_of(client, namespace)
    await stage.end()
    assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("a", 8), "a time in the future must not matter"
