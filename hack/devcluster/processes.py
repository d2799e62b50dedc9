"""Processes by identity: a pid alone may belong to somebody else by the time a signal is sent."""

import asyncio
import ctypes
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process as the kernel tells it from later users of the same pid."""

    pid: int
    started: int
    """Start time in clock ticks since boot (proc(5), `/proc/pid/stat`, field 22)."""

    @property
    def alive(self) -> bool:
        """Whether this very process still runs; a zombie does not."""
        state, started = _read_stat(self.pid)
        return started == self.started and state not in "ZX"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal unless the process is gone."""
        if self.alive:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return


def process_id(pid: int) -> ProcessId:
    """The identity of a running process; of one that is gone, an identity that is never alive."""
    return ProcessId(pid, _read_stat(pid)[1])


def _read_stat(pid: int) -> tuple[str, int]:
    """State letter and start time; ("X", -1) when there is no such process."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return "X", -1
    # The command name stands in parentheses and may hold spaces and parentheses itself.
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[19])


async def wait_gone(processes: Sequence[ProcessId], seconds: float) -> list[ProcessId]:
    """Wait until none of the processes is alive; returns those that still are when the time is over."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        left = [process for process in processes if process.alive]
        if not left or loop.time() >= deadline:
            return left
        await asyncio.sleep(0.02)


def die_with_parent(parent: int) -> Callable[[], None]:
    """A function for the child between fork and exec: SIGKILL it when `parent`, the forking process, dies.

    Linux only (prctl(2), PR_SET_PDEATHSIG). The signal survives exec, so it covers every binary we start.
    """

    def prepare() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # the parent died before the request was in place
            os._exit(1)

    return prepare
