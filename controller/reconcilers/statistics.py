"""Domain metrics of the workspace operator, counted from the cache at every scrape."""

from collections import Counter
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from controller.api.conditions import conditions_of
from controller.api.reasons import Reason
from controller.api.workspace import ConditionType
from controller.runtime.cache import Informer
from controller.runtime.metrics import REGISTRY

OTHER = "Other"
"""Label value for reasons that are not in our list, so that a foreign claim's words cannot grow the series."""


class WorkspaceCollector(Collector):
    """Counts Workspaces by the reason of their root condition."""

    def __init__(self, workspaces: Informer) -> None:
        self._workspaces = workspaces

    def collect(self) -> Iterator[Metric]:
        """One series per reason that stands somewhere now."""
        counts: Counter[str] = Counter()
        for workspace in self._workspaces.values():
            ready = conditions_of(workspace).get(ConditionType.READY)
            reason = ready.reason if ready is not None else Reason.AWAITING_RECONCILIATION
            counts[str(reason) if reason in set(Reason) else OTHER] += 1
        family = GaugeMetricFamily(
            "kaito_workspaces", "Workspaces by the reason of their Ready condition.", labels=["reason"]
        )
        for reason, count in sorted(counts.items()):
            family.add_metric([reason], count)
        yield family


def count_workspaces(workspaces: Informer) -> None:
    """Adds the domain metrics to /metrics."""
    REGISTRY.register(WorkspaceCollector(workspaces))
