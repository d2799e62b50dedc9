from typing import Any

import pytest

from controller.api import labels
from controller.api.json import Json
from controller.reconcilers.nodes import asks_the_same


def stored(**changed: Any) -> Json:
    metadata = {"name": "phi", "uid": "u1", "generation": 3, "annotations": {labels.ZONES: "1"}, "resourceVersion": "7"}
    return {"metadata": {**metadata, **changed}}


def test_a_workspace_whose_status_alone_changed_asks_the_same() -> None:
    assert asks_the_same({**stored(resourceVersion="8"), "status": {"state": "Ready"}}, stored())


@pytest.mark.parametrize(
    "changed",
    [
        {"uid": "u2"},
        {"generation": 4},
        {"deletionTimestamp": "2026-01-05T10:00:00Z"},
        {"annotations": {labels.ZONES: "1", labels.PAUSED: "true"}},
        {"annotations": {labels.ZONES: "2"}},
    ],
    ids=["a successor", "another spec", "being deleted", "paused", "other zones"],
)
def test_nothing_is_done_to_nodes_for_what_is_no_longer_asked(changed: Json) -> None:
    assert not asks_the_same(stored(**changed), stored())
