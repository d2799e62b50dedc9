"""What can befall a claim, each with the condition, reason and event it ends in: the rows of a page.

The page's seconds are those of the run that last wrote it (KAITO_UPDATE_GOLDEN=1); the tests assert the rest.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controller.api.reasons import Reason

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "provisioner-scenarios.md"
PROPERTY: Final = "scenario"
"""Name under which a test's report carries a row and its seconds."""

GONE: Final = "claim, pool and node gone"


@dataclass(frozen=True, slots=True)
class Row:
    """One scenario.

    Attributes:
        name: what befalls the claim.
        ends: the condition it ends in as `Type=Status`, or `GONE`.
        reason: of that condition; for a claim that is gone, why it had to go. None where the user deleted it.
        event: what the claim's events tell; None for a claim that never came to anything.
    """

    name: str
    ends: str
    reason: Reason | None
    event: Reason | None


def _row(name: str, ends: str, reason: Reason | None, event: Reason | None = None) -> Row:
    return Row(name, ends, reason, event or reason)


NO_QUOTA: Final = _row("no quota in any family the claim allows", "Launched=Unknown", Reason.QUOTA_EXCEEDED)
ONE_FAMILY: Final = _row("no quota in one family of two", "Ready=True", Reason.READY)
NO_SKU: Final = _row("size not available", "Launched=Unknown", Reason.SKU_NOT_AVAILABLE)
ALLOCATION: Final = _row(
    "allocation fails after minutes, the next attempt succeeds", "Ready=True", Reason.READY, Reason.ALLOCATION_FAILED
)
NO_JOIN: Final = _row("VM never registers", "Registered=Unknown", Reason.REGISTRATION_TIMEOUT)
NO_GPU: Final = _row("node without its GPU", GONE, Reason.GPUS_NOT_ADVERTISED)
NO_GPU_AGAIN: Final = _row("the replacement without its GPU, too", "Initialized=Unknown", Reason.INITIALIZATION_TIMEOUT)
NODE_LOST: Final = _row("node silent for longer than the repair deadline", GONE, Reason.NODE_UNHEALTHY)
NODE_DELETED: Final = _row("node object deleted", GONE, Reason.INSTANCE_GONE)
POOL_LOST: Final = _row("agent pool removed by somebody else", GONE, Reason.INSTANCE_GONE)
EVICTED: Final = _row("spot node evicted", GONE, Reason.INSTANCE_GONE)
STUCK: Final = _row("pool stuck in Deleting", "InstanceTerminating=True", Reason.INSTANCE_TERMINATING)
NOT_REMOVED: Final = _row(
    "removal taken by Azure and then failed, asked for again ever more rarely",
    "InstanceTerminating=Unknown",
    Reason.REMOVAL_FAILED,
)
RESTARTED: Final = _row("cluster stopped and started, provisioner running at first", "Ready=True", Reason.READY)
RESTARTED_UNSEEN: Final = _row("cluster stopped and started, provisioner down meanwhile", "Ready=True", Reason.READY)
ASKED_WHILE_STOPPED: Final = _row(
    "claim made while the cluster is stopped", "Launched=Unknown", Reason.OPERATION_CONFLICT
)
THROTTLED: Final = _row("subscription throttled for ten minutes", "Launched=Unknown", Reason.THROTTLED)
THROTTLE_OVER: Final = _row("the same once Azure answers again", "Ready=True", Reason.READY)
CREDENTIALS: Final = _row("credentials expired", "Launched=Unknown", Reason.UNAUTHORIZED)
GROUP_GONE: Final = _row("resource group gone", "Launched=Unknown", Reason.CLUSTER_NOT_FOUND)
FOREIGN: Final = _row("name taken by a foreign pool", "Launched=Unknown", Reason.NAME_CONFLICT)
DELETED_EARLY: Final = _row("claim deleted before its launch", GONE, None)
DELETED_CREATING: Final = _row("claim deleted while its pool is being made", GONE, None, Reason.INSTANCE_TERMINATING)
DELETED_FAILED: Final = _row("claim deleted after a failed launch", GONE, None, Reason.ALLOCATION_FAILED)
DELETED_JOINING: Final = _row("claim deleted before its node joined", GONE, None, Reason.INSTANCE_TERMINATING)
DELETED_READY: Final = _row("claim deleted when Ready", GONE, None, Reason.INSTANCE_TERMINATING)
DELETED_STOPPED: Final = _row(
    "claim deleted while the cluster is stopped, which then starts", GONE, None, Reason.INSTANCE_TERMINATING
)

