"""Fields of the wrong JSON type, told by name."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given

from controller.api.json import Json
from controller.api.workspace import parse_workspace
from controller.planning.admission import shape
from controller.planning.admission.shape import (
    MAX_ADAPTERS,
    MAX_TYPE_PROBLEMS,
    WORKSPACE,
    ListOf,
    MapOf,
    Shape,
    Text,
    type_problems,
)
from tests.unit.planning.manifests import changed, example, manifests

CRD = Path(__file__).parents[4] / "crds" / "kaito.sh_workspaces.yaml"


@pytest.mark.parametrize(
    ("path", "value", "text"),
    [
        (
            "resource.count",
            "two",
            (
                'resource.count is "two": a whole number belongs there, not a string. '
                "Fix: write a whole number (FieldTypeInvalid)"
            ),
        ),
        (
            "resource.count",
            1.5,
            (
                'resource.count is "1.5": a whole number belongs there, not a number. '
                "Fix: write a whole number (FieldTypeInvalid)"
            ),
        ),
        (
            "resource.count",
            10**30,
            (
                "resource.count is out of range: a whole number belongs there, not a number. "
                "Fix: write a whole number (FieldTypeInvalid)"
            ),
        ),
        (
            "metadata.labels",
            [],
            ("metadata.labels is a list: an object belongs there, not a list. Fix: write an object (FieldTypeInvalid)"),
        ),
        (
            "metadata.annotations",
            {"a": None},
            (
                'metadata.annotations["a"] is null: a string belongs there, not null. '
                "Fix: write a string (FieldTypeInvalid)"
            ),
        ),
        (
            "resource.preferredNodes",
            ["a", False],
            (
                "resource.preferredNodes[1] is false: "
                "a string belongs there, not a boolean. Fix: write a string (FieldTypeInvalid)"
            ),
        ),
        (
            "inference.adapters",
            3,
            ("inference.adapters is 3: a list belongs there, not a number. Fix: write a list (FieldTypeInvalid)"),
        ),
    ],
)
def test_the_field_the_value_and_the_type_are_named(path: str, value: Any, text: str) -> None:
    assert [problem.text for problem in type_problems(changed(example(), path, value))] == [text]


def test_every_wrong_field_is_told_up_to_a_limit() -> None:
    many = changed(example(), "resource.preferredNodes", [0] * 50)
    assert len(type_problems(many)) == MAX_TYPE_PROBLEMS
    two = changed(changed(example(), "resource", 1), "inference", 2)
    assert [problem.field for problem in type_problems(two)] == ["resource", "inference"]


@pytest.mark.parametrize("value", [None, 7, "x", [], True])
def test_a_manifest_that_is_no_object_at_all(value: Any) -> None:
    (problem,) = type_problems(value)
    assert "the manifest" in problem.what


SELECTOR = "resource.labelSelector"
OPTIONS = "inference.preset.presetOptions"
TOO_LARGE: list[tuple[str, Any]] = [
    ("resource.instanceType", "x" * 254),
    (f"{SELECTOR}.matchLabels", {f"-{number}": 0 for number in range(65)}),
    (f"{SELECTOR}.matchExpressions", [{}] * 65),
    ("resource.preferredNodes", [""] * 1001),
    ("inference.preset.name", "x" * 254),
    (f"{OPTIONS}.image", "x" * 513),
    (f"{OPTIONS}.imagePullSecrets", ["-"] * 101),
    ("inference.config", "x" * 254),
    ("inference.adapters", [{}] * (MAX_ADAPTERS + 1)),
    ("tuning.method", "x" * 17),
    ("tuning.input.urls", [""] * 1001),
    ("tuning.input.image", "x" * 513),
    ("tuning.output.imagePushSecret", "x" * 254),
]


@pytest.mark.parametrize(("path", "value"), TOO_LARGE, ids=[row[0] for row in TOO_LARGE])
def test_of_a_field_that_is_too_large_only_that_is_told(path: str, value: Any) -> None:
    (problem,) = type_problems(changed(example(), path, value))
    assert problem.field == path
    assert problem.what == f"{path} has {len(value)} {'characters' if isinstance(value, str) else 'entries'}"


def test_an_entry_that_is_too_long_is_told_by_its_place() -> None:
    (problem,) = type_problems(changed(example(), "tuning.input.urls", ["https://example.com", "x" * 2049]))
    assert problem.text.startswith("tuning.input.urls[1] has 2049 characters: 2048 are the most it can have.")


def test_nothing_is_examined_beyond_the_problems_that_are_asked_for() -> None:
    class Counted(list[Any]):
        read = 0

        def __iter__(self) -> Iterator[Any]:
            for each in super().__iter__():
                type(self).read += 1
                yield each

    obj = changed(example(), "metadata.finalizers", [])
    obj["metadata"]["finalizers"] = Counted([0] * 1000)
    assert len(type_problems(obj)) == MAX_TYPE_PROBLEMS
    assert Counted.read == 1 + MAX_TYPE_PROBLEMS, "one entry tells that something is wrong, ten tell what"


def limits(schema: Json, path: str = "") -> Iterator[tuple[str, int]]:
    """Every limit a schema sets on the size of a field, by the field's path."""
    for word in ("maxLength", "maxItems", "maxProperties"):
        if word in schema:
            yield path, schema[word]
    for key, inner in schema.get("properties", {}).items():
        yield from limits(inner, f"{path}.{key}".lstrip("."))
    if "items" in schema:
        yield from limits(schema["items"], f"{path}[]")


def known_limits(shape: Shape, path: str = "") -> Iterator[tuple[str, int]]:
    """The same of a shape."""
    if isinstance(shape, (Text, ListOf, MapOf)) and shape.most is not None:
        yield path, shape.most
    if isinstance(shape, ListOf):
        yield from known_limits(shape.entry, f"{path}[]")
    if isinstance(shape, Mapping):
        for key, inner in shape.items():
            yield from known_limits(inner, f"{path}.{key}".lstrip("."))


def test_the_limits_are_those_of_the_crd() -> None:
    crd = yaml.safe_load(CRD.read_text(encoding="utf-8"))
    properties = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    spec = {"properties": {key: properties[key] for key in ("resource", "inference", "tuning")}}
    assert dict(known_limits(WORKSPACE)) == dict(limits(spec))


@given(manifests())
def test_the_quick_answer_is_that_of_the_slow_search(obj: Json) -> None:
    assert shape._FITS(obj) is (next(shape._walk(obj, WORKSPACE, ""), None) is None)


@given(manifests())
def test_what_has_no_wrong_type_can_be_parsed(obj: Json) -> None:
    if not type_problems(obj):
        parse_workspace(obj)
