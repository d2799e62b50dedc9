"""Which sizes, zones and ways of paying a claim allows, and in which order."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.json import Json
from provisioner.errors import Fault
from provisioner.offerings import Offering, Place, Terms, offerings_of
from provisioner.sizes import Size
from tests.unit.provisioner.builders import SIZES, claim

A100 = Size("Standard_NC24ads_A100_v4", "amd64", 24, 220 * 1024, "A100", "nvidia", "NVIDIA A100", "nvidia.com/gpu", 1)
FOUR = Size("Standard_NC96ads_A100_v4", "amd64", 96, 880 * 1024, "A100", "nvidia", "NVIDIA A100", "nvidia.com/gpu", 4)
ARM = "Standard_D4ps_v5"
KNOWN = {**SIZES, A100.name.lower(): A100, FOUR.name.lower(): FOUR}
TYPE, ZONE, PAID = "node.kubernetes.io/instance-type", "topology.kubernetes.io/zone", "karpenter.sh/capacity-type"


def need(key: str, operator: str, *values: str) -> Json:
    """One requirement."""
    return {"key": key, "operator": operator, "values": list(values)}


def found(*requirements: Json, location: str = "eastus", labels: dict[str, str] | None = None) -> Any:
    """The offerings of a claim with these requirements."""
    terms = Terms(Place(location), KNOWN, "Ubuntu", labels or {}, reservation=False)
    return offerings_of(claim(requirements=list(requirements)), terms)


def texts(*requirements: Json) -> list[str]:
    """The same in words."""
    offerings = found(*requirements)
    assert not isinstance(offerings, Fault), offerings
    return [offering.text for offering in offerings]


SIZES_IN_ORDER = need(TYPE, "In", FOUR.name, A100.name)


@pytest.mark.parametrize(
    ("requirements", "expected"),
    [
        ([], [FOUR.name, A100.name]),
        ([need("kubernetes.io/arch", "In", "amd64"), need("kubernetes.io/os", "In", "linux")], [FOUR.name, A100.name]),
        ([need("karpenter.azure.com/sku-gpu-count", "Lt", "4")], [A100.name]),
        ([need("karpenter.azure.com/sku-gpu-count", "Gte", "4")], [FOUR.name]),
        ([need("karpenter.azure.com/sku-name", "In", A100.name.upper())], [A100.name]),
        ([need("kaito.sh/machine-type", "In", "gpu")], [FOUR.name, A100.name]),
        ([need("topology.kubernetes.io/region", "In", "eastus")], [FOUR.name, A100.name]),
        ([need(PAID, "In", "on-demand")], [FOUR.name, A100.name]),
        ([need("kubernetes.azure.com/scalesetpriority", "DoesNotExist")], [FOUR.name, A100.name]),
    ],
)
def test_requirements_choose_among_the_sizes_in_the_users_order(requirements: list[Json], expected: list[str]) -> None:
    assert texts(SIZES_IN_ORDER, *requirements) == expected


def test_zones_change_fastest_then_the_way_of_paying_then_the_size() -> None:
    paid, zones = need(PAID, "In", "spot", "on-demand"), need(ZONE, "In", "eastus-3", "eastus-1")
    assert texts(SIZES_IN_ORDER, paid, zones) == [
        f"{size} ({zone}{paid})"
        for size in (FOUR.name, A100.name)
        for paid in (", spot", "")
        for zone in ("zone 3", "zone 1")
    ]


@pytest.mark.parametrize(
    ("requirement", "zones"),
    [
        (need(ZONE, "NotIn", "eastus-2"), ["", "1", "3"]),
        (need(ZONE, "Exists"), ["1", "2", "3"]),
        (need("failure-domain.beta.kubernetes.io/zone", "In", "eastus-2"), ["2"]),
        (need("karpenter.azure.com/placement-scope", "In", "zonal"), ["1", "2", "3"]),
        (need("karpenter.azure.com/placement-scope", "In", "regional"), [""]),
    ],
)
def test_zones_by_every_way_to_require_them(requirement: Json, zones: list[str]) -> None:
    assert [offering.zone for offering in found(need(TYPE, "In", A100.name), requirement)] == zones


@pytest.mark.parametrize(
    ("requirement", "words"),
    [
        (need("kubernetes.io/arch", "In", "arm64"), "offer amd64"),
        (need("kubernetes.io/os", "In", "windows"), "offer linux"),
        (need("topology.kubernetes.io/region", "In", "westus"), "offer eastus"),
        (need(ZONE, "In", "westus-1"), '"westus-1" is no zone like eastus-1'),
        (need(ZONE, "In", "1"), '"1" is no zone'),
        (need(PAID, "In", "reserved"), "offer on-demand, spot"),
        (need("karpenter.azure.com/sku-gpu-name", "In", "H100"), "offer NVIDIA-A100"),
        (need("karpenter.azure.com/sku-family", "In", "N"), "offer none"),
        (need("kubernetes.azure.com/fips_enabled", "In", "true"), "no agent pool can promise"),
        (need("node.kubernetes.io/windows-build", "Exists"), "no agent pool can promise"),
        (need("kubernetes.io/arch", "Near", "amd64"), "kubernetes.io/arch Near"),
    ],
)
def test_what_no_offering_meets_is_named(requirement: Json, words: str) -> None:
    fault = found(SIZES_IN_ORDER, requirement)
    assert isinstance(fault, Fault)
    assert words in fault.text


def test_zones_cannot_be_told_without_the_region() -> None:
    fault = found(SIZES_IN_ORDER, need(ZONE, "In", "eastus-1"), location="")
    assert isinstance(fault, Fault)
    assert "--azure-location" in fault.text


def test_the_name_of_an_unknown_size_tells_its_architecture() -> None:
    arch = need("kubernetes.io/arch", "In", "arm64")
    assert texts(need(TYPE, "In", ARM, "Standard_D4s_v5"), arch) == [ARM]


values = st.lists(st.sampled_from(["eastus-1", "eastus-2", "spot", "on-demand", "amd64", "4", "x"]), max_size=3)
keys = st.sampled_from([ZONE, PAID, "kubernetes.io/arch", "karpenter.azure.com/sku-gpu-count", "example.com/x"])
operators = st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "Gte", "Lte", ""])


@given(st.lists(st.builds(lambda k, o, v: need(k, o, *v), keys, operators, values), max_size=4))
def test_every_answer_is_a_refusal_with_words_or_offerings_without_doubles(requirements: list[Json]) -> None:
    answer = found(SIZES_IN_ORDER, *requirements)
    if isinstance(answer, Fault):
        assert "spec.requirements" in answer.text
    else:
        assert answer
        assert len(set(answer)) == len(answer)
        assert {offering.size for offering in answer} <= {FOUR.name, A100.name}


@given(st.lists(st.builds(lambda k, o, v: need(k, o, *v), keys, operators, values), max_size=4))
def test_one_more_requirement_never_allows_more(requirements: list[Json]) -> None:
    fewer, more = found(SIZES_IN_ORDER, *requirements[:-1]), found(SIZES_IN_ORDER, *requirements)
    if not isinstance(more, Fault) and not isinstance(fewer, Fault):
        assert {offering.size for offering in more} <= {offering.size for offering in fewer}


def test_an_offering_reads_well() -> None:
    assert Offering("A", "2", "spot").text == "A (zone 2, spot)"


@pytest.mark.parametrize(
    ("others", "least", "served"),
    [((), 2, True), ((need("karpenter.azure.com/sku-gpu-count", "Lt", "4"),), 2, False), ((), 3, False)],
    ids=["two to choose from", "one left by another requirement", "more than listed"],
)
def test_a_claim_gets_as_many_values_to_choose_from_as_it_wants_or_is_refused(
    others: tuple[Json, ...], least: int, *, served: bool
) -> None:
    chosen = found({**SIZES_IN_ORDER, "minValues": least}, *others)
    assert isinstance(chosen, Fault) is not served
    assert served or f"minValues {least} and only {2 - len(others)} to choose from" in chosen.text
