"""AdmissionReview in and out: what is answered, what is refused as no review at all."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.messages import Problem
from controller.api.reasons import Reason
from tests.unit.planning.manifests import ANY_JSON, example
from tests.unit.webhook.reviews import encoded, patch_of, response_of, review
from webhook.review import MalformedReviewError, Verdict, parse_review, render_answer

VALID = encoded(review(example()))

MALFORMED: list[tuple[str, bytes, str]] = [
    ("nothing", b"", "not JSON"),
    ("no JSON", b"{", "not JSON"),
    ("not UTF-8", b'{"a": "\xff"}', "not UTF-8: byte 7"),
    ("UTF-16", '{"a": 1}'.encode("utf-16"), "not UTF-8"),
    ("a list", b"[]", "not a JSON object"),
    ("NaN", b'{"a": NaN}', "NaN is not JSON"),
    ("nested 100,000 deep", b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
    ("a number of 5,000 digits", b'{"a": ' + b"1" * 5000 + b"}", "not JSON"),
    ("a key given twice", VALID.replace(b'"dryRun": false', b'"uid": "other"'), 'key "uid" is given twice'),
    ("a key given twice deep inside", VALID.replace(b'"apps": "phi-3"', b'"apps": "a", "apps": "b"'), '"apps"'),
    ("an old version", VALID.replace(b"admission.k8s.io/v1", b"admission.k8s.io/v1beta1"), "v1beta1"),
    ("another kind", VALID.replace(b'"AdmissionReview"', b'"Pod"'), '"Pod"'),
    ("no request", encoded({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}), "no request"),
    ("no uid", encoded(review(example(), uid=None)), "no request with a uid"),
    ("a uid of 129 characters", encoded(review(example(), uid="u" * 129)), "129 characters"),
    ("a uid that is no text", encoded(review(example(), uid=7)), "no request with a uid"),
]


@pytest.mark.parametrize(("title", "body", "says"), MALFORMED, ids=[row[0] for row in MALFORMED])
def test_malformed(title: str, body: bytes, says: str) -> None:
    with pytest.raises(MalformedReviewError) as refused:
        parse_review(body)
    assert says in str(refused.value), title
    assert len(str(refused.value)) < 300, "a stranger's body must not fill our answer"


def test_a_review_is_read() -> None:
    found = parse_review(encoded(review(example(), example(), operation="UPDATE", subResource="status")))
    assert (found.operation, found.group, found.kind, found.subresource) == (
        "UPDATE",
        "kaito.sh",
        "Workspace",
        "status",
    )
    assert found.obj == found.old == example()


def test_an_answer_repeats_no_more_of_a_name_than_kubernetes_allows() -> None:
    assert len(parse_review(encoded(review(example(), name="n" * 5000))).name) == 253


@pytest.mark.parametrize("name", [None, ""])
def test_a_review_without_a_name_takes_that_of_the_object(name: str | None) -> None:
    assert parse_review(encoded(review(example(), name=name))).name == "workspace-phi-3-mini"


@pytest.mark.parametrize("field", ["kind", "operation", "name", "subResource"])
@given(value=ANY_JSON)
def test_fields_of_the_wrong_type_count_as_absent(field: str, value: Any) -> None:
    found = parse_review(encoded(review(example(), **{field: value})))
    assert isinstance(found.operation + found.group + found.kind + found.subresource + found.name, str)


@given(st.binary(max_size=200))
def test_any_bytes_are_malformed_or_a_review(body: bytes) -> None:
    with pytest.raises(MalformedReviewError):
        parse_review(body)


@given(st.integers(0, len(VALID) - 1), st.integers(0, 255))
def test_a_damaged_review_is_malformed_or_still_a_review(position: int, byte: int) -> None:
    body = VALID[:position] + bytes([byte]) + VALID[position + 1 :]
    try:
        found = parse_review(body)
    except MalformedReviewError:
        return
    json.loads(render_answer(found, Verdict()))


PROBLEM = Problem(Reason.COUNT_INVALID, "resource.count", "resource.count is 0", "1 to 1000", ("set it to 1",))
OTHER = Problem(Reason.EXACTLY_ONE_OF, "inference", "neither inference nor tuning is set", "1 of 2", ("set one",))


def test_allowed_without_a_patch() -> None:
    assert response_of(render_answer(parse_review(VALID), Verdict())) == {
        "uid": parse_review(VALID).uid,
        "allowed": True,
    }


def test_allowed_with_a_patch_and_warnings() -> None:
    operation = {"op": "add", "path": "/resource/count", "value": 1}
    response = response_of(render_answer(parse_review(VALID), Verdict(warnings=("w",), operations=(operation,))))
    assert (response["allowed"], response["warnings"]) == (True, ["w"])
    assert patch_of(response) == [operation]


def test_refused_with_all_problems_together_and_no_patch() -> None:
    verdict = Verdict((PROBLEM, OTHER), ("w",), ({"op": "add", "path": "/x", "value": 1},))
    response = response_of(render_answer(parse_review(VALID), verdict))
    status = response["status"]
    assert (response["allowed"], "patch" in response, response["warnings"]) == (False, False, ["w"])
    assert (status["code"], status["reason"], status["status"]) == (422, "Invalid", "Failure")
    assert status["message"] == f"{PROBLEM.text}; {OTHER.text}"
    details = status["details"]
    assert (details["name"], details["kind"], details["group"]) == ("workspace-phi-3-mini", "Workspace", "kaito.sh")
    # kubectl prints "field: message", so the field does not stand twice.
    assert details["causes"] == [
        {
            "reason": "CountInvalid",
            "field": "resource.count",
            "message": "is 0: 1 to 1000. Fix: set it to 1 (CountInvalid)",
        },
        {"reason": "ExactlyOneOf", "field": "inference", "message": OTHER.text},
    ]


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("inference.config: ConfigMap x has no key", "ConfigMap x has no key (ConfigInvalid)"),
        ("inference.config is 3", "is 3 (ConfigInvalid)"),
        ("inference.configs differ", "inference.configs differ (ConfigInvalid)"),
    ],
)
def test_a_cause_does_not_begin_with_its_field_once_more(what: str, told: str) -> None:
    verdict = Verdict((Problem(Reason.CONFIG_INVALID, "inference.config", what),))
    (cause,) = response_of(render_answer(parse_review(VALID), verdict))["status"]["details"]["causes"]
    assert cause["message"] == told


def test_a_review_that_lacks_its_object_is_refused_as_a_bad_request() -> None:
    response = response_of(render_answer(parse_review(VALID), Verdict(unreadable="no object")))
    assert response["allowed"] is False
    assert (response["status"]["code"], response["status"]["message"]) == (400, "no object")
