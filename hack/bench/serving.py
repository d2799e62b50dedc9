"""The webhook program as a process behind TLS: paced and saturated, each process on a core of its own."""

import asyncio
import base64
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hack.bench.figures import Figure, latencies
from hack.bench.process import cpu_seconds, resident
from hack.devcluster.layout import REPOSITORY

RATE = 200.0
SECONDS = 10.0
CONNECTIONS = 8


@dataclass(frozen=True, slots=True)
class Server:
    """The running webhook: its process, its port, and the file that holds its authority."""

    pid: int
    port: int
    authority: Path


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of the load generator measured.

    Attributes:
        seconds: duration of each request.
        wall: seconds of the whole run.
        own_cpu: seconds of CPU the generator took.
        server_cpu: seconds of CPU the webhook took meanwhile.
    """

    seconds: list[float]
    wall: float
    own_cpu: float
    server_cpu: float


async def measure(server: Server) -> list[Figure]:
    """Latency at a fixed rate, and throughput with the CPU it took when asked without a pause."""
    _pin(server.pid, 0)
    paced = await _load(server, f"--rate={RATE}")
    saturated = await _load(server)
    share = 100 * saturated.server_cpu / saturated.wall
    return [
        *latencies("paced", f"over TLS at {RATE:.0f} reviews/s", paced.seconds),
        Figure("paced.cpu_percent", f"CPU of the webhook at {RATE:.0f} reviews/s", 100 * paced.server_cpu / paced.wall),
        Figure("saturated.reviews_per-second", "reviews, saturated", len(saturated.seconds) / saturated.wall),
        *latencies("saturated", f"over TLS, {CONNECTIONS} connections saturated", saturated.seconds),
        Figure("saturated.cpu_percent", "CPU of the webhook, saturated", share),
        Figure(
            "saturated.core_reviews_per-second",
            "reviews per second of the webhook's CPU",
            len(saturated.seconds) / saturated.server_cpu,
        ),
        Figure("saturated.generator-cpu_percent", "CPU of the generator", 100 * saturated.own_cpu / saturated.wall),
        Figure("memory_MiB", "memory of the webhook afterwards", resident(server.pid) / 2**20),
    ]


def write_authority(configuration: dict[str, Any], path: Path) -> Path:
    """Writes the authority that the webhook published in its configuration to a file."""
    bundle = configuration["webhooks"][0]["clientConfig"]["caBundle"]
    path.write_bytes(base64.b64decode(bundle))
    return path


async def _load(server: Server, *arguments: str) -> Load:
    argv = (
        *(sys.executable, "-m", "hack.bench.load", f"--port={server.port}", f"--authority={server.authority}"),
        *(f"--connections={CONNECTIONS}", f"--seconds={SECONDS}", *arguments),
    )
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.PIPE, cwd=REPOSITORY, limit=1 << 26)
    assert process.stdout is not None
    try:
        _pin(process.pid, 1)
        await process.stdout.readline()
        before = cpu_seconds(server.pid)
        result = json.loads(await process.stdout.readline() or "{}")
        after = cpu_seconds(server.pid)
        if await process.wait():
            raise RuntimeError("the load generator failed; its error stands above")
    finally:
        if process.returncode is None:
            process.kill()
    return Load(result["seconds"], result["wall"], result["cpu"], after - before)


def _pin(pid: int, core: int) -> None:
    """Keeps a process on one core, where there is one for it."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(pid, {cores[core]})
