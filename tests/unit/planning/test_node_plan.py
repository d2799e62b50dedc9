from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api import labels
from controller.api.claims import MACHINE, NODE_CLAIM, Claim, Requirement, Taint
from controller.api.conditions import FALSE, TRUE, Condition
from controller.api.json import Json
from controller.api.reasons import Reason
from controller.planning.moments import written
from controller.planning.node_plan import OCCUPIED_AGAIN, plan_nodes
from controller.planning.observed import Node, Observed
from controller.planning.provisioning import STALLED_AFTER, Provisioning
from tests.unit.planning.builders import GPU, V100, claim, demand, node, workspace

OWNER = workspace()
GONE = "2026-01-01T00:00:00Z"
NOW = datetime(2026, 1, 5, 10, 0, 0, tzinfo=UTC)


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


def asking(*sizes: str, **more: Any) -> Claim:
    """The Workspace's first claim, which asks for the sizes."""
    return claim(OWNER, 0, requirements=(Requirement(labels.INSTANCE_TYPE, "In", sizes),), **more)


def pod(on: str, *, phase: str = "Running", leaving: bool = False, ready: bool = True) -> Json:
    metadata = {"name": f"on-{on}", **({"deletionTimestamp": GONE} if leaving else {})}
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    return {"metadata": metadata, "spec": {"nodeName": on}, "status": {"phase": phase, "conditions": conditions}}


def test_a_claim_nothing_was_made_for_follows_the_changed_wishes() -> None:
    wider = demand(1, wishes={labels.INSTANCE_TYPE: (V100, "Standard_NC12s_v3")})
    plan = plan_nodes(OWNER, wider, Observed(claims=(asking(V100),)))
    assert ([gone.name for gone in plan.delete], plan.create) == ([claim(OWNER, 0).name], (1,))
    assert plan_nodes(OWNER, wider, Observed(claims=(asking(V100, "Standard_NC12s_v3"),))).is_settled


@pytest.mark.parametrize(
    "kept",
    [
        asking("Standard_NC12s_v3", ready=True),
        asking("Standard_NC12s_v3", conditions={MACHINE.launched: Condition(MACHINE.launched, TRUE, "Launched")}),
        asking("Standard_NC12s_v3", node_name="n"),
        asking("Standard_NC12s_v3", kind=NODE_CLAIM),
        asking("Standard_NC12s_v3", labels={labels.WORKSPACE: "phi"}),
        claim(OWNER, 0),
    ],
    ids=["ready", "launched", "has a node", "of the other kind", "made by KAITO", "says nothing"],
)
def test_a_claim_that_came_to_something_is_kept_whatever_is_wished_now(kept: Claim) -> None:
    assert plan_nodes(OWNER, demand(1, wishes={labels.INSTANCE_TYPE: (V100,)}), Observed(claims=(kept,))).is_settled


def test_a_claim_its_provisioner_gave_up_is_replaced_after_a_pause() -> None:
    late = Condition(MACHINE.registered, FALSE, Reason.REGISTRATION_TIMEOUT, "no node joined")
    given_up = claim(OWNER, 0, conditions={MACHINE.registered: late})
    failed = Provisioning(1, written(NOW))
    plan = plan_nodes(OWNER, demand(1), Observed(claims=(given_up,), provisioning=failed, now=NOW))
    assert (plan.delete, plan.create, plan.held) == ((given_up,), (), 1)
    assert plan.recheck == failed.pause
    after = Observed(provisioning=failed, now=NOW + timedelta(seconds=failed.pause))
    assert plan_nodes(OWNER, demand(1), after).create == (0,)


def test_a_claim_that_serves_is_kept_whatever_its_provisioner_says() -> None:
    late = Condition(MACHINE.initialized, FALSE, Reason.INITIALIZATION_TIMEOUT, "a start-up taint is still there")
    given_up = claim(OWNER, 0, conditions={MACHINE.initialized: late}, node_name="n")
    observed = Observed(claims=(given_up,), nodes=(node("n", of=OWNER, made_for=0),), pods=(pod("n"),))
    assert plan_nodes(OWNER, demand(1), observed).is_settled
    assert plan_nodes(OWNER, demand(1), replace(observed, pods=())).delete == (given_up,)


