"""Which node that is not Ready is replaced, and above all which is not."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.claims import NODE_CLAIM, Taint
from controller.api.labels import GPU_REPLACEMENTS
from controller.api.reasons import Reason
from controller.planning.claims import Order, render_claim
from provisioner.errors import ErrorKind, Fault
from provisioner.lifecycle import decide
from provisioner.policy import Policy
from provisioner.repair import has_lost_gpus, repair
from provisioner.replacements import Row
from provisioner.steps import (
    ConfirmPool,
    DeleteClaim,
    DeletePool,
    DrainNode,
    Fleet,
    LookForUsers,
    Observed,
    PatchClaim,
)
from provisioner.termination import terminate
from tests.unit.planning.builders import workspace
from tests.unit.provisioner.builders import A_NODE_CLAIM, FOREIGN, SIZE, claim, machine, node, node_claim, pool, seen

LIMIT = Policy().repair_deadline
DONE = ("Launched", "Registered", "Initialized")
ALONE = Fleet(10, 1, 13, 1)
SILENT: dict[str, Any] = {
    "pool": pool(),
    "nodes": [node(ready=False)],
    "unready": LIMIT,
    "fleet": ALONE,
    "confirmed": True,
}
MARK = {"karpenter.sh/do-not-disrupt": "true"}


def view(*, done: tuple[str, ...] = DONE, marks: dict[str, str] | None = None, **changes: Any) -> Observed:
    """A claim whose node has just been not Ready for too long."""
    return seen(machine(done=done, annotations=marks), **{**SILENT, **changes})


def test_a_node_that_was_silent_for_too_long_is_replaced() -> None:
    action = decide(view()).action
    assert isinstance(action, DeleteClaim)
    assert (action.reason, "15 min" in action.note) == (Reason.NODE_UNHEALTHY, True)


def test_its_pool_is_looked_at_anew_before_that() -> None:
    assert isinstance(decide(view(confirmed=False)).action, ConfirmPool)
    assert isinstance(decide(view(confirmed=False, fleet=Fleet(10, 3, 13, 3))).action, PatchClaim), "an outage"


@pytest.mark.parametrize("state", ["Failed", "Canceled"])
def test_so_is_one_whose_pool_failed_at_something_since(state: str) -> None:
    assert isinstance(decide(view(pool=pool(state))).action, DeleteClaim)


def test_the_mark_that_every_node_claim_of_a_workspace_carries_holds_off_no_replacement() -> None:
    order = Order(NODE_CLAIM, (SIZE,), "amd64", 88)
    made = render_claim(workspace(), 0, order)["metadata"]["annotations"]
    assert made == MARK
    marked = {"owner_kind": A_NODE_CLAIM, "annotations": made}
    silent = seen(node_claim(done=DONE, annotations=made), **{**SILENT, "nodes": [node(ready=False, **marked)]})
    assert isinstance(decide(silent).action, DeleteClaim)
    late = seen(
        node_claim(done=DONE[:2], annotations={**made, **COUNTED}),
        pool=pool(),
        nodes=[node(gpus=0, **marked)],
        after=LATE,
    )
    assert isinstance(decide(late).action, DeleteClaim)


def test_until_then_it_is_waited_for() -> None:
    step = decide(view(unready=LIMIT - 60))
    assert not isinstance(step.action, DeleteClaim)
    assert step.requeue_after == 60


@pytest.mark.parametrize(
    "changes",
    [
        {"nodes": [node()]},
        {"done": DONE[:2]},
        {"pool": pool(stopped=True)},
        {"pool": pool("Updating")},
        {"pool": pool(**FOREIGN)},
        {"pool": None},
        {"blind": Fault(ErrorKind.UNAVAILABLE)},
        {"fault": Fault(ErrorKind.PERMISSION)},
        {"known": False},
        {"policy": Policy(repair_deadline=0)},
        {"rival": "NodeClaim ws"},
    ],
    ids=[
        "Ready again",
        "never worked",
        "stopped by somebody",
        "being changed",
        "somebody else's pool",
        "no pool",
        "cloud not readable",
        "cloud refuses",
        "cloud not read yet",
        "switched off",
        "not the holder of the name",
    ],
)
def test_what_is_not_known_to_be_broken_is_not_even_considered(changes: dict[str, Any]) -> None:
    found = repair(view(**changes))
    assert (found.action, found.held) == (None, "")


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"fleet": Fleet(10, 3, 13, 3)}, "3 of 10 nodes of claims"),
        ({"fleet": Fleet(3, 3, 4, 3)}, "3 of 3 nodes of claims"),
        ({"fleet": Fleet(1, 1, 3, 2)}, "2 of 3 nodes of the cluster"),
        ({"fleet": Fleet(10, 2, 13, 2, ("other",))}, "claim other is being replaced"),
        ({"nodes": [node(ready=False, annotations=MARK)]}, "marked"),
    ],
    ids=["a zone", "all GPU nodes", "the cluster", "one at a time", "do not disrupt"],
)
def test_an_outage_deletes_nothing_and_says_why(changes: dict[str, Any], word: str) -> None:
    found = repair(view(**changes))
    assert found.action is None
    assert word in found.held
    assert decide(view(**changes)).requeue_after == Policy().retry_max


@given(st.integers(1, 200), st.integers(1, 200))
def test_however_many_nodes_there_are_an_outage_is_no_reason_to_replace_one(nodes: int, unready: int) -> None:
    unready = min(nodes, unready)
    replaced = repair(view(fleet=Fleet(nodes, unready, nodes, unready))).action is not None
    assert not (replaced and unready > 1 and unready > nodes * 0.2 + 1)
    assert replaced or unready > 1 or nodes == 1


BEREFT: dict[str, Any] = {
    "pool": pool(),
    "nodes": [node(gpus=0)],
    "gpuless": LIMIT,
    "fleet": Fleet(10, 0, 13, 0, gpuless=1),
    "users": (),
    "confirmed": True,
}


def bereft(*, had: str = "1", done: tuple[str, ...] = DONE, **changes: Any) -> Observed:
    """A claim whose node was complete and has just been without its GPU for too long."""
    stored = machine(done=done)
    stored["status"]["allocatable"] = {"cpu": "6", "nvidia.com/gpu": had}
    return seen(stored, **{**BEREFT, **changes})


def test_a_node_that_lost_its_gpu_for_too_long_is_replaced() -> None:
    action = decide(bereft()).action
    assert isinstance(action, DeleteClaim)
    assert (action.reason, "0 of the 1 nvidia.com/gpu it had" in action.note) == (Reason.GPUS_NOT_ADVERTISED, True)
    assert repair(bereft(gpuless=LIMIT - 60)).wait == 60


def test_before_that_it_is_found_out_who_still_works_with_it_and_what_became_of_its_pool() -> None:
    assert isinstance(decide(bereft(users=None)).action, LookForUsers)
    assert isinstance(decide(bereft(confirmed=False)).action, ConfirmPool)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"users": ("default/model",)}, "pod default/model still works"),
        ({"fleet": Fleet(10, 0, 13, 0, gpuless=3), "users": None}, "3 nodes of claims have lost GPUs"),
        ({"fleet": Fleet(10, 3, 13, 3), "users": None}, "3 of 10 nodes"),
        ({"fleet": Fleet(10, 0, 13, 0, ("other",)), "users": None}, "claim other is being replaced"),
        ({"replaced": Row(frozenset({"before"}), "t")}, "1 before it were replaced"),
        ({"policy": Policy(gpu_replacements=0)}, "no more are in a row"),
        ({"nodes": [node(gpus=0, annotations=MARK)], "users": None}, "marked"),
    ],
    ids=["in use", "a driver", "a zone", "one at a time", "the one before, too", "never", "do not disrupt"],
)
def test_a_node_without_its_gpu_is_kept_where_replacing_it_could_do_harm(changes: dict[str, Any], word: str) -> None:
    found = repair(bereft(**changes))
    assert found.action is None
    assert word in found.held
    assert "0 of the 1 nvidia.com/gpu it had" in found.held


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ({}, True),
        ({"had": "4"}, True),
        ({"had": "0"}, False),
        ({"nodes": [node()]}, False),
        ({"nodes": [node()], "had": "4"}, False),
        ({"nodes": [replace(node(gpus=0), allocatable={"nvidia.com/mig-1g.5gb": "7"})]}, False),
        ({"nodes": [node(gpus=0, ready=False)]}, False),
        ({"nodes": []}, False),
        ({"done": DONE[:2]}, False),
        ({"pool": pool("Updating")}, False),
        ({"pool": pool("Failed")}, True),
        ({"pool": None}, False),
    ],
    ids=[
        "gone",
        "shared in time, and gone",
        "never had any",
        "there",
        "not shared any more",
        "cut into slices",
        "not Ready, which is another matter",
        "no node",
        "never complete",
        "pool at work",
        "pool failed at something",
        "pool not known",
    ],
)
def test_gpus_are_lost_that_a_complete_node_had_and_a_ready_one_does_not_show(
    changes: dict[str, Any], *, lost: bool
) -> None:
    assert has_lost_gpus(bereft(**changes)) is lost
    if not lost and "nodes" in changes:
        assert repair(bereft(**changes, unready=0.0)).action is None


LATE = Policy().initialization_deadline
COUNTED = {GPU_REPLACEMENTS: f"{claim().creation_time} {claim().uid}"}
BARE: dict[str, Any] = {
    "pool": pool(),
    "nodes": [node(gpus=0)],
    "after": LATE,
    "done": DONE[:2],
    "marks": COUNTED,
}


def bare(**changes: Any) -> Observed:
    """A claim whose node has just been too long without its GPU."""
    return view(**{"unready": 0.0, **BARE, **changes})


def test_a_node_that_never_shows_its_gpu_is_replaced_in_time() -> None:
    action = decide(bare()).action
    assert isinstance(action, DeleteClaim)
    assert (action.reason, "0 of 1 nvidia.com/gpu" in action.note) == (Reason.GPUS_NOT_ADVERTISED, True)


def test_it_is_counted_before_it_goes_where_anybody_can_note_it() -> None:
    action = decide(bare(marks={})).action
    assert isinstance(action, PatchClaim)
    assert action.dispensable
    counted = action.metadata["annotations"][GPU_REPLACEMENTS]
    assert {GPU_REPLACEMENTS: counted} == COUNTED
    assert isinstance(decide(bare(marks={}, unmarked=True)).action, DeleteClaim)


@pytest.mark.parametrize(
    "changes",
    [
        {"after": LATE - 1},
        {"replaced": Row(frozenset({"before"}), "t")},
        {"policy": Policy(gpu_replacements=0)},
        {"nodes": [node()]},
        {"nodes": [node(gpus=0, ready=False)]},
        {"done": DONE},
        {"fault": Fault(ErrorKind.UNAVAILABLE)},
    ],
    ids=[
        "still in time",
        "the one before lacked them too",
        "never to be replaced",
        "GPU is there",
        "lacks more than that",
        "had them once",
        "the cloud is away",
    ],
)
def test_any_other_node_is_kept(changes: dict[str, Any]) -> None:
    assert not isinstance(decide(bare(**changes)).action, DeleteClaim)


@pytest.mark.parametrize(("unready", "does"), [(LIMIT, DeletePool), (0.0, DrainNode)], ids=["silent", "answering"])
def test_a_silent_node_is_not_asked_to_let_its_pods_go(unready: float, does: type) -> None:
    going = node(ready=False, deleting=True, taints=[Taint("karpenter.sh/disrupted", "", "NoSchedule")])
    stored = machine(done=DONE, deleted_at=0)
    step = terminate(seen(stored, pool=pool(), nodes=[going], unready=unready, after=5))
    assert isinstance(step.action, does)
