"""The manifests as kustomize builds them, and how one build differs from another, for people to read."""

import json
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from hack.devcluster.commands import kubectl_path
from hack.devcluster.layout import REPOSITORY

Json = dict[str, Any]

FOLDER = REPOSITORY / "manifests"
FOREIGN = Path(__file__).with_name("foreign.yaml")
"""Definitions of other projects' kinds that some overlays use."""

OVERLAYS = tuple(sorted(path.name for path in (FOLDER / "overlays").iterdir()))
LONGEST = 150
"""Lines of the longest object that is pinned whole: definitions, dashboards and rules have tests of their own."""


@cache
def build(folder: str) -> tuple[Json, ...]:
    """The objects of a kustomization below `manifests`, in the order in which kubectl applies them."""
    return tuple(built(FOLDER / folder))


def built(folder: Path) -> list[Json]:
    """The objects of any kustomization."""
    argv = [str(kubectl_path()), "kustomize", str(folder)]
    done = subprocess.run(argv, capture_output=True, check=False, text=True)
    assert done.returncode == 0, f"{folder} does not build:\n{done.stderr}"
    return [item for item in yaml.safe_load_all(done.stdout) if item]


def foundation(overlay: str) -> tuple[Json, ...]:
    """What an overlay builds upon: the first of its resources."""
    folder = FOLDER / "overlays" / overlay
    described = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    return build(str((folder / described["resources"][0]).resolve().relative_to(FOLDER)))


def identity(item: Json) -> str:
    """Kind, namespace if any, and name."""
    metadata = item["metadata"]
    return "/".join(filter(None, (item["kind"], metadata.get("namespace"), metadata["name"])))


def of_kind(objects: tuple[Json, ...], kind: str) -> list[Json]:
    """The objects of one kind."""
    return [item for item in objects if item["kind"] == kind]


def pod_template(workload: Json) -> Json:
    """The pod a Deployment or DaemonSet makes."""
    found: Json = workload["spec"]["template"]
    return found


def whole(objects: tuple[Json, ...]) -> str:
    """The objects as text, long ones by name only."""
    return "---\n".join(_text(item) for item in objects)


def difference(before: tuple[Json, ...], after: tuple[Json, ...]) -> str:
    """What `after` adds, removes and changes, one fact a line."""
    old, new = ({identity(item): item for item in objects} for objects in (before, after))
    removed = [f"- {name}" for name in old if name not in new]
    changed = [line for name in old if name in new for line in _changes(name, old[name], new[name])]
    added = [f"+ {name}\n{_text(new[name])}".rstrip() for name in new if name not in old]
    return "\n".join([*removed, *changed, *added]) + "\n"


def _text(item: Json) -> str:
    text = yaml.safe_dump(item, sort_keys=True, width=120)
    return text if text.count("\n") <= LONGEST else f"# {identity(item)}\n"


def _changes(name: str, before: Json, after: Json) -> Iterator[str]:
    old, new = dict(_leaves(before)), dict(_leaves(after))
    lines = [f"    {path}: {old[path]} is gone" for path in old if path not in new]
    lines += [f"    {path}: {new[path]}" for path in new if old.get(path, _ABSENT) != new[path]]
    if lines:
        yield f"~ {name}"
        yield from lines


_ABSENT = object()


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if path == "rules":
        # The order of rights means nothing.
        yield from ((f"rule {json.dumps(rule, sort_keys=True)}", "granted") for rule in value)
    elif isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{index}]")
    else:
        yield path, value
