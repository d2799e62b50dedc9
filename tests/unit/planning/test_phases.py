from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.claims import MACHINE
from controller.api.conditions import Condition, merge_conditions
from controller.api.json import Json
from controller.api.workspace import parse_workspace
from controller.planning.observed import Observed, Ref
from controller.planning.phases import NOTHING_PLANNED, Phase, Sight, timeline
from controller.planning.plan import make_plan
from controller.planning.status import conditions_for
from tests.unit.planning.builders import UID, claim, node, workspace_object
from tests.unit.planning.rendering.kit import target_of, tuned

BORN = "2026-01-05T10:00:00Z"
LATER = "2026-01-05T12:00:00Z"
INFERENCE, TUNING = workspace_object(), tuned()
for _each in (INFERENCE, TUNING):
    _each["metadata"] = {**_each["metadata"], "creationTimestamp": BORN}
OWNER = parse_workspace(INFERENCE)
TARGETS = {each: target_of(obj) for each, obj in (("inference", INFERENCE), ("tuning", TUNING))}


def at(seconds: int) -> str:
    return f"2026-01-05T10:{seconds // 60:02}:{seconds % 60:02}Z"


def owned(kind: str, born: int, **more: Any) -> dict[Ref, Json]:
    references = [{"uid": UID, "controller": True}]
    metadata = {"name": "phi", "generation": 1, "creationTimestamp": at(born), "ownerReferences": references}
    return {(kind, "phi"): {"kind": kind, "metadata": metadata, "spec": {"replicas": 1}, **more}}


def server(ready: int) -> dict[Ref, Json]:
    status = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "readyReplicas": ready}
    return owned("Deployment", 300, status=status)


def pod(*, started: int = 0, ready: int = 0) -> Json:
    state = {"running": {"startedAt": at(started)}} if started else {"waiting": {"reason": "ContainerCreating"}}
    conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": at(ready)}] if ready else []
    containers = [{"name": "phi", "state": state}]
    return {"metadata": {"name": "phi-0"}, "status": {"conditions": conditions, "containerStatuses": containers}}


CLAIM = claim(OWNER, 0, creation_time=at(2))
INITIALIZED = Condition(MACHINE.initialized, "True", "Initialized", last_transition_time=at(290))
READY_CLAIM = replace(CLAIM, conditions={MACHINE.initialized: INITIALIZED, **claim(OWNER, 0, ready=True).conditions})
BARE_NODE = node("n", of=OWNER, made_for=0, created=at(200), allocatable={})
NODE = node("n", of=OWNER, made_for=0, created=at(200))
SERVICE = owned("Service", 1)

UP = pod(started=360, ready=540)

START = [
    Observed(),
    Observed(objects=SERVICE, claims=(CLAIM,)),
    Observed(objects=SERVICE, claims=(CLAIM,), nodes=(BARE_NODE,)),
    Observed(objects=SERVICE, claims=(READY_CLAIM,), nodes=(NODE,)),
    Observed(objects={**SERVICE, **server(0)}, claims=(READY_CLAIM,), nodes=(NODE,), pods=(pod(),)),
    Observed(objects={**SERVICE, **server(0)}, claims=(READY_CLAIM,), nodes=(NODE,), pods=(pod(started=360),)),
    Observed(objects={**SERVICE, **server(1)}, claims=(READY_CLAIM,), nodes=(NODE,), pods=(UP,)),
]  # fmt: skip
"""What is seen on the way from a manifest to a served model."""


def look(obj: Json, observed: Observed, *, now: str = LATER, blocked: bool = False) -> Json:
    """The Workspace with the timeline after one look."""
    owner = parse_workspace(obj)
    plan = make_plan(owner, TARGETS["tuning" if "tuning" in obj else "inference"], observed)
    said = conditions_for(owner, plan.demand, plan.nodes, plan.seen)
    before = {each.type: each for each in obj.get("said", [])}
    settled = merge_conditions(before, said, generation=1, now=now)
    phases = timeline(owner, obj, Sight(plan, blocked=blocked), settled, now=now)
    return {**obj, "said": settled, "status": {"phases": phases}}


def told(obj: Json) -> dict[str, tuple[str, str | None]]:
    return {each["name"]: (each["startTime"], each.get("endTime")) for each in obj["status"]["phases"]}


WHOLE = {
    "accepted": (at(0), at(1)),
    "planned": (at(1), at(2)),
    "claims-created": (at(2), at(2)),
    "nodes-registered": (at(2), at(200)),
    "gpus-advertised": (at(200), at(290)),
    "images-pulled": (at(290), at(360)),
    "weights-loading": (at(360), at(540)),
    "serving": (at(540), None),
}


def test_a_status_that_was_lost_is_told_again_from_the_objects_own_times() -> None:
    assert told(look(INFERENCE, START[-1])) == WHOLE


