"""Deletion: node first, then the pool, the claim only when the cloud says the pool is gone."""

from dataclasses import dataclass, field
from math import inf
from typing import Any

import pytest

from controller.api.claims import Taint
from controller.api.json import Json
from controller.api.labels import LAUNCH_REQUESTED
from controller.api.reasons import Reason
from provisioner.errors import ErrorKind, Fault
from provisioner.policy import Policy
from provisioner.pools import Pool
from provisioner.steps import (
    Action,
    ConfirmPool,
    DeleteNode,
    DeletePool,
    Drain,
    DrainNode,
    PatchClaim,
    PatchNode,
    ReleaseClaim,
)
from provisioner.termination import drain_end, terminate
from provisioner.times import rfc3339
from tests.unit.provisioner.builders import FOREIGN, NODE, at, machine, node, node_claim, pool, seen

DISRUPTED = Taint("karpenter.sh/disrupted", "", "NoSchedule")
DRAINED = {NODE: Drain()}
HELD = {NODE: Drain(("a/one", "a/two"), ("a/two (disruption budget)",))}
LEAVING = node(deleting=True, taints=[DISRUPTED])
SET_BACK: dict[str, Any] = {"setback": Fault(ErrorKind.UNKNOWN, "NicInUse", "still in use"), "setback_wait": 7.0}


@dataclass(frozen=True)
class Row:
    """One row of the deletion."""

    situation: str
    does: type[Action] | None
    reason: Reason = Reason.INSTANCE_TERMINATING
    pool: Pool | None = None
    nodes: tuple[Any, ...] = ()
    view: dict[str, Any] = field(default_factory=dict)


ROWS = (
    Row("no pool known", ConfirmPool),
    Row("cloud not read yet", None, view={"known": False}),
    Row("pool gone, no node", ReleaseClaim, view={"confirmed_gone": True}),
    Row("a request is not answered yet, whatever the last look said", None, view={"confirmed_gone": True, "asked": 0}),
    Row("a request that can no longer arrive", ConfirmPool, view={"asked": 0, "after": 152}),
    Row("the pool of an unanswered request came", DeletePool, pool=pool("Creating"), view={"asked": 0}),
    Row("creating", DeletePool, pool=pool("Creating")),
    Row("succeeded, no node", DeletePool, pool=pool()),
    Row("failed", DeletePool, pool=pool("Failed")),
    Row("its removal failed a moment ago", None, Reason.REMOVAL_FAILED, pool("Failed"), view=SET_BACK),
    Row("it is asked for again", DeletePool, pool=pool("Failed"), view={**SET_BACK, "setback_wait": 0.0}),
    Row("the cause still stands meanwhile", None, Reason.REMOVAL_FAILED, pool("Deleting"), view=SET_BACK),
    Row(
        "and for as long as it takes",
        None,
        Reason.REMOVAL_FAILED,
        pool("Deleting"),
        view={**SET_BACK, "after": 9999},
    ),
    Row("canceling", None, pool=pool("Canceling")),
    Row("deleting", None, pool=pool("Deleting")),
    Row("node to be marked as leaving", DeleteNode, Reason.DRAINING, pool(), (node(),)),
    Row("node to be tainted", PatchNode, Reason.DRAINING, pool(), (node(deleting=True),)),
    Row("node to be drained", DrainNode, Reason.DRAINING, pool(), (LEAVING,)),
    Row("pods still there", None, Reason.DRAINING, pool(), (LEAVING,), {"drained": HELD}),
    Row(
        "volumes still attached",
        None,
        Reason.AWAITING_VOLUME_DETACHMENT,
        pool(),
        (LEAVING,),
        {"drained": {NODE: Drain(volumes=("disk",))}},
    ),
    Row(
        "volumes had their time",
        DeletePool,
        pool=pool(),
        nodes=(LEAVING,),
        view={"drained": {NODE: Drain(volumes=("disk",))}, "after": 3700},
    ),
    Row("node empty", DeletePool, pool=pool(), nodes=(LEAVING,), view={"drained": DRAINED}),
    Row("budgets had their time", DeletePool, pool=pool(), nodes=(LEAVING,), view={"drained": HELD, "after": 3700}),
    Row("an unregistered node needs no drain of ours", DeletePool, pool=pool(), nodes=(node(registered=False),)),
    Row("pool gone, node object left", PatchNode, nodes=(LEAVING,), view={"confirmed_gone": True}),
    Row("pool gone, node not marked", DeleteNode, nodes=(node(),), view={"confirmed_gone": True}),
    Row("somebody else's pool is not touched", ReleaseClaim, pool=pool(**FOREIGN)),
    Row(
        "the cloud refuses for now",
        None,
        Reason.OPERATION_CONFLICT,
        pool("Succeeded"),
        view={"fault": Fault(ErrorKind.CONFLICT)},
    ),
    Row(
        "a fault of the cloud does not hold up the drain",
        DrainNode,
        Reason.DRAINING,
        pool(),
        (LEAVING,),
        {"fault": Fault(ErrorKind.CONFLICT)},
    ),
    Row(
        "the cloud cannot be read at the start",
        None,
        Reason.UNAUTHORIZED,
        view={"known": False, "blind": Fault(ErrorKind.PERMISSION)},
    ),
    Row(
        "the cloud falls silent during the removal",
        None,
        Reason.CLOUD_UNAVAILABLE,
        pool("Deleting"),
        view={"blind": Fault(ErrorKind.UNAVAILABLE)},
    ),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.situation)
