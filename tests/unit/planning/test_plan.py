from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api import labels
from controller.api.json import Json
from controller.api.reasons import Reason
from controller.api.workspace import parse_workspace
from controller.catalog import load_catalog
from controller.planning.admission.validation import validate
from controller.planning.node_plan import plan_nodes
from controller.planning.observed import Observed, ref_of
from controller.planning.plan import NO_DEMAND, Plan, claims_to_create, is_over, make_plan
from controller.planning.resolving import resolve
from controller.planning.site import Site
from controller.planning.target import Target
from tests.unit.planning.builders import V100, claim, node, workspace, workspace_object
from tests.unit.planning.manifests import changed, manifests
from tests.unit.planning.rendering.kit import target_of, tuned

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
    site = Site(CATALOG, provision)
    if not validate(asked, site).problems:
        assert not _refusals(asked, site), f"admitted on {size!r} and refused afterwards"


@pytest.mark.parametrize("provision", [True, False])
def test_no_size_is_let_in_that_has_no_target(provision: bool) -> None:
    site = Site(CATALOG, provision)
    for size in (*CATALOG.skus, *CATALOG.elsewhere):
        obj = workspace_object(resource={"instanceType": size, "labelSelector": {}})
        if not validate(obj, site).problems:
            assert not _refusals(obj, site), f"{size} was admitted and refused afterwards"


def _refusals(obj: Json, site: Site) -> set[Reason]:
    """Why there is no target, but for what may come later: a ConfigMap, and nodes where none are made."""
    found = resolve(parse_workspace(obj), obj, site)
    reasons = set() if isinstance(found, Target) else {problem.reason for problem in found}
    return reasons - {Reason.CONFIG_MAP_NOT_FOUND} - (set() if site.auto_provision else {Reason.NO_NODES_MATCH})


def test_the_deployment_waits_for_its_nodes() -> None:
    assert not make_plan(OWNER, target(), Observed(claims=(claim(OWNER, 0),))).start


def test_the_deployment_comes_with_the_nodes_and_stays_when_one_is_lost() -> None:
    good = Observed(claims=(claim(OWNER, 0, ready=True),), nodes=(node("n", of=OWNER, made_for=0),))
    plan = make_plan(OWNER, target(), good)
    assert plan.start
    lost = make_plan(OWNER, target(), replace(good, nodes=(), objects={ref_of(plan.workload): plan.workload}))
    assert (lost.start, lost.workload) == (True, plan.workload)


def test_a_workload_on_its_way_out_is_waited_for() -> None:
    good = Observed(claims=(claim(OWNER, 0, ready=True),), nodes=(node("n", of=OWNER, made_for=0),))
    leaving = {"metadata": {"name": "phi", "deletionTimestamp": "2026-01-01T00:00:00Z"}}
    assert not make_plan(OWNER, target(), replace(good, objects={("Deployment", "phi"): leaving})).start


def test_an_own_workload_of_another_kind_goes_and_a_foreign_one_stays() -> None:
    ours = {"metadata": {"name": "phi", "ownerReferences": [{"uid": OWNER.uid, "controller": True}]}}
    theirs = {"metadata": {"name": "phi"}}
    observed = Observed(objects={("StatefulSet", "phi"): ours, ("Job", "phi"): theirs})
    assert make_plan(OWNER, target(), observed).remove == {("StatefulSet", "phi"): ours}


TUNED = tuned()
TUNER = parse_workspace(TUNED)
TRAINER_NODES = Observed(claims=(claim(TUNER, 0, ready=True),), nodes=(node("n", of=TUNER, made_for=0),))
JOB = ("Job", "phi")


def run(observed: Observed = TRAINER_NODES, obj: Json = TUNED, *ended: str) -> Plan:
    """The plan for a training run that is under way, or has ended with the conditions given."""
    job = make_plan(TUNER, target_of(TUNED), Observed()).workload
    live = {**job, "status": {"conditions": [{"type": type_, "status": "True"} for type_ in ended]}}
    return make_plan(parse_workspace(obj), target_of(obj), replace(observed, objects={JOB: live}))


def test_a_training_run_is_started_once() -> None:
    assert make_plan(TUNER, target_of(TUNED), TRAINER_NODES).start
    assert not run().start
    assert not run(TRAINER_NODES, TUNED, "Complete").start
    gone = replace(TRAINER_NODES, trained=True)
    assert not make_plan(TUNER, target_of(TUNED), gone).start, "a Job that was cleaned up is not run again"


