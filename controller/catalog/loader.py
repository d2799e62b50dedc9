"""Reads the reviewed data files into values; the schema check is `python -m controller.catalog`, not every start."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from controller.api.json import Json
from controller.catalog.codec import decode_preset, decode_sku
from controller.catalog.model import Preset
from controller.catalog.prices import NO_PRICES, Capacity, Price, PriceTable, load_prices, price_key
from controller.catalog.sku import Cloud, Sku

DATA: Final = Path(__file__).parent / "data"
"""The folder of data files and their schemas."""

PRESETS_FILE: Final = "presets"
SKU_FILES: Final = MappingProxyType({cloud: f"{cloud.value}_skus" for cloud in Cloud})

_NO_SKUS: Final[Mapping[str, Sku]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything known about models and machine sizes.

    Attributes:
        presets: by lower-case name and alias.
        skus: the sizes of the cloud this installation makes nodes in, by lower-case name.
        elsewhere: the sizes of the other clouds, by lower-case name.
        cloud: the cloud this installation makes nodes in.
        own_prices: prices of the installation's own, which go before the list prices.
        list_prices: gives the list prices, which are read only when asked for.
    """

    presets: Mapping[str, Preset]
    skus: Mapping[str, Sku]
    elsewhere: Mapping[str, Sku] = field(default_factory=lambda: _NO_SKUS)
    cloud: Cloud = Cloud.AZURE
    own_prices: PriceTable = field(default_factory=lambda: NO_PRICES)
    list_prices: Callable[[], PriceTable] = load_prices

    def preset(self, name: str) -> Preset | None:
        """The preset of that name or alias, letter case ignored; None when unknown."""
        return self.presets.get(name.strip().lower())

    def sku(self, name: str) -> Sku | None:
        """The size of that name in any cloud, letter case ignored; None when unknown.

        Its `name` is the cloud's own spelling.
        """
        key = name.strip().lower()
        return self.skus.get(key) or self.elsewhere.get(key)

    def listing(self, cloud: Cloud) -> tuple[Sku, ...]:
        """The sizes of one cloud, in the order of its file."""
        table = self.skus if cloud is self.cloud else self.elsewhere
        return tuple(sku for sku in table.values() if sku.cloud is cloud)

    def at(self, cloud: Cloud) -> "Catalog":
        """The same catalogue for an installation that makes its nodes in another cloud."""
        everything = {**self.skus, **self.elsewhere}
        home = {key: sku for key, sku in everything.items() if sku.cloud is cloud}
        others = {key: sku for key, sku in everything.items() if sku.cloud is not cloud}
        return replace(self, skus=MappingProxyType(home), elsewhere=MappingProxyType(others), cloud=cloud)

    def price(self, sku: Sku, region: str, capacity: Capacity = Capacity.ON_DEMAND) -> Price | None:
        """What one machine of a size costs in a region, with the date of that price; None when unknown."""
        key = price_key(sku.cloud, sku.name, region, capacity)
        return self.own_prices.get(key) or self.list_prices().get(key)

    @property
    def preset_names(self) -> tuple[str, ...]:
        """The short names, each preset once, in the order of the file."""
        return tuple(dict.fromkeys(preset.name for preset in self.presets.values()))


@cache
def load_catalog() -> Catalog:
    """The catalogue that ships with the program, for Azure; read once per process."""
    return build_catalog(read_data(PRESETS_FILE), *(read_data(stem) for stem in SKU_FILES.values()))


@cache
def load_engines() -> Mapping[str, Json]:
    """The launch facts entries of presets may refer to by name."""
    return MappingProxyType(read_data(PRESETS_FILE)["engines"])


def read_data(stem: str) -> Json:
    """One data file or schema, by its name without `.json`."""
    data: Json = json.loads((DATA / f"{stem}.json").read_bytes())
    return data


def build_catalog(presets: Json, *sku_files: Json, cloud: Cloud = Cloud.AZURE) -> Catalog:
    """The catalogue of decoded data files: one of presets, any number of sizes.

    Raises:
        KeyError, TypeError, ValueError: a field is missing, unknown, or a word is not of its closed list.
        ValueError: a name occurs twice, or an alias points nowhere.
    """
    sizes = [decode_sku(entry, Cloud(data["cloud"])) for data in sku_files for entry in data["skus"]]
    models = [decode_preset(entry, presets["engines"]) for entry in presets["presets"]]
    catalog = Catalog(
        presets=_unique((name, preset) for preset in models for name in preset.names),
        skus=_unique((sku.name, sku) for sku in sizes),
    )
    for sku in sizes:
        if sku.alias_of and catalog.sku(sku.alias_of) is None:
            raise ValueError(f"{sku.name} is an alias of {sku.alias_of}, which is not in the table")
    return catalog.at(cloud)


def _unique(entries: Iterable[tuple[str, Any]]) -> Mapping[str, Any]:
    table: dict[str, Any] = {}
    for name, value in entries:
        if name.lower() in table:
            raise ValueError(f"{name} occurs twice")
        table[name.lower()] = value
    return MappingProxyType(table)
