"""The metrics of the runtime on one registry, under the names dashboards for controller-runtime and client-go know.

Names, labels and buckets follow controller-runtime `pkg/internal/controller/metrics`, `pkg/metrics` and
`pkg/internal/metrics`. Label values come from closed sets and are bound once: a series exists from the first scrape,
before the first incident, and an increment costs no lookup. Gauges that age by themselves are computed at the scrape.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from weakref import WeakValueDictionary

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

disable_created_metrics()  # type: ignore[no-untyped-call]

REGISTRY: Final = CollectorRegistry()
"""What /metrics shows; programs define their own metrics here through counter, gauge and histogram."""

RECONCILE_RESULTS: Final = ("success", "error", "requeue", "requeue_after")
WEBHOOK_CODES: Final = ("200", "400", "413", "500", "503")
EVENT_DROPS: Final = ("overflow", "refused", "unreachable")

RECONCILE_BUCKETS: Final = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    *(1.25, 1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60),
)
DECADE_BUCKETS: Final = tuple(float(f"1e{exponent}") for exponent in range(-8, 4))
REQUEST_BUCKETS: Final = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)


def counter(name: str, help: str, labels: Sequence[str] = ()) -> Counter:  # noqa: A002 - the format's own word
    """A counter on REGISTRY; its name ends in `_total`."""
    return Counter(name, help, labels, registry=REGISTRY)


def gauge(name: str, help: str, labels: Sequence[str] = ()) -> Gauge:  # noqa: A002 - the format's own word
    """A gauge on REGISTRY."""
    return Gauge(name, help, labels, registry=REGISTRY)


def histogram(name: str, help: str, labels: Sequence[str] = (), *, buckets: Sequence[float]) -> Histogram:  # noqa: A002
    """A histogram on REGISTRY; buckets are upper bounds in the unit its name ends in."""
    return Histogram(name, help, labels, registry=REGISTRY, buckets=buckets)


_reconciles = counter(
    "controller_runtime_reconcile_total", "Reconciliations per controller, by result.", ("controller", "result")
)
_reconcile_errors = counter(
    "controller_runtime_reconcile_errors_total", "Reconciliations that ended in an error.", ("controller",)
)
_terminal_errors = counter(
    "controller_runtime_terminal_reconcile_errors_total",
    "Reconciliations that ended in an error not retried until something changes.",
    ("controller",),
)
_panics = counter(
    "controller_runtime_reconcile_panics_total", "Reconciliations ended by an unexpected exception.", ("controller",)
)
_timeouts = counter(
    "controller_runtime_reconcile_timeouts_total", "Reconciliations cut off by their own deadline.", ("controller",)
)
_reconcile_time = histogram(
    "controller_runtime_reconcile_time_seconds",
    "Duration of a reconciliation.",
    ("controller",),
    buckets=RECONCILE_BUCKETS,
)
_max_concurrent = gauge(
    "controller_runtime_max_concurrent_reconciles", "Workers a controller may use at once.", ("controller",)
)
_active_workers = gauge("controller_runtime_active_workers", "Workers busy with a reconciliation.", ("controller",))

_QUEUE_LABELS: Final = ("name", "controller")
_queue_adds = counter("workqueue_adds_total", "Keys added to the work queue.", _QUEUE_LABELS)
_queue_retries = counter("workqueue_retries_total", "Keys added to the work queue with a delay.", _QUEUE_LABELS)
_queue_wait = histogram(
    "workqueue_queue_duration_seconds",
    "Time a key waits in the work queue before it is handed out.",
    _QUEUE_LABELS,
    buckets=DECADE_BUCKETS,
)
_queue_work = histogram(
    "workqueue_work_duration_seconds",
    "Time between handing a key out and its being done.",
    _QUEUE_LABELS,
    buckets=DECADE_BUCKETS,
)

_requests = counter(
    "rest_client_requests_total", "Requests to the API server, by status code.", ("code", "method", "host")
)
_request_time = histogram(
    "rest_client_request_duration_seconds",
    "Duration of one attempt of a request to the API server.",
    ("verb", "host"),
    buckets=REQUEST_BUCKETS,
)
_request_retries = counter(
    "rest_client_request_retries_total",
    "Repeated attempts of requests to the API server, by status code.",
    ("code", "verb", "host"),
)

_leader = gauge("leader_election_master_status", "1 while this process leads, 0 while it stands by.", ("name",))

_webhook_requests = counter(
    "controller_runtime_webhook_requests_total",
    "Admission requests, by path and HTTP status code.",
    ("webhook", "code"),
)
_webhook_latency = histogram(
    "controller_runtime_webhook_latency_seconds",
    "Duration of an admission request.",
    ("webhook",),
    buckets=DECADE_BUCKETS,
)
_webhook_in_flight = gauge(
    "controller_runtime_webhook_requests_in_flight", "Admission requests being answered.", ("webhook",)
)
WEBHOOK_PANICS: Final = counter(
    "controller_runtime_webhook_panics_total", "Admission requests ended by an unexpected exception."
)
CONVERSION_PANICS: Final = counter(
    "controller_runtime_conversion_webhook_panics_total", "Conversions ended by an unexpected exception."
)
CERTIFICATE_READS: Final = counter("certwatcher_read_certificate_total", "Serving certificates read or issued.")
CERTIFICATE_READ_ERRORS: Final = counter(
    "certwatcher_read_certificate_errors_total", "Serving certificates that could not be read or issued."
)

_event_drops = counter("kaito_events_dropped_total", "Events never written, by cause.", ("cause",))
EVENTS_DROPPED: Final[Mapping[str, Counter]] = {cause: _event_drops.labels(cause) for cause in EVENT_DROPS}
LOOP_LAG: Final = gauge(
    "kaito_event_loop_lag_seconds", "Longest delay of a due timer during the last minute: work that blocked the loop."
)


@dataclass(frozen=True, slots=True)
class ReconcileMetrics:
    """The series of one controller."""

    results: Mapping[str, Counter]
    errors: Counter
    terminal_errors: Counter
    panics: Counter
    timeouts: Counter
    duration: Histogram
    active_workers: Gauge


def reconcile_metrics(controller: str, workers: int) -> ReconcileMetrics:
    """Creates every series of a controller that runs at most `workers` reconciliations at once."""
    _max_concurrent.labels(controller).set(workers)
    return ReconcileMetrics(
        results={result: _reconciles.labels(controller, result) for result in RECONCILE_RESULTS},
        errors=_reconcile_errors.labels(controller),
        terminal_errors=_terminal_errors.labels(controller),
        panics=_panics.labels(controller),
        timeouts=_timeouts.labels(controller),
        duration=_reconcile_time.labels(controller),
        active_workers=_active_workers.labels(controller),
    )


@dataclass(frozen=True, slots=True)
class QueueMetrics:
    """The series of one work queue that change by events; the others are computed at the scrape."""

    adds: Counter
    retries: Counter
    queue_duration: Histogram
    work_duration: Histogram


class QueueView(Protocol):
    """What a scrape asks of a queue."""

    def depths(self) -> dict[int, int]:
        """Waiting keys by priority."""

    def running_since(self) -> list[float]:
        """Loop time at which each running key was handed out."""


_queues: WeakValueDictionary[str, QueueView] = WeakValueDictionary()


def queue_metrics(name: str, queue: QueueView) -> QueueMetrics:
    """Creates every series of a queue; the scrape follows `queue` until it is gone or the name is taken anew."""
    _queues[name] = queue
    return QueueMetrics(
        adds=_queue_adds.labels(name, name),
        retries=_queue_retries.labels(name, name),
        queue_duration=_queue_wait.labels(name, name),
        work_duration=_queue_work.labels(name, name),
    )


class QueueCollector(Collector):
    """Depth and age of all queues at the moment of the scrape."""

    def collect(self) -> Iterator[Metric]:
        """The three gauges that no event updates."""
        depth = GaugeMetricFamily(
            "workqueue_depth", "Keys waiting in the work queue, by priority.", labels=(*_QUEUE_LABELS, "priority")
        )
        unfinished = GaugeMetricFamily(
            "workqueue_unfinished_work_seconds", "Sum of the ages of all runs not done yet.", labels=_QUEUE_LABELS
        )
        longest = GaugeMetricFamily(
            "workqueue_longest_running_processor_seconds", "Age of the oldest run not done yet.", labels=_QUEUE_LABELS
        )
        now = _loop_time()
        for name, queue in sorted(_queues.items()):
            ages = [now - started for started in queue.running_since()]
            unfinished.add_metric((name, name), sum(ages))
            longest.add_metric((name, name), max(ages, default=0.0))
            for priority, waiting in queue.depths().items():
                depth.add_metric((name, name, str(priority)), waiting)
        return iter((depth, unfinished, longest))


def _loop_time() -> float:
    """The running loop's time; outside of one, the clock that loops use."""
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return time.monotonic()


