"""Configurations judged together with the Workspace that names them."""

from collections.abc import Mapping
from typing import Any

import pytest

from controller.api.json import Json
from controller.api.messages import TEXT_LIMIT
from controller.api.reasons import Reason, is_waiting
from controller.api.workspace import parse_workspace
from controller.catalog import load_catalog
from controller.planning.admission.config_rules import missing_config
from controller.planning.admission.findings import Findings
from controller.planning.admission.validation import validate, validate_update
from controller.planning.configs import INFERENCE_KEY, TRAINING_KEY
from controller.planning.site import Site
from tests.unit.planning.manifests import changed, example

A100 = "Standard_NC24ads_A100_v4"
EIGHT = "Standard_ND96asr_v4"
SERVED = example(resource__instanceType=A100, inference__config="mine")
TUNED = example(
    inference=None,
    tuning={
        "preset": {"name": "phi-3-mini-4k-instruct"},
        "method": "qlora",
        "config": "mine",
        "input": {"urls": ["https://example.com/data.json"]},
        "output": {"volumeSource": {"emptyDir": {}}},
    },
)


def site(data: Mapping[str, str] | None) -> Site:
    """An installation where the namespace of the examples has one ConfigMap, `mine`."""
    known = {} if data is None else {("default", "mine"): data}
    return Site(load_catalog(), config_maps=lambda namespace, name: known.get((namespace, name)))


def judge(obj: Json, text: str, key: str = INFERENCE_KEY) -> Findings:
    return validate(obj, site({key: text}))


def config_problems(found: Findings) -> list[str]:
    return [problem.text for problem in found.problems if problem.reason is Reason.CONFIG_INVALID]


def config_warnings(found: Findings, field: str = "inference.config") -> list[str]:
    return [warning for warning in found.warnings if field in warning or "ConfigMap" in warning]


@pytest.mark.parametrize(
    ("obj", "text", "key"),
    [
        (SERVED, "vllm: {max-model-len: 4096}", INFERENCE_KEY),
        (SERVED, 'vllm: {max-model-len: "4096", gpu-memory-utilization: 0.95}', INFERENCE_KEY),
        (SERVED, "vllm: {tensor-parallel-size: 1, quantization: fp8}", INFERENCE_KEY),
        (changed(SERVED, "resource.instanceType", EIGHT), "vllm: {tensor-parallel-size: 4}", INFERENCE_KEY),
        (SERVED, "vllm: {swap-space: 4, num-scheduler-steps: 1}", INFERENCE_KEY),
        (
            TUNED,
            (
                "training_config: {QuantizationConfig: {load_in_4bit: true}, LoraConfig: {r: 8}, "
                "TrainingArguments: {per_device_train_batch_size: 1}}"
            ),
            TRAINING_KEY,
        ),
        (
            changed(TUNED, "tuning.method", "QLoRA"),
            (
                "training_config: {QuantizationConfig: {load_in_8bit: true}, "
                "TrainingArguments: {per_device_train_batch_size: 1}}"
            ),
            TRAINING_KEY,
        ),
    ],
)
def test_accepted(obj: Json, text: str, key: str) -> None:
    found = judge(obj, text, key)
    assert [problem.text for problem in found.problems] == []


