"""The checks notice what a schema cannot: figures that contradict each other, and names that lead nowhere."""

import dataclasses
from typing import Any

import pytest

from controller.catalog import Catalog, Cloud, KvQuality, Lifecycle, Preset, Sku, load_catalog
from controller.catalog.__main__ import contradictions
from controller.catalog.checks import catalog_faults, preset_faults, price_faults, sku_faults
from controller.catalog.prices import Capacity, Price, price_key


def preset(name: str = "phi-4") -> Preset:
    found = load_catalog().preset(name)
    assert found is not None
    return found


def sku(name: str = "Standard_NC24ads_A100_v4") -> Sku:
    found = load_catalog().sku(name)
    assert found is not None
    return found


def test_what_ships_has_no_fault() -> None:
    assert list(contradictions(load_catalog())) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            {"kv_bytes_per_token": 5},
            "kv_bytes_per_token is 5, but 2 x 10 KV heads x 128 x 40 layers x 2 bytes = 204800",
        ),
        ({"kv_quality": KvQuality.UPPER_BOUND, "kv_bytes_per_token": 10**6}, "above the 204800 of full attention"),
        ({"parameters_b": 30.0}, "bytes per parameter; plain weights have 1.9 to 2.1"),
        ({"quantization": "gptq"}, "2.00 bytes per parameter; gptq weights have 0.5 to 0.8"),
        ({"disk_gib": 20}, "does not hold the 27.31 GiB of weights"),
        ({"fixed_gpus": 2, "tensor_parallel": False}, "cannot be split over GPUs"),
        ({"image": None}, "there is no image to download them into"),
    ],
)
def test_a_preset_that_contradicts_itself(change: dict[str, Any], says: str) -> None:
    faults = list(preset_faults(dataclasses.replace(preset(), **change)))
    assert len(faults) == 1, faults
    assert says in faults[0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"attention": "MHA"}, "attention MHA does not go with 10 KV heads of 40 heads"),
        ({"kv_heads": 7}, "40 heads cannot share 7 KV heads evenly"),
        ({"full_attention_layers": 41}, "more than the 40 layers"),
        ({"full_attention_layers": 4}, "kv_quality is exact, though some layers keep less"),
    ],
)
def test_an_architecture_that_contradicts_itself(change: dict[str, Any], says: str) -> None:
    model = preset()
    changed = dataclasses.replace(model, architecture=dataclasses.replace(model.architecture, **change))
    assert any(says in fault for fault in preset_faults(changed)), list(preset_faults(changed))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"lifecycle": Lifecycle.RETIRED}, "lifecycle is retired, retirement_date is missing"),
        ({"retirement_date": "2030-01-01"}, "lifecycle is current, retirement_date is 2030-01-01"),
        ({"lifecycle": Lifecycle.ALIAS}, "lifecycle is alias, alias_of is missing"),
        ({"gpu_count": 0}, "gpu_count is unknown, though the size can be had"),
        ({"gpu_memory_reported_mib": 90_000}, "the driver reports 110% of gpu_memory_gib"),
    ],
)
def test_a_size_that_contradicts_itself(change: dict[str, Any], says: str) -> None:
    faults = list(sku_faults(dataclasses.replace(sku(), **change)))
    assert len(faults) == 1, faults
    assert says in faults[0]


def with_preset(changed: Preset) -> Catalog:
    catalog = load_catalog()
    return dataclasses.replace(catalog, presets={**catalog.presets, changed.name.lower(): changed})


@pytest.mark.parametrize(
    ("successor", "says"), [("nothing", "nothing is not in the catalogue"), ("phi-2", "phi-2 is removed itself")]
)
def test_a_successor_is_there_and_current(successor: str, says: str) -> None:
    catalog = with_preset(dataclasses.replace(preset("falcon-7b"), successor=successor))
    assert list(catalog_faults(catalog)) == [f"falcon-7b: successor {says}"]


def test_one_device_has_one_set_of_facts() -> None:
    catalog, size = load_catalog(), dataclasses.replace(sku(), compute_capability=9.9)
    changed = dataclasses.replace(catalog, skus={**catalog.skus, size.name.lower(): size})
    assert any("state different facts of NVIDIA A100 80GB PCIe" in fault for fault in catalog_faults(changed))


def test_a_price_belongs_to_a_size_of_its_cloud() -> None:
    price = Price(1.0, "2026-09", "eastus", "somebody")
    table = {price_key(Cloud.ARC, "Standard_NC6s_v3", "eastus", Capacity.ON_DEMAND): price}
    assert list(price_faults(table, load_catalog())) == ["prices of standard_nc6s_v3, which arc does not have"]