def test_a_node_that_never_becomes_usable_is_not_bought_again_without_end() -> None:
    late = Condition(MACHINE.initialized, FALSE, Reason.INITIALIZATION_TIMEOUT, "no GPU is advertised")
    given_up = claim(OWNER, 0, conditions={MACHINE.initialized: late}, node_name="n")
    seen = Observed(claims=(given_up,), nodes=(node("n", of=OWNER, made_for=0),), now=NOW)
    for failures, deleted in ((STALLED_AFTER - 1, (given_up,)), (STALLED_AFTER, ())):
        tried = replace(seen, provisioning=Provisioning(failures, written(NOW)))
        assert plan_nodes(OWNER, demand(1), tried).delete == deleted, f"after {failures} failures"


def test_a_node_without_its_gpus_is_its_provisioners_alone_to_replace() -> None:
    late = Condition(MACHINE.initialized, FALSE, Reason.INITIALIZATION_TIMEOUT, "no GPU is advertised")
    kept = claim(OWNER, 0, conditions={MACHINE.initialized: late}, node_name="n")
    bare = node("n", of=OWNER, made_for=0, allocatable={GPU: "0"})
    assert plan_nodes(OWNER, demand(1), Observed(claims=(kept,), nodes=(bare,), now=NOW)).is_settled
    for other in (replace(bare, ready=False), replace(bare, taints=(Taint("example.com/starting", "", "NoSchedule"),))):
        plan = plan_nodes(OWNER, demand(1), Observed(claims=(kept,), nodes=(other,), now=NOW))
        assert plan.delete == (kept,), "what else keeps a node from being usable may not be so with the next"


def test_within_the_pause_a_free_node_is_taken_all_the_same() -> None:
    failed = Provisioning(4, written(NOW))
    plan = plan_nodes(OWNER, demand(1), Observed(nodes=(node("n"),), provisioning=failed, now=NOW))
    assert ([each.name for each in plan.take], plan.held, plan.recheck) == (["n"], 0, None)


BAD: dict[str, dict[str, Any]] = {
    "not ready": {"ready": False},
    "without GPUs": {"allocatable": {GPU: "0"}},
    "cordoned": {"unschedulable": True},
    "tainted": {"taints": (Taint("dedicated", "team-a", "NoSchedule"),)},
}


def seen(*nodes: Node, since: str = "2026-01-05T10:00:00Z", pods: tuple[Json, ...] = (), after: int = 600) -> Observed:
    """What is observed some seconds after node `n` was found to be of no use."""
    return Observed(nodes=nodes, troubled={"n": since}, pods=pods, now=NOW + timedelta(seconds=after))


@pytest.mark.parametrize("trouble", BAD.values(), ids=list(BAD))
def test_an_existing_node_that_stays_bad_is_given_back_and_another_taken(trouble: dict[str, Any]) -> None:
    bad = node("n", of=OWNER, **trouble)
    early = plan_nodes(OWNER, demand(1), seen(bad, node("other"), after=599))
    assert (early.release, early.take, early.recheck) == ((), (), 1)
    plan = plan_nodes(OWNER, demand(1), seen(bad, node("other")))
    assert ([each.name for each in plan.release], [each.name for each in plan.take]) == (["n"], ["other"])
    assert plan.create == ()
    assert plan.troubled == {"n": "2026-01-05T10:00:00Z"}, "what hinders the giving back must not begin the wait anew"


def test_the_claim_made_for_a_bad_node_stays_while_the_cache_still_shows_that_node_as_taken() -> None:
    bad = node("n", of=OWNER, ready=False)
    first = plan_nodes(OWNER, demand(1), seen(bad))
    made = tuple(claim(OWNER, ordinal) for ordinal in first.create)
    lagging = replace(seen(bad, after=601), claims=made, troubled=first.troubled)
    assert plan_nodes(OWNER, demand(1), lagging).delete == ()
    gone = replace(lagging, nodes=())
    assert plan_nodes(OWNER, demand(1), gone).troubled == {}


def test_where_no_other_node_is_free_a_claim_is_made_or_the_bad_one_kept() -> None:
    bad = node("n", of=OWNER, ready=False)
    bought = plan_nodes(OWNER, demand(1), seen(bad))
    assert (bought.release, bought.create) == ((bad,), (0,))
    kept = plan_nodes(OWNER, demand(1, provision=False), seen(bad))
    assert kept.is_settled, "a node that may come back is better than none"
    assert kept.troubled == {"n": "2026-01-05T10:00:00Z"}
    paused = replace(seen(bad), provisioning=Provisioning(1, written(NOW + timedelta(seconds=600))))
    assert plan_nodes(OWNER, demand(1), paused).is_settled


