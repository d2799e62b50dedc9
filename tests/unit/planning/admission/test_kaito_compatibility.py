"""What KAITO's admission decides about nodes, names, presets and annotations, and where this one decides otherwise.

Every difference stands in a table of its own with its reason.
"""

from typing import Any

import pytest

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.catalog import Cloud, load_catalog
from controller.planning.admission.findings import Findings
from controller.planning.admission.validation import validate, validate_update
from controller.planning.site import Site
from tests.unit.planning.manifests import changed, example

CATALOG = load_catalog()
SITE = Site(CATALOG)
A100 = "Standard_NC24ads_A100_v4"
TEMPLATE = {"spec": {"containers": [{"name": "main", "image": "example.io/serve:1"}]}}
TUNING: Json = {
    "preset": {"name": "phi-3-mini-128k-instruct"},
    "method": "qlora",
    "input": {"urls": ["https://example.com/data.parquet"]},
    "output": {"image": "registry.example.com/out/adapter:1", "imagePushSecret": "push-secret"},
}
TRANSFORMERS = {"kaito.sh/runtime": "transformers"}
BYPASS = {"kaito.sh/bypass-resource-checks": ""}


def serving(**changes: Any) -> Json:
    """phi-4-mini on one A100, in v1beta1."""
    base: dict[str, Any] = {
        "apiVersion": "kaito.sh/v1beta1",
        "metadata__name": "base-inf",
        "resource__instanceType": A100,
        "resource__labelSelector": {"matchLabels": {"apps": "base-inf"}},
        "inference__preset__name": "phi-4-mini-instruct",
    }
    return example(**{**base, **changes})


def templated(**changes: Any) -> Json:
    return serving(**{"inference": {"template": TEMPLATE}, **changes})


def tuning(**changes: Any) -> Json:
    return serving(**{"inference": None, "tuning": TUNING, **changes})


def annotated(**annotations: str) -> Json:
    return serving(
        metadata__annotations={f"kaito.sh/{key.replace('_', '-')}": text for key, text in annotations.items()}
    )


def reasons(found: Findings) -> set[Reason]:
    return {problem.reason for problem in found.problems}


ACCEPTED_BY_BOTH: list[tuple[str, Json]] = [
    ("a preset", serving()),
    ("a pod template", templated()),
    ("a training run", tuning()),
    ("a size in any letter case", serving(resource__instanceType="standard_nc24ADS_a100_V4")),
    ("a pod template on a size without GPU", templated(resource__instanceType="Standard_D4s_v5")),
    ("a name of Hugging Face in any letter case", serving(inference__preset__name="microsoft/Phi-4-Mini-Instruct")),
    ("a short name in any letter case", serving(inference__preset__name="PHI-4-mini-INSTRUCT")),
    ("gated weights without Secret", serving(inference__preset__name="meta-llama/Llama-3.1-8B-Instruct")),
    ("a Secret that may not exist", serving(inference__preset__presetOptions={"modelAccessSecret": "hf"})),
    ("transformers", serving(inference__preset__name="phi-4", metadata__annotations=TRANSFORMERS)),
    ("a runtime nobody knows", annotated(runtime="something")),
    ("a requirement with one value",
     serving(resource__labelSelector={"matchExpressions": [{"key": "apps", "operator": "In", "values": ["x"]}]})),
    ("an empty selector where nodes are made", serving(resource__labelSelector={})),
    ("a performance mode", annotated(performance_mode="throughput")),
    ("an image family with blanks", annotated(node_image_family=" AzureLinux ")),
    ("a node class", annotated(node_class_name="foo")),
    ("preferred nodes", serving(resource__preferredNodes=["n1", "n2"])),
    ("more nodes than needed", serving(resource__count=6)),
    ("a name that begins with a digit", serving(metadata__name="1abc")),
    ("private access without image, which v1beta1 ignores", serving(inference__preset__accessMode="private")),
]  # fmt: skip


