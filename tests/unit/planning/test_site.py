"""What an installation knows: prices of its region, the sizes it allows, and answers it gave before."""

import dataclasses

import pytest

from controller.catalog import Cloud, load_catalog
from controller.planning import site as module
from controller.planning.site import Site
from controller.planning.sizing import SERVE, Use, suggest
from tests.unit.planning.sizing.examples import PRESETS, preset, sku

CATALOG = load_catalog()
H200 = "Standard_ND96isr_H200_v5"


def test_the_price_is_that_of_the_region() -> None:
    price = Site(CATALOG, region="westeurope").price(sku("Standard_NC24ads_A100_v4"))
    assert price is not None
    assert price.region == "westeurope"


def test_in_a_known_region_no_price_of_another_is_shown() -> None:
    assert Site(CATALOG, region="eastus").price(sku(H200)) is None


@pytest.mark.parametrize(
    ("cloud", "size", "region"),
    [
        (Cloud.AZURE, "Standard_NC4as_T4_v3", "eastus"),
        (Cloud.AZURE, H200, "eastus2"),
        (Cloud.AWS, "g5.xlarge", "us-east-1"),
    ],
)
def test_without_a_region_a_reference_region_that_sells_the_size_is_named(cloud: Cloud, size: str, region: str) -> None:
    price = Site(CATALOG.at(cloud)).price(sku(size))
    assert price is not None
    assert price.region == region


def test_an_empty_list_allows_every_size_and_another_one_only_its_own() -> None:
    size = sku("Standard_NC6s_v3")
    assert Site(CATALOG).allows(size)
    assert Site(CATALOG, allowed=frozenset({"standard_nc6s_v3"})).allows(size)
    assert not Site(CATALOG, allowed=frozenset({"standard_nc4as_t4_v3"})).allows(size)


def test_what_is_remembered_is_what_would_be_found_anew() -> None:
    site = Site(CATALOG)
    for model in PRESETS[:10]:
        found = suggest(model, CATALOG, price=site.price)
        assert site.suggestions(model, SERVE) == found
        assert site.suggestions(model, SERVE) is site.suggestions(model, SERVE)


def test_another_model_of_the_same_name_gets_its_own_answer() -> None:
    site = Site(CATALOG)
    huge = dataclasses.replace(preset(), weights_gib=60.0, alternatives=())
    assert site.suggestions(preset(), SERVE) != site.suggestions(huge, SERVE)


def test_a_changed_installation_remembers_nothing() -> None:
    site = Site(CATALOG)
    site.suggestions(preset(), SERVE)
    other = dataclasses.replace(site, allowed=frozenset({"standard_nc24ads_a100_v4"}))
    assert [found.sku.name for found in other.suggestions(preset(), SERVE)] == ["Standard_NC24ads_A100_v4"]


def test_not_more_is_remembered_than_somebody_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REMEMBERED", 3)
    site = Site(CATALOG)
    for adapters in range(10):
        assert site.suggestions(preset(), Use(adapters=adapters))
        assert len(site._answers) <= 3
