"""When Azure refuses, people learn it at once and in three places; when Azure is well again, so is the Workspace."""

import time
from dataclasses import dataclass

import pytest

from controller.api.conditions import FALSE, Condition, conditions_of
from controller.api.json import Json
from controller.api.reasons import Reason
from tests.cluster.harness import eventually
from tests.system import audit
from tests.system.harness import PATIENCE_SECONDS, SIZE, System, workspace

SEEN_SECONDS = 5.0
"""Promised: from the moment the fact can be read from Azure to the moment people can read it."""

FAMILY = "Standard NCASv3_T4 Family"
NAME = "phi"
HEADLINE_CHARACTERS = 600


@dataclass(frozen=True, slots=True)
class Refusal:
    """One way Azure says no."""

    scenario: Json
    reason: Reason
    words: str
    """What the message must say, so that a person knows what to ask for."""


def rule(**effect: object) -> Json:
    return {"rules": [{"name": "refusal", "match": {"vm_size": SIZE}, **effect}]}


def no_quota(enforcement: str) -> Json:
    return {"quota": {"families": {FAMILY: 0}, "enforcement": enforcement}}


REFUSALS = {
    "no quota, said at once": Refusal(no_quota("request"), Reason.QUOTA_EXCEEDED, "quota"),
    "no quota, found out later": Refusal(no_quota("operation"), Reason.QUOTA_EXCEEDED, "quota"),
    "size unavailable, said at once": Refusal(rule(sku_unavailable="request"), Reason.SKU_NOT_AVAILABLE, SIZE),
    "size unavailable, found out later": Refusal(rule(sku_unavailable="operation"), Reason.SKU_NOT_AVAILABLE, SIZE),
    "allocation failed": Refusal(
        rule(fail={"cause": "AllocationFailed", "after_seconds": 2}), Reason.ALLOCATION_FAILED, SIZE
    ),
}


@dataclass(frozen=True, slots=True)
class Seen:
    """When the reason was first found where people look, in seconds since the epoch."""

    machine: float
    workspace: float
    event: float

    @property
    def last(self) -> float:
        """When it was found everywhere."""
        return max(self.machine, self.workspace, self.event)


def says(obj: Json | None, type_: str, reason: Reason) -> Condition | None:
    """The condition, when it is False for that reason."""
    held = conditions_of(obj or {}).get(type_)
    return held if held and (held.status, held.reason) == (FALSE, reason) else None


async def until_seen(system: System, namespace: str, reason: Reason) -> Seen:
    """Wait until the reason is on the Machine, on the Workspace, and in an event about the Workspace."""
    moments: dict[str, float] = {}

    async def everywhere() -> str:
        scene = await system.look(namespace, NAME)
        events = await system.events(namespace, "Workspace", NAME)
        found = {
            "machine": any(says(machine, "MachineLaunched", reason) for machine in scene.machines),
            "workspace": bool(says(scene.workspace, "ResourceReady", reason)),
            "event": any((event["reason"], event["type"]) == (reason, "Warning") for event in events),
        }
        for place in (place for place, there in found.items() if there):
            moments.setdefault(place, time.time())
        missing = [place for place in found if place not in moments]
        return f"{reason} is missing in {missing}: {scene.summary}" if missing else ""

    await eventually(everywhere, PATIENCE_SECONDS)
    return Seen(**moments)


async def readable_since(system: System, applied: float) -> float:
    """When Azure's answer could first be read: the end of the failed operation, else not before the Workspace."""
    operations = (await system.cloud())["operations"]
    ends = [audit.moment(item["endTime"]) for item in operations if item["status"] == "Failed" and item["endTime"]]
    return min((end for end in ends if end >= applied), default=applied)


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())
async def test_a_refusal_is_told_and_its_end_heals_the_workspace(
    system: System, namespace: str, refusal: Refusal
) -> None:
    await system.play(refusal.scenario)
    applied = time.time()
    await system.apply(workspace(namespace, NAME))

    seen = await until_seen(system, namespace, refusal.reason)

    delay = seen.last - await readable_since(system, applied)
    print(f"figure: {refusal.reason} everywhere {delay:.2f} s after Azure showed it")
    assert delay <= SEEN_SECONDS, f"promised: {SEEN_SECONDS:g} s; {seen}"
    scene = await system.look(namespace, NAME)
    await assert_readable(scene.workspace, refusal)

    await system.play({})

    healed = await system.until_ready(namespace, NAME)
    assert healed.workspace
    assert healed.workspace["metadata"]["generation"] == 1, "the Workspace was not to be touched"
    assert len(healed.pools) == len(healed.nodes) == len(healed.machines) == 1, f"failed tries stay: {healed.left}"


async def assert_readable(obj: Json | None, refusal: Refusal) -> None:
    """What the Workspace's condition says is enough to act on."""
    message = conditions_of(obj or {})["WorkspaceReady"].message
    headline = message.splitlines()[0]
    assert refusal.words in headline, f"{refusal.words!r} is not named in {headline!r}"
    assert "Fix: " in headline, f"no way out in {headline!r}"
    assert f"({refusal.reason})" in headline, f"no reason code in {headline!r}"
    assert len(headline) < HEADLINE_CHARACTERS, f"{len(headline)} characters are too many: {headline!r}"
