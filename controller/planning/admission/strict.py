"""Reading pod templates and volumes exactly: each field known, of its type, and none missing that must be there.

The API server leaves both to whoever uses them, so that a misspelt field would be dropped in silence. The types are
those of the Kubernetes client, kept as data by `python -m hack.pod_types`.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Final, TypeAlias

from controller.api.messages import Problem, quote
from controller.api.quantity import parse_quantity
from controller.api.reasons import Reason
from controller.planning.names import nearest

POD_TEMPLATE: Final = "PodTemplateSpec"
VOLUME_SOURCE: Final = "VolumeSource"

MOST_VALUES: Final = 10_000
"""Values that are looked at in one document; a pod of any use has some hundreds."""

MOST_MISFITS: Final = 10
"""Problems told of one document."""

_FILE: Final = Path(__file__).parent / "data" / "pod_types.json"
_INT64: Final = 1 << 63
_QUANTITY_LENGTH: Final = 64


class Scalar(StrEnum):
    """Types without fields, as the data file calls them."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"
    QUANTITY = "quantity"
    INT_OR_STRING = "intOrString"
    OBJECT = "object"


_WORDS: Final = {
    Scalar.STRING: "a string",
    Scalar.INTEGER: "a whole number",
    Scalar.NUMBER: "a number",
    Scalar.BOOLEAN: "true or false",
    Scalar.TIME: "a time as a string",
    Scalar.QUANTITY: "a quantity such as 16Gi or 500m",
    Scalar.INT_OR_STRING: "a whole number or a string",
    Scalar.OBJECT: "an object",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """What a field holds.

    Attributes:
        name: a scalar type, or the name of a type with fields.
        containers: `[]` and `{}` for each list and map around it, outermost first.
        required: whether the field must be there.
    """

    name: str
    containers: tuple[str, ...] = ()
    required: bool = False

    @property
    def words(self) -> str:
        """What belongs there, for people."""
        if self.containers:
            return "a list" if self.containers[0] == "[]" else "an object"
        return _WORDS[Scalar(self.name)] if self.name in set(Scalar) else "an object"


Types: TypeAlias = Mapping[str, Mapping[str, Kind]]
_Path: TypeAlias = "tuple[_Path, str] | None"


@cache
def pod_types() -> Types:
    """Fields by name, by type."""
    written = json.loads(_FILE.read_text(encoding="utf-8"))["types"]
    return {name: {field: _kind(text) for field, text in fields.items()} for name, fields in written.items()}


def _kind(text: str) -> Kind:
    name, containers = text.rstrip("!"), []
    while name[:2] in ("[]", "{}"):
        containers.append(name[:2])
        name = name[2:]
    return Kind(name, tuple(containers), text.endswith("!"))


def misfits(value: Any, type_name: str, field: str, reason: Reason) -> Iterator[Problem]:
    """What of a document is not as its type says, in the order of the document, ten at most.

    Null counts as absent. A document of more than 10,000 values is refused instead of being read to its end.

    Args:
        value: the document.
        type_name: its type.
        field: where it stands in the manifest.
        reason: the code to refuse with.
    """
    return islice(_walk(value, Kind(type_name), _Place(field, reason)), MOST_MISFITS)


@dataclass(frozen=True, slots=True)
class _Place:
    field: str
    reason: Reason

    def at(self, path: _Path) -> str:
        parts: list[str] = []
        while path is not None:
            path, part = path
            parts.append(part)
        return self.field + "".join(reversed(parts))


def _walk(value: Any, kind: Kind, place: _Place) -> Iterator[Problem]:
    left = MOST_VALUES
    waiting: list[tuple[Any, Kind, _Path]] = [(value, kind, None)]
    while waiting:
        each, expected, path = waiting.pop()
        size = len(each) if isinstance(each, (list, dict)) else 1
        if (left := left - max(size, 1)) < 0:
            what = f"{place.field} has more than {MOST_VALUES} values"
            fixes = (f"shorten {place.field}",)
            yield Problem(place.reason, place.field, what, "that is more than any pod needs", fixes)
            return
        yield from _look(each, expected, path, place)
        waiting.extend(reversed(tuple(_inside(each, expected, path))))


def _look(value: Any, kind: Kind, path: _Path, place: _Place) -> Iterator[Problem]:
    if not _matches(value, kind):
        field = place.at(path)
        yield Problem(
            place.reason, field, f"{field} is {_shown(value)}", f"{kind.words} belongs there", (f"write {kind.words}",)
        )
        return
    fields = pod_types().get(kind.name) if not kind.containers else None
    if fields is None:
        return
    for name in value:
        if name not in fields:
            yield _unknown(name, fields, place, path)
    for name, inner in fields.items():
        if inner.required and value.get(name) is None:
            field = place.at((path, f".{name}"))
            yield Problem(place.reason, field, f"{field} is missing", "Kubernetes requires it", (f"set {field}",))


def _unknown(name: str, fields: Mapping[str, Kind], place: _Place, path: _Path) -> Problem:
    field = place.at((path, f".{_cut(name)}"))
    near = nearest(name, fields, limit=1)
    known = f"{len(fields)} fields are known there"
    fixes = (*(f"did you mean {each}" for each in near), "remove it")
    return Problem(place.reason, field, f"{field} is no field of Kubernetes", known, fixes)


def _inside(value: Any, kind: Kind, path: _Path) -> Iterator[tuple[Any, Kind, _Path]]:
    if not _matches(value, kind):
        return
    if kind.containers:
        inner = Kind(kind.name, kind.containers[1:])
        if isinstance(value, list):
            yield from ((each, inner, (path, f"[{index}]")) for index, each in enumerate(value))
        else:
            yield from ((each, inner, (path, f"[{quote(key, 40)}]")) for key, each in value.items())
        return
    for name, field in pod_types().get(kind.name, {}).items():
        if value.get(name) is not None:
            yield value[name], field, (path, f".{name}")


def _matches(value: Any, kind: Kind) -> bool:
    if kind.containers:
        return isinstance(value, list if kind.containers[0] == "[]" else dict)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    match kind.name:
        case Scalar.STRING | Scalar.TIME:
            return isinstance(value, str)
        case Scalar.INTEGER:
            return _whole(value)
        case Scalar.NUMBER:
            return number
        case Scalar.BOOLEAN:
            return isinstance(value, bool)
        case Scalar.QUANTITY:
            return (number or isinstance(value, str)) and _quantity(value)
        case Scalar.INT_OR_STRING:
            return isinstance(value, str) or _whole(value)
        case _:
            return isinstance(value, dict)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -_INT64 <= value < _INT64


def _quantity(value: str | int | float) -> bool:
    if isinstance(value, int) and not _whole(value):
        return False
    text = str(value)
    try:
        parse_quantity(text[: _QUANTITY_LENGTH + 1])
    except ValueError:
        return False
    return len(text) <= _QUANTITY_LENGTH


def _shown(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case int():
            return str(value) if _whole(value) else "out of range"
        case dict():
            return "an object"
        case list():
            return "a list"
        case _:
            return quote(value)


def _cut(name: str) -> str:
    return quote(name, 60).strip('"')
