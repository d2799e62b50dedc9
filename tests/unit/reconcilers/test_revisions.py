"""What the status remembers of revisions decides whether a training run is over."""

import pytest

from controller.api.conditions import Condition
from controller.api.json import Json
from controller.reconcilers.revisions import remembered, was_trained

DONE = [Condition("WorkspaceSucceeded", "True", "TrainingSucceeded")]
OPEN = [Condition("WorkspaceSucceeded", "False", "TrainingRunning")]
BEFORE: Json = {"currentRevision": "phi-1", "succeededRevision": "phi-1"}


@pytest.mark.parametrize(
    ("status", "revision", "conditions", "found"),
    [
        ({}, "", OPEN, {}),
        ({}, "phi-1", OPEN, {"currentRevision": "phi-1"}),
        ({}, "phi-1", DONE, {"currentRevision": "phi-1", "succeededRevision": "phi-1"}),
        (BEFORE, "phi-2", OPEN, {"currentRevision": "phi-2", "succeededRevision": "phi-1"}),
        (BEFORE, "", DONE, BEFORE),
        (BEFORE, "", OPEN, BEFORE),
    ],
    ids=["nothing yet", "running", "done", "the next runs", "nothing carried out", "blocked"],
)
def test_a_run_that_ended_well_is_remembered_until_the_next_does(
    status: Json, revision: str, conditions: list[Condition], found: Json
) -> None:
    assert remembered({"tuning": {"method": "lora"}, "status": status}, revision, conditions) == found


def test_a_model_server_never_succeeds_once_and_for_all() -> None:
    assert remembered({"inference": {}}, "phi-1", DONE) == {"currentRevision": "phi-1"}


def test_only_the_run_that_ended_well_is_not_run_again() -> None:
    assert was_trained({"status": BEFORE}, "phi-1") is True
    assert was_trained({"status": BEFORE}, "phi-2") is False


def test_a_status_that_names_no_revision_is_not_asked() -> None:
    assert was_trained({"status": {}}, "phi-1") is None
    assert was_trained({}, "phi-1") is None
