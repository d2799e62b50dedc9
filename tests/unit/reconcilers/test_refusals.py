from controller.api.reasons import Reason, needs_people
from controller.api.resources import SERVICES
from controller.reconcilers.refusals import name_taken, refused
from controller.runtime.errors import Forbidden, Unavailable


def test_a_refusal_states_object_answer_and_way_out() -> None:
    error = Forbidden("exceeded quota: none", status=403, reason="Forbidden", request="PATCH /api/v1/services/phi")
    text = refused(error, SERVICES, {"metadata": {"name": "phi"}}).text
    assert text.startswith('the API server refused Service "phi": 403 Forbidden: exceeded quota: none. Fix: ')
    assert text.endswith("(ObjectRefused)")


def test_without_an_object_the_request_is_named() -> None:
    assert "PATCH /api/v1/nodes/n" in refused(Forbidden("no", status=403, request="PATCH /api/v1/nodes/n")).text


def test_a_fault_is_no_refusal_and_nobody_has_to_act_for_the_next_attempt() -> None:
    error = Unavailable("failed calling webhook", status=500, reason="InternalError", request="PATCH /services/phi")
    problem = refused(error, SERVICES, {"metadata": {"name": "phi"}})
    assert problem.text.startswith('the API server could not take Service "phi": 500 InternalError: failed calling')
    assert (problem.reason, needs_people(problem.reason)) == (Reason.API_SERVER_FAULT, False)


def test_a_taken_name_is_told_with_its_namespace() -> None:
    assert name_taken("Service", "phi", "a").what == 'Service "phi" already exists in namespace "a"'