@pytest.mark.parametrize(("title", "obj"), ACCEPTED_BY_BOTH, ids=[row[0] for row in ACCEPTED_BY_BOTH])
def test_accepted_by_both(title: str, obj: Json) -> None:
    assert [problem.text for problem in validate(obj, SITE).problems] == [], title


REFUSED_BY_BOTH: list[tuple[str, Json, Reason]] = [
    ("capitals in the name", serving(metadata__name="Base_Inf"), Reason.NAME_INVALID),
    ("a dot in the name", serving(metadata__name="a.b"), Reason.NAME_INVALID),
    ("64 characters", serving(metadata__name="a" * 64), Reason.NAME_INVALID),
    ("neither inference nor tuning", serving(inference=None), Reason.EXACTLY_ONE_OF),
    ("both", serving(tuning=TUNING), Reason.EXACTLY_ONE_OF),
    ("no size where nodes are made", serving(resource__instanceType=None), Reason.INSTANCE_TYPE_REQUIRED),
    ("no selector", serving(resource__labelSelector=None), Reason.FIELD_REQUIRED),
    ("a size without GPU", serving(resource__instanceType="Standard_E4s_v5"), Reason.INSTANCE_TYPE_HAS_NO_GPU),
    ("the same for a template", templated(resource__instanceType="Standard_E4s_v5"), Reason.INSTANCE_TYPE_HAS_NO_GPU),
    ("a preset nobody knows", serving(inference__preset__name="no-such-model"), Reason.PRESET_UNKNOWN),
    ("half a name of Hugging Face", serving(inference__preset__name="org/"), Reason.PRESET_UNKNOWN),
    ("a model that does not exist", serving(inference__preset__name="some-org/does-not-exist"), Reason.PRESET_UNKNOWN),
    ("a preset without name", serving(inference__preset={}), Reason.FIELD_REQUIRED),
    ("preset and template", serving(inference__template=TEMPLATE), Reason.EXACTLY_ONE_OF),
    ("neither preset nor template", serving(inference={}), Reason.EXACTLY_ONE_OF),
    ("an access mode in capitals", serving(inference__preset__accessMode="Public"), Reason.FIELD_TYPE_INVALID),
    ("private access without image in v1alpha1",
     serving(apiVersion="kaito.sh/v1alpha1", inference__preset__accessMode="private"), Reason.FIELD_REQUIRED),
    ("transformers for a model it cannot serve",
     serving(inference__preset__name="google/gemma-4-12B-it", metadata__annotations=TRANSFORMERS),
     Reason.RUNTIME_NOT_SUPPORTED),
    ("transformers over several nodes",
     serving(inference__preset__name="llama-3.3-70b-instruct",
             metadata__annotations=TRANSFORMERS),
     Reason.RUNTIME_NOT_SUPPORTED),
    ("the same, bypassed",
     serving(inference__preset__name="llama-3.3-70b-instruct",
             metadata__annotations={**TRANSFORMERS, **BYPASS}),
     Reason.RUNTIME_NOT_SUPPORTED),
    ("the same on two nodes",
     serving(inference__preset__name="llama-3.3-70b-instruct", resource__count=2,
             metadata__annotations=TRANSFORMERS),
     Reason.RUNTIME_NOT_SUPPORTED),
    ("two values of a requirement",
     serving(resource__labelSelector={"matchExpressions": [{"key": "a", "operator": "In", "values": ["a", "b"]}]}),
     Reason.SELECTOR_INVALID),
    ("a requirement that a label exists",
     serving(resource__labelSelector={"matchExpressions": [{"key": "a", "operator": "Exists"}]}),
     Reason.SELECTOR_INVALID),
    ("only a label of ownership", serving(resource__labelSelector__matchLabels={"kaito.sh/workspace": "x"}),
     Reason.LABEL_RESERVED),
    ("a partition of nodes that are made", serving(resource__partition={"mode": "mig", "profile": "1g.10gb"}),
     Reason.PARTITION_INVALID),
    ("a performance mode nobody knows", annotated(performance_mode="fast"), Reason.ANNOTATION_INVALID),
    ("an empty performance mode", annotated(performance_mode=""), Reason.ANNOTATION_INVALID),
    ("local weights in capitals", annotated(use_local_weights="True"), Reason.ANNOTATION_INVALID),
    ("an image family nobody knows", annotated(node_image_family="windows"), Reason.ANNOTATION_INVALID),
    ("tuning on two nodes", tuning(resource__count=2), Reason.COUNT_INVALID),
]  # fmt: skip


