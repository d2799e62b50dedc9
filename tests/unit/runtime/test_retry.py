"""Which request may be sent again after which failure."""

import pytest

from controller.api.json import Json
from controller.runtime import retry
from controller.runtime.errors import (
    BROKEN,
    LOST,
    TIMED_OUT,
    UNREACHABLE,
    ApiError,
    Conflict,
    Gone,
    Invalid,
    Throttled,
    Unauthorized,
    Unavailable,
)
from controller.runtime.retry import ALWAYS, NEVER, Repeat, covers, delay_before_repeat, seconds_of_attempt

NAMED: Json = {"metadata": {"name": "a"}}
VERSIONED: Json = {"metadata": {"name": "a", "resourceVersion": "7"}}
GENERATED: Json = {"metadata": {"generateName": "a-"}}


@pytest.mark.parametrize(
    ("what", "rule", "expected"),
    [
        ("apply or merge without a version", retry.for_patch(NAMED), ALWAYS),
        ("apply or merge that compares and sets", retry.for_patch(VERSIONED), NEVER),
        ("create with a fixed name", retry.for_create(NAMED, ""), ALWAYS),
        ("create with a name the server chooses", retry.for_create(GENERATED, ""), NEVER),
        ("an eviction", retry.for_create(NAMED, "eviction"), NEVER),
        ("delete of what we saw", retry.for_delete("uid"), ALWAYS),
        ("delete of whatever has the name", retry.for_delete(""), NEVER),
    ],
)
def test_the_kind_of_request_decides_what_it_tolerates(what: str, rule: Repeat, expected: Repeat) -> None:
    assert rule == expected, what


@pytest.mark.parametrize(
    ("error", "always", "never"),
    [
        (Unavailable(reason=UNREACHABLE), True, True),
        (Unavailable(reason=LOST), True, False),
        (Unavailable(reason=TIMED_OUT), True, False),
        (Unavailable(reason=BROKEN), True, False),
        (Unavailable(status=500), False, False),
        (Unavailable(status=502), False, False),
        (Throttled(status=429, retry_after=3.0), True, False),
        (Throttled(status=503, retry_after=3.0), True, False),
        (Throttled(status=429), False, False),
        (Conflict(status=409), False, False),
        (Gone(status=410), False, False),
        (Invalid(status=422), False, False),
    ],
)
def test_the_failure_decides_whether_it_is_used(error: ApiError, *, always: bool, never: bool) -> None:
    assert (delay_before_repeat(error, ALWAYS, 0, renewed=False) is not None) is always
    assert (delay_before_repeat(error, NEVER, 0, renewed=False) is not None) is never


def test_a_refused_token_is_worth_one_more_try_only_when_it_changed() -> None:
    error = Unauthorized(status=401)
    assert delay_before_repeat(error, NEVER, 0, renewed=True) == 0.0
    assert delay_before_repeat(error, ALWAYS, 0, renewed=False) is None


def test_the_servers_own_delay_is_kept() -> None:
    assert delay_before_repeat(Throttled(status=429, retry_after=3.5), ALWAYS, 4, renewed=False) == 3.5


@pytest.mark.parametrize("attempt", range(retry.ATTEMPTS - 1))
def test_a_server_that_asks_for_no_delay_gets_our_own(attempt: int) -> None:
    delay = delay_before_repeat(Throttled(status=429, retry_after=0.0), ALWAYS, attempt, renewed=False)
    assert delay is not None
    assert delay >= min(2.0, 0.1 * 2**attempt) / 2


@pytest.mark.parametrize("error", [Throttled(status=429, retry_after=0.0), Unavailable(reason=UNREACHABLE)])
def test_no_call_is_attempted_more_than_ten_times(error: ApiError) -> None:
    assert delay_before_repeat(error, ALWAYS, retry.ATTEMPTS - 2, renewed=False) is not None
    assert delay_before_repeat(error, ALWAYS, retry.ATTEMPTS - 1, renewed=False) is None


def test_an_attempt_leaves_time_for_another_where_there_may_be_one() -> None:
    assert seconds_of_attempt(10, 10, ALWAYS) == 6
    assert seconds_of_attempt(3, 10, ALWAYS) == 3
    assert seconds_of_attempt(10, 10, NEVER) == 10


@pytest.mark.parametrize("attempt", [0, 1, 5, 8])
def test_reconnecting_slows_down_to_two_seconds(attempt: int) -> None:
    delay = delay_before_repeat(Unavailable(reason=UNREACHABLE), NEVER, attempt, renewed=False)
    assert delay is not None
    longest = min(2.0, 0.1 * 2**attempt)
    assert longest / 2 <= delay <= longest


@pytest.mark.parametrize(
    ("error", "doubtful"),
    [
        (Unavailable(reason=UNREACHABLE), False),
        (Unavailable(reason=LOST), True),
        (Throttled(status=429, retry_after=1.0), False),
        (Throttled(status=504, retry_after=1.0), True),
        (Conflict(status=409), False),
    ],
)
def test_only_an_attempt_that_reached_the_server_is_doubtful(error: ApiError, *, doubtful: bool) -> None:
    assert retry.maybe_executed(error) is doubtful


@pytest.mark.parametrize(
    ("found", "wanted", "same"),
    [
        ({"a": 1, "uid": "x"}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({}, {"a": 1}, False),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1}}, True),
        ({"a": [{"n": 1, "default": True}]}, {"a": [{"n": 1}]}, True),
        ({"a": [{"n": 1}, {"n": 2}]}, {"a": [{"n": 1}]}, False),
        ({"a": "text"}, {"a": {"b": 1}}, False),
        ({"a": "text"}, {"a": ["text"]}, False),
    ],
)
def test_our_own_object_is_known_by_what_we_stated(found: Json, wanted: Json, *, same: bool) -> None:
    assert covers(found, wanted) is same
