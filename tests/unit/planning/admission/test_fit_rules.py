"""Which model server, on which GPUs, on how many nodes: what can run and what cannot."""

from typing import Any

import pytest

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.catalog import load_catalog
from controller.planning.admission.validation import validate
from controller.planning.site import Site
from tests.unit.planning.manifests import example

SITE = Site(load_catalog())
A100, TWO_A100, V100, T4 = (
    "Standard_NC24ads_A100_v4",
    "Standard_NC48ads_A100_v4",
    "Standard_NC6s_v3",
    "Standard_NC4as_T4_v3",
)
TRANSFORMERS, VLLM = ({"kaito.sh/runtime": runtime} for runtime in ("transformers", "vllm"))
BYPASS = {"kaito.sh/bypass-resource-checks": ""}


def serving(preset: str, size: str, annotations: Json | None = None, **changes: Any) -> Json:
    fields = {
        "inference__preset__name": preset,
        "resource__instanceType": size,
        "metadata__annotations": annotations or {},
    }
    return example(apiVersion="kaito.sh/v1beta1", **{**fields, **changes})


def tuning(preset: str, size: str, method: str) -> Json:
    block = {
        "preset": {"name": preset},
        "method": method,
        "input": {"urls": ["https://example.com/data.parquet"]},
        "output": {"image": "registry.example.com/out/adapter:1", "imagePushSecret": "push-secret"},
    }
    return example(inference=None, tuning=block, resource__instanceType=size)


ACCEPTED: list[tuple[str, Json]] = [
    ("transformers where the preset's image holds it", serving("phi-4", A100, TRANSFORMERS)),
    ("a model over several nodes by vLLM", serving("llama-3.3-70b-instruct", TWO_A100)),
    ("a model over several nodes by vLLM, asked for", serving("llama-3.3-70b-instruct", TWO_A100, VLLM)),
    ("a very large one over many", serving("deepseek-ai/DeepSeek-R1-0528", "Standard_ND96isr_H100_v5")),
    ("the mission's example", serving("phi-3-mini-4k-instruct", V100)),
    ("qlora of phi-3-mini on a V100", tuning("phi-3-mini-128k-instruct", V100, "qlora")),
    ("lora of phi-3-mini on a V100", tuning("phi-3-mini-4k-instruct", V100, "lora")),
]


@pytest.mark.parametrize(("title", "obj"), ACCEPTED, ids=[row[0] for row in ACCEPTED])
def test_accepted(title: str, obj: Json) -> None:
    assert [problem.text for problem in validate(obj, SITE).problems] == [], title


@pytest.mark.parametrize("preset", ["mistral-7b", "falcon-7b"])
def test_what_only_upper_bounds_speak_against_is_a_warning(preset: str) -> None:
    answer = validate(serving(preset, V100), SITE)
    assert [problem.text for problem in answer.problems] == []
    assert f"{V100} may be too small for {preset}: what its server takes and leaves unused is an upper bound" in (
        answer.warnings
    )


SIZE, RUNTIME = "resource.instanceType", "metadata.annotations[kaito.sh/runtime]"
REFUSED: list[tuple[str, Json, Reason, str, str]] = [
    ("a model transformers cannot serve", serving("google/gemma-4-12B-it", A100, TRANSFORMERS),
     Reason.RUNTIME_NOT_SUPPORTED, RUNTIME, "1 model server can: vllm"),
    ("a model vLLM cannot serve",
     serving("llama-2-7b", A100, VLLM, inference__preset__accessMode="private",
             inference__preset__presetOptions={"image": "r.io/llama:1"}),
     Reason.RUNTIME_NOT_SUPPORTED, RUNTIME, "1 model server can: transformers"),
    ("transformers over nodes", serving("llama-3.3-70b-instruct", A100, TRANSFORMERS),
     Reason.RUNTIME_NOT_SUPPORTED, RUNTIME, "are 131.4"),
    ("transformers over nodes, bypassed", serving("llama-3.3-70b-instruct", A100, {**TRANSFORMERS, **BYPASS}),
     Reason.RUNTIME_NOT_SUPPORTED, RUNTIME, "are 131.4"),
    ("transformers over nodes, enough of them",
     serving("llama-3.3-70b-instruct", A100, TRANSFORMERS, resource__count=2),
     Reason.RUNTIME_NOT_SUPPORTED, RUNTIME, "which serves a model on 1 node"),
    ("a model that is never split", serving("falcon-40b", T4), Reason.INSUFFICIENT_GPU_MEMORY, SIZE, "is too small"),
    ("tuning on too small a GPU", tuning("phi-3-medium-4k-instruct", T4, "lora"),
     Reason.INSUFFICIENT_GPU_MEMORY, SIZE, "base model"),
    ("tuning on a GPU its image has no code for", tuning("phi-3-mini-4k-instruct", "Standard_NC6", "qlora"),
     Reason.GPU_NOT_SUPPORTED, SIZE, "the training program in its image has code for CUDA capability 5.0 to"),
    ("a model that needs the CUDA toolkit", serving("deepseek-ai/DeepSeek-V3.2", "Standard_ND96isr_H200_v5"),
     Reason.NOT_SUPPORTED, "inference.preset.name", "needs the CUDA toolkit"),
    ("the same, bypassed", serving("deepseek-ai/DeepSeek-V3.2", "Standard_ND96isr_H200_v5", BYPASS),
     Reason.NOT_SUPPORTED, "inference.preset.name", "needs the CUDA toolkit"),
]  # fmt: skip


