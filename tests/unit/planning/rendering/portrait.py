"""Renderings put down for people: what is usual once in full, everything else as what is different about it."""

import difflib
import json
from collections.abc import Iterable
from typing import Any

import yaml

from controller.api.json import Json
from controller.planning.rendering import APPLIED_HASH, INTENT, Rendering
from controller.planning.rendering.programs import FETCH
from controller.planning.rendering.pulling import PULL
from controller.planning.rendering.results import PUSH, TRAIN
from controller.planning.rendering.spread import START
from controller.planning.urls import address_policy

GONE = "(gone)"
PROGRAMS = {
    FETCH: "(program: fetch)", PULL: "(program: pull)", PUSH: "(program: push)", TRAIN: "(program: train)",
    START: "(program: lead or join)",    address_policy(): "(addresses nothing is fetched from)",
}  # fmt: skip
"""Texts that are the same everywhere."""


class Plain(yaml.SafeDumper):
    """Writes YAML to be read by people, scripts line by line."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


Plain.add_representer(str, _text)


def write(value: Any, *, several: bool = False) -> str:
    """YAML; parts that several objects share are written each time, not by reference."""
    unshared = json.loads(json.dumps(value))
    dump = yaml.dump_all if several else yaml.dump
    text: str = dump(unshared, Dumper=Plain, sort_keys=several, width=120, allow_unicode=True)
    return text


def portrait(found: Rendering) -> Json:
    """The objects by kind and name, without digests, long texts by name."""
    return {f"{obj['kind']} {obj['metadata']['name']}": _masked(obj) for obj in (found.workload, *found.services)}


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _masked(each) for key, each in value.items() if key not in (APPLIED_HASH, INTENT)}
    if isinstance(value, list):
        return [_masked(each) for each in value]
    return PROGRAMS.get(value, value) if isinstance(value, str) else value


def difference(old: Any, new: Any, *, whole: bool = False) -> Any:
    """What is different in `new`: changed and added values, and those that are gone.

    Args:
        old: what it is compared with.
        new: what is portrayed.
        whole: whether changed lists of words are shown as they are now, rather than what came and went.
    """
    old = _keyed(old)
    new = _keyed(new, old if isinstance(old, dict) else {})
    if isinstance(old, dict) and isinstance(new, dict):
        found = {key: difference(old.get(key), new[key], whole=whole) for key in new if old.get(key) != new[key]}
        return _joined({**found, **dict.fromkeys((key for key in old if key not in new), GONE)})
    if isinstance(old, list) and isinstance(new, list) and not whole:
        lines = difflib.ndiff(list(map(str, old)), list(map(str, new)))
        return [line for line in lines if line[0] in "+-"]
    return new


def _keyed(value: Any, former: Iterable[str] = ()) -> Any:
    """Lists of things with names as what they are: mappings. Where they change places, their order is told."""
    if not (isinstance(value, list) and value and all(isinstance(each, dict) and "name" in each for each in value)):
        return value
    keyed = {each["name"]: {key: part for key, part in each.items() if key != "name"} for each in value}
    kept = [name for name in former if name in keyed]
    return keyed if [*keyed][: len(kept)] == kept else {**keyed, "(order)": [*keyed]}


def _joined(found: dict[str, Any]) -> dict[str, Any]:
    """A key that leads to nothing but one other is written together with it."""
    joined = {}
    for key, value in found.items():
        inner, path = value, key
        while isinstance(inner, dict) and len(inner) == 1:
            ((step, inner),) = inner.items()
            path = f"{path}.{step}"
        joined[path] = inner
    return joined
