"""Troubles that a life has too rarely to wait for: a defect, certificates forgotten, strangers, rights taken away."""

import asyncio
import contextlib
import json
import os
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import aiohttp

from hack.devcluster.layout import REPOSITORY
from hack.devcluster.ports import LOOPBACK, Ports
from hack.devcluster.processes import die_with_parent
from hack.devcluster.programs import NAMESPACE
from tests.cluster.harness import eventually
from tests.monitoring.live import PATIENCE_SECONDS
from tests.system.harness import CONTROLLER, WEBHOOK, System
from tests.unit.webhook.reviews import encoded, review
from webhook.__main__ import VALIDATE_PATH
from webhook.certificates.issuing import Names, new_authority, new_leaf
from webhook.server import LARGE_SHARE, SMALL_BODY

SOON: Final = timedelta(hours=1)
"""What is left of a certificate nobody renewed."""

STATUS: Final = "workspaces/status"
_LARGE: Final = SMALL_BODY + 1


@dataclass(frozen=True, slots=True)
class Flawed:
    """A webhook beside the others that meets a defect at each review, and whose mounted certificate is about to end."""

    metrics: int
    serving: int
    health: int

    @classmethod
    def at(cls, ports: Ports) -> "Flawed":
        """One that will listen on these ports."""
        return cls(ports.take(), ports.take(), ports.take())

    @contextlib.asynccontextmanager
    async def running(self, system: System, folder: Path) -> AsyncIterator[None]:
        """Runs while the block does."""
        _put_certificate(folder)
        arguments = {
            "kubeconfig": system.layout.client_kubeconfig(WEBHOOK),
            "namespace": NAMESPACE,
            "certificate-dir": folder,
            "bind-address": f"{LOOPBACK}:{self.serving}",
            "metrics-bind-address": f"{LOOPBACK}:{self.metrics}",
            "health-probe-bind-address": f"{LOOPBACK}:{self.health}",
            "drain-period": "100ms",
        }
        with (folder / "log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.monitoring.flawed_webhook"),
                *(f"--{flag}={value}" for flag, value in arguments.items()),
                stdout=log,
                stderr=log,
                cwd=REPOSITORY,
                preexec_fn=die_with_parent(os.getpid()),
            )
        try:
            yield
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def ask(self) -> None:
        """Has it validate something, as soon as it listens."""

        async def asked() -> str:
            url = f"https://{LOOPBACK}:{self.serving}{VALIDATE_PATH}"
            headers = {"Content-Type": "application/json"}
            async with aiohttp.ClientSession() as session:
                try:
                    async with session.post(url, data=encoded(review({})), headers=headers, ssl=False) as reply:
                        return "" if reply.status == 500 else f"{reply.status} {await reply.text()}"
                except aiohttp.ClientError as error:
                    return repr(error)

        await eventually(asked, PATIENCE_SECONDS)


def _put_certificate(folder: Path) -> None:
    now = datetime.now(UTC)
    folder.mkdir(parents=True, exist_ok=True)
    leaf = new_leaf(new_authority(now, 2 * SOON), Names((WEBHOOK,)), now, SOON)
    (folder / "tls.crt").write_bytes(leaf.certificate)
    (folder / "tls.key").write_bytes(leaf.key)


async def overload(port: int) -> None:
    """Begins more large reviews than one peer may and sends none of their bodies, again and again until cancelled.

    Those beyond the share are told to come back, which is a fault of the webhook's for whoever sent them; the others
    take until the webhook's patience ends.
    """
    while True:
        await asyncio.gather(*(_begin(port) for _ in range(LARGE_SHARE + 2)))
        await asyncio.sleep(0.1)


async def _begin(port: int) -> None:
    """One review that never comes, to its refusal."""
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(OSError):
        reader, writer = await asyncio.open_connection(LOOPBACK, port, ssl=tls)
        try:
            head = f"POST {VALIDATE_PATH} HTTP/1.1\r\nHost: {WEBHOOK}\r\nContent-Type: application/json\r\n"
            writer.write(f"{head}Content-Length: {_LARGE}\r\n\r\n".encode())
            await reader.read()
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def status_forbidden(system: System) -> AsyncIterator[None]:
    """Takes the right to write the status of Workspaces from the controller while the block runs."""
    _, text = await system.kubectl("get", "clusterrole", CONTROLLER, "-o", "json")
    role = json.loads(text)
    role["metadata"] = {"name": CONTROLLER}
    less = role | {"rules": [rule for rule in role["rules"] if STATUS not in rule.get("resources", ())]}
    assert less["rules"] != role["rules"], f"{CONTROLLER} has no rule about {STATUS}"
    await _replace(system, less)
    try:
        yield
    finally:
        await _replace(system, role)


async def _replace(system: System, role: object) -> None:
    code, text = await system.kubectl("replace", "-f", "-", stdin=json.dumps(role))
    assert code == 0, text
