"""Every example is one people can apply: nothing is wrong with it, and nothing in it is there without need."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.api import labels
from controller.api.json import Json, annotations_of
from controller.planning.admission.annotation_rules import ACTED_ON
from controller.planning.admission.defaults import apply_defaults, defaults
from controller.planning.admission.findings import Findings
from controller.planning.admission.validation import validate
from controller.planning.node_facts import NodeFacts
from controller.planning.site import Site

FOLDER = Path(__file__).parents[2] / "examples"
FILES = sorted(FOLDER.rglob("*.yaml"))
CRD = FOLDER.parent / "crds" / "kaito.sh_workspaces.yaml"
BLOCKS = {"resource", "inference", "tuning"}
RETIRED = "Standard_NC6s_v3"
"""The size of the mission's examples; Azure has retired it."""

NODE = NodeFacts("node-1", {"pool": "gpu", labels.INSTANCE_TYPE: "Standard_NC24ads_A100_v4"})
"""What must exist before for examples on existing nodes."""

EXPECTED = {
    "kaito_workspace_llama_2_7b_private_image": ["llama-2-7b is removed in KAITO and still runs here"],
    "kaito_workspace_phi_4_private_image_overruled": [
        "accepted because kaito.sh/bypass-resource-checks is set: resource.count is 1",
        "phi-4 takes 2 nodes of Standard_NV36ads_A10_v5",
    ],
    "kaito_workspace_llama_3.3_70b_multi_node": ["llama-3.3-70b-instruct takes 3 nodes of Standard_NC24ads_A100_v4"],
}
"""Warnings an example is there to show, by the example."""

SHOWN_NOWHERE = {
    "inference.adapters[].source.urls": "known of KAITO's API, and refused: adapters come from images and volumes",
    "tuning.preset.presetOptions.modelAccessSecret": "no model that can be tuned has restricted weights",
    labels.UPGRADE_START_TIME: "KAITO's own note of an upgrade, taken without a warning",
}
"""Fields and annotations without an example, each with the reason."""


@dataclass(frozen=True, slots=True)
class Example:
    """What a file holds."""

    path: Path
    workspace: Json
    config_maps: dict[str, dict[str, str]]

    @property
    def existing_nodes(self) -> bool:
        """Whether it is for installations that make no nodes."""
        return self.path.stem.endswith("_existing_nodes")


def load(path: Path) -> Example:
    objects = list(yaml.safe_load_all(path.read_text(encoding="utf-8")))
    (workspace,) = [each for each in objects if each["kind"] == "Workspace"]
    maps = {each["metadata"]["name"]: each["data"] for each in objects if each["kind"] == "ConfigMap"}
    assert len(objects) == 1 + len(maps), f"{path.name} holds something else"
    return Example(path, workspace, maps)


def judged(example: Example) -> Findings:
    """The answer of the webhook, defaults filled in; the example's ConfigMaps are there."""
    site = Site(
        auto_provision=not example.existing_nodes,
        config_maps=lambda _, name: example.config_maps.get(name),
        nodes=lambda: (NODE,),
    )
    filled = apply_defaults(example.workspace, defaults(example.workspace, site)[0])
    return validate(filled, site)


EXAMPLES = [load(path) for path in FILES]
IDS = [example.path.stem for example in EXAMPLES]


@pytest.mark.parametrize("example", EXAMPLES, ids=IDS)
def test_nothing_is_wrong_with_an_example(example: Example) -> None:
    assert [problem.text for problem in judged(example).problems] == []


@pytest.mark.parametrize("example", EXAMPLES, ids=IDS)
def test_an_example_draws_no_warning_but_those_it_shows(example: Example) -> None:
    expected = EXPECTED.get(example.path.stem, [])
    size = example.workspace["resource"].get("instanceType", "")
    if size == RETIRED:
        expected = [*expected, f"{RETIRED} was retired by Azure"]
    warnings = judged(example).warnings
    assert len(warnings) == len(expected), warnings
    assert all(any(warning.startswith(known) for known in expected) for warning in warnings), warnings


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_an_example_begins_by_saying_what_it_shows_and_what_must_exist_before(path: Path) -> None:
    head = list(_comments(path))
    assert 2 <= len(head) <= 3
    assert any("ust exist before" in line for line in head), head


def _comments(path: Path) -> Iterator[str]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            return
        yield line


def test_the_examples_can_be_applied_together() -> None:
    names = [example.workspace["metadata"]["name"] for example in EXAMPLES]
    assert len(set(names)) == len(names)


def test_every_field_and_every_annotation_that_does_something_is_shown() -> None:
    shown = {path for example in EXAMPLES for path in paths(example.workspace)}
    shown |= {key for example in EXAMPLES for key in annotations_of(example.workspace)}
    missing = {*fields(), *ACTED_ON} - shown
    assert missing == SHOWN_NOWHERE.keys()


def fields() -> set[str]:
    """The fields users write, in the CRD's words; what stands in a pod template or a volume is Kubernetes' own."""
    crd = yaml.safe_load(CRD.read_text(encoding="utf-8"))
    schemas = [version["schema"]["openAPIV3Schema"] for version in crd["spec"]["versions"]]
    return {field for schema in schemas for field in declared(schema, "") if field.partition(".")[0] in BLOCKS}


def declared(schema: Json, path: str) -> Iterator[str]:
    """The paths of the fields below a schema."""
    for name, inner in (schema.get("properties") or {}).items():
        field = f"{path}.{name}" if path else name
        yield field
        yield from declared(inner, field)
    if schema.get("items"):
        yield from declared(schema["items"], f"{path}[]")


def paths(value: Any, path: str = "") -> Iterator[str]:
    """The paths of the fields that are set in a value."""
    if isinstance(value, list):
        for item in value:
            yield from paths(item, f"{path}[]")
    elif isinstance(value, dict):
        for name, inner in value.items():
            field = f"{path}.{name}" if path else name
            yield field
            yield from paths(inner, field)


def test_both_versions_and_both_uses_are_shown() -> None:
    versions = {example.workspace["apiVersion"] for example in EXAMPLES}
    assert versions == {"kaito.sh/v1alpha1", "kaito.sh/v1beta1"}
    assert {path.parent.name for path in FILES} == {"inference", "fine-tuning"}
