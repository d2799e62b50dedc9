"""Values and entries turn into one another without loss."""

import pytest

from controller.catalog import load_catalog
from controller.catalog.codec import decode_preset, decode_sku, encode_preset, encode_sku

CATALOG = load_catalog()


@pytest.mark.parametrize("name", CATALOG.preset_names)
def test_a_preset_survives_the_way_out_and_back(name: str) -> None:
    preset = CATALOG.presets[name.lower()]
    assert decode_preset(encode_preset(preset), {}) == preset


def test_a_size_survives_the_way_out_and_back() -> None:
    for sku in (*CATALOG.skus.values(), *CATALOG.elsewhere.values()):
        assert decode_sku(encode_sku(sku), sku.cloud) == sku, sku.name
