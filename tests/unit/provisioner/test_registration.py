"""A node of the pool becomes the claim's node."""

from dataclasses import replace
from typing import Any

import pytest

from controller.api.claims import Taint
from controller.api.conditions import Condition
from controller.api.json import Json
from controller.api.reasons import Reason
from provisioner.nodes import Node
from provisioner.registration import node_of, register, registration_patch
from provisioner.steps import PatchNode, Step
from tests.unit.provisioner.builders import FINALIZER, NAME, NODE, UID, claim, machine, node, pool, seen

LAUNCHED = Condition("MachineLaunched", "True", Reason.LAUNCHED)
FRESH = {"registered": False, "initialized": False}
BOOT = Taint("boot", "", "NoSchedule")


def step_for(stored: Json, **view: Any) -> Step:
    """The step for a claim whose pool is there."""
    return register(seen(stored, pool=pool(), **view), LAUNCHED)


@pytest.mark.parametrize(
    ("view", "status", "reason"),
    [
        ({}, "Unknown", Reason.NODE_NOT_FOUND),
        ({"after": 1201}, "False", Reason.REGISTRATION_TIMEOUT),
        ({"nodes": [node(provider_id="")]}, "Unknown", Reason.NODE_NOT_FOUND),
        ({"nodes": [node(deleting=True)]}, "Unknown", Reason.NODE_NOT_FOUND),
        ({"nodes": [node(), node(name="other")]}, "False", Reason.MULTIPLE_NODES_FOUND),
        ({"nodes": [node()]}, "True", Reason.REGISTERED),
    ],
    ids=["no node", "no node in time", "no provider id yet", "node of the pool before", "two nodes", "one node"],
)
def test_registration_row_by_row(view: dict[str, Any], status: str, reason: Reason) -> None:
    (condition,) = step_for(machine(done=["Launched"]), **view).conditions
    assert (condition.status, condition.reason) == (status, reason)


def test_without_an_instance_there_is_nothing_to_register() -> None:
    step = register(seen(machine()), replace(LAUNCHED, status="Unknown"))
    assert step.conditions[0].reason == Reason.NOT_LAUNCHED


def test_the_deadline_wakes_the_claim() -> None:
    assert step_for(machine(done=["Launched"]), after=200).requeue_after == 1000


def test_an_unmarked_node_is_marked_before_anything_else() -> None:
    step = step_for(machine(done=["Launched"]), nodes=[node(**FRESH)])
    assert isinstance(step.action, PatchNode)
    assert step.action.node == NODE


def test_a_node_marked_for_a_namesake_before_is_marked_anew() -> None:
    """Kubernetes deletes a node whose only owner is gone."""
    step = step_for(machine(done=["Launched"]), nodes=[node(owner="an-earlier-uid")])
    assert isinstance(step.action, PatchNode)
    assert [owner["uid"] for owner in step.action.patch["metadata"]["ownerReferences"]] == [UID]


@pytest.mark.parametrize(
    ("nodes", "name"),
    [
        ([node(), node(name="surge")], NODE),
        ([node(deleting=True), node(name="surge")], "surge"),
        ([node(name="b", ready=False), node(name="c")], "c"),
        ([], None),
    ],
    ids=["upgrade: two nodes", "upgrade: the named one leaves", "two others, one Ready", "none"],
)
def test_a_registered_claim_follows_the_node_that_stays(nodes: list[Node], name: str | None) -> None:
    found = node_of(seen(machine(done=["Launched", "Registered"], node_name=NODE), pool=pool(), nodes=nodes))
    assert (found.name if found else None) == name


def test_before_registration_several_nodes_leave_the_choice_open() -> None:
    assert node_of(seen(machine(), pool=pool(), nodes=[node(), node(name="other")])) is None


def test_a_marked_node_is_left_alone() -> None:
    assert step_for(machine(done=["Launched"]), nodes=[node()]).action is None


def test_once_registered_a_missing_node_does_not_undo_it() -> None:
    step = step_for(machine(done=["Launched", "Registered"]))
    assert step.conditions[0].status == "True"


def test_the_patch_stamps_the_node_and_is_guarded_by_its_version() -> None:
    patch = registration_patch(claim(annotations={"note": "x"}), node(**FRESH), None)
    metadata = patch["metadata"]
    assert metadata["resourceVersion"] == "42"
    assert metadata["finalizers"] == [FINALIZER]
    assert metadata["labels"]["karpenter.sh/registered"] == "true"
    assert metadata["labels"]["apps"] == "phi"
    assert metadata["annotations"] == {"note": "x"}
    assert metadata["ownerReferences"] == [
        {
            "apiVersion": "karpenter.sh/v1alpha5",
            "kind": "Machine",
            "name": NAME,
            "uid": UID,
            "blockOwnerDeletion": True,
        }
    ]
    assert "spec" not in patch, "the pool brought the taints already"


def test_labels_the_pool_keeps_or_aks_reserves_are_not_written_on_the_node() -> None:
    wanted = claim(labels={"kaito.sh/workspace": "phi", "kubernetes.azure.com/mode": "user"})
    written = registration_patch(wanted, node(**FRESH), pool(labels={"apps": "phi"}))["metadata"]["labels"]
    assert set(written) == {
        "kaito.sh/workspace",
        "karpenter.sh/capacity-type",
        "karpenter.sh/provisioner-name",
        "karpenter.sh/registered",
    }


def test_the_node_says_what_it_is_paid_as_whether_or_not_the_claim_says_it_yet() -> None:
    for told in ({}, {"karpenter.sh/capacity-type": "on-demand"}):
        written = registration_patch(claim(labels=told), node(**FRESH), None)["metadata"]["labels"]
        assert written["karpenter.sh/capacity-type"] == "on-demand"


@pytest.mark.parametrize(
    ("registered", "texts"),
    [
        (False, ["keep:NoExecute", "sku=gpu:NoSchedule", "boot:NoSchedule"]),
        (True, ["keep:NoExecute", "sku=gpu:NoSchedule"]),
    ],
)
def test_startup_taints_are_added_once_and_never_again(registered: bool, texts: list[str]) -> None:
    wanted = claim(startupTaints=[BOOT.as_json()])
    bare = node(
        registered=registered,
        taints=[Taint("keep", "", "NoExecute"), Taint("karpenter.sh/unregistered", "", "NoExecute")],
    )
    taints = registration_patch(wanted, bare, None)["spec"]["taints"]
    assert [Taint(entry["key"], entry.get("value", ""), entry["effect"]).text for entry in taints] == texts
