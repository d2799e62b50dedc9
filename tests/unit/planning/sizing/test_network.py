"""What follows from a model's configuration: published totals are met, and unknown facts are bounded from above."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.catalog import Architecture, KvQuality, Preset
from controller.planning.sizing.network import (
    cache_bytes,
    cache_is_exact,
    cache_layer_tokens,
    feed_forward,
    lora_parameters,
    parameters,
    tokens_of,
    vocabulary,
    weight_bytes,
)
from controller.planning.sizing.use import Precision
from tests.unit.planning.sizing.examples import PRESETS, preset

GIB = 2**30


def without_facts(model: Preset) -> Preset:
    """The same model, of whose network only what decides about the KV cache is known."""
    bare = dataclasses.replace(model.architecture, vocabulary=None, feed_forward=None)
    return dataclasses.replace(model, architecture=bare)


TUNABLE = [model for model in PRESETS if model.tuning is not None]


@pytest.mark.parametrize("model", PRESETS, ids=lambda model: model.name)
def test_a_full_context_takes_what_the_catalogue_says(model: Preset) -> None:
    if model.architecture.full_attention_layers is None:
        assert cache_bytes(model, 100, Precision.FLOAT16) == 100 * model.kv_bytes_per_token


@pytest.mark.parametrize(
    ("name", "attention", "bytes_per_token"),
    [
        ("phi-2", "MHA", 2 * 32 * 80 * 32 * 2),
        ("llama-3.3-70b-instruct", "GQA", 2 * 8 * 128 * 80 * 2),
        ("falcon-7b", "MQA", 2 * 1 * 64 * 32 * 2),
        ("deepseek-r1-0528", "MLA", (512 + 64) * 61 * 2),
    ],
)
def test_each_kind_of_attention_has_its_own_cache(name: str, attention: str, bytes_per_token: int) -> None:
    assert preset(name).architecture.attention == attention
    assert cache_bytes(preset(name), 1, Precision.FLOAT16) == bytes_per_token


def test_layers_with_a_window_keep_what_they_see_through_it() -> None:
    gemma = preset("gemma-3-27b-instruct")
    each_layer = 2 * 16 * 128 * 2
    assert cache_bytes(gemma, 1000, Precision.FLOAT16) == 62 * 1000 * each_layer
    assert cache_bytes(gemma, 100_000, Precision.FLOAT16) == (10 * 100_000 + 52 * 1024) * each_layer
    assert cache_is_exact(gemma)


def test_layers_without_attention_keep_no_tokens() -> None:
    nemotron = preset("nvidia/NVIDIA-Nemotron-Nano-9B-v2")
    assert cache_bytes(nemotron, 1000, Precision.FLOAT16) == 4 * 1000 * 2 * 8 * 128 * 2


def test_an_fp8_cache_is_half_as_large() -> None:
    assert cache_bytes(preset(), 1000, Precision.FP8) * 2 == cache_bytes(preset(), 1000, Precision.FLOAT16)


def test_a_cache_of_unknown_layout_is_an_upper_bound() -> None:
    assert not cache_is_exact(dataclasses.replace(preset(), kv_quality=KvQuality.UNKNOWN))
    assert cache_is_exact(preset())


networks = st.builds(
    Architecture,
    st.just("X"),
    st.just("GQA"),
    layers=st.integers(1, 200),
    hidden_size=st.just(64),
    attention_heads=st.just(8),
    kv_heads=st.just(8),
    head_dim=st.just(8),
    full_attention_layers=st.none() | st.just(0) | st.just(1),
    sliding_window=st.none() | st.integers(1, 5000),
)


@given(networks, st.integers(0, 10**7), st.integers(1, 10**6))
def test_the_longest_sequence_is_the_longest(net: Architecture, room: int, limit: int) -> None:
    longest = tokens_of(net, room, limit=limit)
    assert cache_layer_tokens(net, longest) <= room
    if longest != limit:
        assert cache_layer_tokens(net, longest + 1) > room


@pytest.mark.parametrize(
    ("precision", "gib"),
    [
        (Precision.AUTO, 7.12),
        (Precision.FLOAT16, 7.12),
        (Precision.FLOAT32, 14.24),
        # Two matrices of 32,064 x 3,072 stay in two bytes.
        (Precision.FP8, (3.82e9 - 32064 * 3072 + 2 * 2 * 32064 * 3072) / GIB),
        (Precision.NF4, ((3.82e9 - 32064 * 3072) * 4.126953125 / 8 + 2 * 2 * 32064 * 3072) / GIB),
    ],
)
def test_plain_weights_take_what_their_format_takes(precision: Precision, gib: float) -> None:
    assert weight_bytes(preset(), precision) == pytest.approx(gib * GIB, rel=1e-9)


def test_quantised_weights_stay_as_they_are_or_are_unpacked() -> None:
    gpt_oss = preset("gpt-oss-20b")
    packed = weight_bytes(gpt_oss, Precision.AUTO)
    assert weight_bytes(gpt_oss, Precision.FP8) == packed
    assert weight_bytes(gpt_oss, Precision.BFLOAT16) == round(gpt_oss.parameters_b or 0, 3) * 10**9 * 2


@pytest.mark.parametrize("model", TUNABLE, ids=lambda model: model.name)
def test_facts_nobody_states_are_bounded_from_above(model: Preset) -> None:
    bare = without_facts(model)
    assert vocabulary(bare.architecture) >= vocabulary(model.architecture)
    # The parameter count is rounded to 10 million, which is 1 % of a feed-forward layer at most. Two-matrix layers
    # (falcon, phi-2) count as three of two thirds the width.
    assert feed_forward(bare) >= feed_forward(model) * (0.66 if model.family in {"falcon", "phi"} else 0.99)


def test_a_model_that_states_no_parameters_has_at_most_two_per_byte() -> None:
    silent = dataclasses.replace(preset("gpt-oss-20b"), parameters_b=None)
    assert parameters(silent) == pytest.approx(2 * 12.8 * GIB, rel=1e-6)
    assert parameters(silent) >= parameters(preset("gpt-oss-20b"))


def test_an_adapter_of_rank_8_on_phi_3_mini() -> None:
    qkvo, gate_up_down = 4 * (3072 + 3072), 3 * (3072 + 8192)
    assert lora_parameters(preset(), 8) == 8 * 32 * (qkvo + gate_up_down)
