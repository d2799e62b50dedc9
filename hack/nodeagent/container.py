"""One container as a process: started, probed, restarted with growing pauses, asked to end, killed."""

import asyncio
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hack.devcluster.keeper import next_pause
from hack.devcluster.processes import die_with_parent
from hack.nodeagent.probes import Probe, watch


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to start a container."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    startup: Probe | None
    liveness: Probe | None
    readiness: Probe | None


@dataclass(slots=True)
class Fate:
    """How a container fares.

    Attributes:
        running_since: None while no process runs.
        process: number of the process that runs or ran last; 0 before the first one.
        started: whether the startup probe was content; readiness and liveness count from then on.
        ready: whether the readiness probe is.
        restarts: starts after the first one.
        exit_code: of the last process that ended.
        ended_at: when that was.
    """

    running_since: datetime | None = None
    process: int = 0
    started: bool = False
    ready: bool = False
    restarts: int = 0
    exit_code: int = 0
    ended_at: datetime | None = None


class Container:
    """Runs a recipe until it is asked to end."""

    def __init__(self, recipe: Recipe, on_change: Callable[[], None]) -> None:
        self.fate = Fate()
        self._recipe = recipe
        self._on_change = on_change
        self._process: asyncio.subprocess.Process | None = None
        self._ending = asyncio.Event()

    async def run(self) -> None:
        """Keeps a process running; returns once it ended after `end`."""
        loop = asyncio.get_running_loop()
        pause = 0.0
        while True:
            begin = loop.time()
            await self._run_once()
            if self._ending.is_set():
                return
            pause = next_pause(pause, loop.time() - begin)
            self.fate.restarts += 1
            try:
                await asyncio.wait_for(self._ending.wait(), pause)
            except TimeoutError:
                continue
            return

    async def end(self, grace: float) -> None:
        """Asks the process to end, and kills it after `grace` seconds; the one in `run` returns."""
        self._ending.set()
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), grace)
        except TimeoutError:
            self._kill()

    async def _run_once(self) -> None:
        recipe = self._recipe
        with recipe.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *recipe.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=dict(recipe.environment),
                preexec_fn=die_with_parent(os.getpid()),
            )
        if self._ending.is_set():
            self._process.send_signal(signal.SIGTERM)
        self.fate.running_since, self.fate.process = datetime.now(UTC), self._process.pid
        self._on_change()
        probing = asyncio.ensure_future(self._probe())
        try:
            self.fate.exit_code = await self._process.wait()
        finally:
            self._kill()
            probing.cancel()
        self.fate.running_since, self.fate.ended_at = None, datetime.now(UTC)
        self.fate.started = self.fate.ready = False
        self._on_change()

    async def _probe(self) -> None:
        begun = asyncio.Event()
        first = asyncio.ensure_future(_watch(self._recipe.startup, lambda good: begun.set() if good else self._kill()))
        try:
            await begun.wait()
        finally:
            first.cancel()
        self.fate.started = True
        self._on_change()
        await asyncio.gather(
            _watch(self._recipe.readiness, self._set_ready),
            _watch(self._recipe.liveness, lambda good: None if good else self._kill()),
        )

    def _set_ready(self, ready: bool) -> None:  # noqa: FBT001 - a verdict
        if ready != self.fate.ready:
            self.fate.ready = ready
            self._on_change()

    def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()


async def _watch(probe: Probe | None, tell: Callable[[bool], None]) -> None:
    """Without a probe the verdict is good from the start."""
    if probe is not None:
        await watch(probe, tell)
    tell(probe is None)
