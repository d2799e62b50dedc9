from datetime import UTC, datetime, timedelta

import pytest

from controller.api.claims import CLAIM_KINDS, ClaimKind
from controller.api.conditions import Condition
from controller.api.reasons import Reason
from controller.planning.moments import written
from controller.planning.node_plan import plan_nodes
from controller.planning.observed import Observed
from controller.planning.provisioning import STALLED_AFTER, Provisioning
from controller.planning.status import conditions_for
from tests.unit.planning.builders import claim, demand, node, workspace

OWNER = workspace()
NOW = datetime(2026, 1, 5, 10, 0, 0, tzinfo=UTC)


def told(failures: int, *, seconds: float = 0, under_way: bool = False) -> dict[str, Condition]:
    """The conditions some seconds after claims came to nothing."""
    known = Provisioning(failures, written(NOW), "AllocationFailure", "no capacity in eastus")
    observed = Observed(
        claims=(claim(OWNER, 0),) if under_way else (),
        provisioning=known,
        now=NOW + timedelta(seconds=seconds),
    )
    plan = plan_nodes(OWNER, demand(), observed)
    return {each.type: each for each in conditions_for(OWNER, demand(), plan, observed)}


def test_a_pause_after_a_failure_is_told_with_its_cause_and_end() -> None:
    machines = told(2)["MachineReady"]
    assert (machines.status, machines.reason) == ("False", "AllocationFailure")
    assert machines.message == (
        "0 of 1 machine ready; 2 in a row came to nothing, the next is made after 2026-01-05T10:00:10Z;"
        " the last: no capacity in eastus"
    )


def test_the_reason_stays_while_the_next_one_is_under_way() -> None:
    machines = told(2, seconds=60, under_way=True)["MachineReady"]
    assert machines.reason == "AllocationFailure", "conditions and events would swing with every try"
    assert "another one is under way" in machines.message


@pytest.mark.parametrize(("failures", "mover"), [(STALLED_AFTER - 1, "Reconciling"), (STALLED_AFTER, "Stalled")])
def test_people_are_called_once_many_tries_came_to_nothing(failures: int, mover: str) -> None:
    found = told(failures)
    assert {"Reconciling", "Stalled"} & found.keys() == {mover}
    assert found[mover].reason == found["Ready"].reason == "AllocationFailure"


def test_claims_nobody_uses_are_told_with_what_people_can_do() -> None:
    observed = Observed(claims=(claim(OWNER, 0, ready=True),), strays=("ws0a1b2c3d4", "ws1a1b2c3d4"))
    machines, *others = conditions_for(OWNER, demand(), plan_nodes(OWNER, demand(), observed), observed)
    assert machines.message == (
        "1 of 1 machine ready; ws0a1b2c3d4 and 1 further claim of an older Workspace of this name runs unused: delete"
        " it, or set its label kaito.sh/workspace-uid to the UID of this Workspace, which then uses it"
    )
    assert not any("ws0a1b2c3d4" in each.message for each in others), "once is enough"


@pytest.mark.parametrize("kind", CLAIM_KINDS, ids=lambda kind: kind.resource.kind)
def test_a_node_whose_gpus_do_not_come_calls_people_in_the_words_of_its_claim(kind: ClaimKind) -> None:
    late = Condition(kind.initialized, kind.hindered, Reason.INITIALIZATION_TIMEOUT, "node n shows 0 of 1 GPU")
    kept = claim(OWNER, 0, kind=kind, conditions={kind.initialized: late}, node_name="n")
    observed = Observed(claims=(kept,), nodes=(node("n", of=OWNER, made_for=0, allocatable={}),), now=NOW)
    asked = demand(1, kind=kind)
    found = {each.type: each for each in conditions_for(OWNER, asked, plan_nodes(OWNER, asked, observed), observed)}
    assert found["ResourceReady"].reason == found["Stalled"].reason == "InitializationTimeout"
    assert "shows 0 of 1 GPU" in found["Stalled"].message


def test_claims_that_hold_up_new_ones_are_named_with_their_own_words() -> None:
    ready = {"Ready": Condition("Ready", "Unknown", "AgentPoolDeleting", "the pool is locked")}
    since = written(NOW - timedelta(hours=1))
    claims = tuple(claim(OWNER, ordinal, deletion_time=since, conditions=ready) for ordinal in range(2))
    observed = Observed(claims=claims, now=NOW)
    found = {
        each.type: each for each in conditions_for(OWNER, demand(), plan_nodes(OWNER, demand(), observed), observed)
    }
    assert found["MachineReady"].message == (
        "0 of 1 machine ready; no further ones are made until some of 2 claims are gone that should be deleted for more"
        f" than 15 minutes; {claims[0].name}, since 2026-01-05T09:00:00Z: the pool is locked"
    )
    assert found["Stalled"].reason == "ClaimDeletionStuck", "only people can help"