@pytest.mark.parametrize(("title", "obj", "reason", "field", "says"), REFUSED, ids=[row[0] for row in REFUSED])
def test_refused(title: str, obj: Json, reason: Reason, field: str, says: str) -> None:
    found = [problem for problem in validate(obj, SITE).problems if (problem.reason, problem.field) == (reason, field)]
    assert found, f"{title}: {[problem.text for problem in validate(obj, SITE).problems]}"
    assert says in found[0].text


def test_weights_larger_than_a_node_are_told_once() -> None:
    assert len(validate(serving("llama-3.3-70b-instruct", A100, TRANSFORMERS), SITE).problems) == 1


def test_the_way_out_of_one_node_is_the_server_that_takes_several() -> None:
    (problem,) = validate(serving("llama-3.3-70b-instruct", A100, TRANSFORMERS), SITE).problems
    assert problem.fixes[0].startswith("remove the annotation, vLLM takes 3 nodes")


def test_the_toolkit_is_the_business_of_whoever_brings_the_image() -> None:
    obj = serving(
        "deepseek-ai/DeepSeek-V3.2",
        "Standard_ND96isr_H200_v5",
        inference__preset__accessMode="private",
        inference__preset__presetOptions={"image": "r.io/deepseek:1"},
    )
    assert validate(obj, SITE).problems == ()


def test_a_size_offered_for_a_model_server_has_that_server() -> None:
    refused = serving("phi-4-mini-instruct", "Standard_NV6ads_A10_v5", TRANSFORMERS)
    offered = [fix for problem in validate(refused, SITE).problems for fix in problem.fixes if fix.startswith("use ")]
    sizes = [fix.split()[1] for fix in offered]
    assert sizes, "nothing is offered"
    for size in sizes:
        found = validate(serving("phi-4-mini-instruct", size, TRANSFORMERS), SITE).problems
        assert found == (), f"{size} is offered and refused: {[problem.text for problem in found]}"


def test_vllm_is_no_way_out_on_a_gpu_its_image_has_no_code_for() -> None:
    problems = validate(serving("llama-3.3-70b-instruct", V100, TRANSFORMERS), SITE).problems
    assert [problem.reason for problem in problems] == [Reason.RUNTIME_NOT_SUPPORTED, Reason.GPU_NOT_SUPPORTED]
    assert not [fix for problem in problems for fix in problem.fixes if "vLLM" in fix]


def test_a_server_the_model_does_not_have_is_told_once() -> None:
    problems = validate(serving("ministral-3-3b-instruct", "Standard_NV6ads_A10_v5", TRANSFORMERS), SITE).problems
    assert [problem.field for problem in problems].count(RUNTIME) == 1


def test_the_number_vllm_takes_is_told_where_another_is_written() -> None:
    obj = serving("llama-3.3-70b-instruct", A100, TRANSFORMERS, resource__count=1)
    (problem,) = validate(obj, SITE).problems
    assert problem.fixes[0].startswith("remove the annotation and set resource.count to 3")


def test_what_no_size_helps_is_told_before_a_size_is_chosen() -> None:
    problems = validate(serving("deepseek-ai/DeepSeek-V3.2", "Standard_D4s_v5"), SITE).problems
    assert Reason.NOT_SUPPORTED in [problem.reason for problem in problems]
