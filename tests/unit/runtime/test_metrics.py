"""The exposition: names, labels and buckets that dashboards rely on, present before anything happened."""

import asyncio
import math
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from controller.runtime import metrics
from controller.runtime.queue import WorkQueue
from controller.runtime.reflector import RESTART_CAUSES
from tests.unit.virtual_time import run_virtual

ROOT = Path(__file__).parents[3]

RECONCILE_BUCKETS = (
    "0.005 0.01 0.025 0.05 0.1 0.15 0.2 0.25 0.3 0.35 0.4 0.45 0.5 0.6 0.7 0.8 0.9 1 1.25 1.5 1.75 2 2.5 3 3.5 4 4.5 5 "
    "6 7 8 9 10 15 20 25 30 40 50 60 inf"
)
DECADES = "1e-08 1e-07 1e-06 1e-05 0.0001 0.001 0.01 0.1 1 10 100 1000 inf"
REQUESTS = "0.005 0.025 0.1 0.25 0.5 1 2 4 8 15 30 60 inf"

CONTRACT = {
    "controller_runtime_reconcile": ("counter", {"controller", "result"}, ""),
    "controller_runtime_reconcile_errors": ("counter", {"controller"}, ""),
    "controller_runtime_terminal_reconcile_errors": ("counter", {"controller"}, ""),
    "controller_runtime_reconcile_panics": ("counter", {"controller"}, ""),
    "controller_runtime_reconcile_timeouts": ("counter", {"controller"}, ""),
    "controller_runtime_reconcile_time_seconds": ("histogram", {"controller"}, RECONCILE_BUCKETS),
    "controller_runtime_max_concurrent_reconciles": ("gauge", {"controller"}, ""),
    "controller_runtime_active_workers": ("gauge", {"controller"}, ""),
    "workqueue_depth": ("gauge", {"name", "controller", "priority"}, ""),
    "workqueue_adds": ("counter", {"name", "controller"}, ""),
    "workqueue_retries": ("counter", {"name", "controller"}, ""),
    "workqueue_queue_duration_seconds": ("histogram", {"name", "controller"}, DECADES),
    "workqueue_work_duration_seconds": ("histogram", {"name", "controller"}, DECADES),
    "workqueue_unfinished_work_seconds": ("gauge", {"name", "controller"}, ""),
    "workqueue_longest_running_processor_seconds": ("gauge", {"name", "controller"}, ""),
    "rest_client_requests": ("counter", {"code", "method", "host"}, ""),
    "rest_client_request_duration_seconds": ("histogram", {"verb", "host"}, REQUESTS),
    "rest_client_request_retries": ("counter", {"code", "verb", "host"}, ""),
    "leader_election_master_status": ("gauge", {"name"}, ""),
    "controller_runtime_webhook_requests": ("counter", {"webhook", "code"}, ""),
    "controller_runtime_webhook_latency_seconds": ("histogram", {"webhook"}, DECADES),
    "controller_runtime_webhook_requests_in_flight": ("gauge", {"webhook"}, ""),
    "controller_runtime_webhook_panics": ("counter", set(), ""),
    "controller_runtime_conversion_webhook_panics": ("counter", set(), ""),
    "certwatcher_read_certificate": ("counter", set(), ""),
    "certwatcher_read_certificate_errors": ("counter", set(), ""),
    "kaito_event_loop_lag_seconds": ("gauge", set(), ""),
    "kaito_events_dropped": ("counter", {"cause"}, ""),
    "kaito_informer_objects": ("gauge", {"informer"}, ""),
    "kaito_informer_restarts": ("counter", {"informer", "cause"}, ""),
}


FRESH_PROCESS = """
from prometheus_client import generate_latest
from controller.runtime import metrics
from controller.runtime.queue import WorkQueue
from controller.runtime.reflector import RESTART_CAUSES

queue = WorkQueue(name="contract")
metrics.reconcile_metrics("contract", workers=4)
metrics.webhook_metrics("/mutate")
metrics.leader_status("contract").set(0)
metrics.InformerMetrics("contract", RESTART_CAUSES).stored("contract", 0)
metrics.observe_request(method="GET", host="10.0.0.1:443", code="200", seconds=0.01, attempt=1)
print(generate_latest(metrics.REGISTRY).decode())
"""
"""Sets everything up and does nothing but one request; a process of its own, for other rooms add metrics of theirs."""


