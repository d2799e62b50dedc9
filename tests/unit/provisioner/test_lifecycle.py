"""The whole lifecycle: the order of its actions, and what it must never do whatever it sees."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.claims import Taint
from controller.api.labels import DISRUPTED_TAINT_KEY
from controller.api.reasons import Reason
from provisioner.errors import ErrorKind, Fault
from provisioner.history import Failure
from provisioner.launch import joined_nodes
from provisioner.lifecycle import decide
from provisioner.offerings import Offering
from provisioner.pools import belongs
from provisioner.status import new_status
from provisioner.steps import (
    Action,
    ConfirmPool,
    CreatePool,
    DeleteClaim,
    DeletePool,
    Drain,
    Observed,
    PatchClaim,
    PatchNode,
    RecordFailure,
    ReleaseClaim,
)
from provisioner.times import rfc3339
from tests.unit.provisioner.builders import (
    A_NODE_CLAIM,
    BORN,
    FINALIZER,
    FOREIGN,
    NAME,
    NODE,
    OWNER_LABELS,
    PROVIDER_ID,
    SIZE,
    UID,
    at,
    machine,
    node,
    node_claim,
    pool,
    seen,
)

ALL = ["Launched", "Registered", "Initialized"]


def test_the_finalizer_comes_before_anything_is_made() -> None:
    step = decide(seen(machine(finalizers=[])))
    assert isinstance(step.action, PatchClaim)
    assert step.action.metadata == {"finalizers": [FINALIZER]}, "alone: a refused label must not keep it away"


def test_labels_for_people_come_after_what_the_claim_is_for() -> None:
    assert isinstance(decide(seen(machine())).action, CreatePool)
    assert decide(seen(machine(), pool=pool("Creating"))).action == PatchClaim(
        {"labels": {"node.kubernetes.io/instance-type": SIZE}}
    )


def test_other_finalizers_stay() -> None:
    step = decide(seen(machine(finalizers=["other"])))
    assert isinstance(step.action, PatchClaim)
    assert step.action.metadata["finalizers"] == ["other", FINALIZER]


def test_a_success_ends_the_memory_of_failures() -> None:
    failure = Failure(2, rfc3339(at(0)), ErrorKind.QUOTA)
    labelled = {"node.kubernetes.io/instance-type": SIZE, "kaito.sh/workspace": "phi"}
    step = decide(seen(machine(done=["Launched"], failure=failure, labels=labelled), pool=pool()))
    assert isinstance(step.action, PatchClaim)
    assert step.action.metadata["annotations"] == {"kaito.sh/launch-failure": None}


def test_the_claim_shows_what_kubectl_get_looks_for() -> None:
    place = {"topology.kubernetes.io/zone": "eastus-1", "kubernetes.io/arch": "amd64"}
    step = decide(seen(machine(), pool=pool(), nodes=[node(labels=place)]))
    assert isinstance(step.action, PatchClaim)
    assert step.action.metadata["labels"] == {
        "node.kubernetes.io/instance-type": SIZE,
        "karpenter.sh/capacity-type": "on-demand",
        **place,
    }


@pytest.mark.parametrize(
    ("nodes", "confirmed", "expected"),
    [
        ([], False, ConfirmPool),
        ([], True, DeleteClaim),
        ([node(ready=False)], True, DeleteClaim),
    ],
    ids=["is it really gone?", "gone", "gone, and its node dead"],
)
def test_a_claim_whose_instance_vanished_is_replaced_after_a_second_look(
    nodes: list[Any], confirmed: bool, expected: type
) -> None:
    labelled = {"node.kubernetes.io/instance-type": SIZE, "karpenter.sh/capacity-type": "on-demand"}
    stored = machine(done=ALL, labels={"kaito.sh/workspace": "phi", **labelled})
    step = decide(seen(stored, nodes=nodes, confirmed_gone=confirmed))
    assert isinstance(step.action, expected)


def test_a_live_node_outweighs_a_pool_that_is_not_listed() -> None:
    labelled = {"node.kubernetes.io/instance-type": SIZE, "karpenter.sh/capacity-type": "on-demand"}
    stored = machine(done=ALL, labels={"kaito.sh/workspace": "phi", **labelled})
    assert decide(seen(stored, nodes=[node()])).action is None


OWN, SURGE = node(), node(name="surge")


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([node(deleting=True)], DeleteClaim),
        ([OWN, node(name="surge", deleting=True)], PatchNode),
        ([node(deleting=True), SURGE], PatchNode),
        ([node(name="surge", deleting=True)], PatchNode),
        ([node(deleting=True, owner="an-earlier-uid")], PatchNode),
    ],
    ids=[
        "its node deleted",
        "an upgrade's extra node deleted",
        "its node deleted, another of the pool stands",
        "not its node",
        "node of a namesake before",
    ],
)
def test_only_the_end_of_the_claims_own_last_node_is_the_end_of_the_claim(
    nodes: list[Any], expected: type[Action]
) -> None:
    action = decide(seen(machine(done=ALL, node_name=NODE), pool=pool(), nodes=nodes, confirmed=True)).action
    assert isinstance(action, expected)
    if isinstance(action, PatchNode):
        assert action.node == next(found.name for found in nodes if found.deleting)
        assert action.patch["metadata"]["finalizers"] == [], "it is let go"


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        ({"pool": pool()}, ConfirmPool),
        ({"pool": pool(), "fault": Fault(ErrorKind.UNAVAILABLE)}, PatchClaim),
        ({"pool": pool(stopped=True), "confirmed": True}, PatchNode),
        ({"pool": pool("Stopping"), "confirmed": True}, PatchNode),
        ({"pool": pool("Starting"), "confirmed": True}, PatchNode),
        ({"pool": pool(), "confirmed": True}, DeleteClaim),
        ({"confirmed": True, "confirmed_gone": True}, DeleteClaim),
    ],
    ids=[
        "looked at anew first",
        "cloud silent: labels only",
        "stopped",
        "stopping",
        "starting",
        "running",
        "pool gone too",
    ],
)
def test_a_node_that_goes_with_the_stop_of_its_pool_is_let_go_and_its_claim_stays(
    view: dict[str, Any], expected: type[Action]
) -> None:
    action = decide(seen(machine(done=ALL, node_name=NODE), nodes=[node(deleting=True)], **view)).action
    assert isinstance(action, expected)


SILENT = node(deleting=True, ready=False)


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        ({"pool": pool(), "unready": 179}, PatchClaim),
        ({"pool": pool(), "unready": 180}, ConfirmPool),
        ({"pool": pool(), "unready": 180, "confirmed": True}, DeleteClaim),
        ({"pool": replace(pool(), count=0), "confirmed": True}, DeleteClaim),
        ({"pool": pool("Failed"), "confirmed": True}, DeleteClaim),
        ({"pool": pool("UpgradingNodeImageVersion"), "confirmed": True}, PatchClaim),
        ({"confirmed": True, "confirmed_gone": True}, DeleteClaim),
        ({"pool": pool(), "nodes": [SILENT, SURGE]}, PatchNode),
    ],
    ids=[
        "another is awaited: labels only",
        "looked at anew first",
        "awaited in vain",
        "pool scaled to nothing",
        "pool failed",
        "pool at work: labels only",
        "pool gone",
        "another joined",
    ],
)
def test_a_node_that_was_silent_when_it_was_deleted_may_be_back_under_another_name(
    view: dict[str, Any], expected: type[Action]
) -> None:
    action = decide(seen(machine(done=ALL, node_name=NODE), **{"nodes": [SILENT], **view})).action
    assert isinstance(action, expected)


def test_it_is_awaited_no_longer_than_it_may_take() -> None:
    labelled = {**OWNER_LABELS, "node.kubernetes.io/instance-type": SIZE, "karpenter.sh/capacity-type": "on-demand"}
    view = seen(machine(done=ALL, node_name=NODE, labels=labelled), pool=pool(), nodes=[SILENT], unready=100)
    step = decide(view)
    assert (step.requeue_after, step.watch) == (80, True), "the pool is read meanwhile: it may have been stopped"


def test_a_claim_moves_to_the_node_that_stays() -> None:
    view = seen(machine(done=ALL, node_name=NODE), pool=pool(), nodes=[SURGE])
    status = new_status(view, decide(view).conditions)
    assert status is not None
    assert status["nodeName"] == "surge"


def test_a_registered_claim_whose_pool_cannot_be_asked_about_is_asked_about_later() -> None:
    view = seen(machine(done=ALL, node_name=NODE), fault=Fault(ErrorKind.THROTTLED))
    step = decide(view)
    assert not isinstance(step.action, ConfirmPool)
    assert step.requeue_after == view.fault_wait


STATES = ["Creating", "Updating", "Succeeded", "Failed", "Canceled", "Canceling", "Deleting", "Whatever"]
faults = st.none() | st.builds(Fault, kind=st.sampled_from(sorted(ErrorKind)))
pools = st.none() | st.builds(
    lambda state, attempt, changes, fault: pool(state, attempt=attempt, fault=fault, **changes),
    st.sampled_from(STATES),
    st.integers(min_value=0, max_value=5),
    st.sampled_from([{}, FOREIGN]),
    faults,
)
nodes = st.lists(
    st.builds(
        lambda options: node(**options),
        st.fixed_dictionaries(
            {
                "ready": st.booleans(),
                "registered": st.booleans(),
                "initialized": st.booleans(),
                "deleting": st.booleans(),
                "gpus": st.integers(min_value=0, max_value=1),
                "name": st.sampled_from([NODE, "other"]),
                "owner": st.sampled_from([UID, "an-earlier-uid"]),
                "created": st.sampled_from([-900.0, 120.0]),
            }
        ),
    ),
    max_size=2,
    unique_by=lambda found: found.name,
)
failures = st.none() | st.builds(
    Failure,
    attempts=st.integers(min_value=1, max_value=50),
    time=st.integers(min_value=0, max_value=4000).map(lambda seconds: rfc3339(at(seconds))),
    kind=st.sampled_from(sorted(ErrorKind)),
    offering=st.just(Offering(SIZE)),
)


@st.composite
def views(draw: st.DrawFn) -> Observed:
    """Anything that can be seen of a claim."""
    found = draw(pools)
    stored = machine(
        sizes=draw(st.sampled_from([(), (SIZE,), (SIZE, "Standard_NC24ads_A100_v4")])),
        done=ALL[: draw(st.integers(min_value=0, max_value=3))],
        failure=draw(failures),
        deleted_at=draw(st.sampled_from([None, None, 0.0])),
        finalizers=draw(st.sampled_from([[], [FINALIZER], [FINALIZER, "other"]])),
        node_name=draw(st.sampled_from(["", NODE])),
    )
    return seen(
        stored,
        pool=found,
        nodes=draw(nodes),
        after=draw(st.integers(min_value=0, max_value=5000)),
        known=draw(st.booleans()),
        fault=draw(faults),
        blind=draw(faults),
        confirmed_gone=found is None and draw(st.booleans()),
        drained=draw(st.sampled_from([{}, {NODE: Drain()}, {NODE: Drain(("a/p",), ())}])),
    )


@given(views())
def test_a_pool_is_asked_for_only_when_there_is_none_and_the_claim_cannot_slip_away(view: Observed) -> None:
    if isinstance(decide(view).action, CreatePool):
        assert view.pool is None
        assert view.pools_known
        assert not view.claim.deleting
        assert FINALIZER in view.claim.finalizers
        assert view.claim.instance_types


@given(views())
def test_a_pool_is_removed_only_when_it_is_ours_and_either_unwanted_or_failed(view: Observed) -> None:
    if isinstance(decide(view).action, DeletePool):
        assert view.pool is not None
        assert belongs(view.pool, view.claim), "a foreign pool is never touched"
        assert view.claim.deleting or view.pool.failed


@given(views())
def test_a_claim_is_let_go_only_when_the_cloud_was_asked_about_its_pool(view: Observed) -> None:
    if isinstance(decide(view).action, ReleaseClaim):
        assert view.claim.deleting
        assert view.confirmed_gone or (view.pool is not None and not belongs(view.pool, view.claim))
        assert not any(found.finalized and found.owned_by_claim(view.claim.name) for found in view.nodes)


@given(views())
def test_a_claim_is_never_deleted_because_the_cloud_is_silent(view: Observed) -> None:
    action = decide(view).action
    if isinstance(action, DeleteClaim) and not any(found.deleting for found in view.nodes):
        assert view.confirmed_gone or (action.reason is Reason.GPUS_NOT_ADVERTISED and view.pool is not None)
        assert view.fault is None
        assert view.blind is None


@given(views())
def test_after_a_fault_the_cloud_is_left_alone_for_a_while(view: Observed) -> None:
    if view.fault is not None:
        step = decide(view)
        assert not isinstance(step.action, CreatePool | DeletePool | ConfirmPool)


@given(views())
def test_the_decision_is_the_same_every_time_and_ready_means_all_three(view: Observed) -> None:
    step = decide(view)
    assert decide(replace(view)) == step
    ready = next((found for found in step.conditions if found.type == "Ready"), None)
    if ready is not None and ready.status == "True":
        assert not view.claim.deleting
        assert all(found.status == "True" for found in step.conditions)


@given(views())
def test_whoever_waits_will_be_woken(view: Observed) -> None:
    """By a moment, by the cloud's picture, or by an object; only what needs a person waits for a change alone."""
    step = decide(view)
    claim = view.claim
    if step.action is not None or claim.deleting or not view.pools_known or view.nodes or not claim.instance_types:
        return
    settled = claim.is_true("MachineRegistered") and view.pool is not None and view.fault is None
    overdue = any(found.reason in ("RegistrationTimeout", "InitializationTimeout") for found in step.conditions)
    waits = step.watch or step.requeue_after is not None
    assert settled or (overdue and view.fault is None) or waits, step


