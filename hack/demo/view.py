"""Shows the phases as they change: a live table on a terminal, a line per change elsewhere."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hack.demo.phases import Phase


class View:
    """A context in which phases are shown.

    Args:
        console: where to.
        clock: seconds since the demonstration began.
    """

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console, self._clock = console, clock
        self._live = Live(console=console, refresh_per_second=4) if console.is_terminal else None
        self._shown: dict[str, Phase] = {}
        self._since: dict[str, float] = {}

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def show(self, phases: list[Phase]) -> None:
        """Takes over the new state of things."""
        now = self._clock()
        for phase in phases:
            if self._shown.get(phase.name) == phase:
                continue
            self._since[phase.name] = now
            self._shown[phase.name] = phase
            if not self._live:
                line = f"{now:6.1f} s  {phase.mark} {phase.name:<10}  {phase.detail}"
                self._console.print(line, highlight=False, markup=False, soft_wrap=True)
        if self._live:
            self._live.update(self._table(phases))

    def _table(self, phases: list[Phase]) -> Table:
        table = Table(box=None, show_header=False, pad_edge=False)
        for phase in phases:
            colour = "green" if phase.done else "yellow"
            table.add_row(Text(phase.mark, colour), phase.name, Text(phase.detail), f"{self._since[phase.name]:.1f} s")
        return table
