"""Bad weather between our programs and the API server, drawn from a seed: refusals, losses, delays and cut watches."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from hack.devcluster import kubeconfig
from hack.devcluster.pki import Leaf, issue, load_authority
from hack.devcluster.ports import LOOPBACK
from hack.devcluster.programs import NAMESPACE
from tests.faults.proxy import Action, CutStream, Delay, Drop, FaultProxy, Reply, Rule
from tests.system.harness import CONTROLLER, PROVISIONER, System

_GUST_SECONDS: Final = 0.5
_BETWEEN_GUSTS: Final = 20
"""Requests that pass unharmed before the next gust: a slow machine, on which fewer are made, has no worse weather."""

_LOOK_SECONDS: Final = 0.05
_TARGETS: Final = (
    "/machines",
    "/workspaces",
    "/deployments",
    "/services",
    "/jobs",
    "/nodes",
    "/leases",
    "/events",
)
_GONE: Final = {
    "type": "ERROR",
    "object": {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Expired", "code": 410},
}


def _troubles(chance: random.Random) -> Action:
    troubles: tuple[Action, ...] = (
        Reply(500, "InternalError"),
        Reply(503, "ServiceUnavailable"),
        Reply(429, "TooManyRequests", retry_after=1),
        Reply(409, "Conflict"),
        Drop(),
        Drop(after_forwarding=True),
        Delay(chance.uniform(0.1, 1.0)),
    )
    return chance.choice(troubles)


def gust(chance: random.Random) -> list[Rule]:
    """The rules of half a second: some calls fail, and watches that are opened meanwhile do not last."""
    calls = [
        Rule(_troubles(chance), "GET|POST|PATCH|PUT|DELETE", f"{target}(?!.*watch=)", times=chance.randint(1, 3))
        for target in chance.sample(_TARGETS, 4)
    ]
    last = _GONE if chance.random() < 0.2 else None
    cut = CutStream(chance.randint(1, 40), torn=last is None and chance.random() < 0.5, last_event=last)
    return [*calls, Rule(cut, "GET", "watch=", times=None)]


async def blow(proxy: FaultProxy, chance: random.Random) -> None:
    """Bad weather until cancelled; then it is fine."""
    try:
        while True:
            for rule in gust(chance):
                proxy.add(rule)
            await asyncio.sleep(_GUST_SECONDS)
            proxy.heal()
            unharmed = proxy.add(Rule(Delay(0.0), times=None))
            while unharmed.hits < _BETWEEN_GUSTS:  # noqa: ASYNC110 - what passes the proxy is no event
                await asyncio.sleep(_LOOK_SECONDS)
            proxy.heal()
    finally:
        proxy.heal()


@asynccontextmanager
async def behind_a_proxy(system: System, folder: Path) -> AsyncIterator[FaultProxy]:
    """Both operators speak to the API server through a proxy from their next start on, and directly afterwards."""
    authority = load_authority(system.layout)
    certificate, key = issue(authority, Leaf("chaos-proxy", names=(LOOPBACK,), server=True))
    pair = (folder / "proxy.crt", folder / "proxy.key")
    for path, content in zip(pair, (certificate, key), strict=True):
        path.write_bytes(content)
    async with FaultProxy(system.cluster.server, system.layout.certificate("ca"), *pair) as proxy:
        _speak_to(system, proxy.url)
        try:
            yield proxy
        finally:
            _speak_to(system, system.cluster.server)


def _speak_to(system: System, server: str) -> None:
    for name in (CONTROLLER, PROVISIONER):
        content = kubeconfig.with_token_file(system.layout, server, name, NAMESPACE)
        kubeconfig.write(system.layout.client_kubeconfig(name), content)
