"""A real Prometheus watches the whole system: every panel and rule has data, and alerts fire when their cause is there.

Alerts fire at once here, durations are cut to seconds, and a share may be small, for the trouble is short; from when on
they fire as they ship is asserted in test_rules.
"""

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from controller.api.labels import MACHINE_TYPE, WORKSPACE, WORKSPACE_NAMESPACE
from controller.api.resources import CONFIG_MAPS, WORKSPACES
from hack.devcluster.layout import Layout
from hack.devcluster.ports import Ports
from hack.devcluster.programs import AZURE, NAMESPACE
from hack.prometheus.binaries import Tools
from hack.prometheus.monitoring import alerts, filled_in, queries, recordings, rule_groups, write_rules
from hack.prometheus.server import Prometheus, Target, configuration, running
from tests.cluster.harness import eventually
from tests.monitoring.causes import Flawed, overload, status_forbidden
from tests.monitoring.drawing import draw
from tests.monitoring.live import PATIENCE_SECONDS, Fired, quickened, read_by, until_data, watching
from tests.stand import whole_system
from tests.system.harness import CONTROLLER, PROVISIONER, SIZE, WEBHOOK, System, connected, workspace

PROGRAMS: Final = (WEBHOOK, CONTROLLER, PROVISIONER)
FLAWED: Final = "kaito-webhook-flawed"
SPEED: Final = 8.0
POOR_SIZE, POOR_FAMILY = "Standard_NV36ads_A10_v5", "StandardNVADSA10v5Family"
NO_QUOTA: Final = {"quota": {"families": {POOR_FAMILY: 0}}}
SHORTER: Final = {
    "KaitoWorkspaceNotReadyLong": ("> 7200", "> 1"),
    "KaitoWorkspaceDeletionStuck": ("> 1800", "> 1"),
    "KaitoWorkspaceUnseen": ("> 600", "> 3"),
    "KaitoEventLoopBlocked": ("> 2", "> 0.5"),
    "KaitoArmFailing": ("> 0.2", "> 0.02"),
    "KaitoApiRequestsFailing": ("> 0.05", "> 0.01"),
    "KaitoPoolsUnread": ("> 900", "> 10"),
    "KaitoReconcileErrors": ("> 0.2", "> 0.02"),
    "KaitoQueueBacklog": ("> 600", "> 2"),
}
AT_REST: Final = {"KaitoPoolsUnread"}
"""With seconds in the place of minutes, what they are about is so in a system that has nothing to do."""
VARIABLES: Final = {"__rate_interval": "1m", "namespace": "default", "workspace": "phi"}

DELETING: Final = 'kaito_workspace_condition_since_timestamp_seconds{condition="WorkspaceDeleting",status="True"}'
CLOUD_FAILS: Final = 'kaito_arm_requests_total{code=~"401|403|5..|timeout|connection"}'
API_FAILS: Final = 'rest_client_requests_total{code=~"5..|<error>"}'
ONLY_IN_TROUBLE: Final = {DELETING, CLOUD_FAILS, API_FAILS}
"""Selectors that find something only while what they are about goes on."""


@dataclass(frozen=True, slots=True)
class Watched:
    """The system, the Prometheus that watches it, and what has fired."""

    system: System
    prometheus: Prometheus
    fired: Fired
    flawed: Flawed
    began: float
    """In seconds since 1970."""

    async def create(self, name: str, size: str = SIZE) -> None:
        """Applies a Workspace."""
        await self.system.apply(workspace("default", name, size=size))

    def send(self, number: signal.Signals, *names: str) -> None:
        """Sends a signal to processes of the cluster."""
        for name in names:
            process = self.system.state.find(name).process
            assert process is not None
            process.signal(number)

    async def keep_down(self, name: str) -> None:
        """Kills a process as often as the supervisor starts it, until cancelled."""
        while True:
            process = self.system.state.find(name).process
            if process is not None:
                process.signal(signal.SIGKILL)
            await asyncio.sleep(0.1)

    def replicas(self, program: str) -> list[str]:
        """The names of a program's processes."""
        return [process.name for process in self.system.replicas(program)]


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Layout]:
    """A whole system of its own, two replicas of each program, as its processes are stopped at will."""
    with whole_system(tmp_path_factory.mktemp("watched"), replicas=2, speed=SPEED) as made:
        yield made


