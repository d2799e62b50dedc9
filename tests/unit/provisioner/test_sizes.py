"""What is known of sizes, and what their names tell where nothing is."""

import pytest

from provisioner.sizes import catalogue_sizes, has_gpus, size_of


@pytest.mark.parametrize(
    ("name", "arch"),
    [
        ("Standard_D4ps_v5", "arm64"),
        ("Standard_D4s_v5", "amd64"),
        ("Standard_E16pds_v5", "arm64"),
        ("Standard_M8-2ms", "amd64"),
        ("standard_nc40ads_h100_v5", "amd64"),
        ("odd", ""),
    ],
)
def test_a_name_tells_the_architecture(name: str, arch: str) -> None:
    assert size_of({}, name).arch == arch


@pytest.mark.parametrize(
    ("name", "gpus"), [("Standard_NC6s_v3", True), ("Standard_NZ99_v9", True), ("Standard_D4s_v5", False)]
)
def test_gpus_are_known_from_the_catalogue_or_the_family(name: str, gpus: bool) -> None:
    assert has_gpus(catalogue_sizes(), name) is gpus


def test_the_catalogue_knows_what_a_node_of_a_size_shows() -> None:
    size = size_of(catalogue_sizes(), "STANDARD_NC24ADS_A100_V4")
    assert (size.name, size.arch, size.gpu_resource, size.gpu_count) == (
        "Standard_NC24ads_A100_v4",
        "amd64",
        "nvidia.com/gpu",
        1,
    )
    assert size.family
