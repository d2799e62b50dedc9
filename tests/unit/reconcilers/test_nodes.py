from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from controller.api import labels
from controller.api.json import Json
from controller.api.workspace import parse_workspace
from controller.planning.observed import Observed
from controller.reconcilers.nodes import asks_the_same, let_go
from tests.unit.planning.test_node_plan import pod
from tests.unit.planning.test_resolving import A100, OURS, T4, asking, node, site
from tests.unit.reconcilers.kit import stand
from tests.unit.runtime.scripted_server import answer


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


SMALL, LARGE = node("a", T4, OURS), node("b", A100)
HELD = Observed(nodes=(SMALL, LARGE))


@pytest.mark.parametrize(
    ("preset", "observed", "released"),
    [
        ("phi-4", HELD, True),
        ("phi-4", replace(HELD, pods=(pod("a"),)), False),
        ("phi-4", Observed(nodes=(SMALL,)), False),
        ("phi-4", Observed(nodes=(SMALL, node("b", T4))), False),
        ("no-such-model", HELD, False),
    ],
    ids=["others would do", "pods hold it", "there is no other", "the others are no better", "nothing will do"],
)
async def test_a_node_that_will_not_do_is_let_go_for_others_that_would(
    tmp_path: Path, preset: str, observed: Observed, released: bool
) -> None:
    obj, stored_node = asking(preset), {"metadata": {"name": "a", "labels": OURS, "resourceVersion": "5"}}
    async with stand(tmp_path, answer(obj), answer(stored_node), answer(stored_node)) as place:
        await let_go(place.context, parse_workspace(obj), obj, observed, site(observed.nodes))
        assert ("PATCH /api/v1/nodes/a" in place.requests, bool(place.requests)) == (released, released)
        assert bool(place.told.notes) == released
