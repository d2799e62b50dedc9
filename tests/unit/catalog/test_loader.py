"""The loader: names in any letter case, nothing twice, nothing that can be changed afterwards, nothing read in vain."""

import copy
import dataclasses
import subprocess
import sys
from typing import Any

import pytest

from controller.api.labels import AMD_GPU, NVIDIA_GPU
from controller.catalog import Cloud, build_catalog, load_catalog
from controller.catalog.loader import PRESETS_FILE, SKU_FILES, read_data

AZURE = SKU_FILES[Cloud.AZURE]


@pytest.mark.parametrize("name", ["Standard_NC6s_v3", "standard_nc6S_V3", " Standard_NC6s_v3 "])
def test_a_size_is_found_in_any_letter_case_and_knows_its_own_spelling(name: str) -> None:
    sku = load_catalog().sku(name)
    assert sku is not None
    assert sku.name == "Standard_NC6s_v3"


@pytest.mark.parametrize(
    "name", ["phi-3-mini-4k-instruct", "PHI-3-mini-4k-INSTRUCT", "microsoft/phi-3-mini-4k-instruct"]
)
def test_a_preset_is_found_by_name_and_alias(name: str) -> None:
    preset = load_catalog().preset(name)
    assert preset is not None
    assert preset.name == "phi-3-mini-4k-instruct"


@pytest.mark.parametrize("name", ["", "gpt-2", "Standard_D4s_v5"])
def test_what_is_not_there_is_none(name: str) -> None:
    assert load_catalog().preset(name) is None
    assert load_catalog().sku(name) is None


def test_each_preset_is_listed_once() -> None:
    names = load_catalog().preset_names
    assert len(names) == len(set(names)) == 73
    assert {preset.name for preset in load_catalog().presets.values()} == set(names)


def test_a_value_cannot_be_changed() -> None:
    catalog = load_catalog()
    sku, preset = catalog.sku("Standard_NC6s_v3"), catalog.preset("phi-4")
    assert sku is not None
    assert preset is not None
    with pytest.raises(dataclasses.FrozenInstanceError):
        sku.vcpu = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        catalog.skus["x"] = sku  # type: ignore[index]
    for spec in preset.runtimes.values():
        with pytest.raises(TypeError):
            spec.run_params["x"] = "y"  # type: ignore[index]
        with pytest.raises(TypeError):
            spec.env["x"] = "y"  # type: ignore[index]


def broken(change: dict[str, Any]) -> Any:
    data = copy.deepcopy(read_data(AZURE))
    data["skus"][0] |= change
    return data


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": "STANDARD_NC12"}, "occurs twice"),
        ({"alias_of": "Standard_Nowhere"}, "not in the table"),
        ({"lifecycle": "ancient"}, "ancient"),
    ],
)
def test_contradicting_data_are_refused(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        build_catalog(read_data(PRESETS_FILE), broken(change))


def test_two_presets_cannot_share_a_name() -> None:
    data = copy.deepcopy(read_data(PRESETS_FILE))
    data["presets"][0]["aliases"] = ["PHI-4"]
    with pytest.raises(ValueError, match=r"(?i)phi-4 occurs twice"):
        build_catalog(data, read_data(AZURE))


def test_a_size_of_any_cloud_is_found_but_only_those_of_one_are_home() -> None:
    catalog = load_catalog()
    assert {cloud: len(catalog.listing(cloud)) for cloud in Cloud} == {Cloud.AZURE: 124, Cloud.AWS: 93, Cloud.ARC: 10}
    assert {sku.cloud for sku in catalog.skus.values()} == {Cloud.AZURE}
    abroad = catalog.sku("P5.48xlarge")
    assert abroad is not None
    assert (abroad.cloud, abroad.name in catalog.skus) == (Cloud.AWS, False)


@pytest.mark.parametrize("cloud", list(Cloud))
def test_moving_to_another_cloud_and_back_loses_nothing(cloud: Cloud) -> None:
    catalog = load_catalog()
    moved = catalog.at(cloud)
    assert {sku.cloud for sku in moved.skus.values()} == {cloud}
    assert moved.at(Cloud.AZURE) == catalog


def test_accelerators_are_advertised_under_their_vendors_name() -> None:
    catalog = load_catalog()
    everything = (*catalog.skus.values(), *catalog.elsewhere.values())
    assert {sku.vendor: sku.gpu_resource for sku in everything} == {
        "nvidia": NVIDIA_GPU,
        "amd": AMD_GPU,
        "aws": "aws.amazon.com/neuron",
        "qualcomm": "",
    }


def test_a_start_pays_neither_for_the_checks_nor_for_prices_nor_for_yaml() -> None:
    code = (
        "import sys; from controller.catalog import load_catalog, prices; load_catalog(); "
        "late = {'jsonschema', 'yaml', 'controller.catalog.overrides'} & set(sys.modules); "
        "sys.exit(f'read at start: {late} {prices.load_prices.cache_info()}' "
        "if late or prices.load_prices.cache_info().misses else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_files_are_read_once_per_process() -> None:
    assert load_catalog() is load_catalog()
