"""What KAITO made stays while its wish stands, and is replaced with the wish."""

from dataclasses import replace
from typing import Any

import pytest

from controller.api import labels
from controller.api.json import Json
from controller.api.workspace import parse_workspace
from controller.planning.adoption import adoption_patch, is_adoptable, is_awaited, may_have_predecessor
from controller.planning.observed import Observed
from controller.planning.plan import Plan, make_plan
from controller.planning.rendering import APPLIED_HASH
from tests.unit.planning.builders import UID, V100, claim, node, workspace
from tests.unit.planning.rendering.kit import served, target_of, tuned

OWNER = workspace()
PODS = "wish"
STATEFUL_SET = ("StatefulSet", "phi")
HEADLESS = ("Service", "phi-headless")
JOB = ("Job", "phi")
PLACE = Observed(claims=(claim(OWNER, 0, ready=True),), nodes=(node("n", of=OWNER, made_for=0),))


def theirs(kind: str, name: str = "phi", annotations: dict[str, str] | None = None, **metadata: Any) -> Json:
    """An object of the Workspace as KAITO leaves it."""
    owner = {"uid": UID, "controller": True}
    found = {"name": name, "ownerReferences": [owner], "annotations": annotations or {}, "resourceVersion": "7"}
    return {"kind": kind, "metadata": {**found, **metadata}, "spec": {"replicas": 1}, "status": {}}


def adopted(kind: str, name: str = "phi", pods: str = PODS, **metadata: Any) -> Json:
    return theirs(kind, name, {labels.ADOPTED: pods}, **metadata)


def plan(obj: Json, *live: Json, pods: str = PODS) -> Plan:
    objects = {(each["kind"], each["metadata"]["name"]): each for each in live}
    return make_plan(parse_workspace(obj), target_of(obj), replace(PLACE, objects=objects), pods)


def test_a_stateful_set_stays_with_its_service_while_its_wish_stands() -> None:
    live = adopted("StatefulSet"), adopted("Service", "phi-headless")
    found = plan(served("phi-3-mini-4k-instruct"), *live)
    assert (found.start, found.remove, found.workload) == (False, {}, live[0])
    assert found.seen.objects == {STATEFUL_SET: live[0], HEADLESS: live[1]}, "the status is about what is there"


def test_a_changed_wish_replaces_both() -> None:
    live = adopted("StatefulSet"), adopted("Service", "phi-headless")
    found = plan(served("phi-3-mini-4k-instruct", V100), *live, pods="other")
    assert [*found.remove] == [STATEFUL_SET, HEADLESS]
    assert (found.workload["kind"], found.start) == ("Deployment", True)


def test_a_stateful_set_of_several_nodes_is_made_anew_as_its_volumes_cannot_change() -> None:
    obj = served("deepseek-r1-0528", "Standard_ND96isr_H100_v5")
    obj["resource"]["count"] = 2
    found = plan(obj, adopted("StatefulSet"), adopted("Service"), adopted("Service", "phi-headless"), pods="other")
    assert [*found.remove] == [STATEFUL_SET], "Services are changed in place: their addresses are in use"
    assert not found.start, "the name is taken until the old one is gone"


def test_a_run_of_kaitos_goes_on_and_another_wish_replaces_it() -> None:
    assert plan(tuned(), adopted("Job")).remove == {}
    assert not plan(tuned(), adopted("Job")).start
    assert [*plan(tuned(), adopted("Job"), pods="other").remove] == [JOB]


APPLIED: Json = {"manager": "kaito-controller", "operation": "Apply", "fieldsV1": {"f:spec": {}}}
SERVED = theirs("Service", annotations={APPLIED_HASH: "a"})
OURS = theirs("Deployment", annotations={APPLIED_HASH: "a"})


