"""Follows claims to the end of what befalls them."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.cluster.provisioner_kit import Bench
from tests.cluster.provisioner_rows import GONE, PROPERTY, Row


@dataclass(slots=True)
class Scenarios:
    """Follows claims to the end of their scenarios and keeps the figures for the table.

    Attributes:
        world: where they happen.
        note: keeps a figure on the test's report.
        begun: when each claim's scenario began, by its name.
    """

    world: Bench
    note: Callable[[str, object], None]
    begun: dict[str, float] = field(default_factory=dict)

    def begin(self, claim: str) -> str:
        """From now on the seconds count; the claim's name."""
        self.begun[claim] = time.monotonic()
        return claim

    async def ends(self, row: Row, claim: str) -> None:
        """Waits until a claim has come to the end its row states, and its events tell so."""
        if row.ends == GONE:
            await self.world.gone(claim)
        else:
            type_, _, status = row.ends.partition("=")
            await self.world.shows(claim, type_, status, row.reason or "")
        if row.event is not None:
            await self.world.tells(claim, row.event)
        self.note(PROPERTY, (row.name, time.monotonic() - self.begun[claim]))
