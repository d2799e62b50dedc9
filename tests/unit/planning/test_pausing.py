"""A paused Workspace says so, and keeps what it said before."""

from typing import Any

from controller.api import labels
from controller.api.conditions import conditions_of
from controller.api.json import Json
from controller.api.workspace import parse_workspace
from controller.planning.pausing import paused_status
from controller.planning.status import deleting_conditions, owned_part
from tests.unit.planning.builders import workspace_object

NOW = "2026-01-01T00:00:00Z"
BEFORE: Json = {
    "observedGeneration": 1,
    "state": "Ready",
    "workerNodes": ["n"],
    "currentRevision": "phi-1",
    "conditions": [
        {"type": type_, "status": "True", "reason": "WorkspaceReady", "message": "", "observedGeneration": 1,
         "lastTransitionTime": "2025-01-01T00:00:00Z"}
        for type_ in ("WorkspaceReady", "Ready")
    ],
    "phases": [{"name": "accepted", "startTime": NOW, "endTime": NOW}],
}  # fmt: skip


def paused(status: Json | None = None, **metadata: Any) -> tuple[Json, Json]:
    obj = workspace_object(**({"status": status} if status else {}))
    obj["metadata"] |= {"annotations": {labels.PAUSED: "true"}, **metadata}
    return obj, paused_status(parse_workspace(obj), obj, now=NOW)


def test_what_was_said_stays_said_of_the_generation_it_was_about_and_the_whole_is_about_the_present_one() -> None:
    _, status = paused(BEFORE, generation=2)
    assert status["conditions"][:2] == BEFORE["conditions"]
    kept = [key for key in BEFORE if key not in ("conditions", "observedGeneration")]
    assert {key: status[key] for key in kept} == {key: BEFORE[key] for key in kept}
    assert status["observedGeneration"] == 2, "who waits for the change to be seen would wait until the pause is over"
    assert [(each["type"], each["status"], each["reason"]) for each in status["conditions"][2:]] == [
        ("Paused", "True", "WorkspacePaused")
    ]


def test_a_paused_workspace_costs_one_write() -> None:
    obj, status = paused(BEFORE)
    again = paused_status(parse_workspace(obj), {**obj, "status": status}, now="2027-01-01T00:00:00Z")
    assert owned_part(again) == owned_part(status)


def test_one_that_was_never_looked_at_is_not_ready() -> None:
    _, status = paused()
    assert {each["type"]: each["status"] for each in status["conditions"]} == {
        "WorkspaceReady": "False", "Ready": "False", "Paused": "True",
    }  # fmt: skip
    assert status["observedGeneration"] == 1


def test_only_the_exact_word_pauses() -> None:
    for word, holds in (("true", True), ("false", False), ("True", False), ("", False)):
        obj = workspace_object()
        obj["metadata"]["annotations"] = {labels.PAUSED: word}
        assert parse_workspace(obj).paused is holds


def test_the_pause_is_over_once_the_workspace_goes() -> None:
    _, status = paused(BEFORE)
    assert "Paused" not in {each.type for each in deleting_conditions(conditions_of({"status": status}), "waiting")}
