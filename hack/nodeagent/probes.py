"""Probes of a container: what is asked, how often, and when the answers make a verdict."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import aiohttp

from controller.api.json import Json


@dataclass(frozen=True, slots=True)
class Probe:
    """One HTTP probe; defaults as Kubernetes has them.

    Attributes:
        url: what is asked; a status from 200 to 399 is a success.
        period: seconds between two questions.
        timeout: seconds an answer may take.
        successes: in a row until the verdict is True.
        failures: in a row until the verdict is False.
    """

    url: str
    period: float = 10.0
    timeout: float = 1.0
    successes: int = 1
    failures: int = 3


def probe_of(container: Json, name: str, address: str) -> Probe | None:
    """The container's probe of that name, None when it has none.

    Args:
        container: the container.
        name: startupProbe, livenessProbe or readinessProbe.
        address: where the container listens.
    """
    described = container.get(name)
    if not described:
        return None
    port = described["httpGet"]["port"]
    named = {item.get("name"): item["containerPort"] for item in container.get("ports", ())}
    return Probe(
        url=f"http://{address}:{named.get(port, port)}{described['httpGet'].get('path', '/')}",
        period=described.get("periodSeconds", 10),
        timeout=described.get("timeoutSeconds", 1),
        successes=described.get("successThreshold", 1),
        failures=described.get("failureThreshold", 3),
    )


@dataclass(slots=True)
class Count:
    """Answers in a row."""

    probe: Probe
    _good: int = 0
    _bad: int = 0

    def verdict(self, *, answer: bool) -> bool | None:
        """What the answers up to this one amount to; None while they are too few."""
        self._good, self._bad = (self._good + 1, 0) if answer else (0, self._bad + 1)
        if self._good >= self.probe.successes:
            return True
        return False if self._bad >= self.probe.failures else None


async def watch(probe: Probe, tell: Callable[[bool], None]) -> None:
    """Asks until cancelled, and tells of every verdict."""
    count = Count(probe)
    timeout = aiohttp.ClientTimeout(total=probe.timeout)
    connector = aiohttp.TCPConnector(force_close=True)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
        while True:
            verdict = count.verdict(answer=await _ask(session, probe.url))
            if verdict is not None:
                tell(verdict)
            await asyncio.sleep(probe.period)


async def _ask(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return 200 <= response.status < 400
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False
