"""Every answer of the API server becomes one type that callers can decide upon."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.runtime import errors
from controller.runtime.errors import ApiError, Cause, from_response, from_status, is_expired, is_final


def status(reason: str = "", message: str = "", **details: Any) -> bytes:
    return json.dumps({"kind": "Status", "reason": reason, "message": message, "details": details}).encode()


@pytest.mark.parametrize(
    ("code", "reason", "headers", "expected"),
    [
        (400, "BadRequest", {}, ApiError),
        (401, "Unauthorized", {}, errors.Unauthorized),
        (403, "Forbidden", {}, errors.Forbidden),
        (404, "NotFound", {}, errors.NotFound),
        (409, "AlreadyExists", {}, errors.AlreadyExists),
        (409, "Conflict", {}, errors.Conflict),
        (410, "Expired", {}, errors.Gone),
        (410, "Gone", {}, errors.Gone),
        (413, "RequestEntityTooLarge", {}, ApiError),
        (415, "UnsupportedMediaType", {}, ApiError),
        (422, "Invalid", {}, errors.Invalid),
        (429, "TooManyRequests", {}, errors.Throttled),
        (429, "TooManyRequests", {"Retry-After": "2"}, errors.Throttled),
        (500, "InternalError", {}, errors.Unavailable),
        (500, "InternalError", {"Retry-After": "2"}, errors.Unavailable),
        (502, "", {}, errors.Unavailable),
        (503, "ServiceUnavailable", {}, errors.Unavailable),
        (503, "ServiceUnavailable", {"Retry-After": "1"}, errors.Throttled),
        (504, "Timeout", {}, errors.Unavailable),
        (504, "Timeout", {"Retry-After": "1"}, errors.Throttled),
    ],
)
def test_status_and_reason_choose_the_type(
    code: int, reason: str, headers: Mapping[str, str], expected: type[ApiError]
) -> None:
    error = from_response(code, headers, status(reason))
    assert type(error) is expected
    assert (error.status, error.reason) == (code, reason)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT", "Date": "Sun, 06 Nov 1994 08:49:07 GMT"}, 30.0),
        ({"Retry-After": "Sun, 06 Nov 1994 08:49:07 GMT", "Date": "Sun, 06 Nov 1994 08:49:37 GMT"}, 0.0),
        ({"Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT"}, None),
    ],
)
def test_retry_after_is_a_number_or_a_date(headers: Mapping[str, str], seconds: float | None) -> None:
    assert from_response(429, headers, status()).retry_after == seconds


def test_the_body_says_when_to_come_back_if_the_header_does_not() -> None:
    body = status("Timeout", retryAfterSeconds=4)
    assert from_response(504, {}, body).retry_after == 4
    assert from_response(504, {"Retry-After": "9"}, body).retry_after == 9.0


def test_the_servers_causes_are_kept() -> None:
    causes = [{"reason": "FieldValueInvalid", "message": "too small", "field": "spec.count"}, {"message": "odd"}]
    error = from_response(422, {}, status("Invalid", "no", causes=causes))
    assert error.causes == (Cause("FieldValueInvalid", "too small", "spec.count"), Cause("", "odd", ""))


def test_a_proxys_page_is_unavailable_and_quoted_briefly() -> None:
    page = b"<html>\n<body>\n  <h1>502 Bad Gateway</h1>" + b"x" * 5000
    error = from_response(502, {}, page, request="GET /api/v1/pods")
    assert isinstance(error, errors.Unavailable)
    assert "502 Bad Gateway" in str(error)
    assert len(str(error)) < 300, "a page must not flood the log"


def test_an_error_reads_as_request_answer_words() -> None:
    error = from_response(404, {}, status("NotFound", 'nodes "a" not found'), request="GET /api/v1/nodes/a")
    assert str(error) == 'GET /api/v1/nodes/a: 404 NotFound: nodes "a" not found'
    assert str(ApiError("refused", reason=errors.UNREACHABLE)) == "ConnectionFailed: refused"


@pytest.mark.parametrize(
    ("body", "expired"),
    [
        ({"code": 410, "reason": "Expired"}, True),
        ({"code": 504, "details": {"causes": [{"reason": "ResourceVersionTooLarge"}]}}, True),
        ({"code": 504, "details": {"retryAfterSeconds": 1, "causes": [{"reason": "ResourceVersionTooLarge"}]}}, True),
        ({"code": 500, "reason": "InternalError"}, False),
        ({"code": 429}, False),
    ],
)
def test_only_a_new_list_cures_an_expired_version(body: dict[str, Any], *, expired: bool) -> None:
    assert is_expired(from_status(body)) is expired


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
near_status = st.fixed_dictionaries(
    {},
    optional={"kind": st.just("Status") | json_values} | dict.fromkeys(("reason", "message", "details"), json_values),
)


@given(
    code=st.integers(300, 599),
    body=st.binary(max_size=40) | near_status.map(lambda value: json.dumps(value).encode()),
    wait=st.text(max_size=8),
)
def test_no_reply_can_make_the_mapping_fail(code: int, body: bytes, wait: str) -> None:
    error = from_response(code, {"Retry-After": wait}, body)
    assert error.status == code
    assert str(error).startswith(str(code))


@pytest.mark.parametrize(
    ("code", "reason", "final"),
    [
        (400, "", True),
        (403, "Forbidden", True),
        (413, "RequestEntityTooLarge", True),
        (422, "Invalid", True),
        (401, "Unauthorized", False),
        (404, "NotFound", False),
        (408, "Timeout", False),
        (409, "AlreadyExists", False),
        (409, "Conflict", False),
        (410, "Expired", False),
        (429, "TooManyRequests", False),
        (500, "InternalError", False),
        (503, "ServiceUnavailable", False),
    ],
)
def test_only_what_somebody_must_change_is_final(code: int, reason: str, final: bool) -> None:
    assert is_final(from_response(code, {}, status(reason))) is final


def test_a_request_without_an_answer_is_not_refused() -> None:
    assert not is_final(ApiError("no connection"))
