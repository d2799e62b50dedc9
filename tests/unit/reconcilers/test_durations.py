"""How long a start took is told once, when the Workspace is ready for the first time."""

from datetime import UTC, datetime
from typing import Any

import pytest

from controller.reconcilers.durations import phases_of, seconds_of

Json = dict[str, Any]


def moment(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def workspace(state: str, kind: str = "inference", **reached: int) -> Json:
    """A Workspace created at second 100 whose named conditions became True at the given seconds."""
    conditions = [
        {"type": type_, "status": "True", "reason": type_, "lastTransitionTime": moment(second)}
        for type_, second in reached.items()
    ]
    return {
        "metadata": {"name": "phi", "creationTimestamp": moment(100)},
        kind: {"preset": {"name": "phi-4"}},
        "status": {"state": state, "conditions": conditions},
    }


SERVING = workspace("Ready", MachineReady=160, ResourceReady=190, InferenceReady=400, WorkspaceReady=400, Ready=400)


def test_the_phases_of_a_first_start_add_up() -> None:
    found = list(phases_of(workspace("Pending", MachineReady=160, ResourceReady=190), SERVING))
    assert found == [
        ("inference", "machines", 60),
        ("inference", "nodes", 30),
        ("inference", "workload", 210),
        ("inference", "total", 300),
    ]


def test_node_claims_are_timed_as_machines_are() -> None:
    ready = workspace("Ready", NodeClaimReady=160, ResourceReady=190, InferenceReady=400, Ready=400)
    assert list(phases_of(workspace("Pending"), ready)) == list(phases_of(workspace("Pending"), SERVING))


def test_a_training_run_is_over_when_it_has_succeeded() -> None:
    done = workspace("Succeeded", "tuning", MachineReady=110, ResourceReady=120, WorkspaceSucceeded=4000, Ready=4000)
    found = list(phases_of(workspace("Running", "tuning"), done))
    assert found[-2:] == [("tuning", "workload", 3880), ("tuning", "total", 3900)]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (workspace("NotReady"), SERVING),
        (SERVING, SERVING),
        (workspace("Pending"), workspace("Pending", ResourceReady=150)),
    ],
    ids=["ready-again", "ready-already", "not-yet"],
)
def test_only_the_first_start_is_told(old: Json, new: Json) -> None:
    assert list(phases_of(old, new)) == []


def test_nodes_that_were_ready_out_of_order_take_no_time() -> None:
    odd = workspace("Ready", MachineReady=200, ResourceReady=150, InferenceReady=300, Ready=300)
    assert dict(phase[1:] for phase in phases_of(workspace("Pending"), odd)) == {
        "machines": 100,
        "nodes": 0,
        "workload": 100,
        "total": 200,
    }


@pytest.mark.parametrize(
    ("text", "seconds"), [("1970-01-01T00:01:00Z", 60.0), ("", None), (None, None), ("soon", None)]
)
def test_a_moment_that_is_none_is_told_apart(text: object, seconds: float | None) -> None:
    assert seconds_of(text) == seconds
