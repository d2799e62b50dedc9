"""Objects that hold equal strings once: a cache of thousands of like objects is mostly the same words again and again.

Every answer of the API server is decoded on its own, so without this each object has its own copy of `metadata`,
`lastTransitionTime`, `True` and every other key and word. Sharing them takes half and more off an informer's memory.
"""

from sys import intern
from typing import Any, Final

from controller.api.json import Json

_LONGEST: Final = 64
"""Longer strings, such as messages and arguments, are seldom equal; labels, UIDs and times are shorter."""


def shared(obj: Json) -> Json:
    """An equal object whose keys and short strings are those of all others; the one given is left as it is."""
    made: Json = _value(obj)
    return made


def _value(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        return intern(value) if len(value) <= _LONGEST else value
    if kind is dict:
        return {intern(key): _value(each) for key, each in value.items()}
    if kind is list:
        return [_value(each) for each in value]
    return value