REFUSED: dict[str, tuple[Json, str, str]] = {
    "longer than the model can": (
        SERVED,
        "vllm:\n  max-model-len: 20000",
        (
            'inference.config: ConfigMap "mine", inference_config.yaml, line 2: vllm.max-model-len is 20000: '
            "phi-3-mini-4k-instruct was made for 4096 tokens. Fix: write 4096 or less; or write auto (ConfigInvalid)"
        ),
    ),
    "no number": (
        SERVED,
        "vllm:\n  max-model-len: abc",
        'line 2: vllm.max-model-len is "abc": it must be a whole number of at least 1, or auto',
    ),
    "a map for a value": (SERVED, "vllm: {cpu: {a: 1}}", "line 1: vllm.cpu is no key of vLLM"),
    "more GPUs than a node has": (
        SERVED,
        "vllm: {tensor-parallel-size: 2}",
        f"vllm.tensor-parallel-size is 2: a node of {A100} has 1 GPU. Fix: remove it, the operator sets it; or write 1",
    ),
    "heads that do not come out even": (
        changed(SERVED, "resource.instanceType", EIGHT),
        "vllm: {tensor-parallel-size: 3}",
        (
            "its 32 attention heads cannot be shared evenly by 3 GPUs. Fix: remove it, the operator sets it; "
            "or write 2 or 4 or 8"
        ),
    ),
    "weights that are plain": (
        SERVED,
        "vllm: {quantization: awq}",
        "it reads weights that were quantised beforehand, those of phi-3-mini-4k-instruct are plain",
    ),
    "weights that are quantised already": (
        changed(SERVED, "inference.preset.name", "Qwen/Qwen3-8B-AWQ"),
        "vllm: {quantization: fp8}",
        "the weights of Qwen/Qwen3-8B-AWQ are quantised already, as awq",
    ),
    "bfloat16 where there is none": (
        changed(
            example(metadata__annotations={"kaito.sh/runtime": "vllm"}, inference__config="mine"),
            "resource.instanceType",
            "Standard_NC4as_T4_v3",
        ),
        "vllm: {dtype: bfloat16}",
        'vllm.dtype is "bfloat16": NVIDIA Tesla T4 16GB has CUDA capability 7.5, bfloat16 begins with 8.0',
    ),
    "lora that quantises": (
        changed(TUNED, "tuning.method", "lora"),
        "training_config:\n  QuantizationConfig:\n    load_in_4bit: true\n",
        "line 3: training_config.QuantizationConfig.load_in_4bit is true: tuning.method is lora",
    ),
    "qlora that does not": (
        TUNED,
        "training_config: {}",
        "training_config.QuantizationConfig switches on neither load_in_4bit nor load_in_8bit",
    ),
    "an unknown section": (TUNED, "training_config: {Optimizer: {}}", "training_config.Optimizer is no key"),
    "results that leave": (
        TUNED,
        "training_config: {TrainingArguments: {output_dir: ../etc}, QuantizationConfig: {load_in_4bit: true}}",
        'output_dir is "../etc": results are written to a folder below /mnt',
    ),
    "activations there is no room for": (
        changed(changed(TUNED, "tuning.method", "lora"), "tuning.preset.name", "phi-4-mini-instruct"),
        "training_config:\n  TrainingArguments:\n    gradient_checkpointing: false\n    auto_find_batch_size: true",
        (
            "line 3: training_config.TrainingArguments.gradient_checkpointing is false: the activations of "
            "phi-4-mini-instruct fit the 14.99 GiB (1 GPU x 15.78 usable x 95%) of Standard_NC6s_v3 only when computed"
        ),
    ),
    "bf16 where there is none": (
        TUNED,
        "training_config: {TrainingArguments: {bf16: true}, QuantizationConfig: {load_in_4bit: true}}",
        "training_config.TrainingArguments.bf16 is true: NVIDIA Tesla V100",
    ),
}


@pytest.mark.parametrize(("obj", "text", "expected"), REFUSED.values(), ids=REFUSED)
def test_refused(obj: Json, text: str, expected: str) -> None:
    key = TRAINING_KEY if obj.get("tuning") else INFERENCE_KEY
    (told,) = config_problems(judge(obj, text, key))
    assert expected in told
    assert told.endswith("(ConfigInvalid)")
    assert len(told) <= TEXT_LIMIT


def test_adapters_need_lora() -> None:
    adapters = [{"source": {"name": "mine", "image": "registry.example.com/adapter:1"}}]
    found = judge(changed(SERVED, "inference.adapters", adapters), "vllm: {enable-lora: false}")
    (told,) = config_problems(found)
    assert "vllm.enable-lora is false: inference.adapters lists 1" in told


@pytest.mark.parametrize(("obj", "field"), [(SERVED, "inference.config"), (TUNED, "tuning.config")])
def test_what_is_not_there_yet_is_a_warning_and_keeps_the_controller_waiting(obj: Json, field: str) -> None:
    nowhere = site(None)
    found = validate(obj, nowhere)
    assert found.problems == ()
    assert f'{field}: ConfigMap "mine" is not known yet' in config_warnings(found, field)[0]
    problem = missing_config(parse_workspace(obj), nowhere)
    assert problem is not None
    assert (problem.field, problem.reason) == (field, Reason.CONFIG_MAP_NOT_FOUND)
    assert is_waiting(problem.reason), "waiting for a ConfigMap is no failure of the Workspace"


