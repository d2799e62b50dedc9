"""A program under measurement: started as a child, asked what it has used, ended when the measurement is over."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from hack.devcluster.component import Component
from hack.devcluster.layout import Layout, tail
from hack.devcluster.ports import LOOPBACK
from hack.devcluster.processes import die_with_parent

_START_SECONDS = 60.0
_LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Running:
    """A child of ours that is ready."""

    pid: int
    ports: Mapping[str, int]
    log: Path

    @property
    def cpu_seconds(self) -> float:
        """Seconds of CPU it has taken so far."""
        return cpu_seconds(self.pid)

    @property
    def peak_mib(self) -> float:
        """The most memory it ever held at once."""
        return peak_resident(self.pid) / 2**20

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of one metric that carry the labels.

        Raises:
            RuntimeError: it does not answer any more; the last it said is part of the text.
        """
        url = f"http://{LOOPBACK}:{self.ports['metrics']}/metrics"
        try:
            async with aiohttp.ClientSession() as session, session.get(url) as answer:
                return total(await answer.text(), name, labels)
        except aiohttp.ClientError as error:
            raise RuntimeError(f"what is measured answers no more: {error}\n{tail(self.log)}") from error


@asynccontextmanager
async def running(component: Component, layout: Layout, extra: tuple[str, ...] = ()) -> AsyncIterator[Running]:
    """Starts a component, waits until it is ready, and ends it with SIGTERM.

    Args:
        component: what to start.
        layout: where its log goes.
        extra: arguments that come last, and so win.

    Raises:
        RuntimeError: it did not become ready, or did not end.
    """
    path = layout.log(component.name)
    with path.open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(*component.argv, *extra),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **component.environment},
            preexec_fn=die_with_parent(os.getpid()),
        )
    try:
        await _until_ready(component, process, path)
        yield Running(process.pid, component.ports, path)
    finally:
        await _end(process)


async def _until_ready(component: Component, process: asyncio.subprocess.Process, log: Path) -> None:
    try:
        async with asyncio.timeout(_START_SECONDS):
            while missing := await component.probe():
                if process.returncode is not None:
                    raise RuntimeError(f"{component.name} ended with {process.returncode}:\n{tail(log)}")
                await asyncio.sleep(_LOOK_SECONDS)
    except TimeoutError:
        raise RuntimeError(f"{component.name} is not ready: {missing}\n{tail(log)}") from None


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), _START_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def say(what: str) -> None:
    """One line about what is being done, for people who wait."""
    print(f"{time.strftime('%H:%M:%S')}  {what}", flush=True)


def total(text: str, name: str, labels: Mapping[str, str]) -> float:
    """The sum of a metric's samples that carry the labels, out of the text of a scrape; 0 where there is none."""
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return sum(each.value for each in samples if each.name == name and labels.items() <= each.labels.items())


def cpu_seconds(pid: int) -> float:
    """Seconds of CPU a process has taken (proc(5): utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> int:
    """Bytes of memory a process holds now."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak_resident(pid: int) -> int:
    """The most bytes of memory a process ever held at once (proc(5): VmHWM)."""
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))