@pytest.mark.parametrize(("title", "obj", "reason"), REFUSED_BY_BOTH, ids=[row[0] for row in REFUSED_BY_BOTH])
def test_refused_by_both(title: str, obj: Json, reason: Reason) -> None:
    assert reason in reasons(validate(obj, SITE)), title


def test_a_size_of_another_cloud_is_refused_by_both() -> None:
    assert reasons(validate(serving(), Site(CATALOG.at(Cloud.AWS)))) == {Reason.INSTANCE_TYPE_UNKNOWN}


ACCEPTED_HERE: list[tuple[str, Json, str]] = [
    ("phi-2", serving(inference__preset__name="phi-2"), "its image is still there, earlier releases accept it"),
    ("falcon-7b", serving(inference__preset__name="falcon-7b"), "its image is still there, earlier releases accept it"),
    (
        "v1alpha1 with a preset",
        serving(apiVersion="kaito.sh/v1alpha1"),
        "KAITO's webhook breaks over every one of them",
    ),
]


@pytest.mark.parametrize(("title", "obj", "why"), ACCEPTED_HERE, ids=[row[0] for row in ACCEPTED_HERE])
def test_accepted_here_and_refused_by_kaito(title: str, obj: Json, why: str) -> None:
    assert [problem.text for problem in validate(obj, SITE).problems] == [], f"{title}: {why}"


REFUSED_HERE: list[tuple[str, Json, Reason, str]] = [
    ("a made-up size with the right beginning", serving(resource__instanceType="Standard_Nsku"),
     Reason.INSTANCE_TYPE_UNKNOWN, "KAITO lets it in and never gets a node"),
    ("a preset on a size without GPU", serving(resource__instanceType="Standard_D4s_v5"),
     Reason.INSTANCE_TYPE_HAS_NO_GPU, "KAITO lets it in and never starts the model"),
    ("0 nodes", serving(resource__count=0), Reason.COUNT_INVALID, "no model runs on none"),
    ("a label of ownership beside others",
     serving(resource__labelSelector__matchLabels={"apps": "x", "kaito.sh/workspace": "y"}), Reason.LABEL_RESERVED,
     "KAITO drops it in silence; it names what belongs to another Workspace"),
    ("a model of Hugging Face nobody described", serving(inference__preset__name="a/b/c"), Reason.PRESET_UNKNOWN,
     "its facts come from the installation's own catalogue, admission never asks the network"),
]  # fmt: skip


@pytest.mark.parametrize(("title", "obj", "reason", "why"), REFUSED_HERE, ids=[row[0] for row in REFUSED_HERE])
def test_refused_here_and_accepted_by_kaito(title: str, obj: Json, reason: Reason, why: str) -> None:
    assert reason in reasons(validate(obj, SITE)), f"{title}: {why}"


