"""Which sizes are offered: all fit, the order is true, and they are not all of one kind."""

import dataclasses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.catalog import Catalog, Cloud, Lifecycle, Preset, Sku
from controller.catalog.prices import Price
from controller.planning.sizing import Precision, Use, fit, is_offered, rank, runs_on, suggest, trains_on
from tests.unit.planning.sizing.examples import CATALOG, LORA, PRESETS, QLORA, models, preset, sku, uses

SKUS = tuple(CATALOG.skus.values())


def names(model: Preset) -> list[tuple[str, int]]:
    return [(found.sku.name, found.nodes) for found in suggest(model, CATALOG)]


def test_the_smallest_size_comes_first_and_every_gpu_model_once() -> None:
    assert names(preset())[0] == ("Standard_NC4as_T4_v3", 1)
    found = suggest(preset(), CATALOG)
    assert len({suggestion.sku.gpu_model for suggestion in found}) == len(found) == 3


def test_where_gpu_models_run_out_the_next_best_of_the_same_follow() -> None:
    t4_only = Catalog(CATALOG.presets, {key: size for key, size in CATALOG.skus.items() if "T4" in size.name})
    found = [suggestion.sku.name for suggestion in suggest(preset(), t4_only)]
    assert found == ["Standard_NC4as_T4_v3", "Standard_NC8as_T4_v3", "Standard_NC16as_T4_v3"]


def test_several_nodes_are_offered_only_where_one_is_not_enough() -> None:
    assert {nodes for _, nodes in names(preset("llama-3.3-70b-instruct"))} == {1}
    huge = dataclasses.replace(preset("deepseek-r1-0528"), weights_gib=1500.0, alternatives=())
    found = names(huge)
    assert found
    assert all(nodes > 1 for _, nodes in found)


def test_what_fits_nothing_gets_no_suggestion() -> None:
    assert names(dataclasses.replace(preset(), weights_gib=9000.0, tensor_parallel=False, alternatives=())) == []


def test_prices_decide_where_they_are_known() -> None:
    dear = sku("Standard_NC4as_T4_v3")
    by_price = suggest(preset(), CATALOG, price=lambda size: price(size, 9.0 if size.name == dear.name else 5.0))
    assert by_price[0].sku.name != dear.name


def price(size: Sku, usd: float) -> Price:
    return Price(usd, "2026-06", "eastus", f"a list that has {size.name}")


def test_sizes_of_unknown_price_come_last() -> None:
    known = sku("Standard_ND96isr_H200_v5")
    found = suggest(preset(), CATALOG, price=lambda size: price(size, 84.8) if size.name == known.name else None)
    assert found[0].sku.name == known.name
    assert found[0].usd_per_hour == 84.8
    assert found[1].usd_per_hour is None


def test_all_nodes_are_paid_for() -> None:
    huge = dataclasses.replace(preset("deepseek-r1-0528"), weights_gib=1500.0, alternatives=())
    for suggestion in suggest(huge, CATALOG, price=lambda size: price(size, 10.0)):
        assert suggestion.usd_per_hour == 10.0 * suggestion.nodes


def test_two_cheap_nodes_may_cost_more_than_one_dear_node() -> None:
    size = sku("Standard_NC24ads_A100_v4")
    one, two = rank(size, 1, price(size, 5.0)), rank(size, 2, price(size, 3.0))
    assert one < two


def test_only_what_the_installation_allows_is_offered() -> None:
    allowed = {"Standard_NC24ads_A100_v4", "Standard_NC40ads_H100_v5"}
    found = suggest(preset(), CATALOG, allowed=lambda size: size.name in allowed)
    assert {suggestion.sku.name for suggestion in found} == allowed


def test_in_another_cloud_its_own_sizes_are_offered() -> None:
    found = suggest(preset(), CATALOG.at(Cloud.AWS))
    assert found
    assert {suggestion.sku.cloud for suggestion in found} == {Cloud.AWS}


def test_a_gpu_without_kernels_for_the_number_format_is_not_offered() -> None:
    capabilities = [found.sku.compute_capability for found in suggest(preset(), CATALOG, Use(precision=Precision.FP8))]
    assert capabilities
    assert all(capability is not None and capability >= 8.0 for capability in capabilities)


@pytest.mark.parametrize("use", [QLORA, LORA], ids=["qlora", "lora"])
@pytest.mark.parametrize("model", [each for each in PRESETS if each.tuning], ids=lambda model: model.name)
def test_for_every_model_that_can_be_tuned_there_is_a_size(model: Preset, use: Use) -> None:
    assert all(found.fit.fits for found in suggest(model, CATALOG, use))
    assert suggest(model, CATALOG, use), f"no size tunes {model.name}"


def test_nothing_is_offered_to_tune_what_cannot_be_tuned() -> None:
    assert suggest(dataclasses.replace(preset(), tuning=None), CATALOG, QLORA) == ()


@pytest.mark.parametrize("lifecycle", [each for each in Lifecycle if each is not Lifecycle.CURRENT])
def test_only_current_sizes_are_offered(lifecycle: Lifecycle) -> None:
    best = suggest(preset(), CATALOG)[0].sku
    skus = {**CATALOG.skus, best.name.lower(): dataclasses.replace(best, lifecycle=lifecycle)}
    offered = [found.sku.name for found in suggest(preset(), dataclasses.replace(CATALOG, skus=skus), limit=50)]
    assert offered
    assert best.name not in offered


@pytest.mark.parametrize(
    ("size", "runs"),
    [
        ("Standard_NC6s_v3", True),
        ("Standard_NC6", False),  # K80: older than every build
        ("Standard_ND96isr_MI300X_v5", False),  # AMD
        ("Standard_ND128isr_NDR_GB200_v6", False),  # Arm
    ],
)
def test_images_have_code_for_some_gpus_only(size: str, runs: bool) -> None:
    assert runs_on(preset(), sku(size)) is runs


some_prices = st.dictionaries(st.sampled_from([size.name for size in SKUS]), st.floats(0.1, 100), max_size=30)


@settings(deadline=None)
@given(models, uses, st.integers(1, 10), some_prices)
def test_suggestions_always_fit_and_are_ranked_truly(
    model: Preset, use: Use, limit: int, prices: dict[str, float]
) -> None:
    def price_of(size: Sku) -> Price | None:
        return price(size, prices[size.name]) if size.name in prices else None

    found = suggest(model, CATALOG, use, limit=limit, price=price_of)
    assert len(found) <= limit
    for suggestion in found:
        assert suggestion.fit.fits, suggestion.fit.explain()
        assert suggestion.fit == fit(model, suggestion.sku, use, nodes=suggestion.nodes)
        assert has_code(model, suggestion.sku, use)
        assert is_offered(suggestion.sku)
        assert suggestion.sku.lifecycle is Lifecycle.CURRENT
    assert [each.rank for each in found] == sorted(each.rank for each in found)
    best = min(
        (rank(size, 1, price_of(size)) for size in SKUS if candidate(model, size, use)),
        default=found[0].rank if found else None,
    )
    assert best is None or found[0].rank == best


def has_code(model: Preset, size: Sku, use: Use) -> bool:
    return runs_on(model, size, use.runtime) if use.tuning is None else trains_on(model, size)


def candidate(model: Preset, size: Sku, use: Use) -> bool:
    low = use.precision in {Precision.BFLOAT16, Precision.FP8} and (size.compute_capability or 0) < 8.0
    return is_offered(size) and has_code(model, size, use) and fit(model, size, use).fits and not low
