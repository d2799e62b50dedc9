"""Every kind of Workspace comes to its end state, follows a change, and leaves nothing; its story is told."""

import itertools

import pytest

from controller.api import labels
from controller.api.json import labels_of, uid_of
from tests.lifecycles.cases import CASES, Case
from tests.lifecycles.lives import Life
from tests.lifecycles.timeline import phases_of, timeline
from tests.system.harness import in_order
from tests.system.planned import View

FIRST = ("accepted", "planned")
CLAIMED = ("claims-created",)
NODES = ("nodes-registered", "gpus-advertised", "images-pulled")
LAST = {True: ("training",), False: ("weights-loading", "serving")}

RISE = {
    True: ("WorkloadApplied", "TrainingSucceeded"),
    False: ("WorkloadApplied", "InferenceReady", "WorkspaceReady"),
}

FALL = ("WorkspaceDeleted",)

by_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def lived(lives: dict[str, Life], case: Case) -> tuple[View, View, Life]:
    """The end states of a life that came to its end."""
    life = lives[case.name]
    if life.failure:
        pytest.fail(f"{life.failure}\n{timeline(case.name, life)}", pytrace=False)
    assert life.before is not None
    assert life.after is not None
    return life.before, life.after, life


@by_case
def test_applied_it_has_its_nodes_and_says_how_it_got_there(lives: dict[str, Life], case: Case) -> None:
    before, _, life = lived(lives, case)
    print(timeline(case.name, life))

    assert len(before.nodes) == case.nodes, f"nodes: {[labels_of(node) for node in before.nodes]}"
    assert len(before.claims) == case.made, f"only nodes that are not there are claimed, {len(before.claims)} were"
    phases = phases_of(before)
    wanted = (*FIRST, *(CLAIMED if case.made else ()), *NODES, *LAST[case.tunes])
    assert tuple(phase["name"] for phase in phases) == wanted
    for one, next_one in itertools.pairwise(phases):
        assert one["startTime"] <= one["endTime"] == next_one["startTime"], f"a gap after {one}: {next_one}"
    assert ("endTime" in phases[-1]) is case.tunes, "training ends and serving goes on"


@by_case
def test_a_change_is_followed_and_replaces_pods_only_where_it_reaches_them(lives: dict[str, Life], case: Case) -> None:
    before, after, _ = lived(lives, case)

    assert uid_of(before.workspace) == uid_of(after.workspace)
    assert {uid_of(each) for each in before.claims} == {uid_of(each) for each in after.claims}, "nodes were bought anew"
    same = {uid_of(pod) for pod in before.pods} & {uid_of(pod) for pod in after.pods}
    assert not same if case.rolls else len(same) == len(before.pods), f"pods that stayed: {same}"


@by_case
def test_events_tell_the_story_in_its_order_and_warn_of_nothing(lives: dict[str, Life], case: Case) -> None:
    _, _, life = lived(lives, case)

    reasons = [str(event["reason"]) for event in life.events]
    bought = ("MachineCreated",) if case.made else ()
    taken = ("NodeClaimed",) if case.existing else ()
    for story in ((*bought, *RISE[case.tunes], *FALL), (*taken, *RISE[case.tunes], *FALL)):
        missing = in_order(story, reasons)
        assert not missing, f"{missing} does not follow what comes before it in {reasons}"
    warnings = [f"{event['reason']}: {event['note']}" for event in life.events if event["type"] != "Normal"]
    assert not warnings, f"nothing went wrong, so nothing may warn: {warnings}"


@by_case
def test_deleted_it_leaves_nothing_and_nodes_that_were_there_are_free(lives: dict[str, Life], case: Case) -> None:
    _, _, life = lived(lives, case)

    assert not life.left, f"left: {life.left}"
    assert len(life.kept) == case.existing
    for node in life.kept:
        owners = {key: value for key, value in labels_of(node).items() if key.startswith(labels.WORKSPACE)}
        assert not owners, f"{node['metadata']['name']} still is somebody's: {owners}"
        assert not node["metadata"].get("deletionTimestamp"), "a node that was there before is not ours to delete"


def test_the_kinds_are_all_there_are() -> None:
    """One life for each way to be served, and for each source and target of a training run."""
    tuned = {case.name for case in CASES if case.tunes}
    assert len(tuned) == 6, f"each of 3 sources with each of 2 targets, not {sorted(tuned)}"
    assert len({case.name for case in CASES}) == len(CASES)
