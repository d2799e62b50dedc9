"""A share of calls is never exceeded, and never lost by asking too early."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.budget import Budget


@given(st.lists(st.floats(min_value=0, max_value=5), max_size=200))
def test_never_more_calls_than_burst_and_rate_allow(pauses: list[float]) -> None:
    budget, now, made = Budget(burst=5, rate=0.5), 0.0, 0
    for pause in pauses:
        now += pause
        made += budget.take(now) == 0
    assert made <= 5 + now * 0.5 + 1e-6


def test_whoever_comes_when_told_gets_a_call_however_many_came_too_early() -> None:
    budget = Budget(burst=1, rate=0.5)
    assert budget.take(0) == 0
    assert [budget.take(1.0) for _ in range(50)] == [pytest.approx(1.0)] * 50
    assert budget.take(2.0) == 0
