"""The loader: names in any letter case, nothing twice, nothing that can be changed afterwards."""

import copy
import dataclasses
import subprocess
import sys
from typing import Any

import pytest

from controller.api.labels import AMD_GPU, NVIDIA_GPU
from controller.catalog import build_catalog, load_catalog
from controller.catalog.loader import PRESETS_FILE, SKUS_FILE, read_data


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
    assert load_catalog().preset_names == ("phi-3-mini-4k-instruct", "phi-3-mini-128k-instruct")


def test_a_value_cannot_be_changed() -> None:
    catalog = load_catalog()
    sku = catalog.sku("Standard_NC6s_v3")
    assert sku is not None
    with pytest.raises(dataclasses.FrozenInstanceError):
        sku.vcpu = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        catalog.skus["x"] = sku  # type: ignore[index]


def broken(change: dict[str, Any]) -> Any:
    data = copy.deepcopy(read_data(SKUS_FILE))
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


def test_gpus_are_advertised_under_their_vendors_name() -> None:
    catalog = load_catalog()
    by_vendor = {sku.vendor: sku.gpu_resource for sku in catalog.skus.values()}
    assert by_vendor == {"nvidia": NVIDIA_GPU, "amd": AMD_GPU}


def test_a_start_does_not_pay_for_the_schema_check() -> None:
    code = "import sys, controller.catalog; controller.catalog.load_catalog(); sys.exit('jsonschema' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == 0, "loading the catalogue imports jsonschema"
