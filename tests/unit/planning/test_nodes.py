import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api import labels
from controller.api.claims import NODE_CLAIM, Taint
from controller.planning.nodes import plan_nodes
from controller.planning.observed import Observed
from tests.unit.planning.builders import V100, claim, demand, node, workspace

OWNER = workspace()
GONE = "2026-01-01T00:00:00Z"


def test_with_nothing_there_the_missing_claims_are_made() -> None:
    plan = plan_nodes(OWNER, demand(2), Observed())
    assert plan.create == (0, 1)
    assert not plan.take


def test_free_matching_nodes_are_used_before_anything_is_bought() -> None:
    plan = plan_nodes(OWNER, demand(2), Observed(nodes=(node("b"), node("a"))))
    assert [taken.name for taken in plan.take] == ["a", "b"]
    assert plan.create == ()


@pytest.mark.parametrize(
    "taint",
    [
        Taint("sku", "gpu", "NoSchedule"),
        Taint("nvidia.com/gpu", "", "NoSchedule"),
        Taint("kubernetes.azure.com/scalesetpriority", "spot", "NoSchedule"),
        Taint("dedicated", "team-a", "PreferNoSchedule"),
        Taint("node.kubernetes.io/not-ready", "", "NoExecute"),
    ],
)
def test_taints_the_pods_tolerate_are_no_barrier(taint: Taint) -> None:
    plan = plan_nodes(OWNER, demand(1), Observed(nodes=(node("n", taints=(taint,)),)))
    assert [taken.name for taken in plan.take] == ["n"]


def test_a_claimed_node_that_lost_its_ordinal_is_not_taken_for_an_existing_one() -> None:
    stripped = node("n", of=OWNER)
    observed = Observed(claims=(claim(OWNER, 0, ready=True, node_name="n"),), nodes=(stripped,))
    assert plan_nodes(OWNER, demand(1), observed).is_settled


def test_preferred_nodes_come_first() -> None:
    resource = {"instanceType": V100, "labelSelector": {"matchLabels": {"apps": "phi-3"}}, "preferredNodes": ["z"]}
    plan = plan_nodes(workspace(resource=resource), demand(1), Observed(nodes=(node("a"), node("z"))))
    assert [taken.name for taken in plan.take] == ["z"]


def test_existing_and_new_nodes_mix() -> None:
    plan = plan_nodes(OWNER, demand(3), Observed(nodes=(node("a"),)))
    assert ([taken.name for taken in plan.take], plan.create) == (["a"], (0, 1))


def test_nodes_that_cannot_run_pods_are_not_taken() -> None:
    unfit = (
        node("not-ready", ready=False),
        node("cordoned", unschedulable=True),
        node("leaving", deleting=True),
        node("no-gpu", allocatable={}),
        node("tainted", taints=(Taint("dedicated", "team-a", "NoSchedule"),)),
        node("evicting", taints=(Taint("sku", "gpu", "NoExecute"),)),
        node("other-size", labels={"node.kubernetes.io/instance-type": "Standard_NC24ads_A100_v4", "apps": "phi-3"}),
        node("other-label", labels={"node.kubernetes.io/instance-type": V100, "apps": "falcon"}),
        node("taken", of=workspace(metadata={"name": "other", "namespace": "default", "uid": "other"})),
    )
    plan = plan_nodes(OWNER, demand(1), Observed(nodes=unfit))
    assert (plan.take, plan.create) == ((), (0,))


def test_a_terminating_claim_is_replaced_under_another_name() -> None:
    plan = plan_nodes(OWNER, demand(1), Observed(claims=(claim(OWNER, 0, deletion_time=GONE),)))
    assert plan.create == (1,)


def test_a_claim_once_made_is_kept_when_a_free_node_turns_up() -> None:
    plan = plan_nodes(OWNER, demand(1), Observed(claims=(claim(OWNER, 0),), nodes=(node("late"),)))
    assert plan.is_settled


def test_without_provisioning_nothing_is_claimed() -> None:
    assert plan_nodes(OWNER, demand(2, provision=False), Observed()).create == ()


def test_of_too_many_claims_the_unready_go_first() -> None:
    claims = (claim(OWNER, 0, ready=True), claim(OWNER, 1), claim(OWNER, 2, ready=True))
    plan = plan_nodes(OWNER, demand(2), Observed(claims=claims))
    assert [gone.name for gone in plan.delete] == [claim(OWNER, 1).name]


def test_taken_nodes_are_given_back_only_when_no_claim_is_left_to_give_up() -> None:
    nodes = (node("a", of=OWNER), node("b", of=OWNER))
    plan = plan_nodes(OWNER, demand(1), Observed(claims=(claim(OWNER, 0),), nodes=nodes))
    assert (len(plan.delete), [freed.name for freed in plan.release]) == (1, ["b"])


def test_nodes_of_claims_are_not_counted_twice() -> None:
    observed = Observed(claims=(claim(OWNER, 0, ready=True),), nodes=(node("n", of=OWNER, made_for=0),))
    plan = plan_nodes(OWNER, demand(1), observed)
    assert plan.is_settled
    assert [usable.name for usable in plan.usable] == ["n"]


@given(
    count=st.integers(min_value=1, max_value=6),
    held=st.sets(st.integers(min_value=0, max_value=8), max_size=6),
    leaving=st.sets(st.integers(min_value=0, max_value=8), max_size=6),
    taken=st.integers(min_value=0, max_value=4),
    free=st.integers(min_value=0, max_value=4),
)
def test_carrying_out_a_plan_reaches_exactly_the_count(
    count: int, held: set[int], leaving: set[int], taken: int, free: int
) -> None:
    claims = tuple(claim(OWNER, ordinal, deletion_time=GONE if ordinal in leaving else "") for ordinal in held)
    own = tuple(node(f"t{index}", of=OWNER) for index in range(taken))
    spare = tuple(node(f"f{index}") for index in range(free))
    plan = plan_nodes(OWNER, demand(count), Observed(claims=claims, nodes=own + spare))
    kept = tuple(known for known in claims if known not in plan.delete)
    made = tuple(claim(OWNER, ordinal) for ordinal in plan.create)
    assert len({known.name for known in kept + made}) == len(kept) + len(made), "a claim would be made twice"
    nodes = tuple(known for known in own if known not in plan.release)
    nodes += tuple(node(known.name, of=OWNER) for known in plan.take)
    after = plan_nodes(OWNER, demand(count), Observed(claims=kept + made, nodes=nodes))
    active = sum(not known.deleting for known in kept + made)
    assert active + len(nodes) == count
    assert after.is_settled, f"a second plan still wants changes: {after}"


def test_nodes_of_any_wished_size_are_taken_and_no_others() -> None:
    sizes = {"a": "Standard_NC12s_v3", "b": "Standard_ND40rs_v2", "c": V100.lower()}
    nodes = tuple(node(name, labels={"apps": "phi-3", labels.INSTANCE_TYPE: size}) for name, size in sizes.items())
    plan = plan_nodes(OWNER, demand(3, also=("Standard_NC12s_v3",)), Observed(nodes=nodes))
    assert [each.name for each in plan.take] == ["a", "c"]
    assert len(plan.create) == 1


def test_claims_of_both_kinds_hold_a_place_and_a_name() -> None:
    claims = (claim(OWNER, 0), claim(OWNER, 1, kind=NODE_CLAIM))
    plan = plan_nodes(OWNER, demand(3, kind=NODE_CLAIM), Observed(claims=claims))
    assert (plan.create, plan.delete) == ((2,), ())