@pytest.fixture
async def watched(layout: Layout, tools: Tools, tmp_path: Path) -> AsyncIterator[Watched]:
    """The system under the eyes of a Prometheus that has scraped every replica."""
    rules = write_rules(tmp_path / "rules.yaml", quickened(rule_groups(), SHORTER))
    with Ports() as ports:
        flawed = Flawed.at(ports)
        async with connected(layout) as system:
            await system.until_all_run()
            targets = [
                Target(program, process.name, process.ports["metrics"])
                for program in PROGRAMS
                for process in system.replicas(program)
            ]
            later = Target(WEBHOOK, FLAWED, flawed.metrics)
            settings = configuration([*targets, later], NAMESPACE, [rules], "1s")
            began = time.time()
            async with running(tools, tmp_path / "prometheus", settings) as prometheus:
                # A program remembers for a minute that its start was slow.
                await eventually(lambda: _unquiet(prometheus, len(targets)), 2 * PATIENCE_SECONDS)
                async with watching(prometheus) as fired:
                    yield Watched(system, prometheus, fired, flawed, began)


async def test_panels_and_rules_have_data_and_alerts_fire_when_their_cause_is_there(
    watched: Watched, tmp_path: Path
) -> None:
    await _make_use(watched)
    await _check_data(watched)
    await _strain_the_webhook(watched, tmp_path / "flawed")
    await _slow_the_cloud(watched)
    drawn = await draw(watched.prometheus, watched.began, tmp_path / "pictures", VARIABLES)
    print(f"figure: panels drawn with data: {drawn}")
    await _break_the_cloud(watched)
    await _take_rights_away(watched)
    await _stop_programs(watched)
    await _lose_the_api_server(watched)
    print(f"figure: alerts fired live: {len(watched.fired.summaries)}/{len(alerts())}")
    for name, summary in sorted(watched.fired.summaries.items()):
        print(f"  {name}: {summary}")
        assert "no value" not in summary
    assert set(watched.fired.summaries) == set(alerts()), "alerts whose cause nobody injects"


async def _make_use(watched: Watched) -> None:
    """A Workspace that gets ready, one that cannot, one that is refused, a bad catalogue entry, a stranger's pool."""
    system = watched.system
    await system.play(NO_QUOTA)
    await system.client.create(CONFIG_MAPS, BAD_CATALOG)
    await _put_foreign_pool(system)
    await watched.create("phi")
    await watched.create("poor", POOR_SIZE)
    refused = workspace("default", "refused", size="Standard_D2s_v3")
    code, text = await system.kubectl("apply", "-f", "-", stdin=json.dumps(refused))
    assert code != 0, f"a size without GPUs was admitted: {text}"
    await system.until_ready("default", "phi")
    await watched.fired.until(
        "KaitoCatalogOverrideProblems",
        "KaitoWorkspaceStalled",
        "KaitoWorkspaceNotReadyLong",
        "KaitoMachineLaunchFailing",
        "KaitoOrphanPools",
    )


async def _check_data(watched: Watched) -> None:
    panels = [filled_in(query.expression, VARIABLES) for query in queries()]
    await until_data(watched.prometheus, panels)
    await until_data(watched.prometheus, recordings())
    await until_data(watched.prometheus, read_by([*alerts().values(), *recordings().values()]) - ONLY_IN_TROUBLE)
    broken = {rule["name"]: rule["lastError"] for rule in await watched.prometheus.rules() if rule["health"] != "ok"}
    assert not broken, f"rules that cannot be evaluated: {broken}"
    rules = len(recordings()) + len(alerts())
    print(f"figure: queries with data: of panels {len(panels)}/{len(panels)}, of rules {rules}/{rules}")


async def _strain_the_webhook(watched: Watched, folder: Path) -> None:
    """A defect and a certificate nobody renews in one webhook; more large reviews than another takes of one peer."""
    (replica, *_) = watched.system.replicas(WEBHOOK)
    straining = asyncio.create_task(overload(replica.ports["serving"]))
    try:
        async with watched.flawed.running(watched.system, folder):
            # An increase is seen only by those who saw the counter before.
            await until_data(watched.prometheus, [f'controller_runtime_webhook_panics_total{{pod="{FLAWED}"}}'])
            await watched.flawed.ask()
            await watched.fired.until("KaitoPanics", "KaitoCertificateExpiresSoon")
        await watched.fired.until("KaitoWebhookErrorsHigh", "KaitoWebhookLatencyHigh")
    finally:
        straining.cancel()
        await asyncio.wait([straining])


