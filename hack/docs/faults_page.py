"""The page of faults: what goes wrong, where people read it, and what ends it."""

from typing import Final

from controller.api.reasons import MEANINGS
from hack.docs.fault import Fault
from hack.docs.faults import FAULTS
from hack.docs.markdown import page, table

_INTRO: Final = """# Faults

What can go wrong around a Workspace, and what is then read of it: the reason is the same word in the condition named,
in `Ready`, in an event about the Workspace and in the metric `kaito_workspace_condition_since_timestamp_seconds`.

- *Stalled*: the condition `Stalled` holds, since nothing goes on until people act; the fix is the first thing to do.
  For all others `Reconciling` holds, and what is wrong passes by itself or with its cause.
- *healed when*: what ends it. Nobody has to touch the Workspace then, unless the row says so.

Every row is made to happen by the tests, on a real control plane with a simulated cloud, up to the Workspace being
ready again."""


def faults_page() -> str:
    """The text of docs/reference/faults.md."""
    groups = dict.fromkeys(fault.group for fault in FAULTS.values())
    return page(_INTRO, *(f"## {group}\n\n{_table(group)}" for group in groups))


def _table(group: str) -> str:
    header = (
        "what goes wrong",
        "condition",
        "reason",
        "event",
        "kind",
        "first thing to do",
        "healed when",
        "tested by",
    )
    return table(header, [_row(fault) for fault in FAULTS.values() if fault.group == group])


def _row(fault: Fault) -> tuple[str, ...]:
    kind = "Stalled" if fault.stalls else "passes"
    fix = MEANINGS[fault.reason].fix or "-"
    return fault.what, f"`{fault.condition}`", f"`{fault.reason}`", fault.event_type, kind, fix, fault.heals, fault.made