def test_the_deletion_row_by_row(row: Row) -> None:
    view = dict(row.view)
    marks = {LAUNCH_REQUESTED: rfc3339(at(view.pop("asked")))} if "asked" in view else {}
    step = terminate(seen(machine(deleted_at=0, annotations=marks), pool=row.pool, nodes=row.nodes, **view))
    assert (type(step.action) if step.action else None) is row.does
    ready = step.conditions[-1]
    assert (ready.type, ready.status, ready.reason) == ("Ready", "False", row.reason)


@pytest.mark.parametrize(("state", "abort"), [("Creating", True), ("Succeeded", False), ("Failed", False)])
def test_a_running_creation_is_aborted_first(state: str, abort: bool) -> None:
    assert terminate(seen(machine(deleted_at=0), pool=pool(state))).action == DeletePool(abort=abort)


def test_a_drain_names_the_pods_it_waits_for_and_looks_again_soon() -> None:
    step = terminate(seen(machine(deleted_at=0), pool=pool(), nodes=(LEAVING,), drained=HELD))
    assert "a/two (disruption budget)" in step.conditions[-1].message
    assert step.requeue_after == 1


def test_a_drain_looks_again_when_a_pod_must_be_deleted() -> None:
    soon = {NODE: Drain(("a/one",), due=at(300.5))}
    assert (
        terminate(seen(machine(deleted_at=0), pool=pool(), nodes=(LEAVING,), drained=soon, after=300)).requeue_after
        == 0.5
    )


def test_a_slow_cloud_is_named_after_the_deadline() -> None:
    step = terminate(seen(machine(deleted_at=0), pool=pool("Deleting"), after=2000))
    assert "more than 30 min" in step.conditions[-1].message
    assert step.overdue


def test_a_creation_told_to_stop_is_looked_at_again_although_the_cloud_shows_nothing() -> None:
    assert terminate(seen(machine(deleted_at=0), pool=pool("Canceling"))).requeue_after == 60


def test_a_claim_whose_request_has_no_answer_says_how_long_its_pool_may_yet_appear() -> None:
    asked = machine(deleted_at=5, annotations={LAUNCH_REQUESTED: rfc3339(at(0))})
    step = terminate(seen(asked, after=10, confirmed_gone=True))
    assert f"may yet appear until {rfc3339(at(151))}" in step.conditions[-1].message
    assert (step.requeue_after, step.watch) == (141, True)


def test_a_claim_that_was_let_go_is_left_alone() -> None:
    step = terminate(seen(machine(deleted_at=0, finalizers=["other"]), pool=pool()))
    assert step.action is None


def test_the_disruption_taint_joins_the_others() -> None:
    step = terminate(seen(machine(deleted_at=0), pool=pool(), nodes=(node(deleting=True),)))
    assert isinstance(step.action, PatchNode)
    assert [taint["key"] for taint in step.action.patch["spec"]["taints"]] == ["sku", "karpenter.sh/disrupted"]


def test_letting_a_node_go_keeps_other_finalizers() -> None:
    kept = node(deleting=True, finalizers=["karpenter.sh/termination", "other"])
    step = terminate(seen(machine(deleted_at=0), nodes=(kept,), confirmed_gone=True))
    assert isinstance(step.action, PatchNode)
    assert step.action.patch["metadata"]["finalizers"] == ["other"]


GRACE: dict[str, Any] = {"terminationGracePeriod": "10m"}
END = rfc3339(at(600))
ANNOUNCED = {"karpenter.sh/nodeclaim-termination-timestamp": END}


