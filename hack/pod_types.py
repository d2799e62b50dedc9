"""`python -m hack.pod_types`: writes the fields of pod templates and volumes, as the Kubernetes client knows them.

The models of the official client are made from the OpenAPI document of Kubernetes; here they are reduced to what an
exact reading needs: the name of each field, its type, and whether it may be missing. With --check nothing is written.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Final

from kubernetes import client

FILE: Final = Path(__file__).parents[1] / "controller" / "planning" / "admission" / "data" / "pod_types.json"

_ROOT: Final = "V1PodTemplateSpec"
_SCALARS: Final = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "datetime": "time"}
_QUANTITIES: Final = frozenset({"limits", "requests", "overhead", "sizeLimit", "divisor"})
"""Fields that hold quantities; the client calls them strings, Kubernetes takes numbers too."""

_LIST: Final = re.compile(r"List\[(?P<inner>.+)\]")
_MAP: Final = re.compile(r"Dict\[str, (?P<inner>.+)\]")


def render() -> str:
    """The file as it should be: JSON, one type a line."""
    types = dict(sorted(_types()))
    volume = types["Volume"]
    types["VolumeSource"] = {field: kind for field, kind in volume.items() if field != "name"}
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(fields)}" for name, fields in sorted(types.items()))
    release = ".".join(version("kubernetes").split(".")[:2])
    return f'{{\n "source": "kubernetes-client/python {release}",\n "types": {{\n{lines}\n }}\n}}\n'


def _types() -> Iterator[tuple[str, dict[str, str]]]:
    waiting, seen = [_ROOT], {_ROOT}
    while waiting:
        name = waiting.pop()
        model = getattr(client, name)
        required = {field.alias or each for each, field in model.model_fields.items() if field.is_required()}
        yield (
            _short(name),
            {
                field: _kind(field, model.openapi_types[attribute]) + ("!" if attribute in required else "")
                for attribute, field in sorted(model.attribute_map.items())
            },
        )
        found = {inner for written in model.openapi_types.values() if hasattr(client, inner := _innermost(written))}
        waiting.extend(sorted(found - seen))
        seen |= found


def _kind(field: str, written: str) -> str:
    if match := _LIST.fullmatch(written):
        return f"[]{_kind(field, match['inner'])}"
    if match := _MAP.fullmatch(written):
        return f"{{}}{_kind(field, match['inner'])}"
    if field in _QUANTITIES and written == "str":
        return "quantity"
    if written == "object":
        return "intOrString" if field == "port" else "object"
    return _SCALARS.get(written) or _short(written)


def _innermost(written: str) -> str:
    while match := _LIST.fullmatch(written) or _MAP.fullmatch(written):
        written = match["inner"]
    return written


def _short(name: str) -> str:
    return name.removeprefix("V1")


def main() -> int:
    """Exit code 0 when the file is current afterwards, else 1."""
    parser = argparse.ArgumentParser(prog="python -m hack.pod_types", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when the file is stale")
    wanted = render()
    if parser.parse_args().check:
        current = FILE.read_text(encoding="utf-8") == wanted
        print(f"{FILE.name} is {'current' if current else 'stale: run python -m hack.pod_types'}")
        return 0 if current else 1
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(wanted, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
