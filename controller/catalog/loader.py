"""Reads the reviewed data files into values; the schema check is `python -m controller.catalog`, not every start."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from controller.api.json import Json
from controller.api.workspace import Runtime
from controller.catalog.model import Architecture, Image, Lifecycle, Preset, RuntimeSpec, Sku

DATA: Final = Path(__file__).parent / "data"
"""The folder of data files and their schemas."""

PRESETS_FILE: Final = "presets"
SKUS_FILE: Final = "azure_skus"


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything known about models and machine sizes.

    Attributes:
        presets: by lower-case name and alias.
        skus: by lower-case name.
    """

    presets: Mapping[str, Preset]
    skus: Mapping[str, Sku]

    def preset(self, name: str) -> Preset | None:
        """The preset of that name or alias, letter case ignored; None when unknown."""
        return self.presets.get(name.strip().lower())

    def sku(self, name: str) -> Sku | None:
        """The size of that name, letter case ignored; None when unknown. Its `name` is the cloud's own spelling."""
        return self.skus.get(name.strip().lower())

    @property
    def preset_names(self) -> tuple[str, ...]:
        """The short names, each preset once, in the order of the file."""
        return tuple(dict.fromkeys(preset.name for preset in self.presets.values()))


@cache
def load_catalog() -> Catalog:
    """The catalogue that ships with the program, read once per process."""
    return build_catalog(read_data(PRESETS_FILE), read_data(SKUS_FILE))


def read_data(stem: str) -> Json:
    """One data file or schema, by its name without `.json`."""
    data: Json = json.loads((DATA / f"{stem}.json").read_bytes())
    return data


def build_catalog(presets: Json, skus: Json) -> Catalog:
    """The catalogue of two decoded data files.

    Raises:
        KeyError, ValueError: a field is missing or a word is not of its closed list.
        ValueError: a name occurs twice, or an alias points nowhere.
    """
    sizes = [_sku(entry) for entry in skus["skus"]]
    models = [_preset(entry) for entry in presets["presets"]]
    catalog = Catalog(
        presets=_unique((name, preset) for preset in models for name in preset.names),
        skus=_unique((sku.name, sku) for sku in sizes),
    )
    for sku in sizes:
        if sku.alias_of and catalog.sku(sku.alias_of) is None:
            raise ValueError(f"{sku.name} is an alias of {sku.alias_of}, which is not in the table")
    return catalog


def _unique(entries: Iterable[tuple[str, Any]]) -> Mapping[str, Any]:
    table: dict[str, Any] = {}
    for name, value in entries:
        if name.lower() in table:
            raise ValueError(f"{name} occurs twice")
        table[name.lower()] = value
    return MappingProxyType(table)


def _sku(entry: Json) -> Sku:
    optional = {"gpu_fraction": "", "retirement_date": "", "alias_of": "", "notes": ""}
    known = {**optional, **entry, "lifecycle": Lifecycle(entry["lifecycle"]), "gpu_count": entry["gpu_count"] or 0}
    return Sku(**known)


def _preset(entry: Json) -> Preset:
    nested = {
        "aliases": tuple(entry["aliases"]),
        "architecture": Architecture(**entry["architecture"]),
        "image": Image(**entry["image"]),
        "runtimes": MappingProxyType({Runtime(name): _runtime(spec) for name, spec in entry["runtimes"].items()}),
    }
    return Preset(**{**entry, **nested})


def _runtime(spec: Json) -> RuntimeSpec:
    frozen = {key: MappingProxyType(value) for key, value in spec.items() if isinstance(value, dict)}
    return RuntimeSpec(**{**spec, **frozen})
