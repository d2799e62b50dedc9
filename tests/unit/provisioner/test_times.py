"""Moments as stored."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.times import in_words, label_time, parse_time, rfc3339, seconds_since


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_moment_survives_both_of_its_forms(moment: datetime) -> None:
    whole = moment.replace(microsecond=0)
    assert parse_time(rfc3339(moment)) == whole
    assert parse_time(label_time(rfc3339(moment))) == whole


@given(st.text(max_size=30))
def test_other_texts_are_no_moment_and_no_error(text: str) -> None:
    assert seconds_since(text, datetime(2026, 1, 1, tzinfo=UTC)) >= 0


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "9999-12-31T23:59:59Z"])
def test_a_moment_with_which_nothing_can_be_reckoned_is_none(text: str) -> None:
    assert parse_time(text) is None


@pytest.mark.parametrize(("seconds", "words"), [(45, "45 s"), (720, "12 min"), (10800, "3 h")])
def test_durations_are_told_in_round_units(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
