"""Does it fit: the sums, and what must hold of them whatever the figures are."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.catalog import Lifecycle, Preset, Sku, load_catalog
from controller.planning.sizing import Fit, fit, is_offered, nodes_needed, runs_on, suggest

CATALOG = load_catalog()
SIZES = tuple(CATALOG.skus.values())


def preset(name: str = "phi-3-mini-4k-instruct") -> Preset:
    found = CATALOG.preset(name)
    assert found is not None
    return found


def sku(name: str) -> Sku:
    found = CATALOG.sku(name)
    assert found is not None
    return found


presets = st.builds(
    dataclasses.replace,
    st.just(preset("phi-3-mini-128k-instruct")),
    weights_gib=st.floats(0.1, 2000),
    kv_bytes_per_token=st.integers(1, 4_000_000),
    max_context=st.integers(1, 1_000_000),
    tensor_parallel=st.booleans(),
    distributed=st.booleans(),
)
sizes = st.sampled_from(SIZES)
contexts = st.integers(1, 1_000_000)


@pytest.mark.parametrize("name", CATALOG.preset_names)
def test_phi_3_mini_fits_the_v100_of_the_mission(name: str) -> None:
    verdict = fit(preset(name), sku("Standard_NC6s_v3"))
    assert verdict.fits, f"{name} needs {verdict.need_text} and gets {verdict.offer_text}"


def test_the_sum_can_be_printed() -> None:
    verdict = fit(preset(), sku("Standard_NC6s_v3"))
    terms = "7.3 weights + 0.8 KV cache of 2048 tokens + 2.3 runtime"
    assert verdict.need_text == f"10.3 GiB of GPU memory ({terms})"
    assert verdict.offer_text == "12.5 GiB (1 GPU x 14.9 usable x 84%)"
    assert fit(preset(), sku("Standard_NV72ads_A10_v5")).offer_text == "37.8 GiB (2 GPUs x 22.5 usable x 84%)"


@pytest.mark.parametrize(
    ("size", "context", "fits"),
    [
        ("Standard_NC4as_T4_v3", None, True),
        ("Standard_NV36ads_A10_v5", None, True),
        ("Standard_NC24ads_A100_v4", 131072, True),
        # 131,072 tokens need 48 GiB of KV cache alone.
        ("Standard_NV36ads_A10_v5", 131072, False),
        ("Standard_NV6ads_A10_v5", None, False),
        ("Standard_NV18ads_A10_v5", None, False),
        ("Standard_NC6", None, False),
        ("Standard_NC12", None, True),
    ],
)
def test_phi_3_mini_128k(size: str, context: int | None, fits: bool) -> None:
    verdict = fit(preset("phi-3-mini-128k-instruct"), sku(size), context=context)
    assert verdict.fits is fits, f"needs {verdict.need_text}, gets {verdict.offer_text}"


def test_a_context_beyond_the_models_own_is_not_counted() -> None:
    assert fit(preset(), sku("Standard_NC6s_v3"), context=1_000_000).context == 4096


@pytest.mark.parametrize("size", ["Standard_ND46s_H100_v5", "Standard_NC32ds_xl_RTXPRO6000BSE_v6"])
def test_of_unknown_memory_nothing_is_claimed(size: str) -> None:
    verdict = fit(preset(), sku(size))
    assert (verdict.known, verdict.fits, verdict.offer_text) == (False, False, "an unknown amount")
    assert nodes_needed(preset(), sku(size)) is None


def test_a_model_that_cannot_be_split_uses_one_gpu() -> None:
    whole = dataclasses.replace(preset(), tensor_parallel=False)
    assert fit(whole, sku("Standard_ND96isr_H100_v5")).gpus == 1


def test_only_a_distributed_model_gains_from_more_nodes() -> None:
    big = dataclasses.replace(preset(), weights_gib=100.0)
    a100 = sku("Standard_NC24ads_A100_v4")
    assert nodes_needed(big, a100) is None
    assert nodes_needed(dataclasses.replace(big, distributed=True), a100) == 2


def test_suggestions_begin_with_the_smallest_current_size() -> None:
    names = [size.name for size in suggest(preset(), CATALOG, limit=6)]
    assert names == [
        "Standard_NC4as_T4_v3",
        "Standard_NC8as_T4_v3",
        "Standard_NC16as_T4_v3",
        "Standard_NV36ads_A10_v5",
        "Standard_NV36adms_A10_v5",
        "Standard_NV72ads_A10_v5",
    ]


@pytest.mark.parametrize(
    ("size", "runs"),
    [
        ("Standard_NC6s_v3", True),
        ("Standard_NC6", False),  # K80: older than every build
        ("Standard_ND96isr_MI300X_v5", False),  # AMD
        ("Standard_ND128isr_NDR_GB200_v6", False),  # Arm
        ("Standard_NC144ds_xl_RTXPRO6000BSE_v6", False),  # newer than the image
    ],
)
def test_the_image_has_code_for_some_gpus_only(size: str, runs: bool) -> None:
    assert runs_on(preset(), sku(size)) is runs


@given(presets, sizes, contexts, st.integers(1, 8))
def test_more_memory_never_turns_fit_into_misfit(model: Preset, size: Sku, context: int, nodes: int) -> None:
    if size.gpu_memory_gib is None:
        return
    more = dataclasses.replace(size, gpu_memory_gib=size.gpu_memory_gib + 8, gpu_memory_reported_mib=None)
    before = dataclasses.replace(size, gpu_memory_reported_mib=None)
    if fit(model, before, context=context, nodes=nodes).fits:
        assert fit(model, more, context=context, nodes=nodes).fits


@given(presets, sizes, contexts)
def test_more_gpus_never_turn_fit_into_misfit(model: Preset, size: Sku, context: int) -> None:
    if fit(model, size, context=context).fits:
        assert fit(model, dataclasses.replace(size, gpu_count=size.gpu_count + 1), context=context).fits


@given(presets, sizes, contexts, contexts)
def test_a_longer_context_never_needs_less(model: Preset, size: Sku, one: int, other: int) -> None:
    short, long = (fit(model, size, context=tokens) for tokens in sorted((one, other)))
    assert short.needed_gib <= long.needed_gib
    assert short.fits or not long.fits


@given(presets, sizes, contexts)
def test_the_number_of_nodes_is_enough_and_one_fewer_is_not(model: Preset, size: Sku, context: int) -> None:
    needed = nodes_needed(model, size, context=context)
    if needed is None:
        return
    assert _fits_with_a_hair(fit(model, size, nodes=needed, context=context))
    assert needed == 1 or not fit(model, size, nodes=needed - 1, context=context).fits


def _fits_with_a_hair(verdict: Fit) -> bool:
    return verdict.needed_gib <= verdict.offered_gib * (1 + 1e-9)


@given(presets, contexts, st.integers(1, 10))
def test_suggestions_always_fit_and_are_ranked(model: Preset, context: int, limit: int) -> None:
    found = suggest(model, CATALOG, limit=limit, context=context)
    assert len(found) <= limit
    for size in found:
        assert fit(model, size, context=context).fits
        assert runs_on(model, size)
        assert is_offered(size)
        assert size.lifecycle is Lifecycle.CURRENT
    totals = [size.gpu_memory_total_gib or 0 for size in found]
    assert totals == sorted(totals)
