"""What the leader does when the installation's catalogue changes: it looks at every Workspace again, and tells."""

from collections.abc import Callable, Iterable
from typing import Final, NoReturn

from controller.api.json import Key
from controller.api.reasons import Reason
from controller.catalog.overrides import Merged, OverrideProblem
from controller.installation import Installation
from controller.runtime.events import Recorder

TOLD: Final = 5
"""Problems told in one event; the log has more."""


async def follow(
    installation: Installation, recorder: Recorder, keys: Callable[[], Iterable[Key]], enqueue: Callable[[Key], None]
) -> NoReturn:
    """Runs on the leader until cancelled.

    Args:
        installation: whose catalogue is followed.
        recorder: writes an event on the ConfigMap while entries of it are left out, once for the same ones.
        keys: the Workspaces there are.
        enqueue: takes those that may be affected, which is all of them.
    """
    seen: Merged | None = None
    told: tuple[OverrideProblem, ...] = ()
    while True:
        merged = await installation.differs(seen)
        config_map = installation.config_map
        if merged.problems and merged.problems != told and config_map is not None:
            note = summary(merged.problems)
            recorder.event(config_map, type="Warning", reason=Reason.CATALOG_ENTRY_LEFT_OUT, note=note, action="Read")
        if seen is not None:
            for key in keys():
                enqueue(key)
        seen, told = merged, merged.problems


def summary(problems: tuple[OverrideProblem, ...]) -> str:
    """The first problems with document and line, and how many more there are."""
    lines = [f"{problem.source}:{problem.line}: {problem.message}" for problem in problems[:TOLD]]
    more = [f"and {len(problems) - TOLD} more"] if len(problems) > TOLD else []
    return "left out, the rest is used: " + "; ".join(lines + more)
