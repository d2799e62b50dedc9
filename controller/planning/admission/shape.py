"""The JSON types and sizes of a Workspace's fields, so that whatever is wrong with them is told at once and by name.

The API server's schema says the same after us; a mutating webhook sees objects before it, so what is larger than the
schema allows is told in one sentence and not looked into.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
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
class Text:
    """A string of so many characters at most."""

    most: int


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list whose entries have one shape, so many at most; without a number the whole request is the limit."""

    entry: "Shape"
    most: int | None = None


@dataclass(frozen=True, slots=True)
class MapOf:
    """An object with keys of the user's choice whose values have one shape, so many at most."""

    value: "Shape"
    most: int | None = None


Shape: TypeAlias = Kind | Text | ListOf | MapOf | Mapping[str, "Shape"]
"""What a field may hold; a mapping lists the fields that are known, others are left to the API server."""

MAX_ADAPTERS: Final = 10
"""Entries of `inference.adapters`. Source: kaito-project/kaito `api/v1beta1`."""

_NAME: Final = Text(253)
_IMAGE: Final = Text(512)
_LABEL_VALUE: Final = Text(63)
_PULL_SECRETS: Final = ListOf(_NAME, most=100)

PRESET: Final[Shape] = {
    "name": _NAME,
    "accessMode": Kind.TEXT,
    "presetOptions": {"image": _IMAGE, "imagePullSecrets": _PULL_SECRETS, "modelAccessSecret": _NAME},
}

DATA_SOURCE: Final[Shape] = {
    "name": _NAME,
    "urls": ListOf(Text(2048), most=1000),
    "volumeSource": Kind.OBJECT,
    "image": _IMAGE,
    "imagePullSecrets": _PULL_SECRETS,
}

TUNING: Final[Shape] = {
    "preset": PRESET,
    "method": Text(16),
    "config": _NAME,
    "input": DATA_SOURCE,
    "output": {"volumeSource": Kind.OBJECT, "image": _IMAGE, "imagePushSecret": _NAME},
}

WORKSPACE: Final[Shape] = {
    "apiVersion": Kind.TEXT,
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
        "instanceType": _NAME,
        "labelSelector": {
            "matchLabels": MapOf(_LABEL_VALUE, most=64),
            "matchExpressions": ListOf(
                {"key": Text(317), "operator": Text(32), "values": ListOf(_LABEL_VALUE, most=64)},
                most=64,
            ),
        },
        "preferredNodes": ListOf(_NAME, most=1000),
        "partition": {"mode": Kind.TEXT, "profile": Text(32), "count": Kind.WHOLE},
    },
    "inference": {
        "preset": PRESET,
        "template": Kind.OBJECT,
        "config": _NAME,
        "adapters": ListOf({"source": DATA_SOURCE, "strength": Text(32)}, most=MAX_ADAPTERS),
    },
    "tuning": TUNING,
}
"""The fields of a Workspace this release knows; the limits are those of the CRD."""


def type_problems(obj: Any) -> tuple[Problem, ...]:
    """The first ten of `shape_problems`."""
    return tuple(islice(shape_problems(obj), MAX_TYPE_PROBLEMS))


def shape_problems(obj: Any) -> Iterator[Problem]:
    """Every field whose JSON type is wrong or that is larger than the CRD allows, as they are asked for.

    Null counts as absent. What has none can be parsed: the shape covers every field `parse_workspace` reads. Of a field
    that is too large only that is told, its entries are not looked at.
    """
    return iter(()) if _FITS(obj) else _walk(obj, WORKSPACE, "")


def _walk(value: Any, shape: Shape, path: str) -> Iterator[Problem]:
    if not _matches(value, shape):
        yield _problem(value, shape, path)
        return
    if isinstance(shape, (Text, ListOf, MapOf)) and shape.most is not None and len(value) > shape.most:
        yield _too_large(value, shape.most, path)
        return
    match shape:
        case ListOf(entry=entry):
            numbered = ((i, each) for i, each in enumerate(value) if _needs_a_look(each, entry))
            yield from chain.from_iterable(_walk(each, entry, f"{path}[{i}]") for i, each in numbered)
        case MapOf(value=entry):
            listed = ((key, each) for key, each in value.items() if _needs_a_look(each, entry))
            yield from chain.from_iterable(_walk(each, entry, f"{path}[{quote(key)}]") for key, each in listed)
        case Mapping():
            present = ((key, inner) for key, inner in shape.items() if value.get(key) is not None)
            yield from chain.from_iterable(_walk(value[key], inner, _join(path, key)) for key, inner in present)
        case _:
            return


def _needs_a_look(entry: Any, shape: Shape) -> bool:
    # Most entries are plain strings that are right; naming each one's path would cost more than all the rest.
    if isinstance(shape, Text):
        return not (isinstance(entry, str) and len(entry) <= shape.most)
    return not (isinstance(shape, Kind) and _matches(entry, shape))


def _too_large(value: Any, most: int, path: str) -> Problem:
    unit = "characters" if isinstance(value, str) else "entries"
    return Problem(
        Reason.FIELD_TYPE_INVALID,
        path,
        f"{path} has {len(value)} {unit}",
        f"{most} are the most it can have",
        (f"leave at most {most} {unit} in it",),
    )


def _matches(value: Any, shape: Shape) -> bool:
    match shape:
        case Kind.TEXT | Text():
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
        case Text():
            expected = Kind.TEXT.value
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


def _checker(shape: Shape) -> Callable[[Any], bool]:
    """Whether a value has a shape, and nothing else: almost every manifest has, and each is asked several times."""
    match shape:
        case Text(most=longest):
            return lambda value: isinstance(value, str) and len(value) <= longest
        case ListOf(entry=entry, most=most):
            return _container_checker(list, most, _checker(entry), iter)
        case MapOf(value=entry, most=most):
            return _container_checker(dict, most, _checker(entry), dict.values)
        case Mapping():
            return _fields_checker([(key, _checker(inner)) for key, inner in shape.items()])
        case _:
            return lambda value: _matches(value, shape)


def _container_checker(
    kind: type[list[Any] | dict[str, Any]],
    most: int | None,
    check: Callable[[Any], bool],
    entries: Callable[[Any], Iterable[Any]],
) -> Callable[[Any], bool]:
    def fits(value: Any) -> bool:
        return isinstance(value, kind) and (most is None or len(value) <= most) and all(map(check, entries(value)))

    return fits


def _fields_checker(fields: list[tuple[str, Callable[[Any], bool]]]) -> Callable[[Any], bool]:
    def fits(value: Any) -> bool:
        if not isinstance(value, dict):
            return False
        return all(value.get(key) is None or check(value[key]) for key, check in fields)

    return fits


_FITS: Final = _checker(WORKSPACE)