async def _slow_the_cloud(watched: Watched) -> None:
    """Azure takes its time over a new pool, and throttles while its nodes are made."""
    slow = {"match": {"operation": "put_pool"}, "delay": 10}
    throttled = {"match": {"operation": "list_pools"}, "reply": {"status": 429, "code": "Throttled", "retry_after": 1}}
    await watched.system.play({**NO_QUOTA, "rules": [slow]})
    await watched.create("late")
    await watched.fired.until("KaitoQueueBacklog")
    await watched.system.play({**NO_QUOTA, "rules": [throttled]})
    await watched.fired.until("KaitoArmThrottled")


async def _break_the_cloud(watched: Watched) -> None:
    """Azure fails while a Workspace goes away; the pools have just been read, since a node is being made."""
    await watched.system.play(NO_QUOTA)
    await watched.create("brief")
    await watched.fired.anew(watched.prometheus, *AT_REST)
    await watched.system.play({**NO_QUOTA, "rules": [{"match": {}, "reply": {"status": 500}}]})
    await watched.system.client.delete(WORKSPACES, "phi", namespace="default")
    await until_data(watched.prometheus, [DELETING, CLOUD_FAILS])
    await watched.fired.until("KaitoArmFailing", "KaitoWorkspaceDeletionStuck", "KaitoPoolsUnread")


async def _take_rights_away(watched: Watched) -> None:
    """The controller may no longer write what it finds."""
    async with status_forbidden(watched.system):
        await watched.create("untold")
        await watched.fired.until("KaitoReconcileErrors", "KaitoWorkspaceUnseen")


async def _stop_programs(watched: Watched) -> None:
    """The leader hangs, then every replica does."""
    system = watched.system
    leader = await system.leader(CONTROLLER)
    watched.send(signal.SIGSTOP, leader)
    await watched.fired.until("KaitoNoLeader")
    everything = [name for program in PROGRAMS for name in watched.replicas(program)]
    watched.send(signal.SIGSTOP, *everything)
    await watched.fired.until("KaitoWebhookDown", "KaitoControllerDown", "KaitoProvisionerDown")
    watched.send(signal.SIGCONT, *everything)
    await watched.fired.until("KaitoEventLoopBlocked")


async def _lose_the_api_server(watched: Watched) -> None:
    """The API server ends as often as it is started."""
    down = asyncio.create_task(watched.keep_down("kube-apiserver"))
    try:
        await until_data(watched.prometheus, [API_FAILS])
        await watched.fired.until("KaitoApiRequestsFailing")
    finally:
        down.cancel()


async def _unquiet(prometheus: Prometheus, targets: int) -> str:
    """Empty once everything is scraped, and nothing is wrong."""
    scraped = [target["scrapeUrl"] for target in await prometheus.targets() if target["health"] == "up"]
    firing = {alert["labels"]["alertname"] for alert in await prometheus.alerts()} - AT_REST
    return f"scraped: {scraped}, firing: {firing}" if len(scraped) < targets or firing else ""


async def _put_foreign_pool(system: System) -> None:
    """An agent pool with a Workspace's label that no claim of ours stands for."""
    cluster = "/subscriptions/{subscription}/resourceGroups/{resource-group}".format(**AZURE)
    path = f"{cluster}/providers/Microsoft.ContainerService/managedClusters/{AZURE['cluster']}/agentPools/stranger"
    labels = {WORKSPACE: "old", WORKSPACE_NAMESPACE: "default", MACHINE_TYPE: "gpu"}
    body = {"properties": {"count": 1, "vmSize": "Standard_NC4as_T4_v3", "mode": "User", "nodeLabels": labels}}
    async with system.session.put(f"{system.cloud_url}{path}", params={"api-version": API_VERSION}, json=body) as reply:
        assert reply.status in (200, 201), await reply.text()


API_VERSION: Final = "2025-05-01"
BAD_CATALOG: Final[dict[str, Any]] = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "kaito-catalog", "namespace": NAMESPACE},
    "data": {"presets.yaml": "- {name: phi-2, disk_gib: big}\n"},
}
