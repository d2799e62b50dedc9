"""List prices: dated, per region, the newest of several, and nothing where nobody knows."""

import dataclasses
from typing import Any

import pytest

from controller.catalog import Capacity, Cloud, Price, Sku, load_catalog
from controller.catalog.prices import NO_PRICES, build_prices, load_prices, price_key

CATALOG = load_catalog()


def sku(name: str) -> Sku:
    found = CATALOG.sku(name)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("size", "region", "capacity", "usd", "as_of"),
    [
        ("Standard_NC6s_v3", "eastus", Capacity.ON_DEMAND, 3.06, "2026-06"),
        ("Standard_NC24ads_A100_v4", "EastUS", Capacity.ON_DEMAND, 3.673, "2026-06"),
        ("Standard_ND96isr_H100_v5", "eastus", Capacity.ON_DEMAND, 98.32, "2026-06"),
        # The table of 2026-06 has a Windows price for this size; the newest Linux price is older.
        ("Standard_NCC40ads_H100_v5", "eastus2", Capacity.ON_DEMAND, 6.98, "2026-04"),
        ("p5.48xlarge", "us-east-1", Capacity.ON_DEMAND, 55.04, "2026-07"),
    ],
)
def test_a_price_has_a_date_and_a_region(size: str, region: str, capacity: Capacity, usd: float, as_of: str) -> None:
    price = CATALOG.price(sku(size), region, capacity)
    assert price is not None
    assert (price.usd_per_hour, price.as_of, price.region) == (usd, as_of, region.lower())


@pytest.mark.parametrize(
    ("size", "region"),
    [
        ("Standard_ND128isr_GB300_v6", "eastus"),
        ("Standard_NC6s_v3", "atlantis"),
        ("Standard_NC6_Promo", "eastus"),
        ("Standard_NK6", "eastus"),
    ],
)
def test_no_price_is_made_up(size: str, region: str) -> None:
    assert CATALOG.price(sku(size), region) is None


def test_every_price_is_dated_and_says_who_published_it() -> None:
    for price in load_prices().values():
        assert price.as_of.startswith("20"), price
        assert price.source, price
        assert price.usd_per_hour > 0, price


def test_a_price_is_shown_with_its_date() -> None:
    price = CATALOG.price(sku("Standard_NC6s_v3"), "eastus")
    assert price is not None
    assert price.text == "$3.06/h list price of 2026-06, eastus"
    assert "spot price of 2024-08" in Price(0.5, "2024-08", "eastus", "x", Capacity.SPOT).text


def series(as_of: str, figure: float | None) -> dict[str, Any]:
    return {
        "cloud": "azure",
        "capacity": "on-demand",
        "as_of": as_of,
        "source": "somebody",
        "sizes": ["Standard_NC6s_v3"],
        "regions": {"eastus": [figure]},
    }


def test_of_several_prices_the_newest_counts_in_any_order() -> None:
    key = price_key(Cloud.AZURE, "Standard_NC6s_v3", "eastus", Capacity.ON_DEMAND)
    old, new = series("2024-08", 5.0), series("2026-06", 3.0)
    assert build_prices({"series": [old, new]})[key] == build_prices({"series": [new, old]})[key]
    assert build_prices({"series": [new, old]})[key].as_of == "2026-06"


def test_a_series_without_a_figure_says_nothing() -> None:
    assert build_prices({"series": [series("2026-06", None)]}) == {}


def test_a_row_that_is_too_short_is_an_error_not_a_shifted_price() -> None:
    broken = series("2026-06", 1.0) | {"sizes": ["a", "b"]}
    with pytest.raises(ValueError, match="zip"):
        build_prices({"series": [broken]})


def test_an_installation_can_do_without_list_prices() -> None:
    bare = dataclasses.replace(CATALOG, list_prices=lambda: NO_PRICES)
    assert bare.price(sku("Standard_NC6s_v3"), "eastus") is None
