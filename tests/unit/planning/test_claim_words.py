import pytest

from controller.api.claims import MACHINE, NODE_CLAIM
from controller.api.conditions import FALSE, TRUE, Condition
from controller.api.reasons import Reason
from controller.planning.claim_words import noun_for, told_for, word_for
from controller.planning.node_plan import plan_nodes
from controller.planning.node_status import node_conditions
from controller.planning.observed import Observed
from tests.unit.planning.builders import V100, claim, demand, node, workspace

OWNER = workspace()


def test_machines_are_told_as_machines() -> None:
    condition = Condition("MachineReady", TRUE, Reason.MACHINES_READY, "1 of 1")
    assert told_for(MACHINE, condition) == condition
    assert (word_for(MACHINE, Reason.MACHINE_CREATED), noun_for(MACHINE)) == (Reason.MACHINE_CREATED, "machine")


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        (Reason.MACHINES_READY, Reason.NODE_CLAIMS_READY),
        (Reason.MACHINES_PENDING, Reason.NODE_CLAIMS_PENDING),
        (Reason.NO_MACHINES_NEEDED, Reason.NO_NODE_CLAIMS_NEEDED),
        (Reason.QUOTA_EXCEEDED, Reason.QUOTA_EXCEEDED),
    ],
)
def test_node_claims_are_told_as_node_claims_and_causes_as_they_are(reason: Reason, told: Reason) -> None:
    found = told_for(NODE_CLAIM, Condition("MachineReady", FALSE, reason, "text"))
    assert found == Condition("NodeClaimReady", FALSE, told, "text")


def test_the_workspace_tells_of_node_claims_where_they_are_made() -> None:
    wanted = demand(kind=NODE_CLAIM)
    seen = Observed(claims=(claim(OWNER, 0, ready=True, kind=NODE_CLAIM),))
    found = node_conditions(wanted, plan_nodes(OWNER, wanted, seen), seen)
    assert (found[0].type, found[0].status, found[0].reason) == ("NodeClaimReady", TRUE, Reason.NODE_CLAIMS_READY)


def test_a_node_of_the_wrong_size_is_named_with_the_right_one() -> None:
    labels = {**node("n", of=OWNER, made_for=0).labels, "node.kubernetes.io/instance-type": "Standard_NV6"}
    seen = Observed(claims=(claim(OWNER, 0, ready=True),), nodes=(node("n", labels=labels),))
    plan = plan_nodes(OWNER, demand(), seen)
    assert plan.usable == ()
    assert f"node n is a Standard_NV6, not a {V100}" in node_conditions(demand(), plan, seen)[-1].message