ROWS: Final = (
    *(NO_QUOTA, ONE_FAMILY, NO_SKU, ALLOCATION, NO_JOIN, NO_GPU, NO_GPU_AGAIN),
    *(NODE_LOST, NODE_DELETED, POOL_LOST, EVICTED, STUCK, NOT_REMOVED),
    *(RESTARTED, RESTARTED_UNSEEN, ASKED_WHILE_STOPPED, THROTTLED, THROTTLE_OVER, CREDENTIALS, GROUP_GONE, FOREIGN),
    *(DELETED_EARLY, DELETED_CREATING, DELETED_FAILED, DELETED_JOINING, DELETED_READY, DELETED_STOPPED),
)


def table(figures: Iterable[tuple[str, float]]) -> str:
    """The rows that were played, each with the seconds it took."""
    known = {row.name: row for row in ROWS}
    played = [(known[name], taken) for name, taken in figures]
    return "\n".join(
        f"{row.name}: {row.ends} {row.reason or '-'}, event {row.event or '-'}, {taken:.1f} s" for row, taken in played
    )


def render(seconds: Mapping[str, str]) -> str:
    """The page, with the seconds known by a row's name."""
    head = "scenario | condition at the end | reason | event | seconds"
    lines = [f"| {head} |", "|" + "---|" * 5]
    lines += [
        f"| {row.name} | {row.ends} | {_code(row.reason)} | {_code(row.event)} | {seconds.get(row.name, '')} |"
        for row in ROWS
    ]
    return "\n".join([_INTRODUCTION, *lines, ""])


def seconds_on(page: str) -> dict[str, str]:
    """The seconds a page states, by a row's name."""
    return {match["name"]: match["seconds"] for match in _LINE.finditer(page)}


def update_page(figures: Iterable[tuple[str, float]]) -> None:
    """Writes the page anew with these seconds; rows without a figure keep theirs."""
    known = seconds_on(PAGE.read_text(encoding="utf-8")) if PAGE.exists() else {}
    PAGE.write_text(render({**known, **{name: f"{taken:.1f}" for name, taken in figures}}), encoding="utf-8")


def _code(reason: Reason | None) -> str:
    return "-" if reason is None else f"`{reason}`"


_LINE: Final = re.compile(r"^\| (?P<name>[^|]+?) \|(?:[^|]*\|){3} (?P<seconds>[\d.]*) ?\|$", re.MULTILINE)
_INTRODUCTION: Final = """<!-- Generated by the scenarios' tests with KAITO_UPDATE_GOLDEN=1. Do not edit. -->
# What can befall a node claim

Each row is played against a real API server and the simulated AKS, with the provisioner as a process of its own, and
asserted in `tests/cluster/test_provisioner_scenarios.py` or `tests/cluster/test_provisioner_endings.py`. Conditions are
a NodeClaim's; a Machine shows `False` where a NodeClaim that waits for somebody to act shows `Unknown`. A claim that is
gone is made anew by whoever needs it, under another name: the reason is why it had to go.

The seconds run from the claim's creation, or from what befell it, to the condition and the event, in the run that wrote
this page: the simulated Azure was eight times as fast as its own timing (a VM boots in one second) and the deadlines
that end some scenarios were two to five seconds. Throttling lasted for the three pauses of three seconds that the test
waits for; `make faults` makes it ten minutes. The seconds show order and proportion, not what Azure takes.
"""
