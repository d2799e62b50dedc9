"""The description of a Workspace's fields, from which the definition and its documentation are made."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

Node: TypeAlias = Mapping[str, Any]
"""A field as it is described: words of OpenAPI, and `says`, `unset` and `example`."""

SOURCE: Final = Path(__file__).parent / "workspace.yaml"
"""Where the fields are described."""

WORDS: Final = ("says", "unset", "example")
"""What is said of a field beside its schema."""

_ENTRY: Final = {"items": "[]", "additionalProperties": "{}"}


@dataclass(frozen=True, slots=True)
class Field:
    """One named field.

    Attributes:
        path: where it stands, entries of a list as `[]` and values of a map as `{}`; empty for the Workspace itself.
        node: how it is described.
        required: whether its parent cannot do without it.
    """

    path: str
    node: Node
    required: bool = False

    @property
    def says(self) -> str:
        """What it means, in sentences."""
        return str(self.node.get("says", ""))

    @property
    def unset(self) -> str:
        """What holds where it is left out; empty for a required field."""
        return "" if self.required else str(self.node.get("unset", ""))

    @property
    def example(self) -> Any:
        """A valid value; None where none is given."""
        return self.node.get("example")


@cache
def workspace() -> Node:
    """The description of a Workspace; nobody changes it."""
    node: Node = yaml.safe_load(SOURCE.read_text(encoding="utf-8"))
    return node


def fields(node: Node, path: str = "", *, required: bool = False) -> Iterator[Field]:
    """A field and every named field below it, in the order of the description.

    Entries of lists and maps have no name of their own; what they hold is said of the list or map.
    """
    yield Field(path, node, required)
    yield from _below(node, path)


def _below(node: Node, path: str) -> Iterator[Field]:
    for name, inner in node.get("properties", {}).items():
        where = f"{path}.{name}" if path else name
        yield from fields(inner, where, required=name in node.get("required", ()))
    for word, mark in _ENTRY.items():
        if word in node:
            yield from _below(node[word], f"{path}{mark}")


def at(node: Node, path: str) -> Node:
    """The node at a path such as `inference.adapters[].source`.

    Raises:
        KeyError: nothing stands there; the path is named.
    """
    found = node
    for step in _steps(path):
        inner = found.get(step) if step in _ENTRY else found.get("properties", {}).get(step)
        if inner is None:
            raise KeyError(path)
        found = inner
    return found


def _steps(path: str) -> Iterator[str]:
    for part in path.split(".") if path else ():
        name = part.rstrip("[]{}")
        if name:
            yield name
        for mark in (part[i : i + 2] for i in range(len(name), len(part), 2)):
            yield next(word for word, each in _ENTRY.items() if each == mark)
