"""The JSON types of a Workspace's fields, so that whatever is wrong with them is told at once and by name.

The API server's schema says the same after us; a mutating webhook sees objects before it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, islice
from typing import Any, Final, TypeAlias

from controller.api.messages import Problem, quote
from controller.api.reasons import Reason

MAX_TYPE_PROBLEMS: Final = 10
"""Type errors reported of one manifest."""

_HUGE: Final = 10**18


class Kind(StrEnum):
    """A scalar or opaque field, named as people would."""

    TEXT = "a string"
    WHOLE = "a whole number"
    OBJECT = "an object"


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list whose entries have one shape."""

    entry: "Shape"


@dataclass(frozen=True, slots=True)
class MapOf:
    """An object with keys of the user's choice whose values have one shape."""

    value: "Shape"


Shape: TypeAlias = Kind | ListOf | MapOf | Mapping[str, "Shape"]
"""What a field may hold; a mapping lists the fields that are known, others are left to the API server."""

PRESET: Final[Shape] = {
    "name": Kind.TEXT,
    "accessMode": Kind.TEXT,
    "presetOptions": {"image": Kind.TEXT, "imagePullSecrets": ListOf(Kind.TEXT), "modelAccessSecret": Kind.TEXT},
}

WORKSPACE: Final[Shape] = {
    "metadata": {
        "name": Kind.TEXT,
        "generateName": Kind.TEXT,
        "namespace": Kind.TEXT,
        "uid": Kind.TEXT,
        "generation": Kind.WHOLE,
        "deletionTimestamp": Kind.TEXT,
        "labels": MapOf(Kind.TEXT),
        "annotations": MapOf(Kind.TEXT),
        "finalizers": ListOf(Kind.TEXT),
    },
    "resource": {
        "count": Kind.WHOLE,
        "instanceType": Kind.TEXT,
        "labelSelector": {
            "matchLabels": MapOf(Kind.TEXT),
            "matchExpressions": ListOf({"key": Kind.TEXT, "operator": Kind.TEXT, "values": ListOf(Kind.TEXT)}),
        },
        "preferredNodes": ListOf(Kind.TEXT),
    },
    "inference": {
        "preset": PRESET,
        "template": Kind.OBJECT,
        "config": Kind.TEXT,
        "adapters": ListOf(Kind.OBJECT),
    },
    "tuning": Kind.OBJECT,
}
"""The fields of a Workspace this release reads."""


def type_problems(obj: Any) -> tuple[Problem, ...]:
    """Every field whose JSON type is wrong, at most ten; null counts as absent.

    What has none can be parsed: the shape covers every field `parse_workspace` reads.
    """
    return tuple(islice(_walk(obj, WORKSPACE, ""), MAX_TYPE_PROBLEMS))


def _walk(value: Any, shape: Shape, path: str) -> Iterator[Problem]:
    if not _matches(value, shape):
        yield _problem(value, shape, path)
        return
    match shape:
        case ListOf(entry=entry):
            yield from chain.from_iterable(_walk(each, entry, f"{path}[{i}]") for i, each in enumerate(value))
        case MapOf(value=entry):
            yield from chain.from_iterable(_walk(each, entry, f"{path}[{quote(key)}]") for key, each in value.items())
        case Mapping():
            present = ((key, inner) for key, inner in shape.items() if value.get(key) is not None)
            yield from chain.from_iterable(_walk(value[key], inner, _join(path, key)) for key, inner in present)
        case _:
            return


def _matches(value: Any, shape: Shape) -> bool:
    match shape:
        case Kind.TEXT:
            return isinstance(value, str)
        case Kind.WHOLE:
            return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _HUGE
        case ListOf():
            return isinstance(value, list)
        case _:
            return isinstance(value, dict)


def _problem(value: Any, shape: Shape, path: str) -> Problem:
    match shape:
        case Kind():
            expected = shape.value
        case ListOf():
            expected = "a list"
        case _:
            expected = "an object"
    field = path or "the manifest"
    return Problem(
        Reason.FIELD_TYPE_INVALID,
        path,
        f"{field} is {_shown(value)}",
        f"{expected} belongs there, not {_type_of(value)}",
        (f"write {expected}",),
    )


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return _type_of(value)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return f"{value}" if abs(value) < _HUGE else "out of range"
    return quote(value)


def _type_of(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "a list"
        case _:
            return "an object"


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
