"""What the status remembers of revisions decides whether a training run is over; a history may not be to be had."""

from pathlib import Path

import pytest

from controller.api.conditions import Condition
from controller.api.json import Json
from controller.planning.revisions import Wish
from controller.reconcilers.revisions import record, remembered, was_trained
from tests.unit.planning.builders import UID, workspace, workspace_object
from tests.unit.reconcilers.kit import Stand, stand
from tests.unit.runtime.scripted_server import Reply, answer, status

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


NAME = "phi-1"
TAKEN = status(409, "AlreadyExists", f'controllerrevisions.apps "{NAME}" already exists')
DONE_SO = answer({})


def listed(*found: Json) -> Reply:
    return answer({"kind": "ControllerRevisionList", "metadata": {"resourceVersion": "9"}, "items": list(found)})


def unlabelled(uid: str) -> Json:
    """A revision of that name that belongs to the Workspace with the UID and does not say so in its labels."""
    owner = {"kind": "Workspace", "name": "phi", "uid": uid, "controller": True}
    return {"metadata": {"name": NAME, "namespace": "default", "ownerReferences": [owner]}, "revision": 1}


async def recorded(stand: Stand) -> None:
    await record(stand.context, workspace(), workspace_object(), Wish("pods", "whole", ""), NAME)


async def test_a_revision_that_lost_its_label_is_made_anew(tmp_path: Path) -> None:
    replies = (listed(), TAKEN, listed(unlabelled(UID)), DONE_SO, DONE_SO)
    async with stand(tmp_path, *replies) as place:
        await recorded(place)
        path = "/apis/apps/v1/namespaces/default/controllerrevisions"
        assert place.requests == [f"GET {path}", f"POST {path}", f"GET {path}", f"DELETE {path}/{NAME}", f"POST {path}"]
        assert place.server.seen[2].query["fieldSelector"] == f"metadata.name={NAME}"
        assert place.told.notes == []


@pytest.mark.parametrize(
    ("replies", "word"),
    [
        ((TAKEN, listed(unlabelled("another"))), "AlreadyExists"),
        ((TAKEN, listed(unlabelled(UID)), DONE_SO, TAKEN), "AlreadyExists"),
        ((status(400, "", "admission webhook denied the request"),), "denied"),
        ((status(403, "Forbidden", "exceeded quota"),), "exceeded quota"),
        ((status(413, "RequestEntityTooLarge", "too large"),), "too large"),
    ],
    ids=["another's", "it does not go", "denied without a code", "quota", "too large"],
)
async def test_a_history_that_is_not_to_be_had_is_told_and_holds_nothing_up(
    tmp_path: Path, replies: tuple[Reply, ...], word: str
) -> None:
    async with stand(tmp_path, listed(), *replies) as place:
        await recorded(place)
        (note,) = place.told.notes
        assert note.startswith("ObjectRefused: ")
        assert word in note