STORED = serving(resource__count=1)
CHANGES_REFUSED_BY_BOTH: list[tuple[str, Json, Json, str]] = [
    ("the preset", STORED, changed(STORED, "inference.preset.name", "phi-4"), "inference.preset.name"),
    ("preset to template", STORED, changed(STORED, "inference", {"template": TEMPLATE}), "inference.preset"),
    ("inference to tuning", STORED, tuning(resource__count=1), "inference"),
    ("the count", STORED, changed(STORED, "resource.count", 2), "resource.count"),
    ("the size", STORED, changed(STORED, "resource.instanceType", "Standard_NC48ads_A100_v4"), "resource.instanceType"),
    ("no size any more", STORED, changed(STORED, "resource.instanceType", None), "resource.instanceType"),
    ("a label's value", STORED, changed(STORED, "resource.labelSelector.matchLabels", {"apps": "x"}),
     "resource.labelSelector"),
    ("a partition", STORED, changed(STORED, "resource.partition", {"mode": "accelerator", "count": 1}),
     "resource.partition"),
    ("the method", tuning(), changed(tuning(), "tuning.method", "lora"), "tuning.method"),
    ("the model to tune", tuning(), changed(tuning(), "tuning.preset.name", "phi-4"), "tuning.preset.name"),
    ("the input's name", tuning(), changed(tuning(), "tuning.input.name", "other"), "tuning.input.name"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("title", "old", "new", "field"), CHANGES_REFUSED_BY_BOTH, ids=[row[0] for row in CHANGES_REFUSED_BY_BOTH]
)
@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
def test_a_change_refused_by_both_in_either_version(title: str, old: Json, new: Json, field: str, version: str) -> None:
    before, after = (changed(obj, "apiVersion", f"kaito.sh/{version}") for obj in (old, new))
    fixed = {
        each.field for each in validate_update(before, after, SITE).problems if each.reason is Reason.FIELD_IMMUTABLE
    }
    assert field in fixed, title


CHANGES_ACCEPTED_BY_BOTH: list[tuple[str, Json, Json]] = [
    ("a template's image", templated(),
     changed(templated(), "inference.template.spec", {"containers": [{"name": "main", "image": "example.io/s:2"}]})),
    ("the same selector in the other form", STORED,
     changed(STORED, "resource.labelSelector",
             {"matchExpressions": [{"key": "apps", "operator": "In", "values": ["base-inf"]}]})),
    ("a word that steers nothing", STORED,
     changed(STORED, "metadata.annotations", {"kaito.sh/performance-mode": "nonsense"})),
    ("the letter case of the method", tuning(), changed(tuning(), "tuning.method", "QLoRA")),
    ("the training data", tuning(), changed(tuning(), "tuning.input.urls", ["https://example.com/more.parquet"])),
]  # fmt: skip


@pytest.mark.parametrize(
    ("title", "old", "new"), CHANGES_ACCEPTED_BY_BOTH, ids=[row[0] for row in CHANGES_ACCEPTED_BY_BOTH]
)
def test_a_change_accepted_by_both(title: str, old: Json, new: Json) -> None:
    assert [problem.text for problem in validate_update(old, new, SITE).problems] == [], title


CHANGES_ACCEPTED_HERE: list[tuple[str, Json, Json, str]] = [
    ("a Secret for the weights", STORED,
     changed(STORED, "inference.preset.presetOptions", {"modelAccessSecret": "hf"}), "tokens are renewed"),
    ("the letter case of the size", STORED, changed(STORED, "resource.instanceType", A100.lower()),
     "it is the same size"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("title", "old", "new", "why"), CHANGES_ACCEPTED_HERE, ids=[row[0] for row in CHANGES_ACCEPTED_HERE]
)
def test_a_change_accepted_here_and_refused_by_kaito(title: str, old: Json, new: Json, why: str) -> None:
    assert validate_update(old, new, SITE).problems == (), f"{title}: {why}"


EXISTING = Site(CATALOG, auto_provision=False)


def test_a_size_may_be_removed_on_existing_nodes_as_in_kaito() -> None:
    assert validate_update(STORED, changed(STORED, "resource.instanceType", None), EXISTING).problems == ()


def test_a_size_may_be_named_on_existing_nodes_where_kaito_refuses_it() -> None:
    """Earlier releases accept it; here it narrows the choice to nodes of that size."""
    assert validate(STORED, EXISTING).problems == ()
    unsized = changed(STORED, "resource.instanceType", None)
    assert validate_update(unsized, STORED, EXISTING).problems == ()
