"""What admission costs: in process, over TLS, and through a real API server."""

import json
import tempfile
from pathlib import Path

from hack.bench import apiserver, logic, serving
from hack.bench.figures import Figure
from hack.bench.mix import CONFIG_DATA, CONFIG_MAP
from hack.devcluster import binaries, lifecycle, manifests
from hack.devcluster.commands import kubectl
from hack.devcluster.layout import Layout
from hack.devcluster.ports import LOOPBACK
from hack.devcluster.programs import WEBHOOK
from hack.devcluster.request import Request, Scope
from hack.devcluster.state import ClusterState


async def measure(assets: Path | None) -> list[Figure]:
    """Every figure; those that need the program and the API server come from a cluster that is gone afterwards."""
    figures = logic.measure()
    folder = await binaries.find_or_build(assets)
    with tempfile.TemporaryDirectory(prefix="kaito-bench-") as root:
        layout = Layout(Path(root))
        try:
            up = await lifecycle.up(layout, Request(binaries=str(folder), scope=Scope.WEBHOOK, replicas=1), print)
            return [*figures, *await _measured(layout, up.state)]
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
