"""Does it fit: known answers, an independent oracle over the whole catalogue, and what holds whatever the figures."""

import dataclasses
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.workspace import Runtime
from controller.catalog import Preset, Sku
from controller.planning.sizing import Fit, Layout, Use, fit, fitting, nodes_needed
from controller.planning.sizing.fitting import REMEMBERED
from tests.unit.planning.sizing import oracle
from tests.unit.planning.sizing.examples import (
    CATALOG,
    PRESETS,
    SIZES,
    V100,
    contexts,
    models,
    preset,
    sizes,
    sku,
    uses,
    with_memory,
)

A10, A100, H200 = "Standard_NV36ads_A10_v5", "Standard_NC24ads_A100_v4", "Standard_ND96isr_H200_v5"


@pytest.mark.parametrize("name", ["phi-3-mini-4k-instruct", "phi-3-mini-128k-instruct"])
@pytest.mark.parametrize("adapters", [0, 1])
def test_phi_3_mini_fits_the_v100_of_the_mission(name: str, adapters: int) -> None:
    verdict = fit(preset(name), sku(V100), Use(adapters=adapters))
    assert verdict.fits, verdict.explain()


@pytest.mark.parametrize("model", PRESETS, ids=lambda model: model.name)
def test_the_oracle_agrees_on_every_size_of_every_cloud(model: Preset) -> None:
    for size in (*SIZES, *CATALOG.elsewhere.values()):
        verdict = fit(model, size)
        assert (verdict.min_nodes, verdict.min_gpus) == dataclasses.astuple(oracle.ask(model, size)), verdict.explain()


@given(
    st.sampled_from(PRESETS), st.sampled_from(SIZES), st.integers(1, 100), st.none() | st.sampled_from([1, 2, 3, 4, 8])
)
def test_the_oracle_agrees_on_what_users_ask_of_vllm(
    model: Preset, size: Sku, percent: int, tensor: int | None
) -> None:
    verdict = fit(model, size, Use(percent=percent, tensor=tensor))
    answer = oracle.ask(model, size, percent=percent, tensor=tensor)
    assert (verdict.min_nodes, verdict.min_gpus) == dataclasses.astuple(answer), verdict.explain()


@given(models, sizes, uses, st.integers(1, 99))
def test_a_larger_share_of_the_memory_never_turns_fit_into_misfit(
    model: Preset, size: Sku, use: Use, percent: int
) -> None:
    less, more = (fit(model, size, dataclasses.replace(use, percent=share)) for share in (percent, percent + 1))
    assert fewer_or_same(more, less)


@pytest.mark.parametrize(
    ("name", "size", "context", "fits"),
    [
        ("phi-3-mini-128k-instruct", "Standard_NC4as_T4_v3", None, True),
        ("phi-3-mini-128k-instruct", A10, None, True),
        ("phi-3-mini-128k-instruct", A100, 131072, True),
        # 131,072 tokens need 48 GiB of KV cache alone.
        ("phi-3-mini-128k-instruct", A10, 131072, False),
        ("phi-3-mini-128k-instruct", "Standard_NV6ads_A10_v5", None, False),
        ("llama-3.3-70b-instruct", A100, None, False),
        ("llama-3.3-70b-instruct", "Standard_NC96ads_A100_v4", 131072, True),
        ("deepseek-r1-0528", H200, None, True),
        ("deepseek-r1-0528", "Standard_ND96isr_H100_v5", None, False),
        # 12.8 GiB of weights: KAITO counts them twice.
        ("gpt-oss-20b", A10, None, True),
    ],
)
def test_known_answers(name: str, size: str, context: int | None, fits: bool) -> None:
    verdict = fit(preset(name), sku(size), Use(context=context))
    assert verdict.fits is fits, verdict.explain()


def test_a_context_beyond_the_models_own_is_not_counted() -> None:
    assert fit(preset(), sku(V100), Use(context=1_000_000)).context == 4096


@pytest.mark.parametrize("size", ["Standard_ND46s_H100_v5", "Standard_NC32ds_xl_RTXPRO6000BSE_v6"])
def test_of_unknown_memory_nothing_is_claimed(size: str) -> None:
    verdict = fit(preset(), sku(size))
    assert (verdict.known, verdict.fits, verdict.offer_text) == (False, False, "an unknown amount")
    assert nodes_needed(preset(), sku(size)) is None


def test_a_model_that_cannot_be_split_uses_one_gpu_of_each_node_and_copies_fill_the_rest() -> None:
    whole = dataclasses.replace(preset(), tensor_parallel=False)
    assert fit(whole, sku(H200)).layout == Layout(tensor=1, pipeline=1, data=8)


