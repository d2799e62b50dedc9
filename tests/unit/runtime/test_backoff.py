"""The delays between two attempts of a watch."""

from hypothesis import given
from hypothesis import strategies as st

from controller.runtime.backoff import Backoff


def test_delays_double_up_to_thirty_seconds_plus_jitter() -> None:
    backoff, now = Backoff(), 0.0
    for base in (0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0):
        delay = backoff.next(now)
        assert base <= delay <= 2 * base
        now += delay


def test_two_calm_minutes_forget_the_past() -> None:
    backoff, now = Backoff(), 0.0
    for _ in range(6):
        now += backoff.next(now)
    assert backoff.next(now + 119) > 1.6, "not calm for long enough"
    later = now + 119 + 60 + 120
    assert backoff.next(later) <= 1.6


@given(failures=st.integers(0, 3000))
def test_no_number_of_failures_is_too_many(failures: int) -> None:
    assert 30 <= Backoff(_failures=failures + 6, _calm_from=0.0).next(1.0) <= 60
