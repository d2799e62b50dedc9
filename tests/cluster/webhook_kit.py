"""The webhook as a process with its shipped rights, and kubectl in front of it."""

import asyncio
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from controller.api.json import Json
from hack.devcluster import manifests
from hack.devcluster.commands import kubectl_path
from hack.devcluster.ports import LOOPBACK, Ports
from tests.cluster.harness import Cluster

NAMESPACE = "kaito-system"
NAME = "kaito-webhook"
SHIPPED = ("Namespace", "ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
CONFIGURATIONS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Webhook:
    """The running webhook and where it tells about itself."""

    cluster: Cluster
    process: subprocess.Popen[bytes]
    metrics_port: int
    health_port: int
    log: Path

    def page(self, port: int, path: str) -> str:
        """A page of the probe server."""
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}{path}", timeout=5) as answer:
            text: str = answer.read().decode()
        return text

    async def kubectl(self, *arguments: str, obj: Json | None = None) -> tuple[int, str]:
        """The exit code and everything kubectl printed, warnings included."""
        process = await asyncio.create_subprocess_exec(
            str(kubectl_path()),
            f"--kubeconfig={self.cluster.kubeconfig}",
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate(json.dumps(obj).encode() if obj else b"")
        return process.returncode or 0, output.decode()

    async def apply(self, namespace: str, obj: Json, *arguments: str) -> tuple[int, str]:
        """`kubectl apply` of one object in the test's namespace."""
        placed = {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "namespace"}}
        return await self.kubectl("apply", "-n", namespace, *arguments, "-f", "-", obj=placed)


@contextmanager
def running_webhook(cluster: Cluster, log: Path, options: Mapping[str, str] | None = None) -> Iterator[Webhook]:
    """The webhook, ready and asked by the API server; its configurations go with it.

    Args:
        cluster: where it runs; the CustomResourceDefinitions are served there.
        log: the file it writes to.
        options: its flags beyond addresses, by name without dashes.
    """
    with Ports() as ports, log.open("wb") as output:
        serving, metrics, health = ports.take(), ports.take(), ports.take()
        kubeconfig = asyncio.run(_install(cluster, f"https://{LOOPBACK}:{serving}"))
        flags = {
            "kubeconfig": kubeconfig,
            "bind-address": f"{LOOPBACK}:{serving}",
            "certificate-ip": LOOPBACK,
            "metrics-bind-address": f"{LOOPBACK}:{metrics}",
            "health-probe-bind-address": f"{LOOPBACK}:{health}",
            "drain-period": "100ms",
            "drain-limit": "100ms",
            "log-format": "console",
            **(options or {}),
        }
        command = [sys.executable, "-m", "webhook", *(f"--{name}={value}" for name, value in flags.items())]
        process = subprocess.Popen(command, stdout=output, stderr=output)
        running = Webhook(cluster, process, metrics, health, log)
        try:
            _wait_ready(running)
            yield running
        finally:
            process.terminate()
            code = process.wait(20)
            asyncio.run(remove_configurations(cluster))
        assert code == 0, f"asked to stop, the webhook ended with code {code}:\n{log.read_text()[-2000:]}"


async def remove_configurations(cluster: Cluster) -> None:
    """From now on nobody is asked."""
    for kind in CONFIGURATIONS:
        await cluster.kubectl("delete", kind, NAME, "--ignore-not-found")


async def _install(cluster: Cluster, url: str) -> Path:
    objects = manifests.localized(await manifests.render(), url)
    ours = [item for item in objects if item["metadata"]["name"] in (NAME, NAMESPACE)]
    await manifests.apply(cluster.layout, [item for item in ours if item["kind"] in (*SHIPPED, *CONFIGURATIONS)])
    return await cluster.token_kubeconfig(NAMESPACE, NAME)


def _wait_ready(running: Webhook) -> None:
    end = time.monotonic() + START_SECONDS
    why = ""
    while time.monotonic() < end and running.process.poll() is None:
        try:
            running.page(running.health_port, "/readyz")
        except OSError as error:
            why = str(error)
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"the webhook was not ready ({why}):\n{running.log.read_text()[-3000:]}")
