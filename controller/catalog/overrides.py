"""Presets, sizes and prices that users add to the catalogue or change in it, without rebuilding anything.

Each of three documents holds a list. An entry whose name is known changes the fields it gives and keeps the others; one
whose name is new adds a preset, size or price. An entry that is wrong is left out, with its line; the rest works.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import cache
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from controller.api.json import Json
from controller.api.messages import shorten
from controller.catalog.checks import preset_faults, sku_faults, successor_faults
from controller.catalog.codec import SKU_OPTIONAL, decode_preset, decode_sku, encode_preset, encode_sku
from controller.catalog.generic import ModelFacts, facts_faults, generic_entry
from controller.catalog.loader import Catalog, load_engines, read_data
from controller.catalog.model import Preset
from controller.catalog.prices import Capacity, Price, price_key
from controller.catalog.sku import Cloud, Sku
from controller.catalog.yaml_entries import Entry, Fault, Item, entries

SIZES_DOCUMENT: Final = "instance-types.yaml"
PRESETS_DOCUMENT: Final = "presets.yaml"
PRICES_DOCUMENT: Final = "prices.yaml"

MAX_CHARACTERS: Final = 256 * 1024
"""Characters of the longest document that is read; a thousand entries need about 150,000."""

MAX_ENTRIES: Final = 1000
"""Entries of one document that are read."""

MAX_MESSAGE: Final = 200
"""Characters of what is said of one entry; values in it may be of any length."""

_NEW_SKU: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "series": "custom",
        "quota_family": None,
        "gpu_memory_reported_mib": None,
        "compute_capability": None,
        "temp_disk_gib": None,
        "local_nvme": None,
        "arch": "amd64",
        "lifecycle": "current",
        "driver_installed": True,
    }
)
_COUNTS: Final = (
    "layers",
    "attention_heads",
    "kv_heads",
    "head_dim",
    "hidden_size",
    "kv_lora_rank",
    "qk_rope_head_dim",
)
_FACTS: Final = (*_COUNTS, "full_attention_layers", "sliding_window", "model_class")
_NUMBERS: Final = frozenset((*_COUNTS, "full_attention_layers", "sliding_window", "weights_gib", "max_context"))
_LARGEST: Final = 10**9


@dataclass(frozen=True, slots=True)
class OverrideProblem:
    """An entry, or a whole document, that was left out.

    Attributes:
        source: the document: `presets.yaml`, `instance-types.yaml` or `prices.yaml`.
        line: where in it, counted from 1.
        message: what is wrong, in one clause of at most 200 characters, on one line.
    """

    source: str
    line: int
    message: str


class _Refused(Exception):  # noqa: N818 - not an error of the program
    def __init__(self, message: str, path: tuple[str | int, ...] = ()) -> None:
        super().__init__(message)
        self.path = path


class Merged(NamedTuple):
    """A catalogue with documents laid over it.

    Attributes:
        catalog: what the entries that are right make of it.
        problems: what was left out.
    """

    catalog: Catalog
    problems: tuple[OverrideProblem, ...] = ()


def merging(catalog: Catalog, documents: Mapping[str, str]) -> Iterator[Merged]:
    """The catalogue with the documents laid over it, entry by entry; the last answer is the whole one.

    Total: any text gets an answer, nothing is raised. An entry takes about a millisecond: who serves others as well
    can do so in between.

    Args:
        catalog: what is laid under; not changed.
        documents: YAML by document name, as in the data of a ConfigMap.
    """
    merged = Merged(catalog, tuple(_unknown(documents)))
    yield merged
    for source, (key, step) in _STEPS.items():
        seen: dict[str, int] = {}
        for number, item in enumerate(_items(documents.get(source, ""), key)):
            if number >= MAX_ENTRIES:
                yield (merged := _left_out(merged, source, item.line, f"{MAX_ENTRIES} entries are the most"))
                break
            yield (merged := _step(merged, step, source, item, seen))


def _unknown(documents: Mapping[str, str]) -> Iterator[OverrideProblem]:
    for name in sorted(documents):
        if name not in _STEPS:
            yield OverrideProblem(name, 1, f"unknown document; known are {', '.join(sorted(_STEPS))}")


def _items(text: str, key: str) -> Iterable[Item]:
    if len(text) > MAX_CHARACTERS:
        return (Fault(1, f"the document has {len(text)} characters, {MAX_CHARACTERS} are the most"),)
    return entries(text, key)


def _step(
    merged: Merged, step: Callable[[Catalog, Json], Catalog], source: str, item: Item, seen: dict[str, int]
) -> Merged:
    if isinstance(item, Fault):
        return _left_out(merged, source, item.line, item.message)
    try:
        identity = _once(item, seen)
        changed = merged._replace(catalog=step(merged.catalog, item.value))
    except _Refused as refusal:
        return _left_out(merged, source, item.line_of(refusal.path), str(refusal))
    seen[identity] = item.line
    return changed


def _left_out(merged: Merged, source: str, line: int, message: str) -> Merged:
    printable = "".join(char if char.isprintable() else " " for char in message[: 2 * MAX_MESSAGE])
    problem = OverrideProblem(source, line, shorten(printable, MAX_MESSAGE))
    return merged._replace(problems=(*merged.problems, problem))


def _once(item: Entry, seen: Mapping[str, int]) -> str:
    """What tells the entry from others, of which none was taken yet."""
    named = {"capacity": Capacity.ON_DEMAND.value, **item.value}
    identity = repr([str(named.get(key)).strip().lower() for key in ("name", "cloud", "size", "region", "capacity")])
    if identity in seen:
        raise _Refused(f"the same as the entry in line {seen[identity]}")
    return identity


def _with_sku(catalog: Catalog, entry: Json) -> Catalog:
    cloud = _word(Cloud, entry.get("cloud", catalog.cloud.value), "cloud")
    own = {key: value for key, value in entry.items() if key != "cloud"}
    known = catalog.sku(_name(own))
    if known is not None and known.cloud is not cloud:
        if "cloud" in entry:
            raise _Refused(f"{known.name} is a size of {known.cloud}", ("cloud",))
        cloud = known.cloud
    base = dict(_NEW_SKU) if known is None else encode_sku(known)
    merged = {**base, **own, "name": own["name"] if known is None else known.name}
    merged = {key: value for key, value in merged.items() if key not in SKU_OPTIONAL or value != ""}
    _valid("skus", "sku", merged)
    sku = decode_sku(merged, cloud)
    _sound(sku_faults(sku))
    if sku.alias_of and catalog.sku(sku.alias_of) is None:
        raise _Refused(f"alias_of {sku.alias_of} is not in the catalogue", ("alias_of",))
    if cloud is catalog.cloud:
        return replace(catalog, skus=_with(catalog.skus, sku))
    return replace(catalog, elsewhere=_with(catalog.elsewhere, sku))


def _with(table: Mapping[str, Sku], sku: Sku) -> Mapping[str, Sku]:
    return MappingProxyType({**table, sku.name.lower(): sku})


def _with_preset(catalog: Catalog, entry: Json) -> Catalog:
    known = catalog.preset(_name(entry))
    merged = _new_preset(entry) if known is None else {**_deep(encode_preset(known), entry), "name": known.name}
    if merged.get("successor") == "":
        del merged["successor"]
    _valid("presets", "preset", merged)
    _engines_known(merged)
    preset = decode_preset(merged, load_engines())
    _sound(preset_faults(preset))
    _sound(successor_faults(preset, catalog))
    others = {key: value for key, value in catalog.presets.items() if value is not known}
    _sound(_taken(preset, others))
    if preset.successor.lower() in (name.lower() for name in preset.names):
        raise _Refused(f"{preset.name} cannot be its own successor", ("successor",))
    presets = {**others, **{name.lower(): preset for name in preset.names}}
    return replace(catalog, presets=MappingProxyType(presets))


def _with_price(catalog: Catalog, entry: Json) -> Catalog:
    _valid("prices", "price", entry)
    sku = catalog.sku(entry["size"])
    if sku is None:
        raise _Refused(f"{entry['size']} is in no table of sizes", ("size",))
    if entry.get("cloud", sku.cloud.value) != sku.cloud.value:
        raise _Refused(f"{sku.name} is a size of {sku.cloud}", ("cloud",))
    if not _is_date(entry["as_of"]):
        raise _Refused(f"as_of: {entry['as_of']} is no date", ("as_of",))
    capacity = Capacity(entry.get("capacity", Capacity.ON_DEMAND.value))
    price = Price(entry["usd_per_hour"], entry["as_of"], entry["region"], entry.get("source", "override"), capacity)
    own = {**catalog.own_prices, price_key(sku.cloud, sku.name, price.region, capacity): price}
    return replace(catalog, own_prices=MappingProxyType(own))


_STEPS: Final[Mapping[str, tuple[str, Callable[[Catalog, Json], Catalog]]]] = MappingProxyType(
    {
        SIZES_DOCUMENT: ("instance_types", _with_sku),
        PRESETS_DOCUMENT: ("presets", _with_preset),
        PRICES_DOCUMENT: ("prices", _with_price),
    }
)


def _new_preset(entry: Json) -> Json:
    """The entry of a preset nobody knows yet, completed by the rules for any Hugging Face model."""
    missing = [key for key in ("weights_gib", "max_context", "architecture") if key not in entry]
    if missing:
        raise _Refused(f"{entry['name']} is a new preset and needs {', '.join(missing)}")
    network, repo = entry["architecture"], entry.get("hf_repo", entry["name"])
    if not isinstance(network, dict) or not isinstance(repo, str):
        raise _Refused("architecture is not a mapping, or hf_repo is not text", ("architecture",))
    given: dict[str, Any] = {key: network[key] for key in _FACTS if key in network}
    odd = next((key for key, value in {**given, **entry}.items() if key in _NUMBERS and not _is_number(value)), None)
    if odd is not None:
        raise _Refused(
            f"{odd} is not a number from 1 to {_LARGEST:.0e}", ("architecture", odd) if odd in given else (odd,)
        )
    facts = ModelFacts(
        **{"layers": 0, "attention_heads": 0, "kv_heads": 0, **given},
        weights_bytes=int(entry["weights_gib"] * 2**30),
        max_context=entry["max_context"],
        quantization=str(entry.get("quantization", "")),
        dtype=str(entry.get("dtype", "auto" if entry.get("quantization") else "bfloat16")),
    )
    faults = tuple(facts_faults(repo, facts))
    if faults:
        raise _Refused("; ".join(faults), ("architecture",))
    return {**_deep(generic_entry(repo, facts), entry), "weights_gib": entry["weights_gib"]}


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value <= _LARGEST


def _is_date(text: str) -> bool:
    """Whether a month, or a day, is in the calendar."""
    try:
        date.fromisoformat(text if text.count("-") > 1 else f"{text}-01")
    except ValueError:
        return False
    return True


def _deep(base: Json, over: Json) -> Json:
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = _deep(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def _name(entry: Json) -> str:
    name = entry.get("name")
    if not isinstance(name, str) or not name.strip():
        raise _Refused("name is missing or not text", ("name",))
    return name


def _word(kind: type[Cloud], value: object, field: str) -> Cloud:
    if value not in list(kind):
        raise _Refused(f"{field} is {str(value)[:60]!r}, not one of {', '.join(kind)}", (field,))
    return kind(str(value))


def _engines_known(entry: Json) -> None:
    """Refuses an entry that refers to an engine which is not there, or lacks what the entry takes from it."""
    engines = load_engines()
    parts = [(edition, "editions", tuple(edition["runtimes"])) for edition in entry["editions"]]
    if "tuning" in entry:
        parts.append((entry["tuning"], "tuning", ("tuning",)))
    for part, field, wanted in parts:
        name = part.get("engine")
        if name is None:
            continue
        if name not in engines:
            raise _Refused(f"engine {name!r} is not known; known are {', '.join(engines)}", (field,))
        provided = (*engines[name]["runtimes"], *engines[name])
        lacking = [each for each in wanted if each not in provided]
        if lacking:
            raise _Refused(f"engine {name} has no {lacking[0]}", (field,))


def _taken(preset: Preset, others: Mapping[str, Preset]) -> Iterator[str]:
    lowered = [name.lower() for name in preset.names]
    yield from (f"{name} already names {others[name].name}" for name in lowered if name in others)
    if len(set(lowered)) < len(lowered):
        yield "a name occurs twice among name and aliases"


def _sound(faults: Iterator[str]) -> None:
    found = "; ".join(faults)
    if found:
        raise _Refused(found)


def _valid(schema: str, kind: str, entry: Json) -> None:
    error = next(iter(sorted(_validator(schema, kind).iter_errors(entry), key=lambda each: str(each.json_path))), None)
    if error is not None:
        path = tuple(error.absolute_path)
        where = f"{'.'.join(map(str, path))}: " if path else ""
        raise _Refused(f"{where}{_said(error)}", path)


def _said(error: Any) -> str:
    if error.validator == "not":
        return "not allowed beside the rest, an empty text takes it away"
    return "is needed" if error.instance is None and error.path else str(error.message)[:200]


@cache
def _validator(schema: str, kind: str) -> Any:
    # Late, so that programs without overrides do not pay for it at start.
    import jsonschema

    whole = read_data(f"{schema}.schema")
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{kind}", "$defs": whole["$defs"]})
