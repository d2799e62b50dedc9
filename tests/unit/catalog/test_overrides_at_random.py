"""No entry whatever breaks the catalogue: what is wrong is left out."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from controller.catalog.codec import encode_preset, encode_sku
from controller.catalog.overrides import PRESETS_DOCUMENT, PRICES_DOCUMENT, SIZES_DOCUMENT
from tests.unit.catalog.test_overrides import CATALOG, merge

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "name",
    "weights_gib",
    "max_context",
    "architecture",
    "editions",
    "tuning",
    "aliases",
    "hf_repo",
    "kv_quality",
)
NAMES = st.sampled_from(("phi-4", "acme/new", "", "Standard_NC6s_v3", "p5.48xlarge"))
FACTS = st.fixed_dictionaries(
    {}, optional={key: JSON | st.integers(-1, 64) for key in ("layers", "attention_heads", "kv_heads", "head_dim")}
)


@given(
    st.dictionaries(st.sampled_from(FIELDS), JSON | FACTS | st.integers(1, 10**12), max_size=5),
    NAMES,
    st.sampled_from(("presets", "instance_types", "prices")),
)
def test_no_entry_breaks_the_catalogue(entry: dict[str, object], name: str, key: str) -> None:
    source = {"presets": PRESETS_DOCUMENT, "instance_types": SIZES_DOCUMENT, "prices": PRICES_DOCUMENT}[key]
    merged, found = merge(CATALOG, {source: json.dumps({key: [{"size": name, "name": name, **entry}]})})
    assert (merged == CATALOG) or not found
    assert all(problem.line >= 1 and problem.message for problem in found)


def places(entry: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every field of an entry, those within others too."""
    if not isinstance(entry, dict):
        return []
    return [each for key, value in entry.items() for each in ((*path, key), *places(value, (*path, key)))]


def replaced(entry: dict[str, Any], path: tuple[str, ...], value: object) -> dict[str, Any]:
    """The entry with one field replaced, or taken away for `...`."""
    key, *rest = path
    if rest and isinstance(entry.get(key), dict):
        return {**entry, key: replaced(entry[key], tuple(rest), value)}
    return {name: old for name, old in {**entry, key: value}.items() if old is not ...}


WHOLE = {PRESETS_DOCUMENT: ("presets", [encode_preset(CATALOG.presets[name.lower()]) for name in CATALOG.preset_names]),
         SIZES_DOCUMENT: ("instance_types", [encode_sku(sku) for sku in CATALOG.skus.values()])}  # fmt: skip


STRANGE = JSON | st.sampled_from((..., 0, -1, 2, 0.5, 10**9, "", "x", [], {}, "MLA", "removed", "alias", "2026-01-01"))


@settings(deadline=None)
@given(st.data(), st.sampled_from(tuple(WHOLE)))
def test_no_almost_right_entry_breaks_the_catalogue(data: st.DataObject, source: str) -> None:
    key, known = WHOLE[source]
    entry = data.draw(st.sampled_from(known))
    if data.draw(st.booleans()):
        entry = {**entry, "name": "acme/new" if source == PRESETS_DOCUMENT else "New", "aliases": ...}
    for path in data.draw(st.lists(st.sampled_from(places(entry)), max_size=3)):
        entry = replaced(entry, path, data.draw(STRANGE))
    text = json.dumps({key: [{name: value for name, value in entry.items() if value is not ...}]})
    merged, found = merge(CATALOG, {source: text})
    assert (merged == CATALOG) or not found


@given(st.text(max_size=60), st.sampled_from((PRESETS_DOCUMENT, SIZES_DOCUMENT, PRICES_DOCUMENT)))
def test_no_text_breaks_the_catalogue(text: str, source: str) -> None:
    merged, _ = merge(CATALOG, {source: text})
    assert merged == CATALOG
