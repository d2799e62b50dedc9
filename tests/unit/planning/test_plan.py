from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.api.workspace import parse_workspace
from controller.catalog import load_catalog
from controller.planning.observed import Observed
from controller.planning.plan import Target, machines_to_create, make_plan, resolve
from controller.planning.site import Site
from controller.planning.validation import validate
from tests.unit.planning.builders import V100, claim, node, workspace, workspace_object
from tests.unit.planning.manifests import changed, manifests

CATALOG = load_catalog()
OWNER = workspace()


def target() -> Target:
    found = resolve(OWNER, workspace_object(), Site(CATALOG))
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
        (
            {"resource": {"instanceType": "Standard_ND46s_H100_v5", "labelSelector": {}}},
            Reason.INSTANCE_TYPE_UNKNOWN,
        ),
        ({"resource": {"instanceType": "Standard_NC7", "labelSelector": {}}}, Reason.INSTANCE_TYPE_UNKNOWN),
    ],
)
def test_what_admission_would_refuse_is_refused_here_too(overrides: Json, reason: Reason) -> None:
    obj = workspace_object(**overrides)
    found = resolve(parse_workspace(obj), obj, Site(CATALOG))
    assert not isinstance(found, Target)
    assert reason in {problem.reason for problem in found}


@given(manifests(), st.sampled_from([*CATALOG.skus, *CATALOG.elsewhere, "", "Standard_X9"]), st.booleans())
def test_whatever_admission_lets_in_has_a_target(obj: Json, size: str, provision: bool) -> None:
    asked = changed(obj, "resource.instanceType", size)
    if not validate(asked, Site(CATALOG, provision)).problems:
        found = resolve(parse_workspace(asked), asked, Site(CATALOG, provision))
        assert isinstance(found, Target), f"admitted on {size!r} and refused afterwards: {found}"


@pytest.mark.parametrize("provision", [True, False])
def test_no_size_is_let_in_that_has_no_target(provision: bool) -> None:
    for size in (*CATALOG.skus, *CATALOG.elsewhere):
        obj = workspace_object(resource={"instanceType": size, "labelSelector": {}})
        if not validate(obj, Site(CATALOG, provision)).problems:
            assert isinstance(resolve(parse_workspace(obj), obj, Site(CATALOG, provision)), Target), size


def test_the_deployment_waits_for_its_nodes() -> None:
    assert not make_plan(OWNER, target(), Observed(claims=(claim(OWNER, 0),))).start


def test_the_deployment_comes_with_the_nodes_and_stays_when_one_is_lost() -> None:
    good = Observed(claims=(claim(OWNER, 0, ready=True),), nodes=(node("n", of=OWNER, made_for=0),))
    plan = make_plan(OWNER, target(), good)
    assert plan.start
    lost = make_plan(OWNER, target(), replace(good, nodes=(), deployment=plan.deployment))
    assert (lost.start, lost.deployment) == (True, plan.deployment)


def test_one_machine_is_made_for_one_missing_node() -> None:
    plan = make_plan(OWNER, target(), Observed())
    (machine,) = machines_to_create(OWNER, target(), plan.nodes)
    assert machine["metadata"]["name"] == claim(OWNER, 0).name
