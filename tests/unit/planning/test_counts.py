"""The number of nodes, for defaults, admission and plan alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.workspace import parse_workspace
from controller.catalog import load_catalog
from controller.planning.counts import nodes_least, nodes_wanted
from controller.planning.sizing import SERVE
from tests.unit.planning.builders import workspace
from tests.unit.planning.manifests import example

CATALOG = load_catalog()
LLAMA = CATALOG.preset("llama-3.3-70b-instruct")
TWO_A100, V100 = CATALOG.sku("Standard_NC48ads_A100_v4"), CATALOG.sku("Standard_NC6s_v3")
BYPASS = {"name": "phi", "annotations": {"kaito.sh/bypass-resource-checks": "true"}}


@pytest.mark.parametrize(
    ("written", "wanted", "why"),
    [
        (None, 2, "nothing written: the need"),
        (1, 2, "too few: the need"),
        (2, 2, "enough"),
        (5, 5, "more than enough is honoured exactly"),
    ],
)
def test_the_need_or_more(written: int | None, wanted: int, why: str) -> None:
    given_ = workspace(resource={"count": written, "labelSelector": {}})
    assert nodes_wanted(given_, LLAMA, TWO_A100, SERVE) == wanted, why


def test_who_overrules_the_sums_gets_what_is_written() -> None:
    bold = workspace(metadata=BYPASS, resource={"count": 1, "labelSelector": {}})
    assert nodes_wanted(bold, LLAMA, TWO_A100, SERVE) == 1


def test_nobody_overrules_what_is_not_written() -> None:
    assert nodes_wanted(workspace(metadata=BYPASS, resource={}), LLAMA, TWO_A100, SERVE) == 2


def test_a_model_no_number_of_nodes_holds_gets_one() -> None:
    assert nodes_least(LLAMA, V100, SERVE) == 1


@given(st.none() | st.integers(-5, 2000), st.sampled_from([None, LLAMA]), st.sampled_from([None, V100, TWO_A100]))
def test_there_is_always_at_least_one(written: int | None, preset: object, sku: object) -> None:
    given_ = workspace(resource={"count": written, "labelSelector": {}})
    assert nodes_wanted(given_, preset, sku, SERVE) >= max(written or 1, 1)  # type: ignore[arg-type]


def test_no_number_of_slices_helps_a_model_that_is_too_large_for_one() -> None:
    sliced = parse_workspace(example(resource__partition={"mode": "mig", "profile": "1g.10gb"}))
    assert nodes_wanted(sliced, LLAMA, V100, SERVE) == 1