def test_a_claims_own_grace_is_written_down_once_and_told() -> None:
    step = terminate(seen(node_claim(deleted_at=0, **GRACE), pool=pool(), nodes=[node()]))
    assert isinstance(step.action, PatchClaim)
    assert step.action.metadata == {"annotations": ANNOUNCED}
    assert step.action.warning is not None
    assert step.action.warning[0] == Reason.TERMINATION_GRACE_PERIOD_EXPIRING
    again = terminate(seen(node_claim(deleted_at=0, annotations=ANNOUNCED, **GRACE), pool=pool(), nodes=[node()]))
    assert not isinstance(again.action, PatchClaim)


def test_a_grace_that_cannot_be_written_down_holds_nothing_up_and_counts_all_the_same() -> None:
    claim = node_claim(deleted_at=0, **GRACE)
    assert isinstance(terminate(seen(claim, pool=pool(), unmarked=True)).action, DeletePool)
    step = terminate(seen(claim, pool=pool(), nodes=[node()], after=601, unmarked=True))
    assert isinstance(step.action, DeletePool), "its ten minutes for pods are over"


@pytest.mark.parametrize(
    ("claim", "after", "drains"),
    [
        (node_claim(deleted_at=0, annotations=ANNOUNCED, **GRACE), 599, True),
        (node_claim(deleted_at=0, annotations=ANNOUNCED, **GRACE), 601, False),
        (node_claim(deleted_at=0), 3599, True),
        (node_claim(deleted_at=0), 3601, False),
        (machine(deleted_at=0), 601, True),
    ],
    ids=["within its grace", "its grace is over", "none of its own", "nor the setting's any more", "a Machine"],
)
def test_pods_hold_up_the_removal_until_the_grace_ends(claim: Json, after: float, *, drains: bool) -> None:
    leaving = node(deleting=True, taints=[Taint("karpenter.sh/disrupted", "", "NoSchedule")])
    step = terminate(seen(claim, pool=pool(), nodes=[leaving], after=after))
    assert isinstance(step.action, DrainNode if drains else DeletePool)


def test_a_claim_may_shorten_the_time_for_pods_but_not_lengthen_it() -> None:
    longer = seen(node_claim(deleted_at=0, terminationGracePeriod="100h"))
    assert drain_end(longer) == at(3600)


def test_where_nothing_cuts_a_drain_short_budgets_and_marks_hold_for_ever_and_the_claim_says_so() -> None:
    patient: dict[str, Any] = {
        "policy": Policy(drain_deadline=inf),
        "pool": pool(),
        "nodes": [LEAVING],
        "after": 10 * 365 * 86400,
    }
    assert isinstance(terminate(seen(machine(deleted_at=0), **patient)).action, DrainNode)
    step = terminate(seen(machine(deleted_at=0), **patient, drained=HELD))
    assert step.action is None
    assert step.conditions[-1].message.endswith("Nothing cuts the wait short (--drain-deadline=never)")
    own = terminate(seen(node_claim(deleted_at=0, annotations=ANNOUNCED, **GRACE), **patient))
    assert isinstance(own.action, DeletePool), "the claim's own grace ends all the same"


GONE_FOR_GOOD = Fault(ErrorKind.CLUSTER_NOT_FOUND, "ResourceGroupNotFound", "Resource group 'g' could not be found.")


@pytest.mark.parametrize(
    "view",
    [
        {"pool": pool(), "fault": GONE_FOR_GOOD},
        {"fault": GONE_FOR_GOOD},
        {"known": False, "blind": GONE_FOR_GOOD},
        {"pool": pool("Deleting"), "blind": GONE_FOR_GOOD},
    ],
    ids=["it stood when last read", "no pool is known", "never read", "it was being removed"],
)
def test_where_the_cluster_is_gone_for_good_the_claim_names_the_way_out_once_it_is_late(view: dict[str, Any]) -> None:
    """Nobody but a person can tell a cluster that is gone from one that is looked for in the wrong place."""
    way_out = "remove finalizer karpenter.sh/termination"
    early, late = (terminate(seen(machine(deleted_at=0), **view, after=after)) for after in (1700, 1801))
    assert (early.action, late.action) == (None, None)
    assert way_out not in early.conditions[-1].message
    assert early.requeue_after is not None, "it is said when the time has come"
    told = late.conditions[-1]
    assert told.reason == Reason.CLUSTER_NOT_FOUND
    assert way_out in told.message.partition("\n")[0], "readers of claims show the first 256 characters"
    assert len(told.message) < 600
