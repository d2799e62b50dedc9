"""A Prometheus that runs for as long as a block does, and the questions asked of it."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

from hack.devcluster.layout import tail
from hack.devcluster.ports import LOOPBACK, Ports
from hack.devcluster.processes import die_with_parent
from hack.prometheus.binaries import Tools

Json = dict[str, Any]

START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 10.0
_POLL_SECONDS: Final = 0.05


class PrometheusError(Exception):
    """Prometheus did not start, or refused a question; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """One process to scrape, under the labels the operator for Prometheus would give it."""

    job: str
    pod: str
    port: int


def configuration(targets: Sequence[Target], namespace: str, rules: Sequence[Path], interval: str) -> Json:
    """The configuration that scrapes the targets as `manifests/monitoring` asks for.

    Args:
        targets: what is scraped.
        namespace: of the pods.
        rules: files of rule groups.
        interval: between two scrapes and between two evaluations, such as `1s`.
    """
    jobs = sorted({target.job for target in targets})
    return {
        "global": {"scrape_interval": interval, "evaluation_interval": interval, "scrape_timeout": interval},
        "rule_files": [str(path) for path in rules],
        "scrape_configs": [
            {
                "job_name": job,
                "static_configs": [
                    {
                        "targets": [f"{LOOPBACK}:{target.port}"],
                        "labels": {"namespace": namespace, "pod": target.pod},
                    }
                    for target in targets
                    if target.job == job
                ],
            }
            for job in jobs
        ],
    }


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running Prometheus."""

    url: str
    session: aiohttp.ClientSession

    async def query(self, expression: str, *, at: float | None = None) -> list[Json]:
        """The series an instant query gives now, or at a moment in seconds since 1970.

        Raises:
            PrometheusError: the expression is no PromQL, or cannot be evaluated.
        """
        moment = {} if at is None else {"time": f"{at:.3f}"}
        data = await self._ask("query", {"query": expression, **moment})
        if data["resultType"] == "scalar":
            return [{"metric": {}, "value": data["result"]}]
        result: list[Json] = data["result"]
        return result

    async def query_range(self, expression: str, begin: float, end: float, step: float) -> list[Json]:
        """The series a query gives over a time; moments in seconds since 1970, `step` in seconds.

        Raises:
            PrometheusError: as for `query`.
        """
        span = {"start": f"{begin:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        result: list[Json] = (await self._ask("query_range", {"query": expression, **span}))["result"]
        return result

    async def alerts(self) -> list[Json]:
        """The alerts that are pending or firing now."""
        found: list[Json] = (await self._ask("alerts", {}))["alerts"]
        return found

    async def rules(self) -> list[Json]:
        """Every rule, with its health and last error."""
        groups: list[Json] = (await self._ask("rules", {}))["groups"]
        return [rule for group in groups for rule in group["rules"]]

    async def targets(self) -> list[Json]:
        """Every target that is scraped, with its health and last error."""
        found: list[Json] = (await self._ask("targets", {"state": "active"}))["activeTargets"]
        return found

    async def _ask(self, what: str, parameters: Mapping[str, str]) -> Json:
        async with self.session.get(f"{self.url}/api/v1/{what}", params=parameters) as reply:
            answer: Json = await reply.json()
        if answer.get("status") != "success":
            raise PrometheusError(f"{what} {dict(parameters)}: {answer.get('error')}")
        data: Json = answer["data"]
        return data


@contextlib.asynccontextmanager
async def running(tools: Tools, directory: Path, settings: Json) -> AsyncIterator[Prometheus]:
    """A Prometheus with that configuration, ready; its data and log are in `directory`.

    Raises:
        PrometheusError: it does not become ready within START_SECONDS, or ends.
    """
    config, log = directory / "prometheus.yaml", directory / "prometheus.log"
    _write(config, settings)
    with Ports() as ports:
        address = f"{LOOPBACK}:{ports.take()}"
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                str(tools.prometheus),
                f"--config.file={config}",
                f"--storage.tsdb.path={directory / 'data'}",
                f"--web.listen-address={address}",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=die_with_parent(os.getpid()),
            )
        try:
            async with aiohttp.ClientSession() as session:
                await _until_ready(process, f"http://{address}", session, log)
                yield Prometheus(f"http://{address}", session)
        finally:
            await _end(process)


def _write(config: Path, settings: Json) -> None:
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")


async def _until_ready(
    process: asyncio.subprocess.Process, url: str, session: aiohttp.ClientSession, log: Path
) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + START_SECONDS
    while True:
        if process.returncode is not None or loop.time() > deadline:
            raise PrometheusError(f"Prometheus did not become ready:\n{tail(log)}")
        with contextlib.suppress(aiohttp.ClientConnectionError):
            async with session.get(f"{url}/-/ready") as reply:
                if reply.status == 200:
                    return
        await asyncio.sleep(_POLL_SECONDS)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _STOP_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
