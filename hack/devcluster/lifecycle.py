"""Bringing a cluster up and down from outside: what the command line and the tests call."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from hack.devcluster import state
from hack.devcluster.layout import REPOSITORY, Layout, tail
from hack.devcluster.locks import file_lock, try_lock
from hack.devcluster.processes import wait_gone
from hack.devcluster.request import Request, Scope
from hack.devcluster.state import ClusterState, Phase

UP_SECONDS = 240.0
"""The longest `up` waits; the supervisor gives up on each group of processes earlier and says why."""

_STOP_SECONDS = 30.0
_FIRST_STATE_SECONDS = 15.0
_POLL_SECONDS = 0.03

Report = Callable[[str], None]
"""Receives a line of progress."""


class DevclusterError(Exception):
    """A cluster could not be started or stopped; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Up:
    """What `up` found or made."""

    state: ClusterState
    started: bool
    """False when it ran already."""


async def up(layout: Layout, request: Request, report: Report) -> Up:
    """Start a cluster and return when everything in it is ready; a running one is left alone.

    Raises:
        DevclusterError: something did not become ready, or another scope runs in the directory.
    """
    layout.create()
    async with file_lock(layout.up_lock, f"another `up` works in {layout.root}: waiting for it"):
        present = state.load(layout)
        if present and present.supervisor.alive and present.phase is Phase.READY:
            if not Scope(present.scope).includes(request.scope):
                raise DevclusterError(
                    f"{layout.root} runs with --components {present.scope}, asked for {request.scope.value}: "
                    f"run `down` first, or use another --dir"
                )
            return Up(present, started=False)
        if present:
            report("cleaning up what an earlier start left")
        await _down(layout)
        layout.clear_logs()
        layout.create()
        request.save(layout)
        try:
            # Within the try: an interrupt while the supervisor detaches must end it, too.
            _spawn_supervisor(layout)
            return Up(await _wait_ready(layout, report), started=True)
        except BaseException:
            await _down(layout)
            raise


async def down(layout: Layout) -> bool:
    """Stop a cluster and remove its data, keeping its logs; gives whether anything ran.

    Raises:
        DevclusterError: a process outlived SIGKILL.
    """
    if not layout.root.exists():
        return False
    async with file_lock(layout.up_lock, f"an `up` or `down` works in {layout.root}: waiting for it"):
        return await _down(layout)


async def _down(layout: Layout) -> bool:
    """What `down` does, for those who hold its lock."""
    present = state.load(layout) or await _first_state(layout)
    if not present:
        return False
    ran = any(process.alive for process in present.every_process)
    present.supervisor.signal(signal.SIGTERM)
    await wait_gone([present.supervisor], _STOP_SECONDS)
    # Read again: processes may have been restarted between the first look and the end.
    last = state.load(layout) or present
    for process in last.every_process:
        process.signal(signal.SIGKILL)
    if left := await wait_gone(last.every_process, _STOP_SECONDS):
        raise DevclusterError(f"still running after SIGKILL: pids {', '.join(str(process.pid) for process in left)}")
    layout.clear()
    return ran


async def _first_state(layout: Layout) -> ClusterState | None:
    """The state of a supervisor that lives and has not written any yet; None when none lives."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _FIRST_STATE_SECONDS
    while loop.time() < deadline:
        with try_lock(layout.supervisor_lock) as free:
            if free:
                return state.load(layout)
        if present := state.load(layout):
            return present
        await asyncio.sleep(_POLL_SECONDS)
    return None


def running(layout: Layout) -> ClusterState | None:
    """The state of a cluster whose supervisor is alive."""
    present = state.load(layout)
    return present if present and present.supervisor.alive else None


def _spawn_supervisor(layout: Layout) -> None:
    # A kubeconfig or an option of the person who calls must not leak into programs that run as in a Pod.
    environment = {
        name: value for name, value in os.environ.items() if name != "KUBECONFIG" and not name.startswith("KAITO_")
    }
    with layout.log("supervisor").open("ab") as log:
        code = subprocess.call(
            [sys.executable, "-m", "hack.devcluster.supervisor", f"--dir={layout.root}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=REPOSITORY,
            env=environment,
            start_new_session=True,
        )
    if code:
        raise DevclusterError(f"the supervisor did not start:\n{tail(layout.log('supervisor'))}")


async def _wait_ready(layout: Layout, report: Report) -> ClusterState:
    loop = asyncio.get_running_loop()
    begin = loop.time()
    told = ""
    while True:
        present = state.load(layout)
        waited = loop.time() - begin
        if present and present.phase is Phase.READY:
            return present
        if present and present.phase is Phase.FAILED:
            raise DevclusterError(present.message)
        gone = present and not present.supervisor.alive
        if gone or waited > (UP_SECONDS if present else _FIRST_STATE_SECONDS):
            cause = "the supervisor ended" if gone else f"not ready after {waited:.0f} s"
            raise DevclusterError(f"{cause}:\n{tail(layout.log('supervisor'))}")
        if present and present.message != told:
            told = present.message
            report(f"{waited:5.1f} s  {told}")
        await asyncio.sleep(_POLL_SECONDS)
