"""How soon a failed launch is repeated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.errors import ErrorKind
from provisioner.policy import Policy, fault_delay

POLICY = Policy(retry_initial=30, retry_max=300)


@pytest.mark.parametrize(
    ("kind", "attempts", "sizes", "seconds"),
    [
        (ErrorKind.QUOTA, 1, 1, 30),
        (ErrorKind.QUOTA, 2, 1, 60),
        (ErrorKind.QUOTA, 4, 1, 240),
        (ErrorKind.QUOTA, 9, 1, 300),
        (ErrorKind.CAPACITY, 1, 3, 0),
        (ErrorKind.CAPACITY, 2, 3, 0),
        (ErrorKind.CAPACITY, 3, 3, 30),
        (ErrorKind.CAPACITY, 6, 3, 60),
        (ErrorKind.INVALID, 1, 1, 120),
        (ErrorKind.INVALID, 1, 3, 120),
        (ErrorKind.PERMISSION, 1, 3, 30),
    ],
)
def test_the_pause_doubles_per_round_over_the_allowed_sizes(
    kind: ErrorKind, attempts: int, sizes: int, seconds: float
) -> None:
    assert POLICY.launch_delay(kind, attempts, sizes) == seconds


@given(st.sampled_from(sorted(ErrorKind)), st.integers(min_value=1), st.integers(min_value=0, max_value=50))
def test_no_pause_exceeds_the_maximum(kind: ErrorKind, attempts: int, sizes: int) -> None:
    assert 0 <= POLICY.launch_delay(kind, attempts, sizes) <= POLICY.retry_max


@given(st.integers(min_value=0), st.none() | st.floats(min_value=0, max_value=1e6))
def test_the_clouds_wish_is_never_undercut(faults: int, retry_after: float | None) -> None:
    assert fault_delay(faults, retry_after) >= max(2.0, retry_after or 0.0)