@given(views())
def test_whoever_may_not_call_the_cloud_now_is_woken_when_the_time_has_come(view: Observed) -> None:
    step = decide(view)
    if view.fault is not None and step.action is None and not view.claim.deleting:
        assert step.requeue_after is not None
        assert step.requeue_after <= view.fault_wait


@given(views())
def test_no_first_line_is_longer_than_its_readers_show(view: Observed) -> None:
    for found in decide(view).conditions:
        first = found.message.partition("\n")[0]
        assert len(first) <= 256, found
        if found.status == "False" and not view.claim.deleting:
            assert first.endswith(f"({found.reason})"), found


@given(views())
def test_a_claim_with_a_node_that_stays_is_never_deleted(view: Observed) -> None:
    """Deleting the claim deletes the instance with the model on it; one that has no GPU never ran a model."""
    action = decide(view).action
    if isinstance(action, DeleteClaim) and action.reason is not Reason.GPUS_NOT_ADVERTISED:
        assert not any(found.ready for found in joined_nodes(view))


@given(views())
def test_a_recorded_failure_is_not_recorded_again(view: Observed) -> None:
    step = decide(view)
    if isinstance(step.action, RecordFailure):
        noted = machine(failure=step.action.failure, finalizers=view.claim.finalizers)
        again = decide(seen(noted, pool=view.pool, nodes=view.nodes))
        assert not isinstance(again.action, RecordFailure)


