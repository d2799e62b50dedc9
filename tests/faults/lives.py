"""One life of the provisioner within this process: the whole program, from its start to its death at the gate."""

import asyncio
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any, Final, Self

from controller.runtime import tasks
from controller.runtime.options import CommonOptions
from controller.runtime.program import Program
from provisioner.__main__ import assemble
from provisioner.settings import Settings
from tests.faults.gate import Gate, GatedPools, gated

_TURN: Final = 0.02


class _Behind(Program):
    """The program's parts, started in the program's order, without signals, probes and an orderly end."""

    def __init__(self, name: str, options: CommonOptions, gate: Gate, selectors: dict[str, str]) -> None:
        super().__init__(name, options)
        self._gate, self._selectors = gate, selectors

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.client = gated(self.client, self._gate, self._selectors)
        self.recorder._client = self.client
        return self

    async def live(self) -> None:
        """Works until it is torn down, or until a part dies as it would in the real program."""
        self._elector = self._candidate()
        informers = {f"informer {each.name}": each.run for each in self._informers}
        base = tasks.start({"events": self.recorder.run} | informers)
        work: list[asyncio.Task[None]] = []
        try:
            for informer in self._needed:
                await informer.wait_synced()
            work = tasks.start(self._work())
            await asyncio.wait([*base, *work], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await tear_down([*base, *work])

    async def _lead(self, elector: Any) -> None:
        """Leads; whoever loses the lease is torn down by `live`, which serves as the end of the process."""
        await elector.run(lambda: tasks.run_together(self._leads))


async def tear_down(running: Collection[asyncio.Task[Any]]) -> None:
    """Ends tasks, however long their clean-up would like to take."""
    pending = {task for task in running if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        with suppress(asyncio.CancelledError):
            _, pending = await asyncio.wait(pending, timeout=_TURN)
    await asyncio.gather(*running, return_exceptions=True)


async def live(
    gate: Gate, settings: Settings, *, name: str, selectors: dict[str, str], state: Callable[[], str]
) -> None:
    """One process, until its gate has shut or it has ended by itself; nothing of it is left then.

    Args:
        gate: where it may die.
        settings: what it is told at its start.
        name: of the program, and so of its Lease.
        selectors: which objects it sees, a label selector by plural.
        state: of the cloud, to tell readings apart.
    """
    api = GatedPools(settings.azure, location=settings.place.location, user_agent=name).behind(gate, state)
    try:
        async with _Behind(name, settings.common, gate, selectors) as program:
            assemble(program, settings, api)
            working, dying = asyncio.create_task(program.live()), asyncio.create_task(gate.shut.wait())
            try:
                await asyncio.wait([working, dying], return_when=asyncio.FIRST_COMPLETED)
            finally:
                gate.shut.set()
                await tear_down([working, dying])
    finally:
        await api.close()
