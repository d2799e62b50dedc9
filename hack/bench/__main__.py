"""`python -m hack.bench`: what admission costs, in process, over TLS and through a real API server."""

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from hack.bench import apiserver, logic, serving
from hack.bench.figures import Figure, load_targets, missed, report, save
from hack.bench.mix import CONFIG_DATA, CONFIG_MAP
from hack.devcluster import binaries, lifecycle, manifests
from hack.devcluster.commands import CommandError, kubectl
from hack.devcluster.layout import REPOSITORY, Layout
from hack.devcluster.lifecycle import DevclusterError
from hack.devcluster.ports import LOOPBACK
from hack.devcluster.request import Request, Scope
from hack.devcluster.state import ClusterState

OUTPUT = REPOSITORY / ".dev" / "bench" / "admission.json"
WEBHOOK = "kaito-webhook"


async def _measured_on_a_cluster(assets: Path | None) -> list[Figure]:
    """The figures that need the program and the API server; the cluster is gone afterwards."""
    folder = await binaries.find_or_build(assets)
    with tempfile.TemporaryDirectory(prefix="kaito-bench-") as root:
        layout = Layout(Path(root))
        try:
            up = await lifecycle.up(layout, Request(binaries=str(folder), scope=Scope.WEBHOOK, replicas=1), print)
            return await _measured(layout, up.state)
        finally:
            await lifecycle.down(layout)


async def _measured(layout: Layout, state: ClusterState) -> list[Figure]:
    running = state.find(f"{WEBHOOK}-0")
    assert running.process is not None
    port = running.ports["serving"]
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CONFIG_MAP}, "data": CONFIG_DATA}
    await kubectl(layout, "apply", "-n", "default", "-f", "-", stdin=json.dumps(config))
    # Straight to the process: the balancer that stands for a Service here is no part of what is measured.
    objects = manifests.localized(await manifests.render(), f"https://{LOOPBACK}:{port}")
    await manifests.apply(layout, [each for each in objects if each["kind"].endswith("WebhookConfiguration")])
    published = json.loads(await kubectl(layout, "get", "validatingwebhookconfiguration", WEBHOOK, "-o", "json"))
    authority = serving.write_authority(published, layout.root / "webhook-ca.crt")
    served = await serving.measure(serving.Server(running.process.pid, port, authority))
    return [*served, *await apiserver.measure(layout, state.endpoints["kube-apiserver"])]


def main() -> int:
    """Measures, prints and keeps the figures; exit code 1 with --strict when a target is missed."""
    parser = argparse.ArgumentParser(prog="python -m hack.bench", description=__doc__)
    parser.add_argument("--assets", type=Path, help="folder with prebuilt control plane binaries")
    parser.add_argument("--strict", action="store_true", help="fail when a target is missed")
    parser.add_argument("--logic", action="store_true", help="only what needs no control plane")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="where the figures are kept (default: %(default)s)")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    try:
        figures = logic.measure()
        if not arguments.logic:
            figures += asyncio.run(_measured_on_a_cluster(arguments.assets))
    except (CommandError, DevclusterError, binaries.MissingBinariesError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    targets = load_targets()
    about = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load-before": round(load, 2),
    }
    save(arguments.output, figures, about)
    print(report(figures, targets))
    print(f"kept in {arguments.output}; load of the machine before: {load:.2f}")
    late = missed(figures, targets)
    return 1 if arguments.strict and late else 0


if __name__ == "__main__":
    sys.exit(main())