@pytest.mark.parametrize("done", [[], ["Launched", "Registered", "Initialized"]])
def test_a_claim_whose_name_another_holds_says_so_and_touches_nothing(done: list[str]) -> None:
    step = decide(seen(node_claim(done=done), rival=f"Machine {NAME}"))
    assert step.action is None or isinstance(step.action, PatchClaim)
    assert step.conditions[0].reason == Reason.NAME_CONFLICT
    assert f"Machine {NAME}" in step.conditions[0].message


def test_it_is_let_go_without_a_look_at_the_pool() -> None:
    step = decide(seen(node_claim(deleted_at=0), rival=f"Machine {NAME}"))
    assert isinstance(step.action, ReleaseClaim)


GONE: dict[str, Any] = {"pool": pool(), "nodes": []}


@pytest.mark.parametrize(
    ("view", "given_up"),
    [
        ({**GONE, "nodeless": 1199}, False),
        ({**GONE, "nodeless": 1200}, False),
        ({**GONE, "nodeless": 1200, "confirmed": True}, True),
        ({**GONE, "nodeless": 1200, "confirmed": True, "pool": pool("Failed")}, True),
        ({**GONE, "nodeless": 9999, "pool": pool(stopped=True)}, False),
        ({**GONE, "nodeless": 9999, "pool": pool("Updating")}, False),
        ({**GONE, "nodeless": 9999, "blind": Fault(ErrorKind.UNAVAILABLE)}, False),
        ({**GONE, "nodeless": 9999, "nodes": [node(ready=False)]}, False),
        ({**GONE, "nodeless": 9999, "pool": pool(**FOREIGN)}, False),
    ],
    ids=[
        "missed",
        "looked at anew first",
        "missed for long",
        "missed for long since its pool failed at something",
        "pool stopped",
        "pool at work",
        "cloud unseen",
        "node not ready",
        "not ours",
    ],
)
def test_a_claim_whose_pool_stands_without_a_node_is_given_up_after_a_while(
    view: dict[str, Any], *, given_up: bool
) -> None:
    step = decide(seen(machine(done=ALL), **view))
    assert isinstance(step.action, DeleteClaim) is given_up


