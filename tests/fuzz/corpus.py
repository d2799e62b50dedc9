"""The reviews that mutation starts from: every example, every row of the reference lists, and changes between them."""

import json
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import yaml

from controller.api.json import Json
from tests.fuzz.mutation import values_of
from tests.reference import ROWS
from tests.unit.planning.manifests import example
from tests.unit.webhook.reviews import review

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
_CONFIG_MAPS: Final = {name: data for row in ROWS for name, data in row.config_maps.items()}


def seeds() -> tuple[str, ...]:
    """JSON texts of AdmissionReviews: each manifest as it is made, and as it replaces itself and the one before."""
    manifests = tuple(_manifests())
    made = [json.dumps(review(obj)) for obj in (*manifests, *(row.obj for row in ROWS))]
    same = [json.dumps(review(obj, obj, operation="UPDATE")) for obj in manifests]
    moved = [json.dumps(review(new, old, operation="UPDATE")) for old, new in pairwise(manifests)]
    changed = [json.dumps(review(row.obj, row.old, operation="UPDATE")) for row in ROWS if row.old is not None]
    return (*made, *same, *moved, *changed)


def config_maps(namespace: str, name: str) -> Mapping[str, str] | None:
    """The data of the ConfigMaps that the manifests name, in whatever namespace."""
    return _CONFIG_MAPS.get(name)


def pool(texts: tuple[str, ...]) -> tuple[Any, ...]:
    """Every different value that stands somewhere in the reviews, small ones first."""
    found = {json.dumps(value): value for text in texts for value in values_of(json.loads(text))}
    return tuple(found[text] for text in sorted(found, key=lambda text: (len(text), text)))


def _manifests() -> Iterator[Json]:
    yield example()
    for path in sorted(EXAMPLES.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if isinstance(document, dict) and document.get("kind") == "Workspace":
                yield document
