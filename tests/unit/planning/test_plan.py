from dataclasses import replace

import pytest

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.api.workspace import parse_workspace
from controller.catalog import load_catalog
from controller.planning.observed import Observed
from controller.planning.plan import Target, foreign_objects, machines_to_create, make_plan, resolve
from tests.unit.planning.builders import UID, V100, claim, node, workspace, workspace_object

CATALOG = load_catalog()
OWNER = workspace()


def target() -> Target:
    found = resolve(OWNER, workspace_object(), CATALOG, provision=True)
    assert isinstance(found, Target), f"the example was found wanting: {found}"
    return found


def test_the_example_resolves_to_one_v100_node() -> None:
    assert target().demand.count == 1
    assert (target().demand.instance_type, target().demand.gpus) == (V100, 1)


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ({"inference": {"preset": {"name": "phi-9"}}}, Reason.PRESET_UNKNOWN),
        ({"inference": None}, Reason.EXACTLY_ONE_OF),
        ({"resource": {"instanceType": "Standard_NC7", "labelSelector": {}}}, Reason.INSTANCE_TYPE_UNKNOWN),
    ],
)
def test_what_admission_would_refuse_is_refused_here_too(overrides: Json, reason: Reason) -> None:
    obj = workspace_object(**overrides)
    found = resolve(parse_workspace(obj), obj, CATALOG, provision=True)
    assert not isinstance(found, Target)
    assert reason in {problem.reason for problem in found}


def test_the_deployment_waits_for_its_nodes() -> None:
    assert make_plan(OWNER, target(), Observed(claims=(claim(OWNER, 0),))).deployment is None


def test_the_deployment_comes_with_the_nodes_and_stays_when_one_is_lost() -> None:
    good = Observed(claims=(claim(OWNER, 0, ready=True),), nodes=(node("n", of=OWNER, made_for=0),))
    wanted = make_plan(OWNER, target(), good).deployment
    assert wanted is not None
    lost = replace(good, nodes=(), deployment=wanted)
    assert make_plan(OWNER, target(), lost).deployment == wanted


def test_one_machine_is_made_for_one_missing_node() -> None:
    plan = make_plan(OWNER, target(), Observed())
    (machine,) = machines_to_create(OWNER, target(), plan.nodes)
    assert machine["metadata"]["name"] == claim(OWNER, 0).name


def test_objects_of_others_are_named_and_left_alone() -> None:
    theirs = {"metadata": {"name": "phi"}}
    ours = {"metadata": {"name": "phi", "ownerReferences": [{"uid": UID, "controller": True}]}}
    (problem,) = foreign_objects(OWNER, Observed(deployment=theirs, service=ours))
    assert problem.reason is Reason.FOREIGN_OBJECT
    assert "Deployment" in problem.text
