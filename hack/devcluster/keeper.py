"""Keeps one process running, as a kubelet keeps a container: start, watch, probe, restart with growing pauses."""

import asyncio
import os
import signal
from collections.abc import Callable

from hack.devcluster.component import Component
from hack.devcluster.layout import Layout
from hack.devcluster.processes import ProcessId, die_with_parent, process_id
from hack.devcluster.state import ProcessState

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 10.0
FORGET_AFTER_SECONDS = 30.0
"""A run that lasted this long counts as healthy: the next pause is the first one again."""

_PROBE_STARTING_SECONDS = 0.05


def next_pause(previous: float, ran_seconds: float) -> float:
    """How long to wait before the next start.

    Args:
        previous: the pause before the run that ended; 0 for the first run.
        ran_seconds: how long that run lasted.
    """
    if previous == 0 or ran_seconds >= FORGET_AFTER_SECONDS:
        return FIRST_PAUSE_SECONDS
    return min(previous * 2, LONGEST_PAUSE_SECONDS)


class Keeper:
    """One component and its process."""

    def __init__(self, component: Component, layout: Layout, on_change: Callable[[], None]) -> None:
        self.component = component
        self._log = layout.log(component.name)
        self._on_change = on_change
        self._process: asyncio.subprocess.Process | None = None
        self._id: ProcessId | None = None
        self._restarts = 0
        self._waiting_for = "not started"

    @property
    def ready(self) -> bool:
        """Whether the last probe was content."""
        return not self._waiting_for

    @property
    def state(self) -> ProcessState:
        """How the process fares, for the state file."""
        return ProcessState(
            self.component.name, self._id, self._restarts, self._waiting_for, dict(self.component.ports)
        )

    async def run(self) -> None:
        """Start the process, and again whenever it ends, until cancelled; then end it."""
        pause = 0.0
        loop = asyncio.get_running_loop()
        while True:
            begin = loop.time()
            code = await self._run_once()
            pause = next_pause(pause, loop.time() - begin)
            self._id = None
            self._restarts += 1
            self._set_waiting(f"ended with code {code}, next start in {pause:g} s")
            await asyncio.sleep(pause)

    async def _run_once(self) -> int:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self.component.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.component.environment},
                preexec_fn=die_with_parent(os.getpid()),
            )
        self._id = process_id(self._process.pid)
        self._set_waiting("starting")
        probing = asyncio.ensure_future(self._probe())
        try:
            return await self._process.wait()
        except asyncio.CancelledError:
            await self._end(self._process)
            raise
        finally:
            probing.cancel()

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if self.component.grace_seconds and process.returncode is None:
            process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(process.wait(), self.component.grace_seconds)
            except TimeoutError:
                self._set_waiting(f"still running {self.component.grace_seconds:g} s after SIGTERM, killed")
        if process.returncode is None:
            process.kill()
            await process.wait()

    async def _probe(self) -> None:
        while True:
            self._set_waiting(await self.component.probe())
            await asyncio.sleep(self.component.probe_seconds if self.ready else _PROBE_STARTING_SECONDS)

    def _set_waiting(self, reason: str) -> None:
        if reason != self._waiting_for:
            self._waiting_for = reason
            self._on_change()