@pytest.mark.parametrize(
    ("seen", "open_"),
    list(
        zip(
            START,
            ["claims-created", "nodes-registered", "gpus-advertised", "images-pulled", "images-pulled",
             "weights-loading", "serving"],
            strict=True,
        )
    ),
)  # fmt: skip
def test_the_phase_that_is_under_way_is_the_last_and_has_no_end(seen: Observed, open_: str) -> None:
    found = told(look(INFERENCE, seen))
    assert [name for name, (_, end) in found.items() if end is None] == [open_]
    assert list(found)[-1] == open_


@given(st.lists(st.sampled_from(START), min_size=1, max_size=12))
def test_whatever_comes_and_goes_the_timeline_only_grows_and_never_runs_backwards(seen: list[Observed]) -> None:
    obj: Json = INFERENCE
    for minute, observed in enumerate(seen):
        before = told(obj) if "status" in obj else {}
        obj = look(obj, observed, now=f"2026-01-05T12:{minute:02}:00Z")
        after = told(obj)
        ended = {name: span for name, span in before.items() if span[1] and name != "serving"}
        assert ended.items() <= after.items(), "a phase that had ended was told otherwise"
        spans = [moment for span in after.values() for moment in span if moment]
        assert spans == sorted(spans), f"the timeline runs backwards: {after}"
        again = look(obj, observed, now="2026-01-05T13:00:00Z")
        assert told(again) == after, "a second look at the same things told another story"


def test_an_outage_ends_the_stretch_of_serving_and_a_new_one_begins_after_it() -> None:
    serving = look(INFERENCE, START[-1])
    down = look(serving, START[-2], now="2026-01-05T14:00:00Z")
    assert told(down)["serving"] == (at(540), "2026-01-05T14:00:00Z")
    up = look(down, START[-1], now="2026-01-05T15:00:00Z")
    assert told(up)["serving"] == ("2026-01-05T15:00:00Z", None)
    assert {**told(up), "serving": None} == {**WHOLE, "serving": None}


def test_a_node_replaced_later_does_not_rewrite_the_start() -> None:
    serving = look(INFERENCE, START[-1])
    younger = replace(NODE, name="m", created="2026-01-05T13:00:00Z")
    assert told(look(serving, replace(START[-1], nodes=(younger,)))) == WHOLE


def test_existing_nodes_need_no_claims_and_took_no_time() -> None:
    old = node("n", of=OWNER, created="2020-01-01T00:00:00Z")
    found = told(look(INFERENCE, Observed(objects={**SERVICE, **server(0)}, nodes=(old,))))
    assert "claims-created" not in found
    assert found["nodes-registered"] == found["gpus-advertised"] == (at(300), at(300))


def test_a_claim_made_after_the_start_adds_no_phase_to_it() -> None:
    old = node("n", of=OWNER, created="2020-01-01T00:00:00Z")
    running = replace(START[-1], claims=(), nodes=(old,))
    serving = look(INFERENCE, running)
    assert "claims-created" not in told(look(serving, replace(running, nodes=(), claims=(CLAIM,))))


def test_what_is_refused_stays_in_its_first_phase_and_forgets_nothing() -> None:
    refused = timeline(OWNER, INFERENCE, NOTHING_PLANNED, [], now=LATER)
    assert refused == [{"name": "accepted", "startTime": BORN}]
    half = look(INFERENCE, START[2])
    assert timeline(OWNER, half, NOTHING_PLANNED, [], now=LATER) == half["status"]["phases"]


def test_a_plan_that_cannot_be_carried_out_is_not_over() -> None:
    found = told(look(INFERENCE, Observed(objects=SERVICE), blocked=True))
    assert found["planned"] == (at(1), None)


def test_a_training_run_is_told_up_to_its_end() -> None:
    done = {"type": "Complete", "status": "True", "lastTransitionTime": at(900)}
    job = owned("Job", 300, status={"succeeded": 1, "conditions": [done]})
    wanted = make_plan(parse_workspace(TUNING), TARGETS["tuning"], Observed()).workload
    job["Job", "phi"]["metadata"]["annotations"] = wanted["metadata"]["annotations"]
    seen = Observed(objects=job, claims=(READY_CLAIM,), nodes=(NODE,), pods=(pod(started=360),))
    found = told(look(TUNING, seen))
    assert list(found)[-2:] == ["images-pulled", "training"]
    assert found["training"] == (at(360), at(900))


def test_a_moment_nobody_can_read_is_replaced_by_the_moment_of_the_look() -> None:
    odd = replace(CLAIM, creation_time="yesterday")
    found = told(look(INFERENCE, Observed(claims=(odd,))))
    assert found["claims-created"] == (LATER, LATER)


def test_every_phase_has_its_place_in_the_order() -> None:
    assert [*WHOLE, "training"] == [str(phase) for phase in Phase]