def test_a_model_comes_in_as_many_pieces_as_it_was_cut_into() -> None:
    cut = preset("llama-2-13b")
    assert cut.fixed_gpus == 2
    assert fit(cut, sku("Standard_NV72ads_A10_v5")).layout == Layout(tensor=2, pipeline=1, data=1)
    assert nodes_needed(dataclasses.replace(cut, distributed=True), sku(A10)) == 2
    assert nodes_needed(dataclasses.replace(cut, distributed=False), sku(A10)) is None


@pytest.mark.parametrize(
    ("name", "size", "layout"),
    [
        # Small models: one copy on each GPU.
        ("phi-4-mini-instruct", "Standard_ND96isr_H100_v5", Layout(1, 1, 8)),
        # Weights above half of a GPU: more GPUs, so that the KV cache has room.
        ("llama-3.1-8b-instruct", "Standard_NV72ads_A10_v5", Layout(2, 1, 1)),
        ("qwen2.5-coder-32b-instruct", "Standard_NC96ads_A100_v4", Layout(2, 1, 2)),
        # Large models: the whole node shares one copy.
        ("deepseek-r1-0528", H200, Layout(8, 1, 1)),
    ],
)
def test_the_layout_leaves_half_of_the_memory_to_the_cache_and_fills_the_node(
    name: str, size: str, layout: Layout
) -> None:
    verdict = fit(preset(name), sku(size))
    assert verdict.fits, verdict.explain()
    assert verdict.layout == layout


def test_transformers_places_layers_one_gpu_after_the_other() -> None:
    verdict = fit(preset("llama-3.1-8b-instruct"), sku("Standard_NC96ads_A100_v4"), Use(runtime=Runtime.TRANSFORMERS))
    assert verdict.layout == Layout(tensor=1, pipeline=4, data=1)


def test_transformers_stays_in_one_node() -> None:
    big = preset("llama-3.3-70b-instruct")
    assert nodes_needed(big, sku(A100)) == 3
    assert nodes_needed(big, sku(A100), Use(runtime=Runtime.TRANSFORMERS)) is None


def test_over_nodes_every_node_adds_stages_and_copies_need_as_many_nodes_again() -> None:
    big = preset("deepseek-r1-0528")
    verdict = fit(big, sku("Standard_ND96isr_H100_v5"), nodes=4)
    assert verdict.min_nodes == 2
    assert verdict.layout == Layout(tensor=8, pipeline=2, data=2)


def test_only_a_distributed_model_gains_from_more_nodes() -> None:
    big = dataclasses.replace(preset(), weights_gib=100.0, alternatives=())
    assert nodes_needed(dataclasses.replace(big, distributed=False), sku(A100)) is None
    assert nodes_needed(dataclasses.replace(big, distributed=True), sku(A100)) == 2


def test_the_latent_cache_of_mla_is_held_by_every_tensor_rank() -> None:
    verdict = fit(preset("deepseek-r1-0528"), sku(H200))
    (held,) = [verdict.load.on_each(term, verdict.layout) for term in verdict.load.terms if "KV" in term.label]
    assert held == 2048 * 70272


def test_a_misfit_by_an_upper_bound_is_doubtful_and_one_by_weights_is_not() -> None:
    gemma = preset("google/gemma-4-31B-it")
    long = Use(context=gemma.max_context)
    assert not fit(gemma, sku(A100), long).certain
    assert fit(gemma, sku(A10), long).certain
    assert fit(preset("phi-3-mini-128k-instruct"), sku(A10), Use(context=131072)).certain


@given(models, sizes, uses, st.integers(1, 8), st.integers(1, 200))
def test_more_memory_never_turns_fit_into_misfit(model: Preset, size: Sku, use: Use, nodes: int, more: int) -> None:
    larger = with_memory(size, (size.gpu_memory_gib or 0) + more, size.gpu_count)
    small, large = fit(model, size, use, nodes=nodes), fit(model, larger, use, nodes=nodes)
    assert large.fits or not small.fits
    assert fewer_or_same(large, small)


def fewer_or_same(one: Fit, other: Fit) -> bool:
    """Whether the first takes no more GPUs and nodes than the second; none at all is more than any number."""
    pairs = ((one.min_gpus, other.min_gpus), (one.min_nodes, other.min_nodes))
    return all(theirs is None or (ours is not None and ours <= theirs) for ours, theirs in pairs)