def test_it_is_looked_at_again_when_its_time_has_come() -> None:
    marked = machine(done=ALL, labels={**OWNER_LABELS, "node.kubernetes.io/instance-type": SIZE})
    assert decide(seen(marked, **GONE, nodeless=200)).requeue_after == 1000


def test_a_cloud_that_does_not_answer_about_it_is_asked_when_it_may_be_and_no_sooner() -> None:
    marked = machine(done=ALL, labels={**OWNER_LABELS, "node.kubernetes.io/instance-type": SIZE})
    step = decide(seen(marked, **GONE, nodeless=1300, fault=Fault(ErrorKind.THROTTLED)))
    assert step.requeue_after == 9.0


@pytest.mark.parametrize("marks", [{"labels": BORN}, {"labels": {"team": "x"}}], ids=["tags", "tags and labels"])
def test_a_pool_whose_marks_somebody_replaced_goes_on_and_is_removed_with_its_claim(marks: dict[str, Any]) -> None:
    """`az aks nodepool update --tags` leaves none of the tags a pool was made with."""
    live: dict[str, Any] = {"done": ALL, "labels": {}, "node_name": NODE, "provider_id": PROVIDER_ID}
    view: dict[str, Any] = {"pool": pool(tags={"cost": "x"}, **marks), "nodes": [node(owner_kind=A_NODE_CLAIM)]}
    assert all(condition.status == "True" for condition in decide(seen(node_claim(**live), **view)).conditions)
    tainted = [Taint(DISRUPTED_TAINT_KEY, "", "NoSchedule")]
    view["nodes"] = [node(owner_kind=A_NODE_CLAIM, deleting=True, taints=tainted)]
    leaving = decide(seen(node_claim(deleted_at=0, **live), drained={NODE: Drain()}, **view))
    assert isinstance(leaving.action, DeletePool)