def test_of_two_bad_nodes_as_many_are_given_back_as_there_are_others() -> None:
    nodes = (node("n", of=OWNER, ready=False), node("m", of=OWNER, ready=False), node("other"))
    observed = replace(seen(*nodes), troubled={"n": "2026-01-05T10:00:00Z", "m": "2026-01-05T10:00:00Z"})
    plan = plan_nodes(OWNER, demand(2, provision=False), observed)
    assert ([each.name for each in plan.release], [each.name for each in plan.take]) == (["m"], ["other"])


def test_a_node_that_recovered_in_time_is_forgotten() -> None:
    plan = plan_nodes(OWNER, demand(1), seen(node("n", of=OWNER)))
    assert (plan.is_settled, plan.troubled, plan.recheck) == (True, {}, None)


def test_pods_go_on_where_a_cordon_or_taint_only_keeps_others_away() -> None:
    for trouble in (BAD["cordoned"], BAD["tainted"]):
        serving = seen(node("n", of=OWNER, **trouble), node("other"), pods=(pod("n", ready=False),))
        plan = plan_nodes(OWNER, demand(1), serving)
        assert plan.is_settled
        assert plan.troubled == {}
        assert plan.usable == ()


def test_a_drained_node_is_replaced() -> None:
    drained = seen(node("n", of=OWNER, **BAD["cordoned"]), node("other"), pods=(pod("n", phase="Succeeded"),))
    assert [each.name for each in plan_nodes(OWNER, demand(1), drained).take] == ["other"]


@pytest.mark.parametrize(
    ("trouble", "on_it", "given"),
    [
        ("not ready", pod("n", ready=False), False),
        ("not ready", pod("n", ready=False, leaving=True), True),
        ("cordoned", pod("n", leaving=True), False),
        ("without GPUs", pod("n", ready=False), False),
    ],
)
def test_a_bad_node_is_not_given_away_under_pods(trouble: str, on_it: Json, given: bool) -> None:
    """A pod that is leaving frees a living node by itself; of a dead one nothing is heard any more."""
    plan = plan_nodes(OWNER, demand(1), seen(node("n", of=OWNER, **BAD[trouble]), node("other"), pods=(on_it,)))
    assert bool(plan.release) == given


def test_nodes_of_claims_are_their_provisioners_to_repair() -> None:
    broken = replace(node("n", of=OWNER, made_for=0), ready=False)
    observed = replace(seen(broken, node("other")), claims=(claim(OWNER, 0, ready=True),))
    plan = plan_nodes(OWNER, demand(1), observed)
    assert plan.is_settled
    assert plan.troubled == {}


def test_what_pods_hold_is_given_up_only_once_they_have_gone() -> None:
    two = (node("a", of=OWNER), node("b", of=OWNER))
    both = plan_nodes(OWNER, demand(1), Observed(nodes=two, pods=(pod("a"), pod("b"))))
    assert both.release == (), "another Workspace would get a node whose GPUs are in use"
    for ended in ((pod("b"),), (pod("a", phase="Failed"), pod("b"))):
        plan = plan_nodes(OWNER, demand(1), Observed(nodes=two, pods=ended))
        assert [each.name for each in plan.release] == ["a"], "the node without pods goes"


def test_of_two_ready_claims_the_one_without_pods_goes() -> None:
    claims = (claim(OWNER, 0, ready=True), claim(OWNER, 1, ready=True))
    nodes = (node("a", of=OWNER, made_for=0), node("b", of=OWNER, made_for=1))
    for busy, idle in (("a", 1), ("b", 0)):
        plan = plan_nodes(OWNER, demand(1), Observed(claims=claims, nodes=nodes, pods=(pod(busy),)))
        assert [each.name for each in plan.delete] == [claim(OWNER, idle).name]
    assert plan_nodes(OWNER, demand(1), Observed(claims, nodes, pods=(pod("a"), pod("b")))).delete == ()


