"""`python -m hack.prometheus`: what every panel of the shipped dashboards shows for the local cluster that runs.

Starts a Prometheus with the shipped rules, lets it scrape every program for some seconds, and prints.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from hack.devcluster.layout import REPOSITORY, Layout
from hack.devcluster.lifecycle import running as running_cluster
from hack.devcluster.programs import NAMESPACE
from hack.devcluster.state import ClusterState
from hack.prometheus.binaries import MissingPrometheusError, find_or_fetch
from hack.prometheus.monitoring import dashboards, rule_groups, write_rules
from hack.prometheus.panels import expressions, lines
from hack.prometheus.server import Prometheus, PrometheusError, Target, configuration, running

SCRAPE_SECONDS: Final = 1
UP_SECONDS: Final = 60.0
RATE_SECONDS: Final = 5.0
"""How long is scraped before panels are asked: a rate needs several scrapes."""

WORKSPACES: Final = 3
"""Workspaces whose own dashboard is shown."""

_LIST: Final = (
    "topk(%d, max by (workspace_namespace, workspace_name) "
    "(last_over_time(kaito_workspace_created_timestamp_seconds[10s])))"
)
"""Over a few scrapes: one that came too late on a busy machine must not leave every Workspace out."""


async def show(layout: Layout, *, stay: bool) -> int:
    """Prints the panels; with `stay` Prometheus runs on until interrupted. The exit code."""
    state = running_cluster(layout)
    if state is None:
        print(f"nothing runs in {layout.root}: `make up` starts a cluster", file=sys.stderr)
        return 1
    tools = await find_or_fetch()
    with tempfile.TemporaryDirectory(prefix="kaito-prometheus-") as name:
        rules = write_rules(Path(name) / "rules.yaml", rule_groups())
        targets = list(targets_of(state))
        settings = configuration(targets, NAMESPACE, [rules], f"{SCRAPE_SECONDS}s")
        async with running(tools, Path(name), settings) as prometheus:
            await _until_scraped(prometheus, len(targets))
            for text in await panels(prometheus):
                print(text)
            if stay:
                print(f"\nPrometheus is at {prometheus.url} until you press Ctrl-C", flush=True)
                await asyncio.Event().wait()
    return 0


def targets_of(state: ClusterState) -> Iterator[Target]:
    """Every process of the three programs."""
    for process in state.processes:
        job, _, replica = process.name.rpartition("-")
        if job.startswith("kaito-") and replica.isdecimal() and "metrics" in process.ports:
            yield Target(job, process.name, process.ports["metrics"])


async def panels(prometheus: Prometheus) -> list[str]:
    """The dashboards as text: that of the fleet, and that of the newest Workspaces."""
    found = []
    for dashboard in dashboards().values():
        whose: list[dict[str, str]] = [{}]
        if dashboard["title"].endswith("Workspace"):
            newest = [each["metric"] for each in await prometheus.query(_LIST % WORKSPACES)]
            whose = [{"namespace": each["workspace_namespace"], "workspace": each["workspace_name"]} for each in newest]
        for variables in whose:
            found += [*await _page(prometheus, dashboard, variables), ""]
    return found[:-1]


async def _page(prometheus: Prometheus, dashboard: dict[str, Any], variables: Mapping[str, str]) -> list[str]:
    asked = expressions(dashboard, {"__rate_interval": "1m", **variables})
    answers = {query: await prometheus.query(filled) for query, filled in asked.items()}
    title, *rest = lines(dashboard, answers)
    return [" ".join([title, *(["/".join(variables.values())] if variables else [])]), *rest]


async def _until_scraped(prometheus: Prometheus, targets: int) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + UP_SECONDS
    while (up := [each["health"] for each in await prometheus.targets()].count("up")) < targets:
        if loop.time() > deadline:
            raise PrometheusError(f"{up} of {targets} programs were scraped within {UP_SECONDS:g} s")
        await asyncio.sleep(SCRAPE_SECONDS)
    await asyncio.sleep(RATE_SECONDS)


def main() -> int:
    """Entry point; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m hack.prometheus", description=__doc__)
    parser.add_argument("--dir", type=Path, default=REPOSITORY / ".dev", help="of the cluster; .dev by default")
    parser.add_argument("--stay", action="store_true", help="leave Prometheus running, to ask it questions")
    arguments = parser.parse_args()
    try:
        return asyncio.run(show(Layout(arguments.dir.resolve()), stay=arguments.stay))
    except (MissingPrometheusError, PrometheusError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
