"""Rules in a time of their own, and what has been seen of queries and alerts while a system runs."""

import asyncio
import contextlib
import copy
import math
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from hack.prometheus.monitoring import selectors_in
from hack.prometheus.server import Prometheus
from tests.cluster.harness import eventually

Json = dict[str, Any]

PATIENCE_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.5


def quickened(groups: list[Json], shorter: Mapping[str, tuple[str, str]]) -> list[Json]:
    """The rules without their patience.

    Args:
        groups: as they ship.
        shorter: for an alert that itself compares with a duration or a share, what stands there and what to put there.
    """
    made = copy.deepcopy(groups)
    for rule in (rule for group in made for rule in group["rules"]):
        rule.pop("for", None)
        if rule.get("alert") in shorter:
            old, new = shorter[rule["alert"]]
            assert rule["expr"].count(old) == 1, f"{rule['alert']} does not compare with {old!r}: {rule['expr']}"
            rule["expr"] = rule["expr"].replace(old, new)
    return made


def has_data(series: list[Json]) -> bool:
    """Whether a query gave at least one value that is a number."""
    return any(not math.isnan(float(each["value"][1])) for each in series)


async def until_data(prometheus: Prometheus, expressions: Iterable[str]) -> None:
    """Wait until each of the queries has given data once."""
    waiting = set(expressions)

    async def answered() -> str:
        for expression in sorted(waiting):
            if has_data(await prometheus.query(expression)):
                waiting.discard(expression)
        return f"no data from {len(waiting)}: {sorted(waiting)}" if waiting else ""

    await eventually(answered, PATIENCE_SECONDS)


@dataclass(slots=True)
class Fired:
    """The alerts that have fired so far, each with the summary people read."""

    summaries: dict[str, str] = field(default_factory=dict)

    async def until(self, *names: str) -> None:
        """Wait until each of the alerts has fired."""

        async def fired() -> str:
            missing = [name for name in names if name not in self.summaries]
            return f"{missing} did not fire, {sorted(self.summaries)} did" if missing else ""

        await eventually(fired, PATIENCE_SECONDS)

    async def anew(self, prometheus: Prometheus, *names: str) -> None:
        """Wait until none of the alerts fires, and forget that they did: what they are about was there at rest."""

        async def calm() -> str:
            firing = {alert["labels"]["alertname"] for alert in await prometheus.alerts()} & set(names)
            return f"{firing} still fire" if firing else ""

        await eventually(calm, PATIENCE_SECONDS)
        for name in names:
            self.summaries.pop(name, None)

    async def watch(self, prometheus: Prometheus) -> None:
        """Note what fires, until cancelled."""
        while True:
            for alert in await prometheus.alerts():
                if alert["state"] == "firing":
                    self.summaries.setdefault(alert["labels"]["alertname"], alert["annotations"]["summary"])
            await asyncio.sleep(_POLL_SECONDS)


@contextlib.asynccontextmanager
async def watching(prometheus: Prometheus) -> AsyncIterator[Fired]:
    """Notes every alert that fires inside the block."""
    fired = Fired()
    watch = asyncio.create_task(fired.watch(prometheus))
    try:
        yield fired
    finally:
        watch.cancel()
        await asyncio.wait([watch])


def read_by(rules: Iterable[Json]) -> set[str]:
    """Every selector in the rules: what must exist for them to mean anything."""
    return {selector for rule in rules for selector in selectors_in(rule["expr"])}