@pytest.fixture(scope="module")
def families() -> dict[str, Metric]:
    """The first scrape of a process."""
    run = subprocess.run([sys.executable, "-c", FRESH_PROCESS], capture_output=True, text=True, check=True, cwd=ROOT)
    return {family.name: family for family in text_string_to_metric_families(run.stdout)}


@pytest.mark.parametrize("name", CONTRACT)
def test_a_family_has_its_type_labels_and_buckets_from_the_start(name: str, families: dict[str, Metric]) -> None:
    kind, labels, buckets = CONTRACT[name]
    family = families[name]
    assert family.type == kind
    assert family.samples, f"{name} has no series before the first incident"
    assert {label for sample in family.samples for label in sample.labels} - {"le"} == labels
    if buckets:
        found = {float(sample.labels["le"]) for sample in family.samples if "le" in sample.labels}
        assert sorted(found) == [float(bucket) for bucket in buckets.split()]


def test_every_family_explains_itself(families: dict[str, Metric]) -> None:
    assert not [name for name, family in families.items() if not family.documentation.strip()]


def test_nothing_but_the_contract_and_the_interpreter_is_exposed(families: dict[str, Metric]) -> None:
    ours = {name for name in families if not name.startswith(("process_", "python_"))}
    assert ours == set(CONTRACT)
    assert {"process_resident_memory_bytes", "python_info", "python_gc_collections"} <= set(families)


def test_no_label_names_an_object(families: dict[str, Metric]) -> None:
    labels = {label for family in families.values() for sample in family.samples for label in sample.labels}
    assert not labels & {"namespace", "object", "key", "uid", "pod", "node", "workspace", "machine", "message"}


def test_closed_label_sets_are_complete_at_start(families: dict[str, Metric]) -> None:
    def values(name: str, label: str, /, **others: str) -> set[str]:
        return {sample.labels[label] for sample in families[name].samples if others.items() <= sample.labels.items()}

    results = values("controller_runtime_reconcile", "result", controller="contract")
    assert results == {"success", "error", "requeue", "requeue_after"}
    assert values("workqueue_depth", "priority", name="contract") == {"0", "-100"}
    assert values("kaito_informer_restarts", "cause", informer="contract") == set(RESTART_CAUSES)
    assert values("kaito_events_dropped", "cause") == set(metrics.EVENT_DROPS)


def test_no_series_of_creation_times(families: dict[str, Metric]) -> None:
    assert not [name for name in families if name.endswith("_created")]


def sample(name: str, queue: str) -> float:
    value = metrics.REGISTRY.get_sample_value(name, {"name": queue, "controller": queue})
    return math.nan if value is None else value


def test_ages_of_running_keys_are_those_of_the_scrape() -> None:
    async def scenario() -> tuple[float, float]:
        queue: WorkQueue[str] = WorkQueue(name="ages")
        for key in ("a", "b"):
            queue.add(key)
            await queue.get()
            await asyncio.sleep(10)
        return (
            sample("workqueue_unfinished_work_seconds", "ages"),
            sample("workqueue_longest_running_processor_seconds", "ages"),
        )

    assert run_virtual(scenario()) == (30, 20)


def test_a_queue_that_is_gone_leaves_the_scrape() -> None:
    queue: WorkQueue[str] | None = WorkQueue(name="gone")
    assert sample("workqueue_unfinished_work_seconds", "gone") == 0
    assert queue is not None
    del queue
    assert math.isnan(sample("workqueue_unfinished_work_seconds", "gone"))


def test_the_retry_counter_counts_attempts_beyond_the_first() -> None:
    def retries() -> float:
        labels = {"code": "503", "verb": "GET", "host": "retried"}
        return metrics.REGISTRY.get_sample_value("rest_client_request_retries_total", labels) or 0.0

    for attempt in range(3):
        metrics.observe_request(method="GET", host="retried", code="503", seconds=0.1, attempt=attempt)
    assert retries() == 2