def test_a_changed_wish_replaces_the_run_once_nothing_calls_it_done_any_more() -> None:
    other = tuned(method="lora")
    assert [*run(obj=other).remove] == [JOB]
    done = run(replace(TRAINER_NODES, trained=True), other, "Complete")
    assert (done.remove, done.seen.trained, done.seen.objects) == ({}, False, {})


def test_back_to_a_run_that_ended_well_the_newer_one_goes_and_nothing_is_repeated() -> None:
    newer = make_plan(TUNER, target_of(tuned(method="lora")), Observed()).workload
    there = replace(TRAINER_NODES, trained=True, objects={JOB: newer})
    found = make_plan(TUNER, target_of(TUNED), there, certain=True)
    assert ([*found.remove], found.start, found.seen.trained) == ([JOB], False, True)
    after = make_plan(TUNER, target_of(TUNED), replace(TRAINER_NODES, trained=True), certain=True)
    assert (after.remove, after.start) == ({}, False)


def test_the_nodes_of_a_run_that_is_over_are_given_back_where_that_is_wished() -> None:
    wish = {labels.RELEASE_NODES: labels.WHEN_DONE}
    obj = {**TUNED, "metadata": {**TUNED["metadata"], "annotations": wish}}
    for ending in ("Complete", "Failed"):
        assert [each.name for each in run(TRAINER_NODES, obj, ending).nodes.delete] == [claim(TUNER, 0).name]
    assert run(obj=obj).nodes.delete == ()
    assert run(TRAINER_NODES, TUNED, "Complete").nodes.delete == ()


def test_a_run_that_is_over_is_known_as_such_although_nobody_can_tell_what_is_asked_for_now() -> None:
    releasing = replace(TUNER, annotations={labels.RELEASE_NODES: labels.WHEN_DONE})
    assert is_over(releasing, replace(TRAINER_NODES, trained=True))
    assert is_over(releasing, run(TRAINER_NODES, TUNED, "Failed").seen)
    assert not is_over(releasing, run().seen), "it goes on"
    assert not is_over(releasing, replace(run().seen, trained=True)), "the status speaks of the run before"
    assert not is_over(releasing, TRAINER_NODES), "it never ran"
    assert not is_over(TUNER, replace(TRAINER_NODES, trained=True)), "its nodes are to stay"
    foreign = {JOB: {**run(TRAINER_NODES, TUNED, "Complete").seen.objects[JOB], "metadata": {"name": "phi"}}}
    assert not is_over(releasing, replace(TRAINER_NODES, objects=foreign)), "somebody else's Job"


def test_without_demand_everything_is_given_back_that_no_pod_holds() -> None:
    taken = replace(TRAINER_NODES, nodes=(*TRAINER_NODES.nodes, node("taken", of=TUNER)))
    plan = plan_nodes(TUNER, NO_DEMAND, taken)
    assert ([each.name for each in plan.release], len(plan.delete), plan.create) == (["taken"], 1, ())


def test_one_machine_is_made_for_one_missing_node() -> None:
    plan = make_plan(OWNER, target(), Observed())
    (machine,) = claims_to_create(OWNER, target(), plan.nodes)
    assert machine["metadata"]["name"] == claim(OWNER, 0).name


def test_claims_that_come_to_nothing_are_tried_again_later_and_at_once_when_something_else_is_asked_for() -> None:
    made = make_plan(OWNER, target(), Observed(claims=(claim(OWNER, 0),)))
    lost = make_plan(OWNER, target(), Observed(provisioning=made.provisioning))
    assert (lost.nodes.create, lost.nodes.held, lost.provisioning.failures) == ((), 1, 1)
    changed_wish = replace(OWNER, annotations={labels.ZONES: "eastus-1"})
    again = make_plan(changed_wish, target(), Observed(provisioning=lost.provisioning))
    assert (again.nodes.create, again.provisioning.failures) == ((0,), 0)


def test_what_is_given_up_by_us_is_no_failure() -> None:
    two = Observed(claims=(claim(OWNER, 0), claim(OWNER, 1)))
    plan = make_plan(OWNER, target(), two)
    (surplus,) = plan.nodes.delete
    left = Observed(claims=tuple(each for each in two.claims if each is not surplus), provisioning=plan.provisioning)
    assert make_plan(OWNER, target(), left).provisioning.failures == 0
