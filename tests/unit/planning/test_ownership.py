"""A node that is given back is as it was before it was taken."""

from typing import Any

import pytest

from controller.api import labels
from controller.api.json import Json
from controller.planning.inherited import is_reserved
from controller.planning.observed import is_free
from controller.planning.ownership import freeing, taking
from tests.unit.planning.builders import UID, node, workspace

OWNER = workspace()
RESERVED = {labels.WORKSPACE: "phi", labels.WORKSPACE_NAMESPACE: "default"}


def merged(obj: Json, patch: Json) -> Json:
    """A node's metadata after a merge patch of its labels and annotations."""
    together: dict[str, Any] = {key: {**obj.get(key, {}), **patch[key]} for key in patch}
    return {key: {name: value for name, value in found.items() if value is not None} for key, found in together.items()}


def taken(metadata: Json) -> Json:
    return merged(metadata, taking(metadata["labels"], OWNER))


def given_back(metadata: Json, uid: str = UID) -> Json:
    return merged(metadata, freeing({"metadata": metadata}, uid))


@pytest.mark.parametrize("before", [{"apps": "phi-3"}, {**RESERVED, "apps": "phi-3"}], ids=["free", "put aside"])
def test_what_was_there_before_is_there_again(before: dict[str, str]) -> None:
    metadata = taken({"labels": before})
    assert metadata["labels"].items() >= {**RESERVED, labels.WORKSPACE_UID: UID}.items()
    assert given_back(metadata) == {"labels": before, "annotations": {}}


def test_a_node_put_aside_by_hand_can_be_taken_again_and_by_nobody_else() -> None:
    found = given_back(taken({"labels": RESERVED}))["labels"]
    assert is_reserved(node("n", labels=found), OWNER)
    assert not is_free(found)


def test_a_node_that_lost_its_uid_by_hand_becomes_free_all_the_same() -> None:
    metadata = taken({"labels": {}})
    del metadata["labels"][labels.WORKSPACE_UID]
    assert is_free(given_back(taken(metadata))["labels"])


def test_labels_put_there_after_another_workspaces_time_stay() -> None:
    metadata: Json = {"labels": {**RESERVED, labels.WORKSPACE_UID: UID}, "annotations": {labels.NAMED_FOR: "earlier"}}
    assert given_back(metadata)["labels"] == RESERVED
