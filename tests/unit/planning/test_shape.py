"""Fields of the wrong JSON type, told by name."""

from typing import Any

import pytest
from hypothesis import given

from controller.api.json import Json
from controller.api.workspace import parse_workspace
from controller.planning.shape import MAX_TYPE_PROBLEMS, type_problems
from tests.unit.planning.manifests import changed, example, manifests


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


@given(manifests())
def test_what_has_no_wrong_type_can_be_parsed(obj: Json) -> None:
    if not type_problems(obj):
        parse_workspace(obj)
