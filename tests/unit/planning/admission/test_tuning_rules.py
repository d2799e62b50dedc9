"""Training runs: which are refused, and what their authors are told."""

from dataclasses import replace
from typing import Any

import pytest

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.catalog import load_catalog
from controller.planning.admission.tuning_rules import METHODS, RULES, tunable
from controller.planning.admission.validation import validate
from controller.planning.site import Site
from tests.unit.planning.admission.findings_kit import IMAGE, TUNING, V100, find, refusals, tuned
from tests.unit.planning.manifests import changed, example

VOLUME: Json = {"persistentVolumeClaim": {"claimName": "data"}}
PINNED = f"registry.example.com/team/adapter@sha256:{'0' * 64}"

ACCEPTED: list[tuple[str, dict[str, Any]]] = [
    ("from addresses to an image", {}),
    ("lora", {"method": "lora"}),
    ("the method in any letter case", {"method": "QLoRA"}),
    ("from a volume to a volume", {"input": {"volumeSource": VOLUME}, "output": {"volumeSource": VOLUME}}),
    ("from an image", {"input": {"image": IMAGE}}),
    ("an image without registry and tag", {"output__image": "adapter"}),
    ("another tag of the data's image", {"input": {"image": "r.io/a:1"}, "output__image": "r.io/a:2"}),
    ("data with a free name", {"input__name": "My data, second try"}),
    ("no addresses beside an image", {"input": {"image": IMAGE, "urls": []}}),
    ("a model KAITO removed whose image still trains", {"preset__name": "falcon-7b"}),
]
REFUSED: list[tuple[str, dict[str, Any], list[tuple[Reason, str]]]] = [
    ("no method", {"method": None}, [(Reason.FIELD_REQUIRED, "tuning.method")]),
    ("an unknown method", {"method": "full"}, [(Reason.TUNING_METHOD_UNKNOWN, "tuning.method")]),
    ("no preset", {"preset": None}, [(Reason.FIELD_REQUIRED, "tuning.preset")]),
    ("a model nobody trains", {"preset__name": "llama-3.3-70b-instruct"},
     [(Reason.PRESET_NOT_TUNABLE, "tuning.preset.name")]),
    ("no input", {"input": None}, [(Reason.FIELD_REQUIRED, "tuning.input")]),
    ("an input that is nothing", {"input": {"name": "x"}}, [(Reason.EXACTLY_ONE_OF, "tuning.input")]),
    ("two inputs", {"input__image": IMAGE}, [(Reason.EXACTLY_ONE_OF, "tuning.input")]),
    ("no output", {"output": None}, [(Reason.FIELD_REQUIRED, "tuning.output")]),
    ("an output that is nothing", {"output": {}}, [(Reason.EXACTLY_ONE_OF, "tuning.output")]),
    ("two outputs", {"output__volumeSource": VOLUME}, [(Reason.EXACTLY_ONE_OF, "tuning.output")]),
    ("an image nobody may push", {"output__imagePushSecret": None},
     [(Reason.FIELD_REQUIRED, "tuning.output.imagePushSecret")]),
    ("an image pinned by digest", {"output__image": PINNED}, [(Reason.IMAGE_INVALID, "tuning.output.image")]),
    ("an output that replaces the data", {"input": {"image": "team/a"}, "output__image": "docker.io/team/a:latest"},
     [(Reason.IMAGE_INVALID, "tuning.output.image")]),
]  # fmt: skip


@pytest.mark.parametrize(("title", "changes"), ACCEPTED, ids=[row[0] for row in ACCEPTED])
def test_accepted(title: str, changes: dict[str, Any]) -> None:
    assert find(RULES, tuned(**changes)) == ([], []), title


@pytest.mark.parametrize(("title", "changes", "expected"), REFUSED, ids=[row[0] for row in REFUSED])
def test_refused(title: str, changes: dict[str, Any], expected: list[tuple[Reason, str]]) -> None:
    assert refusals(RULES, tuned(**changes)) == expected, title


def test_all_that_is_missing_is_told_together() -> None:
    fields = [field for _, field in refusals(RULES, example(inference=None, tuning={}))]
    assert fields == ["tuning.preset", "tuning.method", "tuning.input", "tuning.output"]


def test_qlora_of_phi_3_mini_fits_the_v100_of_the_mission() -> None:
    for preset in ("phi-3-mini-4k-instruct", "phi-3-mini-128k-instruct"):
        obj = tuned(preset__name=preset)
        assert obj["resource"]["instanceType"] == V100
        assert validate(obj, Site()).problems == ()


def test_a_model_nobody_trains_is_refused_with_those_somebody_does_the_nearest_first() -> None:
    ((problem,), _) = find(RULES, tuned(preset__name="mistral-7b-instruct"))
    assert problem.text.startswith('tuning.preset.name "mistral-7b-instruct" cannot be tuned: no image trains it; 10 ')
    assert problem.fixes == ("use mistral-7b", "use qwen2.5-coder-7b-instruct", "use phi-4-mini-instruct")


def test_only_what_can_be_tuned_is_proposed() -> None:
    catalog = load_catalog()
    names = tunable(catalog)
    assert names
    for name in names:
        preset = catalog.preset(name)
        assert preset is not None
        assert preset.tuning is not None
        assert set(preset.tuning.methods) <= set(METHODS)


def test_a_method_the_model_is_not_trained_by() -> None:
    catalog = load_catalog()
    preset = catalog.preset("phi-3-mini-128k-instruct")
    assert preset is not None
    assert preset.tuning is not None
    only_lora = replace(preset, tuning=replace(preset.tuning, methods=("lora",)))
    narrow = replace(catalog, presets={**catalog.presets, preset.name: only_lora})
    ((problem,), _) = find(RULES, tuned(), Site(narrow))
    assert (problem.reason, problem.field) == (Reason.PRESET_NOT_TUNABLE, "tuning.method")
    assert problem.fixes == ("use lora",)


def test_a_secret_without_an_image_is_told() -> None:
    output = {"volumeSource": VOLUME, "imagePushSecret": "push-key"}
    assert find(RULES, tuned(output=output)) == (
        [],
        ["tuning.output.imagePushSecret is not used: tuning.output.image is not set"],
    )


def test_nothing_is_said_of_a_workspace_that_serves() -> None:
    assert find(RULES, example()) == ([], [])
    both = changed(example(), "tuning", TUNING)
    assert find(RULES, both) == ([], []), "that both are set is told by another rule"
