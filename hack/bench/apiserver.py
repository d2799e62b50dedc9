"""What a user feels: creating a Workspace through the API server, with the webhooks and without them."""

import asyncio
import json
import time

from controller.api.json import Json
from hack.bench.figures import Figure, latencies
from hack.bench.mix import preset, workspace
from hack.devcluster.api import Api
from hack.devcluster.commands import kubectl
from hack.devcluster.layout import Layout

CONFIGURATIONS = ("mutatingwebhookconfiguration", "validatingwebhookconfiguration")
NAME = "kaito-webhook"
REQUESTS = 300
WARM_UP = 30
APPLIES = 5
_PATH = "/apis/kaito.sh/v1beta1/namespaces/default/workspaces?dryRun=All"
_GOOD, _BAD = "Standard_NC24ads_A100_v4", "Standard_D4s_v5"


async def measure(layout: Layout, server: str) -> list[Figure]:
    """Latency of dry-run creates and of `kubectl apply`, then both again with the webhook configurations removed."""
    judged = await _both(layout, server)
    for kind in CONFIGURATIONS:
        await kubectl(layout, "delete", kind, NAME)
    await _until_unjudged(layout, server)
    unjudged = await _both(layout, server)
    figures = []
    for key, words, (creates, applies) in (("webhook", "with webhooks", judged), ("bare", "without", unjudged)):
        figures += latencies(f"api-server-{key}", f"create through the API server, {words}", creates)
        figures += latencies(f"kubectl-{key}", f"kubectl apply --dry-run=server, {words}", applies)[:1]
    return figures


async def _both(layout: Layout, server: str) -> tuple[list[float], list[float]]:
    async with Api(layout, server) as api:
        creates = [await _create(api) for _ in range(WARM_UP + REQUESTS)][WARM_UP:]
    return creates, [await _apply(layout) for _ in range(APPLIES)]


async def _create(api: Api) -> float:
    begin = time.perf_counter()
    status, text = await api.request("POST", _PATH, _manifest(_GOOD))
    seconds = time.perf_counter() - begin
    if status != 201:
        raise RuntimeError(f"a good Workspace was not created: {status} {text[:500]}")
    return seconds


async def _apply(layout: Layout) -> float:
    begin = time.perf_counter()
    await kubectl(layout, "apply", "--dry-run=server", "-f", "-", stdin=json.dumps(_manifest(_GOOD)))
    return time.perf_counter() - begin


async def _until_unjudged(layout: Layout, server: str) -> None:
    """The API server learns of its configurations by watching them; a bad manifest tells when it has."""
    async with Api(layout, server) as api, asyncio.timeout(30):
        status = 0
        while status != 201:
            await asyncio.sleep(0.1)
            status, _ = await api.request("POST", _PATH, _manifest(_BAD))


def _manifest(size: str) -> Json:
    manifest = workspace("bench", size, inference=preset("phi-4"))
    return {**manifest, "metadata": {"name": "bench", "namespace": "default"}}
