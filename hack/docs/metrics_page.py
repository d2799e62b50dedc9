"""The page of metrics: what each program's registry holds."""

from collections.abc import Iterable
from typing import Final

from hack.docs.markdown import page, table
from hack.docs.registry import PROGRAMS, Described, described

_INTRO: Final = """# Metrics

Every program serves `/metrics` in the Prometheus text format and in OpenMetrics, on port 8080 of its pods, with
`--metrics-secure` over TLS and only to those who may see it ([monitoring](../operations/monitoring.md)). Names, labels
and buckets are those of controller-runtime, client-go and Karpenter where these have the metric; the others
begin with `kaito_`. Units stand in the names, label values come from closed lists, and a counter whose labels are known
beforehand exists with 0 before the first thing it counts.

The replicas of a program answer for themselves. Gauges about Workspaces, nodes and GPUs are told by every replica of
`kaito-controller` alike: take the maximum over the replicas, not the sum. `kaito_workspace_*` gauges name single
Workspaces, at most 1,000 of them; `kaito_workspaces_unlisted` tells how many have none.

Where the Prometheus operator runs, `kubectl apply -k manifests/monitoring` installs what makes use of them, or
`manifests/monitoring-secure` where metrics are guarded: a monitor, recording rules and alerts, and two Grafana
dashboards in ConfigMaps labelled `grafana_dashboard`. The alerts are explained in the
[runbooks](../runbooks/README.md)."""

_SHARED: Final = """Defined in all three programs; a program without a work queue, webhook, lease or certificate has no
series of the metrics about it."""


def metrics_page() -> str:
    """The text of docs/reference/metrics.md."""
    found = {program: described(program) for program in PROGRAMS}
    shared = set.intersection(*({each.name for each in metrics} for metrics in found.values()))
    parts = ["## Every program", _SHARED, _table(each for each in found["kaito-webhook"] if each.name in shared)]
    for program, metrics in found.items():
        parts += [f"## {program}", _table(each for each in metrics if each.name not in shared)]
    return page(_INTRO, *parts)


def _table(metrics: Iterable[Described]) -> str:
    rows = ((f"`{each.name}`", each.type, _labels(each), _sentence(each.help)) for each in metrics)
    return table(("metric", "type", "labels", "meaning"), rows)


def _labels(metric: Described) -> str:
    return ", ".join(f"`{label}`" for label in metric.labels) or "-"


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."