@pytest.mark.parametrize(
    ("obj", "field", "key"), [(SERVED, "inference.config", INFERENCE_KEY), (TUNED, "tuning.config", TRAINING_KEY)]
)
def test_a_config_map_without_its_key_is_refused(obj: Json, field: str, key: str) -> None:
    empty = site({})
    (told,) = config_problems(validate(obj, empty))
    assert told.startswith(f'{field}: ConfigMap "mine" has no key {key}')
    assert missing_config(parse_workspace(obj), empty) is None, "it is there, and wrong"


@pytest.mark.parametrize("field", ["inference.config", "tuning.config"])
def test_a_config_map_is_named_by_its_name_alone(field: str) -> None:
    obj = changed(SERVED if field.startswith("inference") else TUNED, field, "other/mine")
    (told,) = [problem for problem in validate(obj, site(None)).problems if problem.field == field]
    assert told.reason is Reason.NAME_INVALID
    assert config_warnings(validate(obj, site(None)), field) == []


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"metadata.annotations": {"kaito.sh/runtime": "transformers"}}, "only vLLM reads one"),
        ({"resource.instanceType": "Standard_NC6s_v3"}, "only vLLM reads one"),
        ({"inference.preset": None, "inference.template": {"spec": {}}}, "a pod template brings its own"),
    ],
)
def test_what_nobody_reads_is_said_and_neither_waited_for_nor_judged(changes: Mapping[str, Any], why: str) -> None:
    obj = SERVED
    for path, value in changes.items():
        obj = changed(obj, path, value)
    for known in (None, {INFERENCE_KEY: "vllm: {nonsense: 1}"}):
        found = validate(obj, site(known))
        assert config_problems(found) == []
        assert config_warnings(found) == [f"inference.config is not used: {why}"]
        assert missing_config(parse_workspace(obj), site(known)) is None


def test_flags_the_release_does_not_know_are_named_and_left_out() -> None:
    new = changed(SERVED, "inference.preset.name", "phi-4-mini-instruct")
    found = judge(changed(new, "resource.instanceType", "Standard_NC40ads_H100_v5"), "vllm: {async-scheduling: true}")
    old = judge(SERVED, "vllm: {async-scheduling: true}")
    left_out = "async-scheduling of ConfigMap mine: not passed on, vLLM 0.8.5 has no such flag"
    assert left_out in old.warnings
    assert left_out not in found.warnings


def test_an_image_of_the_users_own_may_know_flags_we_do_not() -> None:
    own = changed(SERVED, "inference.preset.accessMode", "private")
    own = changed(own, "inference.preset.presetOptions", {"image": "registry.example.com/mine:1"})
    text = "vllm: {brand-new: 1, swap-space: 4}"
    assert config_problems(judge(SERVED, text)) != []
    found = judge(own, text)
    assert found.problems == ()
    assert any("vllm.brand-new is no key of vLLM" in warning for warning in found.warnings)
    assert not any("not passed on" in warning for warning in found.warnings)
    assert config_problems(judge(own, "vllm: {max-num-seqs: x}")) != [], "a wrong value is wrong everywhere"


def test_a_stored_object_with_a_bad_configuration_can_be_edited_elsewhere() -> None:
    bad = site({INFERENCE_KEY: "vllm: {nonsense: 1}"})
    edited = changed(SERVED, "metadata.labels", {"team": "a"})
    assert validate_update(SERVED, edited, bad).problems == ()
    assert config_problems(validate_update(changed(SERVED, "inference.config", None), edited, bad)) != []


def test_slow_arithmetic_is_told_where_the_gpu_lacks_bfloat16() -> None:
    text = "training_config: {ModelConfig: {torch_dtype: bfloat16}, QuantizationConfig: {load_in_4bit: true}}"
    assert any(
        "torch_dtype is bfloat16, which is slow there" in each for each in judge(TUNED, text, TRAINING_KEY).warnings
    )


def test_a_configuration_counts_in_the_sum() -> None:
    small = changed(SERVED, "resource.instanceType", "Standard_NV36ads_A10_v5")
    small = changed(small, "inference.preset.name", "phi-3-mini-128k-instruct")
    fits, too_long = (judge(small, f"vllm: {{max-model-len: {tokens}}}").problems for tokens in (8192, 131072))
    assert fits == ()
    assert [problem.reason for problem in too_long] == [Reason.INSUFFICIENT_GPU_MEMORY]
    assert "KV cache of 131072 tokens" in too_long[0].text