@given(models, sizes, uses)
def test_more_gpus_never_turn_fit_into_misfit(model: Preset, size: Sku, use: Use) -> None:
    more = dataclasses.replace(size, gpu_count=size.gpu_count + 1)
    if model.fixed_gpus is None:
        assert fit(model, more, use).fits or not fit(model, size, use).fits


@given(models, sizes, uses, st.integers(1, 8))
def test_more_nodes_never_need_fewer_gpus_nor_turn_fit_into_misfit(
    model: Preset, size: Sku, use: Use, nodes: int
) -> None:
    few, many = fit(model, size, use, nodes=nodes), fit(model, size, use, nodes=nodes + 1)
    assert (many.min_gpus, many.min_nodes) == (few.min_gpus, few.min_nodes)
    assert many.fits or not few.fits
    assert not few.fits or few.layout.gpus * few.layout.data <= many.layout.gpus * many.layout.data


@given(models, sizes, uses, contexts, contexts)
def test_a_longer_context_never_needs_less(model: Preset, size: Sku, use: Use, one: int, other: int) -> None:
    short, long = (fit(model, size, at(use, tokens)) for tokens in sorted((one, other)))
    assert fewer_or_same(short, long)
    if short.checkpointing == long.checkpointing:
        layout = Layout(2, 3)
        assert short.load.total_on_each(layout) <= long.load.total_on_each(layout)


def at(use: Use, tokens: int) -> Use:
    tuning = None if use.tuning is None else dataclasses.replace(use.tuning, context=tokens)
    return dataclasses.replace(use, context=tokens, tuning=tuning)


@given(models, sizes, uses, st.integers(1, 8))
def test_what_fits_is_laid_out_on_the_gpus_there_are(model: Preset, size: Sku, use: Use, nodes: int) -> None:
    verdict = fit(model, size, use, nodes=nodes)
    if not verdict.fits:
        return
    assert verdict.needed <= verdict.offered, verdict.explain()
    assert verdict.layout.gpus * verdict.layout.data <= size.gpu_count * nodes
    assert verdict.layout.tensor <= size.gpu_count or model.fixed_gpus
    assert verdict.min_gpus is not None
    assert verdict.min_gpus <= verdict.layout.gpus


@given(models, sizes, uses, st.integers(1, 4))
def test_the_room_for_the_cache_is_what_decides(model: Preset, size: Sku, use: Use, nodes: int) -> None:
    verdict = fit(model, size, dataclasses.replace(use, tuning=None), nodes=nodes)
    if verdict.fits:
        assert verdict.longest_context >= verdict.context
    else:
        assert verdict.cache_tokens < verdict.context


@given(models, sizes, uses)
def test_one_token_more_than_there_is_room_for_does_not_fit_that_layout(model: Preset, size: Sku, use: Use) -> None:
    asked = dataclasses.replace(use, tuning=None)
    verdict = fit(model, size, asked)
    beyond = verdict.cache_tokens + 1
    longer = dataclasses.replace(model, max_context=beyond)
    bigger = fit(longer, size, dataclasses.replace(asked, context=beyond))
    windows_only = model.architecture.full_attention_layers == 0
    if verdict.fits and not windows_only:
        assert bigger.load.total_on_each(verdict.layout) > verdict.offered


@given(models, sizes, uses)
def test_the_number_of_nodes_is_enough_and_one_fewer_is_not(model: Preset, size: Sku, use: Use) -> None:
    needed = nodes_needed(model, size, use)
    if needed is None:
        assert not fit(model, size, use, nodes=1000).fits
        return
    assert fit(model, size, use, nodes=needed).fits
    assert needed == 1 or not fit(model, size, use, nodes=needed - 1).fits


@given(models, sizes, uses)
def test_the_fullest_gpu_holds_at_least_the_average(model: Preset, size: Sku, use: Use) -> None:
    verdict = fit(model, size, use)
    for term in verdict.load.terms:
        assert verdict.load.on_each(term, verdict.layout) >= Fraction(term.total, verdict.layout.gpus)


def test_a_sum_is_made_once_and_each_preset_and_size_has_its_own() -> None:
    model, size = preset("phi-4"), sku(V100)
    assert fit(model, size) is fit(model, size)
    assert fit(model, size, nodes=2).nodes == 2
    assert fit(model, with_memory(size, 80.0)).usable != fit(model, size).usable
    assert fit(model, size, Use(context=4096)).context == 4096


def test_no_more_sums_are_remembered_than_that() -> None:
    model, size = preset("phi-4"), sku(V100)
    for context in range(1, REMEMBERED + 2):
        fit(model, size, Use(context=context))
    assert 0 < len(fitting._sums) <= REMEMBERED
