"""Every program's /metrics is readable by Prometheus' own parser and carries the names dashboards look for."""

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from hack.devcluster.ports import LOOPBACK
from hack.devcluster.state import ProcessState
from tests.cluster.harness import eventually
from tests.system.harness import CONTROLLER, PATIENCE_SECONDS, PROVISIONER, WEBHOOK, System, workspace

EVERYWHERE = {
    "workqueue_depth",
    "workqueue_adds",
    "workqueue_queue_duration_seconds",
    "workqueue_work_duration_seconds",
    "workqueue_retries",
    "workqueue_unfinished_work_seconds",
    "workqueue_longest_running_processor_seconds",
    "controller_runtime_reconcile",
    "controller_runtime_reconcile_errors",
    "controller_runtime_reconcile_time_seconds",
    "controller_runtime_active_workers",
    "controller_runtime_max_concurrent_reconciles",
    "rest_client_requests",
    "rest_client_request_duration_seconds",
    "process_cpu_seconds",
}
LEADER = {"leader_election_master_status"}
ADMISSION = {
    "controller_runtime_webhook_requests",
    "controller_runtime_webhook_latency_seconds",
    "controller_runtime_webhook_requests_in_flight",
}
WANTED = {WEBHOOK: EVERYWHERE | ADMISSION, CONTROLLER: EVERYWHERE | LEADER, PROVISIONER: EVERYWHERE | LEADER}


async def scrape(system: System, process: ProcessState) -> dict[str, Metric]:
    """The metric families of one replica by name; counters without their suffix."""
    async with system.session.get(f"http://{LOOPBACK}:{process.ports['metrics']}/metrics") as reply:
        assert reply.status == 200, f"{process.name}: /metrics answered {reply.status}"
        families = list(text_string_to_metric_families(await reply.text()))
    assert len({family.name for family in families}) == len(families), f"{process.name}: a family is there twice"
    return {family.name: family for family in families}


def total(family: Metric, **wanted: str) -> float:
    """Sum of the samples with these labels, buckets left out."""
    return sum(
        sample.value
        for sample in family.samples
        if not sample.name.endswith(("_bucket", "_sum", "_created"))
        and all(sample.labels.get(key) == value for key, value in wanted.items())
    )


@pytest.mark.parametrize("program", sorted(WANTED))
async def test_every_replica_serves_what_dashboards_look_for(system: System, program: str) -> None:
    for process in system.replicas(program):
        families = await scrape(system, process)
        missing = WANTED[program] - families.keys()
        assert not missing, f"{process.name} lacks {sorted(missing)}"
        undocumented = [name for name, family in families.items() if not family.documentation]
        assert not undocumented, f"{process.name} does not describe {undocumented}"


@pytest.mark.parametrize("program", [CONTROLLER, PROVISIONER])
async def test_exactly_one_replica_says_it_leads(system: System, program: str) -> None:
    async def agree() -> str:
        leading = {
            process.name: total((await scrape(system, process))["leader_election_master_status"])
            for process in system.replicas(program)
        }
        holder = await system.leader(program)
        good = sorted(leading.values()) == [0, 1] and leading.get(holder) == 1
        return "" if good else f"one must lead, hold the Lease and say so, and one stand by: {holder!r}, {leading}"

    await eventually(agree, PATIENCE_SECONDS)


async def test_work_is_counted_where_it_was_done(system: System, namespace: str) -> None:
    await system.apply(workspace(namespace))
    await system.until_ready(namespace, "phi")

    for program in (CONTROLLER, PROVISIONER):
        leader = await system.leader(program)
        (process,) = (item for item in system.replicas(program) if item.name == leader)
        families = await scrape(system, process)
        assert total(families["controller_runtime_reconcile"]) > 0, f"{leader} worked and counts no reconcile"
        assert total(families["workqueue_adds"]) > 0, f"{leader} worked and counts nothing in its queue"
        assert total(families["rest_client_requests"], code="200") > 0, f"{leader} worked and counts no request"
    answered = [
        total((await scrape(system, process))["controller_runtime_webhook_requests"], code="200")
        for process in system.replicas(WEBHOOK)
    ]
    assert sum(answered) > 0, "a Workspace was admitted and no replica counts it"
