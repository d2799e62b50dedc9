from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.planning.moments import created, past, read, remaining, written

NOW = datetime(2026, 1, 5, 10, 0, 0, tzinfo=UTC)


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis adds the zone
def test_what_is_written_is_read_again_to_the_second(moment: datetime) -> None:
    assert read(written(moment)) == moment.replace(microsecond=0)


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01T00:00:00Z", "10:00"])
def test_what_is_no_moment_is_none(text: str) -> None:
    assert read(text) is None
    assert remaining(text, 60, NOW) == 0, "an unreadable beginning must not make anybody wait"


def test_a_moment_without_a_zone_is_in_utc() -> None:
    assert read("2026-01-05T10:00:00") == NOW


@given(st.integers(min_value=-(10**6), max_value=10**6), st.floats(min_value=0, max_value=10**5))
def test_no_clock_makes_a_wait_longer_than_it_is(age: int, seconds: float) -> None:
    left = remaining(written(NOW - timedelta(seconds=age)), seconds, NOW)
    assert 0 <= left <= seconds
    assert left == max(0.0, seconds - max(0, age))


def test_a_wait_that_began_by_a_clock_ahead_of_ours_begins_now() -> None:
    assert past("2026-01-06T10:00:00Z", NOW) == written(NOW)
    assert past("2026-01-05T09:00:00Z", NOW) == "2026-01-05T09:00:00Z"
    assert past("", NOW) == ""
    assert past("soon", NOW) == "soon"


def test_an_object_that_is_not_stored_has_no_birth() -> None:
    assert created({}) == ""
    assert created({"metadata": {"creationTimestamp": "2026-01-05T10:00:00Z"}}) == "2026-01-05T10:00:00Z"
