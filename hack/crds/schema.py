"""From the description of a field to its OpenAPI schema."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from controller.api.json import Json
from controller.planning.admission.findings import Rule
from controller.planning.admission.shape import WORKSPACE, ListOf, MapOf, Shape, Text
from hack.crds.source import WORDS, Field, Node, at, workspace
from hack.crds.validations import validations

_BARE: Final = re.compile(r"[A-Za-z][-A-Za-z0-9_./]*")
_MISREAD: Final = ("true", "false", "yes", "no", "on", "off", "null")
"""Words that YAML takes for something else."""


def workspace_schema(rules: Iterable[Rule]) -> Json:
    """The schema of both versions, with the limits of `planning.admission.shape` and the rules the API server checks.

    Raises:
        ValueError: a limit is stated twice, or a rule is not as it should be.
        KeyError: a rule stands at a node that does not exist.
    """
    found = validations(rules)
    for path in found:
        at(workspace(), path)
    return _schema(Field("", workspace()), WORKSPACE, found)


def description(field: Field) -> str:
    """What `kubectl explain` shows: meaning, what holds where the field is left out, and an example."""
    default = "Required." if field.required else f"Default: {field.unset}." if field.unset else ""
    example = "" if field.example is None else f"Example: `{shown(field.example)}`."
    return " ".join(part for part in (field.says, default, example) if part)


def shown(value: Any) -> str:
    """A value on one line as YAML reads it: words bare where they can be, everything else as JSON."""
    match value:
        case dict():
            return "{" + ", ".join(f"{key}: {shown(inner)}" for key, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(shown(inner) for inner in value) + "]"
        case str() if _BARE.fullmatch(value) and value.lower() not in _MISREAD:
            return value
        case _:
            return json.dumps(value)


def _schema(field: Field, shape: Shape | None, rules: Mapping[str, tuple[Mapping[str, Any], ...]]) -> Json:
    node, path = field.node, field.path
    said = description(field)
    nested = {"properties", "items", "additionalProperties", *WORDS}
    schema: Json = {"type": node["type"], **({"description": said} if said else {})}
    schema |= {word: value for word, value in node.items() if word not in nested}
    schema |= _limit(shape, node, path)
    if path in rules:
        schema["x-kubernetes-validations"] = [dict(rule) for rule in rules[path]]
    if "items" in node:
        entry = shape.entry if isinstance(shape, ListOf) else None
        schema["items"] = _schema(Field(f"{path}[]", node["items"]), entry, rules)
    if "additionalProperties" in node:
        entry = shape.value if isinstance(shape, MapOf) else None
        schema["additionalProperties"] = _schema(Field(f"{path}{{}}", node["additionalProperties"]), entry, rules)
    if "properties" in node:
        schema["properties"] = {name: _schema(inner, _inner(shape, name), rules) for name, inner in _named(field)}
    return schema


def _named(field: Field) -> Iterable[tuple[str, Field]]:
    node, path = field.node, field.path
    for name, inner in node["properties"].items():
        yield name, Field(f"{path}.{name}" if path else name, inner, name in node.get("required", ()))


def _inner(shape: Shape | None, name: str) -> Shape | None:
    # Of its metadata a definition may say nothing but what the name looks like.
    return shape.get(name) if isinstance(shape, Mapping) and name != "metadata" else None


def _limit(shape: Shape | None, node: Node, path: str) -> Json:
    words: dict[type, str] = {Text: "maxLength", ListOf: "maxItems", MapOf: "maxProperties"}
    word = words.get(type(shape))
    if word is None or not isinstance(shape, (Text, ListOf, MapOf)) or shape.most is None:
        return {}
    if word in node:
        raise ValueError(f"{path}: {word} follows from planning.admission.shape and stands in the description too")
    return {word: shape.most}
