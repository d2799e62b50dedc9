"""Back-off of failing keys: exponential per key, and a token bucket over all of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.runtime.limiter import RateLimiter, TokenBucket

times = st.lists(st.floats(0, 50), min_size=1, max_size=60).map(sorted)


def unlimited(base: float = 0.005, cap: float = 1000.0) -> RateLimiter[str]:
    """A limiter whose bucket never matters."""
    return RateLimiter(base=base, cap=cap, rate=1e9, burst=1_000_000)


def test_the_default_sequence_doubles_from_5_ms_to_1000_s() -> None:
    limiter = unlimited()
    delays = [limiter.delay("a", 0.0) for _ in range(20)]
    assert delays[:4] == pytest.approx([0.005, 0.01, 0.02, 0.04])
    assert delays[-1] == 1000.0, "the wait must stop at the cap"


@given(st.floats(0.001, 10), st.floats(1, 1000), st.integers(1, 200))
def test_delays_never_shrink_and_never_exceed_the_cap(base: float, factor: float, failures: int) -> None:
    cap = base * factor
    limiter = unlimited(base, cap)
    delays = [limiter.delay("a", 0.0) for _ in range(failures)]
    assert delays == sorted(delays)
    assert base <= delays[0] <= delays[-1] <= cap
    assert limiter.failures("a") == failures


def test_forgetting_starts_over_and_leaves_other_keys_alone() -> None:
    limiter = unlimited()
    for key in ("a", "a", "a", "b", "b"):
        limiter.delay(key, 0.0)
    limiter.forget("a")
    assert limiter.failures("a") == 0
    assert limiter.delay("a", 0.0) == pytest.approx(0.005)
    assert limiter.delay("b", 0.0) == pytest.approx(0.02)


@given(st.floats(0.1, 100), st.integers(1, 20), times)
def test_the_bucket_never_lets_more_through_than_burst_plus_rate(rate: float, burst: int, moments: list[float]) -> None:
    bucket = TokenBucket(rate, burst)
    due = sorted(now + bucket.reserve(now) for now in moments)
    for first, start in enumerate(due):
        for last in range(first, len(due)):
            allowed = burst + rate * (due[last] - start)
            assert last - first + 1 <= allowed + 1e-6 * (1 + allowed), f"{last - first + 1} retries, allowed {allowed}"


def test_a_burst_passes_at_once_and_the_next_one_waits_for_its_token() -> None:
    bucket = TokenBucket(rate=10, burst=3)
    assert [bucket.reserve(5.0) for _ in range(5)] == pytest.approx([0, 0, 0, 0.1, 0.2])
    assert bucket.reserve(100.0) == 0, "an idle bucket fills again"


def test_the_larger_of_both_rules_wins() -> None:
    limiter: RateLimiter[int] = RateLimiter(base=0.005, cap=1000, rate=10, burst=100)
    waits = [limiter.delay(key, 0.0) for key in range(200)]
    assert waits[99] == pytest.approx(0.005), "within the burst the key's own back-off counts"
    assert waits[199] == pytest.approx(10.0), "100 retries beyond the burst at 10 per second"


@pytest.mark.parametrize(("base", "cap"), [(0, 1), (2, 1), (-1, 5)])
def test_senseless_back_offs_are_refused(base: float, cap: float) -> None:
    with pytest.raises(ValueError, match="0 < base <= cap"):
        RateLimiter[str](base=base, cap=cap)


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (1, 0)])
def test_senseless_buckets_are_refused(rate: float, burst: int) -> None:
    with pytest.raises(ValueError, match="positive rate"):
        TokenBucket(rate, burst)


def test_what_is_taken_now_or_not_at_all_leaves_no_debt() -> None:
    bucket = TokenBucket(rate=10, burst=2)
    assert [bucket.take(5.0) for _ in range(50)] == [True, True, *([False] * 48)]
    assert bucket.take(5.2), "refusals made later ones wait"
