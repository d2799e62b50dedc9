"""Reads lists of entries from YAML that users write, with the line of everything in them.

The text is not trusted: aliases, deep nesting, repeated keys, tags and values JSON does not know are faults, not
surprises.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import yaml

from controller.api.json import Json

MAX_DEPTH: Final = 24
"""Levels of nesting; an entry of the catalogue needs ten."""

MAX_NUMBER: Final = 2**63
"""No whole number reaches it: Python does not even write out what has thousands of digits."""

_CORE: Final = "tag:yaml.org,2002:"
_STR, _SEQ, _MAP = f"{_CORE}str", f"{_CORE}seq", f"{_CORE}map"

_BASE_60: Final = re.compile(r"[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$")
"""Numbers to the base of 60, such as 12:30, which YAML 1.2 and kubectl read as text."""

_LIBYAML: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_LIBYAML):  # type: ignore[misc]  # libyaml's loader where it was built, else the one in Python
    """The safe loader, without dates and numbers with colons: both stay text, as JSON would have it."""

    yaml_implicit_resolvers: Final = {
        first: [(_STR, _BASE_60), *((tag, pattern) for tag, pattern in resolvers if tag != f"{_CORE}timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


_PLAIN: Final[Any] = _Loader("")
"""Tells what a plain word is."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a document that cannot be used.

    Attributes:
        line: where, counted from 1.
        message: what, in one clause.
    """

    line: int
    message: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a list.

    Attributes:
        value: the item as plain JSON.
        line: where it begins, counted from 1.
        node: what it was read from.
    """

    value: Json
    line: int
    node: yaml.Node

    def line_of(self, path: tuple[str | int, ...]) -> int:
        """The line of something in the entry, or of what is nearest around it."""
        node = self.node
        for step in path:
            inner = _child(node, step)
            if inner is None:
                break
            node = inner
        return _line(node)


Item: TypeAlias = Entry | Fault


def entries(text: str, key: str) -> Iterator[Item]:
    """The items of the list `key` of a document; what cannot be read is a fault of its own."""
    root = _root(text)
    if isinstance(root, Fault):
        yield root
    elif root is not None:
        yield from _items(root, key)


def document(text: str) -> Item | None:
    """A whole document that is one mapping, or what keeps it from being read; None where there is nothing in it."""
    root = _root(text)
    return _item(root) if isinstance(root, yaml.Node) else root


def _root(text: str) -> yaml.Node | Fault | None:
    try:
        root: yaml.Node | None = None
        fault = _dangerous(text)
        if fault is None:
            root = _Loader(text).get_single_node()
    except (yaml.YAMLError, ValueError) as error:
        fault = _syntax(error)
    return fault or root


def _items(root: yaml.Node, key: str) -> Iterator[Item]:
    if not isinstance(root, yaml.MappingNode):
        yield Fault(_line(root), f"the document is not a mapping with the key {key}")
        return
    for name, value in root.value:
        if name.value != key:
            yield Fault(_line(name), f"unknown key {str(name.value)[:60]!r}; {key} is the only one")
        elif isinstance(value, yaml.SequenceNode):
            yield from (_item(node) for node in value.value)
        elif value.tag != f"{_CORE}null":  # a list whose entries are all commented out is none
            yield Fault(_line(value), f"{key} is not a list")


def _item(node: yaml.Node) -> Item:
    fault = _mistagged(node) or _repeated_key(node)
    if fault is not None:
        return fault
    try:
        value = _Loader("").construct_document(node)
    except (yaml.YAMLError, ValueError, TypeError) as error:
        return _syntax(error, _line(node))
    strange = _strange(value)
    if strange:
        return Fault(_line(node), strange)
    if not isinstance(value, dict):
        return Fault(_line(node), "the entry is not a mapping")
    return Entry(value, _line(node), node)


def _dangerous(text: str) -> Fault | None:
    depth = documents = 0
    for event in yaml.parse(text, Loader=_LIBYAML):
        line = 1 if event.start_mark is None else event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            return Fault(line, "aliases are not allowed, write the value out")
        documents += isinstance(event, yaml.DocumentStartEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            return Fault(line, f"nested more than {MAX_DEPTH} levels deep")
        if documents > 1:
            return Fault(line, "more than one document")
    return None


def _mistagged(node: yaml.Node) -> Fault | None:
    """The first tag that makes of a value what it is not: what the safe loader does with those is not for users."""
    if not isinstance(node, yaml.CollectionNode):
        fitting = node.tag == _STR or node.tag == _PLAIN.resolve(yaml.ScalarNode, node.value, (True, False))
    else:
        fitting = node.tag == (_SEQ if isinstance(node, yaml.SequenceNode) else _MAP)
    if not fitting:
        shown = str(node.tag).replace(_CORE, "!!")[:60]
        return Fault(_line(node), f"cannot be read: the tag {shown} is not allowed, write the value plainly")
    return next((fault for inner in _inner(node) if (fault := _mistagged(inner))), None)


def _inner(node: yaml.Node) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from node.value
    elif isinstance(node, yaml.MappingNode):
        for pair in node.value:
            yield from pair


def _repeated_key(node: yaml.Node) -> Fault | None:
    if isinstance(node, yaml.SequenceNode):
        return next((fault for inner in node.value if (fault := _repeated_key(inner))), None)
    if not isinstance(node, yaml.MappingNode):
        return None
    seen: set[str] = set()
    for name, value in node.value:
        if isinstance(name, yaml.ScalarNode) and name.value in seen:
            return Fault(_line(name), f"the key {name.value[:60]!r} occurs twice")
        seen.add(str(name.value))
        fault = _repeated_key(value)
        if fault is not None:
            return fault
    return None


def _strange(value: Any) -> str:
    """What JSON could not hold, in words; empty when all is well."""
    if isinstance(value, dict):
        odd = next((f"the key {key!r} is not text" for key in value if not isinstance(key, str)), "")
        return odd or next((found for each in value.values() if (found := _strange(each))), "")
    if isinstance(value, list):
        return next((found for each in value if (found := _strange(each))), "")
    if isinstance(value, float) and not math.isfinite(value):
        return "a number is not finite"
    if isinstance(value, int) and abs(value) >= MAX_NUMBER:
        return "a number is too large"
    return "" if value is None or isinstance(value, (str, int, float)) else f"a {type(value).__name__} is not allowed"


def _child(node: yaml.Node, step: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == step), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(step, int) and step < len(node.value):
        found: yaml.Node = node.value[step]
        return found
    return None


def _syntax(error: Exception, line: int = 1) -> Fault:
    mark = getattr(error, "problem_mark", None)
    what = getattr(error, "problem", None) or str(error)
    return Fault(line if mark is None else mark.line + 1, f"cannot be read: {' '.join(str(what).split())[:160]}")


def _line(node: yaml.Node) -> int:
    return 1 if node.start_mark is None else int(node.start_mark.line) + 1
