"""How soon a failed launch is repeated."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.errors import ErrorKind
from provisioner.policy import Policy, fault_delay

POLICY = Policy(retry_initial=30, retry_max=300)


@pytest.mark.parametrize(
    ("kind", "failures", "seconds"),
    [
        (ErrorKind.QUOTA, 1, 30),
        (ErrorKind.QUOTA, 2, 60),
        (ErrorKind.QUOTA, 4, 240),
        (ErrorKind.QUOTA, 9, 300),
        (ErrorKind.INVALID, 1, 120),
        (ErrorKind.PERMISSION, 1, 30),
    ],
)
def test_the_pause_doubles_with_every_failure(kind: ErrorKind, failures: int, seconds: float) -> None:
    assert POLICY.launch_delay(kind, failures) == seconds


@given(st.sampled_from(sorted(ErrorKind)), st.integers(min_value=0))
def test_no_pause_exceeds_the_maximum(kind: ErrorKind, failures: int) -> None:
    assert 0 < POLICY.launch_delay(kind, failures) <= POLICY.retry_max


@given(st.integers(min_value=0), st.none() | st.floats(min_value=0, max_value=1e6))
def test_the_clouds_wish_is_never_undercut(faults: int, retry_after: float | None) -> None:
    assert fault_delay(faults, retry_after) >= max(2.0, retry_after or 0.0)
