"""The one value of a configuration that, asked less of, makes the model fit."""

import pytest

from controller.api.json import Json
from controller.planning.admission.validation import validate
from controller.planning.configs import INFERENCE_KEY, TRAINING_KEY
from controller.planning.site import Site
from tests.unit.planning.admission.findings_kit import V100, tuned
from tests.unit.planning.manifests import changed, example

A10 = "Standard_NV36ads_A10_v5"
A100 = "Standard_NC24ads_A100_v4"
SERVED = example(resource__instanceType=A10, inference__config="mine")
SERVED = changed(SERVED, "inference.preset.name", "phi-3-mini-128k-instruct")
LORA = changed(tuned(method="lora", config="mine"), "resource.instanceType", V100)


def site(text: str) -> Site:
    return Site(config_maps=lambda namespace, name: {INFERENCE_KEY: text, TRAINING_KEY: text})


CASES: dict[str, tuple[Json, str, str, str]] = {
    "context": (SERVED, "vllm: {max-model-len: 131072}", "max-model-len: ", ""),
    "share of memory": (SERVED, "vllm: {gpu-memory-utilization: 0.2}", "remove gpu-memory-utilization", "vllm: {}"),
    "batch": (
        LORA,
        "training_config: {ModelConfig: {torch_dtype: half}, TrainingArguments: {per_device_train_batch_size: 64}}",
        "per_device_train_batch_size: 4",
        "training_config: {ModelConfig: {torch_dtype: half}, TrainingArguments: {per_device_train_batch_size: 4}}",
    ),
    "the library's batch": (
        LORA,
        "training_config: {}",
        "per_device_train_batch_size: 4",
        "training_config: {TrainingArguments: {per_device_train_batch_size: 4}}",
    ),
    "weights": (
        LORA,
        "training_config: {ModelConfig: {torch_dtype: float32}, TrainingArguments: {per_device_train_batch_size: 1}}",
        "torch_dtype: float16",
        "training_config: {ModelConfig: {torch_dtype: float16}, TrainingArguments: {per_device_train_batch_size: 1}}",
    ),
    "rank": (
        LORA,
        "training_config: {LoraConfig: {r: 1024}, TrainingArguments: {per_device_train_batch_size: 1}}",
        "write r: ",
        "",
    ),
}


@pytest.mark.parametrize(("obj", "text", "fix", "mended"), CASES.values(), ids=CASES)
def test_the_first_fix_changes_the_value_that_is_too_much_and_helps(
    obj: Json, text: str, fix: str, mended: str
) -> None:
    (problem,) = validate(obj, site(text)).problems
    assert fix in problem.fixes[0], problem.text
    assert problem.fixes[0].endswith('in ConfigMap "mine"')
    assert problem.fixes[1].startswith("use Standard_"), "another size is the second way"
    if not mended:
        key, _, number = problem.fixes[0].removeprefix("write ").removesuffix(' in ConfigMap "mine"').partition(": ")
        old = "131072" if key == "max-model-len" else "1024"
        mended = text.replace(f"{key}: {old}", f"{key}: {number}")
    assert validate(obj, site(mended)).problems == ()


def test_what_no_single_value_mends_is_left_to_another_size() -> None:
    text = "training_config: {LoraConfig: {r: 1024}, TrainingArguments: {per_device_train_batch_size: 512}}"
    (problem,) = validate(LORA, site(text)).problems
    assert not any("ConfigMap" in fix for fix in problem.fixes)
