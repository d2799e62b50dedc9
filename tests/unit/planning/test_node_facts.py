"""What a node says about its GPUs, and what is made of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.catalog import Sku, load_catalog
from controller.planning.node_facts import NodeFacts, Unknown, node_facts, size_of

CATALOG = load_catalog()
PRODUCT, COUNT, MEMORY = "nvidia.com/gpu.product", "nvidia.com/gpu.count", "nvidia.com/gpu.memory"
TYPE = "node.kubernetes.io/instance-type"
A100 = {PRODUCT: "NVIDIA-A100-SXM4-80GB", COUNT: "8", MEMORY: "81920"}


def sku(labels: dict[str, str], capacity: dict[str, str] | None = None) -> Sku:
    found = size_of(NodeFacts("n", labels, capacity or {}), CATALOG)
    assert isinstance(found, Sku), f"{labels} should say enough: {found}"
    return found


def facts(found: Sku) -> tuple[Any, ...]:
    return found.name, found.gpu_count, found.gpu_memory_gib, found.gpu_memory_reported_mib, found.compute_capability


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (A100, ("NVIDIA-A100-SXM4-80GB", 8, 80, 81920, 8.0)),
        ({**A100, TYPE: "rack-4"}, ("rack-4", 8, 80, 81920, 8.0)),
        ({**A100, PRODUCT: "Tesla-T4", COUNT: "1", MEMORY: "15360"}, ("Tesla-T4", 1, 15, 15360, 7.5)),
        ({**A100, PRODUCT: "NVIDIA-H100-80GB-HBM3"}, ("NVIDIA-H100-80GB-HBM3", 8, 80, 81920, 9.0)),
        ({**A100, PRODUCT: "NVIDIA-X1", "nvidia.com/gpu.compute.major": "12", "nvidia.com/gpu.compute.minor": "1"},
         ("NVIDIA-X1", 8, 80, 81920, 12.1)),
        ({**A100, PRODUCT: "NVIDIA-Nobody-Knows"}, ("NVIDIA-Nobody-Knows", 8, 80, 81920, None)),
        ({TYPE: "Standard_NC6s_v3"}, ("Standard_NC6s_v3", 1, 16, 16160, 7.0)),
        ({TYPE: "standard_nc4as_t4_v3", PRODUCT: "Tesla-T4", COUNT: "1", MEMORY: "15360"},
         ("Standard_NC4as_T4_v3", 1, 16, 15360, 7.5)),
        ({TYPE: "g5.xlarge"}, ("g5.xlarge", 1, 24, None, 8.6)),
        ({TYPE: "Standard_NC6s_v3", PRODUCT: "x", COUNT: "none"}, ("Standard_NC6s_v3", 1, 16, 16160, 7.0)),
    ],
)  # fmt: skip
def test_labels_and_size(labels: dict[str, str], expected: tuple[Any, ...]) -> None:
    assert facts(sku(labels)) == expected


@pytest.mark.parametrize(("resource", "vendor"), [("nvidia.com/gpu", "nvidia"), ("amd.com/gpu", "amd")])
def test_the_device_plugin_alone_counts(resource: str, vendor: str) -> None:
    found = sku({}, {resource: "4"})
    assert (found.vendor, found.gpu_count, found.gpu_memory_gib, found.gpu_resource) == (vendor, 4, None, resource)


def test_the_cpu_of_the_node_is_its_own_label() -> None:
    assert sku({**A100, "kubernetes.io/arch": "arm64"}).arch == "arm64"


@pytest.mark.parametrize(
    ("labels", "capacity", "label", "text"),
    [
        ({}, {}, PRODUCT, f"its label {PRODUCT} is missing"),
        ({PRODUCT: "x", MEMORY: "1"}, {}, COUNT, f"its label {COUNT} is missing"),
        ({PRODUCT: "x", COUNT: "1"}, {}, MEMORY, f"its label {MEMORY} is missing"),
        ({PRODUCT: "x", COUNT: "0", MEMORY: "1"}, {}, COUNT, f'its label {COUNT} is "0"'),
        ({PRODUCT: "x", COUNT: "1", MEMORY: "-1"}, {}, MEMORY, f'its label {MEMORY} is "-1"'),
        # Half of the labels is a fault to be mended, not a node without feature discovery.
        ({PRODUCT: "x", COUNT: "1"}, {"nvidia.com/gpu": "1"}, MEMORY, f"its label {MEMORY} is missing"),
        ({TYPE: "Standard_D4s_v5"}, {"nvidia.com/gpu": "0"}, PRODUCT, f"its label {PRODUCT} is missing"),
    ],
)
def test_what_is_missing_is_named(labels: dict[str, str], capacity: dict[str, str], label: str, text: str) -> None:
    found = size_of(NodeFacts("n", labels, capacity), CATALOG)
    assert isinstance(found, Unknown)
    assert (found.label, found.text) == (label, text)


def test_facts_are_read_from_a_node() -> None:
    node = {
        "metadata": {"name": "n", "labels": {TYPE: "Standard_NC6s_v3"}},
        "status": {"capacity": {"nvidia.com/gpu": "1", "cpu": "6"}, "allocatable": {"nvidia.com/gpu": "0"}},
    }
    assert node_facts(node) == NodeFacts("n", {TYPE: "Standard_NC6s_v3"}, {"nvidia.com/gpu": "1"})


def test_a_node_without_capacity_is_read_by_what_it_can_allot() -> None:
    node = {"metadata": {"name": "n"}, "status": {"allocatable": {"nvidia.com/gpu": "2"}}}
    assert node_facts(node).capacity == {"nvidia.com/gpu": "2"}


VALUES = st.text(max_size=12) | st.integers().map(str) | st.sampled_from(["Tesla-T4", "Standard_NC6s_v3"])


@given(st.dictionaries(st.sampled_from([PRODUCT, COUNT, MEMORY, TYPE, "nvidia.com/gpu.compute.major"]), VALUES))
def test_any_labels_get_an_answer(labels: dict[str, str]) -> None:
    found = size_of(NodeFacts("n", labels), CATALOG)
    assert isinstance(found, Unknown) or found.gpu_count > 0
