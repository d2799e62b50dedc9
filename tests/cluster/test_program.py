"""Whole processes on the real API server: two replicas of a small program, started, killed, frozen and stopped."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from controller.api.json import Json, annotations_of, name_of
from controller.api.resources import CONFIG_MAPS, EVENTS, LEASES
from controller.runtime.client import Client
from hack.devcluster.ports import LOOPBACK, Ports
from tests.cluster.harness import Cluster, eventually
from tests.cluster.sample_program import NAME
from tests.faults.proxy import Drop, FaultProxy, Rule

ROOT = Path(__file__).parents[2]
RBAC = "rbac.authorization.k8s.io"
RULES = [
    {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "watch", "patch"]},
    {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "create", "update", "watch"]},
]
"""All that such a program needs, and no more: these tests fail when the runtime starts to ask for other things."""


@dataclass(slots=True)
class Replica:
    """One process."""

    name: str
    process: asyncio.subprocess.Process
    metrics: str
    health: str
    log: list[str] = field(default_factory=list)

    async def metric(self, name: str, /, **labels: str) -> float | None:
        async with aiohttp.ClientSession() as session, session.get(f"{self.metrics}/metrics") as answer:
            families = text_string_to_metric_families(await answer.text())
        for family in families:
            for sample in family.samples:
                if sample.name == name and labels.items() <= sample.labels.items():
                    return float(sample.value)
        return None

    async def is_ready(self) -> str:
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{self.health}/readyz") as answer:
                return "" if answer.status == 200 else await answer.text()
        except aiohttp.ClientError as error:
            return repr(error)

    async def exit_code(self) -> int | None:
        async with asyncio.timeout(60):
            return await self.process.wait()

    async def follow(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self.log.append(line.decode().rstrip())


@pytest.fixture
async def account(cluster: Cluster, namespace: str) -> Path:
    """The kubeconfig of a service account that may do what RULES says."""
    subject = {"kind": "ServiceAccount", "name": "sample", "namespace": namespace}
    metadata = {"name": "sample", "namespace": namespace}
    await cluster.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata},
        {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": metadata, "rules": RULES},
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "sample"},
            "subjects": [subject],
        },
    )
    return await cluster.token_kubeconfig(namespace, "sample")


@asynccontextmanager
async def replica(
    name: str, kubeconfig: Path, namespace: str, lease_seconds: int, *more: str
) -> AsyncIterator[Replica]:
    """A running, ready replica; killed at the end if it still runs."""
    with Ports() as ports:
        metrics, health = (f"{LOOPBACK}:{ports.take()}" for _ in range(2))
        flags = {
            "--kubeconfig": str(kubeconfig),
            "--namespace": namespace,
            "--identity": name,
            "--metrics-bind-address": metrics,
            "--health-probe-bind-address": health,
            "--leader-elect-lease-duration": f"{lease_seconds}s",
            "--leader-elect-renew-deadline": f"{lease_seconds * 2 // 3}s",
            "--leader-elect-retry-period": "500ms",
        }
        arguments = [part for flag in flags.items() for part in flag] + list(more)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.cluster.sample_program", *arguments),
            stderr=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )
        made = Replica(name, process, f"http://{metrics}", f"http://{health}")
        following = asyncio.create_task(made.follow())
        try:
            await eventually(made.is_ready)
            yield made
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
            await following


async def seen_by(client: Client, namespace: str, name: str) -> str:
    """Makes a ConfigMap and waits for the replica that sees to it."""
    await client.create(
        CONFIG_MAPS,
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": name, "namespace": namespace, "labels": {"sample": "yes"}},
        },
    )
    found: Json = {}

    async def check() -> str:
        nonlocal found
        found = annotations_of(await client.get(CONFIG_MAPS, name, namespace=namespace))
        return "" if "seen-by" in found else f"nobody has seen {name}"

    await eventually(check)
    return str(found["seen-by"])


async def lease_of(client: Client, namespace: str) -> Json:
    lease = await client.get(LEASES, NAME, namespace=namespace)
    spec: Json = lease["spec"]
    return spec


async def test_one_of_two_replicas_works_and_a_clean_stop_hands_over_at_once(
    client: Client, namespace: str, account: Path
) -> None:
    async with (
        replica("a", account, namespace, lease_seconds=60) as first,
        replica("b", account, namespace, lease_seconds=60) as second,
    ):
        assert await seen_by(client, namespace, "one") == "a"
        assert await first.metric("leader_election_master_status", name=NAME) == 1
        assert await second.metric("leader_election_master_status", name=NAME) == 0
        assert (await first.metric("workqueue_adds_total", name=NAME) or 0) > 0
        assert await second.metric("workqueue_adds_total", name=NAME) == 0, "nobody empties the queue of a standby"
        first.process.terminate()
        assert await first.exit_code() == 0, first.log
        assert await seen_by(client, namespace, "two") == "b", "the lease of 60 s was not released"
        assert (await lease_of(client, namespace))["leaseTransitions"] == 1
    events = [event for event in (await client.list(EVENTS, namespace=namespace)).items if event["reason"] == "Seen"]
    assert {event["note"] for event in events} == {"seen by a", "seen by b"}, "events are flushed before the end"


async def test_a_killed_leader_is_replaced(client: Client, namespace: str, account: Path) -> None:
    async with (
        replica("a", account, namespace, lease_seconds=3) as first,
        replica("b", account, namespace, lease_seconds=3),
    ):
        assert await seen_by(client, namespace, "one") == "a"
        first.process.kill()
        assert await seen_by(client, namespace, "two") == "b"


async def test_a_leader_frozen_past_its_lease_ends_when_it_wakes(client: Client, namespace: str, account: Path) -> None:
    async with (
        replica("a", account, namespace, lease_seconds=3) as first,
        replica("b", account, namespace, lease_seconds=3),
    ):
        assert await seen_by(client, namespace, "one") == "a"
        first.process.send_signal(signal.SIGSTOP)
        assert await seen_by(client, namespace, "two") == "b"
        first.process.send_signal(signal.SIGCONT)
        assert await first.exit_code() == 1, first.log
        critical = [json.loads(line)["msg"] for line in first.log if '"critical"' in line]
        assert len(critical) == 1, first.log
        assert critical[0].startswith("ending, leadership lost: not renewed within 2 s")
        assert await seen_by(client, namespace, "three") == "b"


async def test_work_that_ignores_its_end_dies_with_the_process_before_another_leads(
    client: Client, namespace: str, fault_proxy: FaultProxy, proxied_kubeconfig: Path
) -> None:
    async with replica("a", proxied_kubeconfig, namespace, 6, "--stubborn") as only:
        assert await seen_by(client, namespace, "one") == "a"
        fault_proxy.add(Rule(Drop(), path="/leases/", times=None))
        assert await only.exit_code() == 1, only.log
        assert "leadership lost" in only.log[-1], "it ended at once, without the steps of an orderly stop"


async def test_metrics_of_a_working_process_and_silence_when_all_is_done(
    client: Client, namespace: str, account: Path
) -> None:
    async with replica("a", account, namespace, lease_seconds=60) as only:
        for name in ("one", "two"):
            assert await seen_by(client, namespace, name) == "a"
        await asyncio.sleep(1)
        host = await only.metric("rest_client_requests_total", code="200", method="PATCH")
        assert host == 2, "one write per ConfigMap"
        assert await only.metric("controller_runtime_reconcile_total", controller=NAME, result="success")
        assert await only.metric("controller_runtime_reconcile_errors_total", controller=NAME) == 0
        assert await only.metric("workqueue_depth", name=NAME, priority="0") == 0
        assert (await only.metric("kaito_informer_objects", informer="configmaps") or 0) >= 2
        assert await only.metric("kaito_events_dropped_total", cause="refused") == 0
        maps = await client.list(CONFIG_MAPS, namespace=namespace, labels="sample=yes")
        versions = {name_of(found): found["metadata"]["resourceVersion"] for found in maps.items}
        await asyncio.sleep(2)
        assert await only.metric("rest_client_requests_total", code="200", method="PATCH") == 2
        again = await client.list(CONFIG_MAPS, namespace=namespace, labels="sample=yes")
        assert versions == {name_of(found): found["metadata"]["resourceVersion"] for found in again.items}
