"""What a Workspace asks of its model."""

from typing import Any

import pytest

from controller.api.workspace import parse_workspace
from controller.catalog import load_catalog
from controller.planning.configs import INFERENCE_KEY, TRAINING_KEY
from controller.planning.site import Site
from controller.planning.sizing import Precision, TuningMethod, TuningUse, Use
from controller.planning.uses import use_for
from tests.unit.planning.manifests import example

SITE = Site(load_catalog())


def test_serving_asks_for_runtime_and_adapters() -> None:
    assert use_for(parse_workspace(example()), SITE) == Use()
    asked = parse_workspace(
        example(metadata__annotations={"kaito.sh/runtime": "transformers"}, inference__adapters=[{}, {}])
    )
    assert use_for(asked, SITE) == Use(runtime=asked.runtime_wish, adapters=2)
    assert use_for(parse_workspace(example(inference=None)), SITE) == Use()


def test_tuning_asks_by_its_method_in_any_letter_case() -> None:
    tuned = parse_workspace(example(inference=None, tuning={"method": "LoRA"}))
    assert use_for(tuned, SITE) == Use(tuning=TuningUse(TuningMethod.LORA))


A100 = "Standard_NC24ads_A100_v4"


def asked(text: str, **changes: Any) -> Use:
    """What is asked by a configuration under the name `mine`."""
    data = {INFERENCE_KEY: text, TRAINING_KEY: text}
    site = Site(load_catalog(), config_maps=lambda namespace, name: data if name == "mine" else None)
    obj = example(**{"resource__instanceType": A100, "inference__config": "mine", **changes})
    return use_for(parse_workspace(obj), site)


@pytest.mark.parametrize(
    ("text", "use"),
    [
        ("", Use()),
        ("vllm: {max-model-len: 4096}", Use(context=4096)),
        ("vllm: {max-model-len: auto}", Use()),
        ("vllm: {gpu-memory-utilization: 0.959}", Use(percent=95)),
        ("vllm: {gpu-memory-utilization: 0.29}", Use(percent=29)),
        ("vllm: {tensor-parallel-size: 2}", Use(tensor=2)),
        ("vllm: {quantization: bitsandbytes}", Use(precision=Precision.NF4)),
        ("vllm: {quantization: fp8}", Use(precision=Precision.FP8)),
        ("vllm: {dtype: float32}", Use(precision=Precision.FLOAT32)),
        ("vllm: {dtype: half}", Use()),
        ("vllm: {kv-cache-dtype: fp8_e5m2}", Use(cache_precision=Precision.FP8)),
        ("vllm: {kv-cache-dtype: nvfp4}", Use(cache_precision=Precision.FP8)),
        ("vllm: {kv-cache-dtype: auto}", Use()),
        ("vllm: {max-loras: 4, max-lora-rank: 64}", Use(adapter_rank=64)),
        ("vllm: {nonsense: 1, max-model-len: 4096}", Use(context=4096)),
        ("vllm: [", Use()),
    ],
)
def test_a_configuration_says_how_the_model_is_served(text: str, use: Use) -> None:
    assert asked(text) == use


def test_adapters_take_the_room_the_configuration_gives_them() -> None:
    three: list[dict[str, str]] = [{}, {}, {}]
    assert asked("vllm: {max-lora-rank: 64}", inference__adapters=three) == Use(adapters=3, adapter_rank=64)
    assert asked("vllm: {max-loras: 2}", inference__adapters=three) == Use(adapters=2)


def test_weights_that_are_quantised_already_stay_as_they_are() -> None:
    assert asked("vllm: {quantization: awq, dtype: float32}", inference__preset__name="Qwen/Qwen3-8B-AWQ") == Use()


def test_what_nobody_reads_asks_for_nothing() -> None:
    assert asked("vllm: {max-model-len: 4096}", resource__instanceType="Standard_NC6s_v3") == Use()
    assert asked("vllm: {max-model-len: 4096}", inference__config="other") == Use()


@pytest.mark.parametrize(
    ("text", "batch", "rank"),
    [
        ("training_config: {TrainingArguments: {per_device_train_batch_size: 2}, LoraConfig: {r: 32}}", 2, 32),
        ("training_config: {}", 8, 8),
    ],
)
def test_a_training_configuration_says_how_much_is_held_at_once(text: str, batch: int, rank: int) -> None:
    use = asked(text, inference=None, tuning={"method": "lora", "config": "mine"}, inference__config=None)
    assert use == Use(tuning=TuningUse(TuningMethod.LORA, batch=batch, rank=rank))


@pytest.mark.parametrize(
    ("method", "text", "base"),
    [
        ("lora", "ModelConfig: {torch_dtype: float32}", Precision.FLOAT32),
        ("lora", "ModelConfig: {torch_dtype: half}", Precision.AUTO),
        ("lora", "ModelConfig: {}", Precision.AUTO),
        ("qlora", "QuantizationConfig: {load_in_8bit: true}", Precision.FP8),
        ("qlora", "QuantizationConfig: {load_in_4bit: true}, ModelConfig: {torch_dtype: float32}", Precision.AUTO),
    ],
)
def test_a_training_configuration_says_what_the_frozen_weights_take(method: str, text: str, base: Precision) -> None:
    tuning = {"method": method, "config": "mine"}
    use = asked(f"training_config: {{{text}}}", inference=None, tuning=tuning, inference__config=None)
    assert use.tuning is not None
    assert use.tuning.base is base
