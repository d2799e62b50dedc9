"""What is written and told, and above all when nothing is."""

from typing import Any

import pytest

from controller.api.json import Json
from controller.api.reasons import Reason
from provisioner.errors import ErrorKind, Fault
from provisioner.lifecycle import decide
from provisioner.nodes import Node
from provisioner.status import events_for, new_status, phases_over
from provisioner.steps import Observed
from provisioner.times import rfc3339
from tests.unit.provisioner.builders import NODE, PROVIDER_ID, at, machine, node, node_claim, pool, seen


def after_writing(view: Observed) -> tuple[Observed, Json | None]:
    """The view once its status was written, and that status."""
    status = new_status(view, decide(view).conditions)
    stored = {**view.stored, "status": status or view.stored["status"]}
    return seen(stored, pool=view.pool, nodes=view.nodes), status


def ready_view() -> Observed:
    """A claim whose node has just become complete."""
    return seen(machine(done=["Launched", "Registered"]), pool=pool(), nodes=[node()])


def test_a_finished_claim_carries_identity_and_resources_of_its_node() -> None:
    _, status = after_writing(ready_view())
    assert status is not None
    assert (status["nodeName"], status["providerID"]) == (NODE, PROVIDER_ID)
    assert status["allocatable"]["nvidia.com/gpu"] == "1"
    assert {entry["type"]: entry["status"] for entry in status["conditions"]} == {
        "MachineLaunched": "True",
        "MachineRegistered": "True",
        "MachineInitialized": "True",
        "Ready": "True",
    }


@pytest.mark.parametrize(
    ("nodes", "told"),
    [
        ([], {}),
        ([node(registered=False, gpus=0)], {"providerID": PROVIDER_ID, "nodeName": NODE}),
    ],
    ids=["launched", "registered"],
)
def test_identity_comes_with_the_node_and_resources_once_it_is_complete(nodes: list[Node], told: Json) -> None:
    """Azure's agent pools do not tell the ids of their instances."""
    _, status = after_writing(seen(node_claim(), pool=pool(), nodes=nodes))
    assert status is not None
    assert next(entry["status"] for entry in status["conditions"] if entry["type"] == "Launched") == "True"
    assert {key: status[key] for key in ("providerID", "nodeName", "capacity") if key in status} == told


def test_what_is_written_once_is_not_written_again() -> None:
    view, _ = after_writing(ready_view())
    assert new_status(view, decide(view).conditions) is None


def test_later_changes_of_the_nodes_resources_cause_no_write() -> None:
    view, _ = after_writing(ready_view())
    changed = seen(view.stored, pool=view.pool, nodes=[node(gpus=0)], after=500)
    assert new_status(changed, decide(changed).conditions) is None


def test_a_new_generation_is_observed() -> None:
    view, _ = after_writing(ready_view())
    stored = {**view.stored, "metadata": {**view.stored["metadata"], "generation": 2}}
    changed = seen(stored, pool=view.pool, nodes=view.nodes)
    status = new_status(changed, decide(changed).conditions)
    assert status is not None
    assert {entry["observedGeneration"] for entry in status["conditions"]} == {2}


def told(view: Observed) -> list[tuple[str, str]]:
    """Type and reason of the events a decision brings."""
    return [(event.type, event.reason) for event in events_for(dict(view.claim.conditions), decide(view).conditions)]


def test_events_tell_of_changes_and_not_of_phases_that_only_wait() -> None:
    assert told(seen(machine())) == [("Normal", Reason.AGENT_POOL_CREATING)]
    assert told(seen(machine(), pool=pool("Failed"))) == [("Warning", Reason.LAUNCH_FAILED)]
    view, _ = after_writing(ready_view())
    assert told(view) == []


def test_every_event_has_words() -> None:
    view = ready_view()
    events: list[Any] = events_for({}, decide(view).conditions)
    assert len(events) == 4
    assert all(event.note for event in events)


def test_a_node_claim_counts_as_unknown_since_its_creation_and_names_its_image() -> None:
    stored = node_claim(done=["Launched"])
    _, status = after_writing(seen(stored, pool=pool(image="AKSUbuntu-2204"), after=100))
    assert status is not None
    moments = {entry["type"]: entry["lastTransitionTime"] for entry in status["conditions"]}
    assert (moments["Initialized"], moments["Ready"]) == (rfc3339(at(0)), rfc3339(at(100)))
    assert status["imageID"] == "AKSUbuntu-2204"


def test_a_machine_has_no_field_for_an_image() -> None:
    _, status = after_writing(seen(machine(done=["Launched"]), pool=pool(image="AKSUbuntu-2204")))
    assert status is not None
    assert "imageID" not in status


def test_trouble_of_a_node_claim_is_a_warning_although_its_condition_is_only_unknown() -> None:
    view = seen(node_claim(), pool=pool("Failed", fault=Fault(ErrorKind.QUOTA)))
    told = events_for({}, decide(view).conditions)
    assert [(each.type, each.reason) for each in told] == [("Warning", Reason.QUOTA_EXCEEDED)]


@pytest.mark.parametrize(
    ("done", "took"),
    [
        ((), {}),
        (("Launched",), {"registration": 300.0, "initialization": 0.0}),
        (("Launched", "Registered"), {"initialization": 300.0}),
        (("Launched", "Registered", "Initialized"), {}),
    ],
    ids=["still launching", "node came complete", "node became complete", "over long ago"],
)
def test_every_phase_is_timed_once_when_it_ends(done: tuple[str, ...], took: dict[str, float]) -> None:
    nodes = [node()] if done else []
    view = seen(machine(done=done), pool=pool("Succeeded" if done else "Creating"), nodes=nodes, after=300)
    assert phases_over(view.claim, decide(view).conditions, view.now) == took