_informer_objects = gauge("kaito_informer_objects", "Objects in an informer's store.", ("informer",))
_informer_restarts = counter(
    "kaito_informer_restarts_total", "Restarts of an informer's watch, by cause.", ("informer", "cause")
)


class InformerMetrics:
    """The series of one informer, and the observer that fills them.

    Args:
        informer: its name.
        causes: the closed list of restart causes.
    """

    def __init__(self, informer: str, causes: Sequence[str]) -> None:
        self._objects = _informer_objects.labels(informer)
        self._restarts = {cause: _informer_restarts.labels(informer, cause) for cause in causes}

    def restarted(self, informer: str, cause: str) -> None:
        """Counts one restart of the watch."""
        self._restarts[cause].inc()

    def stored(self, informer: str, objects: int) -> None:
        """Notes the size of the store."""
        self._objects.set(objects)


def leader_status(name: str) -> Gauge:
    """The gauge of one election; exists with 0 from the start."""
    return _leader.labels(name)


@dataclass(frozen=True, slots=True)
class WebhookMetrics:
    """The series of one admission path."""

    requests: Mapping[str, Counter]
    latency: Histogram
    in_flight: Gauge


def webhook_metrics(path: str) -> WebhookMetrics:
    """Creates every series of an admission path; `requests` is keyed by HTTP status code."""
    return WebhookMetrics(
        requests={code: _webhook_requests.labels(path, code) for code in WEBHOOK_CODES},
        latency=_webhook_latency.labels(path),
        in_flight=_webhook_in_flight.labels(path),
    )


def observe_request(*, method: str, host: str, code: str, seconds: float, attempt: int) -> None:
    """Counts one attempt of a request to the API server (the observer of controller.runtime.client).

    Args:
        method: the HTTP method.
        host: host and port of the API server.
        code: the status code, or `<error>` when no reply came.
        seconds: duration of the attempt; for a watch, until its headers.
        attempt: 0 for the first, more for a retry.
    """
    _requests.labels(code, method, host).inc()
    _request_time.labels(method, host).observe(seconds)
    if attempt:
        _request_retries.labels(code, method, host).inc()


ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
GCCollector(registry=REGISTRY)
REGISTRY.register(QueueCollector())
