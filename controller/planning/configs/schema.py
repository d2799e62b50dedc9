"""The keys a configuration file may have: their types, ranges and releases, as reviewed data.

The schemas are JSON Schema; what a plain schema cannot say stands beside it in keywords that begin with `x-`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from jsonschema import Draft202012Validator

from controller.api.json import Json
from controller.catalog.yaml_entries import MAX_NUMBER

DATA: Final = Path(__file__).parent / "data"
"""The folder of schemas."""

INFERENCE_SCHEMA: Final = "inference_config"
TRAINING_SCHEMA: Final = "training_config"

_NOUNS: Final = MappingProxyType(
    {
        "integer": "a whole number",
        "number": "a number",
        "boolean": "true or false",
        "string": "text",
        "array": "a list",
        "object": "a map",
        "null": "empty",
    }
)
_WORDS_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a section.

    Attributes:
        types: JSON types its value may have.
        schema: its JSON schema.
        releases: the releases of the program that know it; empty for every one.
        switch: the releases in which it has no spelling for false.
        holds_json: whether its text must be JSON.
        owned: why the operator sets it and the user's value is not used; empty where the user's is.
        refused: why it cannot be used at all; empty where it can.
        caution: what the user should know of it; empty for nothing.
        about: a sentence or two for readers.
    """

    types: tuple[str, ...]
    schema: Json
    releases: frozenset[str] = frozenset()
    switch: frozenset[str] = frozenset()
    holds_json: bool = False
    owned: str = ""
    refused: str = ""
    caution: str = ""
    about: str = ""

    @property
    def expected(self) -> str:
        """What its value must be, such as `a whole number of at least 1`."""
        words = self.schema.get("enum")
        if words:
            more = "" if len(words) <= _WORDS_SHOWN else f" and {len(words) - _WORDS_SHOWN} more"
            return f"one of {', '.join(map(str, words[:_WORDS_SHOWN]))}{more}"
        if self.holds_json:
            return "JSON in quotes"
        if "pattern" in self.schema:
            return f"{_NOUNS[self.types[0]]}{_span(self.schema)}, or {self.schema['pattern'].strip('^$')}"
        return " or ".join(_NOUNS[each] for each in self.types if each != "null") + _span(self.schema)


@cache
def load_schema(stem: str) -> Json:
    """One schema by its name without `.schema.json`."""
    data: Json = json.loads((DATA / f"{stem}.schema.json").read_bytes())
    return data


@cache
def keys_of(stem: str, *path: str) -> Mapping[str, Key]:
    """The keys of the section at a path of a schema, in the order of its file."""
    node = load_schema(stem)
    for step in path:
        node = node["properties"][step]
    return MappingProxyType({name: _key(entry) for name, entry in node["properties"].items()})


def _key(entry: Json) -> Key:
    kinds = entry["type"]
    return Key(
        types=tuple(kinds) if isinstance(kinds, list) else (kinds,),
        schema=entry,
        releases=frozenset(entry.get("x-releases", ())),
        switch=frozenset(entry.get("x-switch", ())),
        holds_json=bool(entry.get("x-json")),
        owned=entry.get("x-owned", ""),
        refused=entry.get("x-refused", ""),
        caution=entry.get("x-caution", ""),
        about=entry.get("description", ""),
    )


@cache
def validator(stem: str) -> Draft202012Validator:
    """The compiled schema."""
    return Draft202012Validator(load_schema(stem))


def coerce(value: Any, key: Key) -> Any:
    """The value in the type of its key, where it can be read so.

    The programs read their command lines as text, so `"2048"` is as good as 2048, and 1 as good as "1" where text is
    asked for. YAML 1.1 reads `5e-5` as text; the programs read it as a number. What cannot be read stays as it is.
    """
    if isinstance(value, list):
        return value if "array" not in key.types else [coerce(each, _item(key)) for each in value]
    if isinstance(value, str):
        return _from_text(value, key.types)
    if isinstance(value, float) and "integer" in key.types and value.is_integer():
        return int(value)
    if isinstance(value, (bool, int, float)) and key.types[0] == "string":
        return str(value)
    return value


def _item(key: Key) -> Key:
    inner = key.schema["items"]
    return Key((inner["type"],), inner)


def _from_text(text: str, types: tuple[str, ...]) -> Any:
    trimmed = text.strip()
    if "boolean" in types and trimmed.lower() in ("true", "false"):
        return trimmed.lower() == "true"
    for kind, read in (("integer", int), ("number", float)):
        if kind in types:
            try:
                number = read(trimmed)
            except ValueError:
                continue
            # Comparing also tells NaN apart, and never makes a float of a number of thousands of digits.
            return number if abs(number) < MAX_NUMBER else text
    return text


def _span(schema: Json) -> str:
    """The range of a number in words, with a blank before it; empty where there is none."""
    least, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    most, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    parts = [
        f"{words} {bound}"
        for words, bound in (("of at least", least), ("above", above), ("at most", most), ("below", below))
        if bound is not None
    ]
    return f" {' and '.join(parts)}" if parts else ""
