"""What is refused, what is accepted, and what the author is told: one row per rule."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.json import Json
from controller.api.messages import TEXT_LIMIT
from controller.api.reasons import Reason
from controller.catalog import load_catalog
from controller.planning.admission.findings import MAX_PROBLEMS, WARNING_LIMIT
from controller.planning.admission.validation import Findings, validate
from controller.planning.site import Site
from tests.unit.planning.manifests import ANY_JSON, PATHS, changed, example, manifests

CATALOG = load_catalog()
BYPASS = {"kaito.sh/bypass-resource-checks": ""}
TEMPLATE = {"spec": {"containers": [{"name": "main", "image": "example.io/serve:1"}]}}
TUNING = {
    "preset": {"name": "phi-3-mini-4k-instruct"},
    "method": "qlora",
    "input": {"urls": ["https://example.com/data.parquet"]},
    "output": {"image": "registry.example.com/out/adapter:1", "imagePushSecret": "push-secret"},
}
PRIVATE = {"name": "phi-3-mini-4k-instruct", "accessMode": "private"}


def judge(obj: Any, *, auto_provision: bool = True) -> Findings:
    return validate(obj, Site(CATALOG, auto_provision))


def refusals(obj: Json) -> list[tuple[str, str]]:
    return [(problem.reason.value, problem.field) for problem in judge(obj).problems]


def expression(operator: str, *values: str, key: str = "apps") -> Json:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("the mission's example", {}),
    ("any letter case of a size", {"resource__instanceType": "standard_nc24ADS_a100_V4"}),
    ("a Hugging Face name", {"inference__preset__name": "microsoft/Phi-3-mini-4k-instruct"}),
    ("any letter case of a preset", {"inference__preset__name": "PHI-3-mini-4k-INSTRUCT"}),
    ("one value by In", {"resource__labelSelector": expression("In", "x")}),
    ("an empty selector", {"resource__labelSelector": {}}),
    ("more nodes than needed", {"resource__count": 6}),
    ("null is absent", {"metadata__labels": None, "tuning": None}),
    ("an unknown runtime", {"metadata__annotations": {"kaito.sh/runtime": "something"}}),
    ("vLLM on a V100", {"metadata__annotations": {"kaito.sh/runtime": "vllm"}}),
    ("an image family in any case", {"metadata__annotations": {"kaito.sh/node-image-family": " AzureLinux "}}),
    ("a generated name", {"metadata": {"generateName": "phi-"}}),
    ("preferred nodes", {"resource__preferredNodes": ["n1", "n2"]}),
    ("an own image", {"inference__preset": {**PRIVATE, "presetOptions": {"image": "r.example/phi:1"}}}),
    (
        "an own image on a GPU ours does not run on",
        {
            "resource__instanceType": "Standard_ND96isr_MI300X_v5",
            "inference__preset": {**PRIVATE, "presetOptions": {"image": "r.example/phi:1", "imagePullSecrets": ["s"]}},
        },
    ),
    ("too small, but bypassed", {"resource__instanceType": "Standard_NV6ads_A10_v5", "metadata__annotations": BYPASS}),
    ("a K80, but bypassed", {"resource__instanceType": "Standard_NC6", "metadata__annotations": BYPASS}),
]

SIZE, COUNT, SELECTOR = "resource.instanceType", "resource.count", "resource.labelSelector"
OPTIONS = "inference.preset.presetOptions"
REFUSED: list[tuple[str, dict[str, Any], list[tuple[Reason, str]]]] = [
    ("upper case and dots in the name", {"metadata__name": "Base_Inf"}, [(Reason.NAME_INVALID, "metadata.name")]),
    ("a dot in the name", {"metadata__name": "a.b"}, [(Reason.NAME_INVALID, "metadata.name")]),
    ("64 characters", {"metadata__name": "a" * 64}, [(Reason.NAME_INVALID, "metadata.name")]),
    ("no name", {"metadata__name": None}, [(Reason.FIELD_REQUIRED, "metadata.name")]),
    ("a bad prefix", {"metadata": {"generateName": "Phi-"}}, [(Reason.NAME_INVALID, "metadata.name")]),
    ("neither inference nor tuning", {"inference": None}, [(Reason.EXACTLY_ONE_OF, "inference")]),
    ("both inference and tuning", {"tuning": TUNING}, [(Reason.EXACTLY_ONE_OF, "inference")]),
    ("neither preset nor template", {"inference": {}}, [(Reason.EXACTLY_ONE_OF, "inference.preset")]),
    ("both preset and template", {"inference__template": TEMPLATE}, [(Reason.EXACTLY_ONE_OF, "inference.preset")]),
    ("an unknown preset", {"inference__preset__name": "gpt-2"}, [(Reason.PRESET_UNKNOWN, "inference.preset.name")]),
    ("a preset never released", {"inference__preset__name": "phi-3-small-8k-instruct"},
     [(Reason.PRESET_UNKNOWN, "inference.preset.name")]),
    ("a preset without published image",
     {"inference__preset__name": "llama-2-7b", "resource__instanceType": "Standard_NC24ads_A100_v4"},
     [(Reason.FIELD_REQUIRED, "inference.preset.presetOptions.image")]),
    ("no preset name", {"inference__preset": {}}, [(Reason.FIELD_REQUIRED, "inference.preset.name")]),
    ("a third access mode", {"inference__preset__accessMode": "Public"},
     [(Reason.FIELD_TYPE_INVALID, "inference.preset.accessMode")]),
    ("private without image", {"inference__preset__accessMode": "private"},
     [(Reason.FIELD_REQUIRED, f"{OPTIONS}.image")]),
    ("an image in capitals", {"inference__preset": {**PRIVATE, "presetOptions": {"image": "r.io/Team/Phi:1"}}},
     [(Reason.IMAGE_INVALID, f"{OPTIONS}.image")]),
    ("a pull secret of another namespace",
     {"inference__preset": {**PRIVATE, "presetOptions": {"image": "r.io/phi", "imagePullSecrets": ["other/secret"]}}},
     [(Reason.NAME_INVALID, f"{OPTIONS}.imagePullSecrets[0]")]),
    ("an unknown image family", {"metadata__annotations": {"kaito.sh/node-image-family": "windows"}},
     [(Reason.ANNOTATION_INVALID, "metadata.annotations[kaito.sh/node-image-family]")]),
    ("no resource", {"resource": None}, [(Reason.INSTANCE_TYPE_REQUIRED, SIZE), (Reason.FIELD_REQUIRED, SELECTOR)]),
    ("no selector", {"resource__labelSelector": None}, [(Reason.FIELD_REQUIRED, SELECTOR)]),
    ("two values", {"resource__labelSelector": expression("In", "a", "b")},
     [(Reason.SELECTOR_INVALID, f"{SELECTOR}.matchExpressions[0]")]),
    ("Exists", {"resource__labelSelector": expression("Exists")},
     [(Reason.SELECTOR_INVALID, f"{SELECTOR}.matchExpressions[0]")]),
    ("two values of one label", {"resource__labelSelector": {"matchLabels": {"apps": "a"}, **expression("In", "b")}},
     [(Reason.SELECTOR_INVALID, f"{SELECTOR}.matchExpressions[0]")]),
    ("an ownership label", {"resource__labelSelector__matchLabels": {"kaito.sh/workspace": "other"}},
     [(Reason.LABEL_RESERVED, f'{SELECTOR}.matchLabels["kaito.sh/workspace"]')]),
    ("the control plane", {"resource__labelSelector__matchLabels": {"node-role.kubernetes.io/control-plane": ""}},
     [(Reason.LABEL_RESERVED, f'{SELECTOR}.matchLabels["node-role.kubernetes.io/control-plane"]')]),
    ("an ownership label by In", {"resource__labelSelector": expression("In", "x", key="kaito.sh/workspace-uid")},
     [(Reason.LABEL_RESERVED, f'{SELECTOR}.matchLabels["kaito.sh/workspace-uid"]')]),
    ("a label of the cloud", {"resource__labelSelector__matchLabels": {"kubernetes.azure.com/mode": "user"}},
     [(Reason.LABEL_RESERVED, f'{SELECTOR}.matchLabels["kubernetes.azure.com/mode"]')]),
    ("a label of Kubernetes", {"resource__labelSelector__matchLabels": {"topology.kubernetes.io/zone": "1"}},
     [(Reason.LABEL_RESERVED, f'{SELECTOR}.matchLabels["topology.kubernetes.io/zone"]')]),
    ("a label of a Kubernetes subdomain", {"resource__labelSelector__matchLabels": {"a.k8s.io/b": "1"}},
     [(Reason.LABEL_RESERVED, f'{SELECTOR}.matchLabels["a.k8s.io/b"]')]),
    ("no label at all", {"resource__labelSelector__matchLabels": {"a b": "c"}},
     [(Reason.SELECTOR_INVALID, f'{SELECTOR}.matchLabels["a b"]')]),
    ("a value that is too long for a label", {"resource__labelSelector__matchLabels": {"a": "x" * 64}},
     [(Reason.FIELD_TYPE_INVALID, f'{SELECTOR}.matchLabels["a"]')]),
    ("a value that is no label", {"resource__labelSelector__matchLabels": {"a": "-x"}},
     [(Reason.SELECTOR_INVALID, f'{SELECTOR}.matchLabels["a"]')]),
    ("count 0", {"resource__count": 0}, [(Reason.COUNT_INVALID, COUNT)]),
    ("negative count", {"resource__count": -3}, [(Reason.COUNT_INVALID, COUNT)]),
    ("1001 nodes", {"resource__count": 1001}, [(Reason.COUNT_INVALID, COUNT)]),
    ("count in words", {"resource__count": "two"}, [(Reason.FIELD_TYPE_INVALID, COUNT)]),
    ("count true", {"resource__count": True}, [(Reason.FIELD_TYPE_INVALID, COUNT)]),
    ("count 1.0", {"resource__count": 1.0}, [(Reason.FIELD_TYPE_INVALID, COUNT)]),
    ("no size", {"resource__instanceType": None}, [(Reason.INSTANCE_TYPE_REQUIRED, SIZE)]),
    ("a misspelt size", {"resource__instanceType": "Standard_NC6_v3"}, [(Reason.INSTANCE_TYPE_UNKNOWN, SIZE)]),
    ("a size with an unknown number of GPUs", {"resource__instanceType": "Standard_ND46s_H100_v5"},
     [(Reason.INSTANCE_TYPE_UNKNOWN, SIZE)]),
    ("a size of no family", {"resource__instanceType": "Standard_MC6s_v3"}, [(Reason.INSTANCE_TYPE_UNKNOWN, SIZE)]),
    ("a CPU size whose name is like a GPU size's", {"resource__instanceType": "Standard_DC24s_v3"},
     [(Reason.INSTANCE_TYPE_HAS_NO_GPU, SIZE)]),
    ("half a size", {"resource__instanceType": "NC6s_v3"}, [(Reason.INSTANCE_TYPE_UNKNOWN, SIZE)]),
    ("another cloud's size", {"resource__instanceType": "g5.xlarge"}, [(Reason.INSTANCE_TYPE_UNKNOWN, SIZE)]),
    ("an alias", {"resource__instanceType": "Standard_ND96asr_A100_v4"}, [(Reason.INSTANCE_TYPE_UNKNOWN, SIZE)]),
    ("a CPU size", {"resource__instanceType": "Standard_D4s_v5"}, [(Reason.INSTANCE_TYPE_HAS_NO_GPU, SIZE)]),
    ("a CPU size in lower case", {"resource__instanceType": "standard_e8s_v5"},
     [(Reason.INSTANCE_TYPE_HAS_NO_GPU, SIZE)]),
    ("an FPGA", {"resource__instanceType": "Standard_NP10s"}, [(Reason.INSTANCE_TYPE_HAS_NO_GPU, SIZE)]),
    ("too little GPU memory", {"resource__instanceType": "Standard_NV6ads_A10_v5"},
     [(Reason.INSUFFICIENT_GPU_MEMORY, SIZE)]),
    ("an AMD GPU", {"resource__instanceType": "Standard_ND96isr_MI300X_v5"}, [(Reason.GPU_NOT_SUPPORTED, SIZE)]),
    ("an Arm node", {"resource__instanceType": "Standard_ND128isr_GB300_v6"}, [(Reason.GPU_NOT_SUPPORTED, SIZE)]),
    ("a GPU older than the image", {"resource__instanceType": "Standard_NC12"}, [(Reason.GPU_NOT_SUPPORTED, SIZE)]),
    ("vLLM on a GPU too old for it",
     {"resource__instanceType": "Standard_NC6s_v2", "metadata__annotations": {"kaito.sh/runtime": "vllm"}},
     [(Reason.GPU_NOT_SUPPORTED, SIZE)]),
    ("two errors are told together", {"resource__count": 0, "inference__preset__name": "x"},
     [(Reason.PRESET_UNKNOWN, "inference.preset.name"), (Reason.COUNT_INVALID, COUNT)]),
]  # fmt: skip


@pytest.mark.parametrize(("title", "changes"), ACCEPTED, ids=[row[0] for row in ACCEPTED])
def test_accepted(title: str, changes: dict[str, Any]) -> None:
    assert refusals(example(**changes)) == [], title


@pytest.mark.parametrize(("title", "changes", "expected"), REFUSED, ids=[row[0] for row in REFUSED])
def test_refused(title: str, changes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    assert refusals(example(**changes)) == expected, title


@pytest.mark.parametrize(("title", "changes", "_expected"), REFUSED, ids=[row[0] for row in REFUSED])
def test_a_refusal_has_four_parts(title: str, changes: dict[str, Any], _expected: object) -> None:
    for problem in judge(example(**changes)).problems:
        assert problem.what.startswith((problem.field, "both", "neither")), f"{title}: the field is not named first"
        assert problem.why, f"{title}: no reason given in {problem.text}"
        assert problem.fixes, f"{title}: no way out given in {problem.text}"
        assert len(problem.text) <= TEXT_LIMIT
        assert problem.text.endswith(f"({problem.reason})")


def only_text(**changes: Any) -> str:
    (problem,) = judge(example(**changes)).problems
    return problem.text


def test_a_model_too_large_is_refused_with_the_sum_and_three_sizes_that_fit() -> None:
    assert only_text(resource__instanceType="Standard_NV6ads_A10_v5") == (
        "resource.instanceType Standard_NV6ads_A10_v5 is too small for phi-3-mini-4k-instruct: "
        "it needs 10.31 GiB of GPU memory (7.26 weights + 0.75 KV cache of 2048 tokens + 2.30 runtime) "
        "and gets 3.06 GiB (1 GPU x 3.73 usable x 82%). "
        "Fix: use Standard_NC4as_T4_v3 (1 GPU, 16 GiB, $0.53/h list price of 2026-06, eastus); "
        "or use Standard_NC24lds_xl_RTXPRO6000BSE_v6 (1 GPU, 24 GiB, $1.13/h list price of 2026-06, eastus); "
        "or use Standard_NV36ads_A10_v5 (1 GPU, 24 GiB, $3.20/h list price of 2026-06, eastus) (InsufficientGpuMemory)"
    )


@pytest.mark.parametrize(
    ("size", "meant"),
    [
        ("Standard_NC6_v3", "Standard_NC6s_v3"),
        ("Standard_MC6s_v3", "Standard_NC6s_v3"),
        ("NC6s_v3", "Standard_NC6s_v3"),
        ("Standart_NC6s_v3", "Standard_NC6s_v3"),
        ("Standard_NC24ads_A100v4", "Standard_NC24ads_A100_v4"),
        ("Standard_ND96asr_A100_v4", "Standard_ND96asr_v4"),
    ],
)
def test_the_first_fix_for_a_misspelt_size_is_the_one_that_was_meant(size: str, meant: str) -> None:
    (problem,) = judge(example(resource__instanceType=size)).problems
    assert problem.fixes[0] == f"use {meant}"


@pytest.mark.parametrize("name", ["phi-3-mini", "phi3-mini-4k-instruct", "microsoft/Phi-3-mini-4k"])
def test_the_first_fix_for_a_misspelt_preset_is_the_one_that_was_meant(name: str) -> None:
    (problem,) = judge(example(inference__preset__name=name)).problems
    assert problem.fixes[0] == "use phi-3-mini-4k-instruct"


WARNED: list[tuple[dict[str, Any], str]] = [
    (
        {"metadata__name": "1abc"},
        'metadata.name "1abc" begins with a digit: before Kubernetes 1.36 no Service can be named so',
    ),
    (
        {"apiVersion": "kaito.sh/v1beta1", "inference__preset__accessMode": "private"},
        (
            "inference.preset.accessMode is private but inference.preset.presetOptions.image is not set: "
            "the published image is run"
        ),
    ),
    (
        {},
        "Standard_NC6s_v3 was retired by Azure on 2025-09-30, new nodes may be refused; Standard_NC4as_T4_v3 fits too",
    ),
    (
        {"inference__preset__name": "falcon-7b", "resource__instanceType": "Standard_NC24ads_A100_v4"},
        "falcon-7b is removed in KAITO and still runs here; mistral-7b is its successor",
    ),
    (
        {"resource__instanceType": "Standard_NV48s_v3"},
        "Standard_NV48s_v3 retires at Azure on 2026-09-30, new nodes may be refused; Standard_NC4as_T4_v3 fits too",
    ),
    (
        {"resource__instanceType": "Standard_NCC40ads_H100_v5"},
        "AKS installs no GPU driver on Standard_NCC40ads_H100_v5: its GPUs stay invisible until you install one",
    ),
    (
        {"resource__instanceType": "Standard_ND96is_H100_v5"},
        "Standard_ND96is_H100_v5 is not a documented size: Azure may not offer it",
    ),
    (
        {"metadata__annotations": {"kaito.sh/runtime": "tgi"}},
        'kaito.sh/runtime "tgi" is none of transformers, vllm; transformers is used',
    ),
    (
        {"metadata__annotations": {"kaito.sh/enablelb": "true"}},
        'kaito.sh/enablelb is "true"; only "True" makes the Service public',
    ),
    (
        {"metadata__annotations": {"kaito.sh/release-nodes": "yes"}},
        'kaito.sh/release-nodes is "yes"; only "when-done" gives nodes back after tuning',
    ),
    (
        {"inference__preset__presetOptions": {"image": "r.io/phi:1"}},
        "inference.preset.presetOptions.image is not used: accessMode is not private",
    ),
    (
        {"resource__instanceType": "Standard_NV6ads_A10_v5", "metadata__annotations": BYPASS},
        (
            "accepted because kaito.sh/bypass-resource-checks is set: resource.instanceType Standard_NV6ads_A10_v5 "
            "is too small for phi-3-mini-4k-instruct (InsufficientGpuMemory)"
        ),
    ),
]


@pytest.mark.parametrize(("changes", "text"), WARNED, ids=[row[1][:40] for row in WARNED])
def test_warned(changes: dict[str, Any], text: str) -> None:
    found = judge(example(**changes))
    assert found.problems == ()
    assert text in found.warnings


def test_a_current_size_draws_no_warning() -> None:
    assert judge(example(resource__instanceType="Standard_NC24ads_A100_v4")) == Findings()


@pytest.mark.parametrize("word", ["false", "No", " off ", "0"])
def test_a_bypass_that_says_no_bypasses_nothing_and_is_told(word: str) -> None:
    annotations = {"kaito.sh/bypass-resource-checks": word}
    found = judge(example(resource__instanceType="Standard_NV6ads_A10_v5", metadata__annotations=annotations))
    assert [problem.reason for problem in found.problems] == [Reason.INSUFFICIENT_GPU_MEMORY]
    assert any("bypasses nothing here" in warning for warning in found.warnings), found.warnings


@given(ANY_JSON)
def test_any_json_gets_an_answer(obj: Any) -> None:
    assert_presentable(judge(obj))


@given(manifests(), st.booleans())
def test_any_manifest_gets_an_answer(obj: Json, auto_provision: bool) -> None:
    assert_presentable(judge(obj, auto_provision=auto_provision))


@given(st.sampled_from(PATHS), ANY_JSON)
def test_one_wrong_field_never_hides_behind_an_exception(path: str, value: Any) -> None:
    assert_presentable(judge(changed(example(), path, value)))


def assert_presentable(found: Findings) -> None:
    assert len(found.problems) <= MAX_PROBLEMS
    for problem in found.problems:
        assert len(problem.text) <= TEXT_LIMIT
        assert problem.text.isprintable(), f"would garble a terminal: {problem.text!r}"
        assert problem.as_cause()["reason"] == problem.reason
    for warning in found.warnings:
        assert len(warning) <= WARNING_LIMIT


def test_a_size_like_the_one_meant_is_offered_only_where_it_does() -> None:
    (small,) = validate(example(resource__instanceType="NC6s_v3"), Site(CATALOG)).problems
    assert small.fixes[0] == "use Standard_NC6s_v3"
    large = validate(
        example(resource__instanceType="NC6s_v3", inference__preset__name="llama-3.3-70b-instruct"), Site(CATALOG)
    ).problems[0]
    assert "Standard_NC6s_v3, does not do for the model" in large.why
    assert not large.fixes[0].startswith("use Standard_NC6s_v3")


def test_a_name_that_is_like_all_names_is_like_none() -> None:
    (problem,) = validate(example(resource__instanceType="Standard_T4"), Site(CATALOG)).problems
    assert problem.fixes[0].startswith("use Standard_NC4as_T4_v3 (")


def test_a_model_of_hugging_face_can_be_added() -> None:
    (problem,) = validate(example(inference__preset__name="Qwen/Qwen2.5-0.5B-Instruct"), Site(CATALOG)).problems
    assert problem.fixes[-1] == "have its size facts added to the catalogue by your administrator"


def test_for_a_name_like_none_models_anybody_can_serve_are_offered() -> None:
    (problem,) = validate(example(inference__preset__name="q"), Site(CATALOG)).problems
    names = [fix.removeprefix("use ") for fix in problem.fixes]
    assert names
    for name in names:
        obj = example(inference__preset__name=name, resource__instanceType="Standard_ND96isr_H200_v5")
        assert validate(obj, Site(CATALOG)).problems == (), f"{name} is offered"
