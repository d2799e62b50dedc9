from dataclasses import replace

from controller.planning.memory import FIELDS, remembered, with_made
from controller.planning.observed import Observed
from controller.planning.plan import make_plan
from tests.unit.planning.builders import claim, node, workspace, workspace_object
from tests.unit.planning.rendering.kit import target_of

OWNER = workspace()
TARGET = target_of(workspace_object())
BEFORE = {"provisioning": {"failures": 1}, "troubledNodes": [{"name": "n", "since": "s"}], "state": "Ready"}


def test_nothing_is_remembered_of_a_workspace_that_has_its_nodes() -> None:
    good = Observed(claims=(claim(OWNER, 0, ready=True),), nodes=(node("n", of=OWNER, made_for=0),))
    assert remembered(BEFORE, make_plan(OWNER, TARGET, good)) == {}


def test_without_a_plan_the_memory_stays() -> None:
    assert remembered(BEFORE, None) == {key: BEFORE[key] for key in FIELDS}


def test_a_claim_that_was_just_made_is_under_way_before_anybody_sees_it() -> None:
    plan = with_made(make_plan(OWNER, TARGET, Observed()), ("uid-1",))
    assert remembered({}, plan)["provisioning"]["underWay"] == ["uid-1"]


def test_a_bad_node_is_remembered() -> None:
    bad = replace(node("n", of=OWNER), ready=False)
    told = remembered({}, make_plan(OWNER, TARGET, Observed(nodes=(bad,))))
    assert [each["name"] for each in told["troubledNodes"]] == ["n"]
