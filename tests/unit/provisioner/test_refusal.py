"""What the API server refuses stands on the claim, in the phase that cannot go on."""

from dataclasses import replace

import pytest

from controller.api.reasons import Reason
from controller.runtime.errors import ApiError, Forbidden, Invalid
from provisioner.lifecycle import decide
from provisioner.metrics import REFUSABLE
from provisioner.refusal import refusal_of, refused
from provisioner.steps import Action, DeleteClaim, DrainNode, Observed, PatchClaim, PatchNode
from tests.unit.provisioner.builders import NODE, at, machine, node, pool, seen

ALL = ["Launched", "Registered", "Initialized"]
DENIED = Forbidden('nodes "n" is forbidden: denied by policy', status=403, reason="Forbidden")


def shown(view: Observed, error: ApiError = DENIED) -> tuple[dict[str, str], str]:
    """Status and reason by condition type, and the root's message, when the view's next action is refused."""
    step = decide(view)
    assert step.action is not None
    told = refused(view, step, refusal_of(step.action, error), 4.0)
    assert (told.action, told.requeue_after) == (None, 4.0)
    reasons = {found.type: f"{found.status} {found.reason}" for found in told.conditions}
    return reasons, told.conditions[-1].message


def test_a_refused_finalizer_fails_the_launch() -> None:
    conditions, text = shown(seen(machine(finalizers=[])))
    message = text.partition("\n")[0]
    assert conditions["MachineLaunched"] == conditions["Ready"] == "False ObjectRefused"
    assert message.startswith("MachineLaunched: The claim cannot be changed: nodes")
    assert "denied by policy" in message
    assert "Fix: " in message
    assert message.endswith("(ObjectRefused)")


def test_the_words_of_a_policy_come_before_its_name() -> None:
    why = f"ValidatingAdmissionPolicy '{'p' * 200}' with binding 'b' denied request: nodes stay as they are"
    first, _, second = shown(seen(machine(finalizers=[])), Invalid(why, status=422))[1].partition("\n")
    assert "nodes stay as they are" in first
    assert second == why


def test_a_refused_mark_on_the_node_fails_the_registration_and_nothing_before_it() -> None:
    view = seen(machine(), pool=pool(), nodes=[node(registered=False, initialized=False)])
    conditions, message = shown(view)
    assert conditions["MachineLaunched"] == f"True {Reason.LAUNCHED}"
    assert conditions["MachineRegistered"] == conditions["Ready"] == f"False {Reason.OBJECT_REFUSED}"
    assert conditions["MachineInitialized"].startswith("Unknown")
    assert NODE in message


def test_a_refused_label_does_not_unmake_a_ready_claim() -> None:
    view = seen(machine(done=ALL, node_name=NODE), pool=pool(), nodes=[node()])
    step = decide(view)
    assert isinstance(step.action, PatchClaim)
    assert shown(view)[0]["Ready"].startswith("True")


def test_a_claim_that_is_lost_and_cannot_be_deleted_is_not_ready() -> None:
    view = seen(machine(done=ALL, node_name=NODE), nodes=[], confirmed_gone=True)
    assert isinstance(decide(view).action, DeleteClaim)
    assert shown(view)[0]["Ready"] == "False ObjectRefused"


def test_a_refusal_during_the_deletion_is_shown_at_the_root() -> None:
    view = seen(machine(done=ALL, deleted_at=0), pool=pool(), nodes=[node()])
    assert shown(view)[0]["Ready"] == "False ObjectRefused"


@pytest.mark.parametrize(
    ("action", "what", "object_"),
    [
        (PatchNode("n", {"metadata": {}}), "Node n cannot be changed", "node"),
        (DrainNode("n", at(0)), "Pods and volumes of node n cannot be read", "pods"),
        (PatchClaim({}), "The claim cannot be changed", "claim"),
        (PatchClaim({}, dispensable=True), "A note on the claim cannot be written, which holds nothing up", "claim"),
    ],
)
def test_a_refusal_says_what_was_not_done(action: Action, what: str, object_: str) -> None:
    told = refusal_of(action, DENIED)
    assert (told.what, told.object) == (what, object_)
    assert object_ in REFUSABLE


@pytest.mark.parametrize("action", [PatchNode("n", {"metadata": {}}), PatchClaim({})])
def test_a_refusal_without_words_has_its_code_at_least(action: Action) -> None:
    assert refusal_of(action, ApiError("", status=418)) == replace(refusal_of(action, DENIED), why="418")
