import contextlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.quantity import ceil_gib, count_of, parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1Gi", 2**30),
        ("87Gi", 87 * 2**30),
        ("500m", Fraction(1, 2)),
        ("1e3", 1000),
        ("1.5k", 1500),
        (".5", 0.5),
    ],
)
def test_quantities_have_exact_values(text: str, value: Fraction) -> None:
    assert parse_quantity(text) == value


@pytest.mark.parametrize("text", ["", "Gi", "1gi", "one", "1 Gi", "--1", "1e", "NaN", "0x10"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        parse_quantity(text)


@pytest.mark.parametrize(("text", "gib"), [("100G", 94), ("100Gi", 100), ("1", 1), ("0", 0), ("1025Mi", 2)])
def test_disk_requests_are_rounded_up(text: str, gib: int) -> None:
    assert ceil_gib(text) == gib


@given(st.text(max_size=20))
def test_parsing_raises_nothing_but_its_own_refusal(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(parse_quantity(text), Fraction)


def test_an_absent_resource_counts_as_none() -> None:
    assert count_of({}, "nvidia.com/gpu") == 0
    assert count_of({"nvidia.com/gpu": "8"}, "nvidia.com/gpu") == 8
