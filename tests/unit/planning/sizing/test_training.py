"""What tuning needs: the mission's V100, the effect of every knob, and sums by hand."""

import dataclasses

import pytest

from controller.planning.sizing import Layout, Precision, TuningMethod, TuningUse, Use, fit
from controller.planning.sizing.training import activation_bytes, training_load
from tests.unit.planning.sizing.examples import LORA, QLORA, V100, preset, sku

GIB = 2**30


@pytest.mark.parametrize("name", ["phi-3-mini-4k-instruct", "phi-3-mini-128k-instruct", "phi-3.5-mini-instruct"])
@pytest.mark.parametrize("use", [QLORA, LORA], ids=["qlora", "lora"])
def test_phi_3_mini_is_tuned_on_the_v100_of_the_mission(name: str, use: Use) -> None:
    verdict = fit(preset(name), sku(V100), use)
    assert verdict.fits, verdict.explain()
    assert not verdict.checkpointing, "a derivation that needs gradient checkpointing here has lost a fact"


def test_the_sum_of_qlora_is_the_one_derived_by_hand() -> None:
    parameters, matrix = 3_820_000_000, 32064 * 3072
    base = (parameters - matrix) * 2113 / 4096 + 2 * matrix * 4
    adapter = 8 * 32 * (4 * 6144 + 3 * 11264) * 16
    activations = 1024 * 32 * (16 * 3072 + 8 * 3072 + 4 * 3072 + 10 * 8192)
    logits = 1024 * 32064 * 16
    expected = base + adapter + activations + logits + 0.6 * GIB
    assert fit(preset(), sku(V100), QLORA).needed == pytest.approx(expected, abs=8)
    assert expected / GIB == pytest.approx(8.96, abs=0.01)


def test_every_gpu_of_the_node_trains_a_copy_of_its_own() -> None:
    assert fit(preset(), sku("Standard_ND96isr_H100_v5"), QLORA).layout == Layout(1, 1, 8)


def test_tuning_gains_nothing_from_more_nodes() -> None:
    verdict = fit(preset("qwen2.5-coder-32b-instruct"), sku("Standard_NC24ads_A100_v4"), LORA, nodes=4)
    assert verdict.min_nodes is None or verdict.min_nodes == 1


def test_checkpointing_is_the_way_out_where_activations_are_what_is_too_much() -> None:
    long = Use(tuning=TuningUse(TuningMethod.QLORA, context=4096))
    verdict = fit(preset(), sku(V100), long)
    assert verdict.fits, verdict.explain()
    assert verdict.checkpointing


def test_what_does_not_fit_even_so_is_refused_with_the_smaller_sum() -> None:
    verdict = fit(preset("qwen2.5-coder-32b-instruct"), sku(V100), LORA)
    assert not verdict.fits
    assert verdict.checkpointing


@pytest.mark.parametrize(
    "more",
    [
        TuningUse(TuningMethod.QLORA, context=2048),
        TuningUse(TuningMethod.QLORA, batch=2),
        TuningUse(TuningMethod.QLORA, rank=64),
        TuningUse(TuningMethod.QLORA, base=Precision.FP8),
        TuningUse(TuningMethod.LORA),
    ],
)
def test_longer_examples_larger_batches_higher_ranks_and_plain_weights_take_more(more: TuningUse) -> None:
    least = training_load(preset(), TuningUse(TuningMethod.QLORA), checkpointing=False)
    assert training_load(preset(), more, checkpointing=False).total_on_each(Layout()) > least.total_on_each(Layout())


def test_float32_doubles_the_frozen_weights_and_what_was_kept_in_half_precision() -> None:
    half, full = (
        training_load(preset(), TuningUse(TuningMethod.LORA, base=base), checkpointing=False).terms
        for base in (Precision.AUTO, Precision.FLOAT32)
    )
    assert full[0].total == pytest.approx(2 * half[0].total, abs=2)
    grown = 1024 * 32 * (4 * 3072 + 4 * 3072 + 6 * 8192)
    assert {each.label: each.total - other.total for each, other in zip(full[1:], half[1:], strict=True)} == {
        "adapter": 0, "gradients": 0, "optimizer": 0, "activations of 1024 tokens": grown, "logits": 0, "runtime": 0
    }  # fmt: skip


def test_an_example_is_never_longer_than_the_model_reads() -> None:
    long, longer = (TuningUse(TuningMethod.LORA, context=tokens) for tokens in (4096, 8192))
    assert training_load(preset(), long, checkpointing=True) == training_load(preset(), longer, checkpointing=True)


def test_checkpointing_never_keeps_more_than_one_layer_and_the_inputs_of_the_others() -> None:
    one_layer = dataclasses.replace(preset(), architecture=dataclasses.replace(preset().architecture, layers=1))
    kept, recomputed = (activation_bytes(preset(), checkpointing=flag) for flag in (False, True))
    assert kept == 32 * activation_bytes(one_layer, checkpointing=False)
    assert recomputed == 32 * 4 * 3072 + activation_bytes(one_layer, checkpointing=False)