def test_nodes_where_the_pods_are_come_first_then_those_put_aside_then_preferred_ones_in_their_order() -> None:
    resource = {"instanceType": V100, "labelSelector": {}, "preferredNodes": ["z", "y"]}
    aside = {labels.INSTANCE_TYPE: V100, labels.WORKSPACE: "phi", labels.WORKSPACE_NAMESPACE: "default"}
    nodes = (node("a"), node("y"), node("z"), node("aside", labels=aside), node("home"))
    observed = Observed(nodes=nodes, pods=(pod("home"),))
    plan = plan_nodes(workspace(resource=resource), demand(5), observed)
    assert [each.name for each in plan.take] == ["home", "aside", "z", "y", "a"]


def test_a_node_of_a_claim_is_never_taken_as_an_existing_one() -> None:
    stripped = (node("n"), node("o", labels={labels.INSTANCE_TYPE: V100, "apps": "phi-3", labels.CLAIM_ORDINAL: "0"}))
    observed = Observed(claims=(claim(OWNER, 0, node_name="n"),), nodes=stripped)
    plan = plan_nodes(OWNER, demand(2), observed)
    assert (plan.take, plan.create) == ((), (1,))
    assert [each.name for each in plan.mark] == ["n"], "it is told again whose it is"


def test_a_node_whose_claim_is_leaving_is_of_no_use() -> None:
    observed = Observed(claims=(claim(OWNER, 0, deletion_time=GONE),), nodes=(node("n", of=OWNER, made_for=0),))
    plan = plan_nodes(OWNER, demand(1), observed)
    assert (plan.usable, plan.create) == ((), (1,))


def test_a_size_that_left_the_wishes_does_not_make_nodes_in_use_unusable() -> None:
    other = {labels.INSTANCE_TYPE: "Standard_NC12s_v3"}
    made = node("m", of=OWNER, made_for=0)
    made = replace(made, labels={**made.labels, **other})
    taken = replace(node("t", of=OWNER), labels={**node("t", of=OWNER).labels, **other})
    claims = (asking(V100, "Standard_NC12s_v3", ready=True),)
    plan = plan_nodes(OWNER, demand(2), Observed(claims=claims, nodes=(made, taken), pods=(pod("t"),)))
    assert [each.name for each in plan.usable] == ["m", "t"]
    assert plan.is_settled


def test_a_node_of_a_claims_size_serves_however_its_cloud_spells_it() -> None:
    asked = (Requirement(labels.INSTANCE_TYPE, "In", ("Standard_ND40rs_v2",)),)
    found = node("n", of=OWNER, made_for=0)
    spelled = replace(found, labels={**found.labels, labels.INSTANCE_TYPE: "standard_nd40rs_v2"})
    observed = Observed(claims=(claim(OWNER, 0, ready=True, requirements=asked),), nodes=(spelled,))
    assert [each.name for each in plan_nodes(OWNER, demand(1), observed).usable] == ["n"]


def test_a_node_of_the_control_plane_is_taken_only_where_its_taint_was_lifted() -> None:
    role = "node-role.kubernetes.io/control-plane"
    lifted = node("lifted", labels={labels.INSTANCE_TYPE: V100, "apps": "phi-3", role: ""})
    guarded = replace(lifted, name="guarded", taints=(Taint(role, "", "NoSchedule"),))
    plan = plan_nodes(OWNER, demand(2), Observed(nodes=(guarded, lifted)))
    assert [each.name for each in plan.take] == ["lifted"]


def test_a_node_whose_gpus_pods_of_others_hold_is_passed_over_and_looked_at_again() -> None:
    one = Observed(nodes=(node("a"), node("b")), occupied=frozenset({"a"}))
    plan = plan_nodes(OWNER, demand(1), one)
    assert ([each.name for each in plan.take], plan.create, plan.recheck) == (["b"], (), None)
    both = replace(one, occupied=frozenset({"a", "b"}))
    bought = plan_nodes(OWNER, demand(1), both)
    assert (bought.take, bought.create) == ((), (0,))
    waiting = plan_nodes(OWNER, demand(1, provision=False), both)
    assert (waiting.is_settled, waiting.recheck) == (True, OCCUPIED_AGAIN), "no watch tells of the pods of others"
    bad = replace(seen(node("n", of=OWNER, ready=False), node("a")), occupied=frozenset({"a"}))
    kept = plan_nodes(OWNER, demand(1, provision=False), bad)
    assert (kept.is_settled, kept.recheck) == (True, OCCUPIED_AGAIN)
    home = replace(one, nodes=(node("a"),), pods=(pod("a"),))
    assert [each.name for each in plan_nodes(OWNER, demand(1), home).take] == ["a"], "our pods have them"