@pytest.mark.parametrize(
    ("live", "pods", "annotations", "looks"),
    [
        ((), (), {}, False),
        ((), ({"metadata": {"name": "phi-0"}},), {}, True),
        ((), (), {labels.KAITO_REVISION: "1"}, True),
        ((theirs("StatefulSet"),), (), {}, True),
        ((adopted("StatefulSet"),), ({"metadata": {"name": "phi-0"}},), {labels.KAITO_REVISION: "1"}, False),
        ((OURS,), ({"metadata": {"name": "phi-0"}},), {labels.KAITO_REVISION: "1"}, False),
        ((OURS, theirs("StatefulSet")), (), {}, False),
        ((theirs("Service"),), (), {}, False),
        ((theirs("Service"),), (), {labels.KAITO_REVISION: "1"}, True),
        ((SERVED,), (), {labels.KAITO_REVISION: "1"}, False),
        ((SERVED,), ({"metadata": {"name": "phi-0"}},), {labels.KAITO_REVISION: "1"}, True),
    ],
    ids=[
        "new",
        "pods of nobody",
        "KAITO's note",
        "unknown workload",
        "adopted",
        "ours",
        "ours beside it",
        "Service",
        "KAITO's Service",
        "looked before",
        "looked before, pods of nobody",
    ],
)
def test_the_api_server_is_asked_only_where_something_hints_at_kaito(
    live: tuple[Json, ...], pods: tuple[Json, ...], annotations: dict[str, str], looks: bool
) -> None:
    objects = {(each["kind"], each["metadata"]["name"]): each for each in live}
    owner = replace(OWNER, annotations=annotations)
    assert may_have_predecessor(owner, Observed(objects=objects, pods=pods)) == looks


@pytest.mark.parametrize(
    ("live", "adoptable"),
    [
        (theirs("StatefulSet"), True),
        (adopted("StatefulSet", labels={labels.WORKSPACE: "phi"}), False),
        (adopted("StatefulSet"), True),
        (OURS, False),
        (theirs("StatefulSet", ownerReferences=[{"uid": "other", "controller": True}]), False),
        (theirs("StatefulSet", ownerReferences=[]), False),
        (theirs("StatefulSet", deletionTimestamp="2026-01-01T00:00:00Z"), False),
        (theirs("StatefulSet", managedFields=[APPLIED]), False),
        (theirs("StatefulSet", managedFields=[{**APPLIED, "operation": "Update"}]), True),
        (adopted("StatefulSet", managedFields=[APPLIED]), True),
    ],
    ids=[
        "KAITO's",
        "already",
        "label lost",
        "ours",
        "another Workspace's",
        "nobody's",
        "going",
        "ours without its mark",
        "only labelled by us",
        "label lost, handed over",
    ],
)
def test_only_what_was_made_for_this_very_workspace_is_taken_over(live: Json, adoptable: bool) -> None:
    assert is_adoptable(live, OWNER) == adoptable


def test_an_object_of_ours_without_its_mark_is_not_waited_for_but_written_again() -> None:
    named: dict[str, Any] = {"labels": {labels.WORKSPACE: "phi"}}
    assert is_awaited(theirs("Deployment", annotations={APPLIED_HASH: "a"}, **named))
    assert is_awaited(adopted("StatefulSet", **named))
    assert not is_awaited(theirs("Deployment", managedFields=[APPLIED], **named))
    assert not is_awaited(OURS), "without the label no cache will ever show it"


def entry(manager: str, **more: Any) -> Json:
    owner: Json = {"f:metadata": {"f:ownerReferences": {f'k:{{"uid":"{UID}"}}': {}}}}
    fields = owner if manager == "kaito" else {"f:spec": {}}
    return {"manager": manager, "operation": "Update", "fieldsV1": fields, **more}


def test_fields_of_kaitos_become_ours_and_those_of_others_stay_theirs() -> None:
    people, status = entry("kubectl"), entry("kube-controller-manager", subresource="status")
    live = theirs("Service", managedFields=[people, entry("kaito"), status])
    patch = adoption_patch(live, OWNER, PODS, fields=True)["metadata"]
    ours = {**entry("kaito"), "manager": "kaito-controller", "operation": "Apply"}
    assert patch["managedFields"] == [people, ours, status]
    assert patch["resourceVersion"] == "7"
    assert (patch["labels"], patch["annotations"]) == ({labels.WORKSPACE: "phi"}, {labels.ADOPTED: PODS})
    assert "managedFields" not in adoption_patch(live, OWNER, PODS, fields=False)["metadata"]


def test_what_lost_its_label_still_serves_the_wish_it_was_taken_over_for() -> None:
    patch = adoption_patch(adopted("StatefulSet", pods="older"), OWNER, PODS, fields=False)
    assert patch["metadata"]["annotations"] == {labels.ADOPTED: "older"}


def test_fields_that_are_ours_already_are_handed_over_once() -> None:
    ours = {**entry("kaito-controller"), "operation": "Apply"}
    live = theirs("Service", managedFields=[entry("kaito"), ours])
    assert adoption_patch(live, OWNER, PODS, fields=True)["metadata"]["managedFields"] == [entry("kaito"), ours]
