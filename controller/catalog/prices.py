"""List prices of machine sizes: dated data of their own, read only when somebody asks for a price."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from controller.api.json import Json
from controller.catalog.sku import Cloud

PRICES_PATH: Final = Path(__file__).parent / "data" / "prices.json"
"""The file of list prices."""


class Capacity(StrEnum):
    """How a machine is bought."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"


@dataclass(frozen=True, slots=True)
class Price:
    """What one machine costs.

    Attributes:
        usd_per_hour: US dollars per machine and hour, Linux, pay as you go, before tax and discounts.
        as_of: the month, or day, at which that was the price: YYYY-MM or YYYY-MM-DD.
        region: where.
        source: who published it.
        capacity: how it is bought.
    """

    usd_per_hour: float
    as_of: str
    region: str
    source: str
    capacity: Capacity = Capacity.ON_DEMAND

    @property
    def text(self) -> str:
        """The price as it may be shown, never without its date: `$3.06/h list price of 2026-06, eastus`."""
        return self.of(1)

    def of(self, machines: int) -> str:
        """What several machines cost together, as it may be shown."""
        kind = "list price" if self.capacity is Capacity.ON_DEMAND else "spot price"
        return f"${self.usd_per_hour * machines:.2f}/h {kind} of {self.as_of}, {self.region}"


PriceKey = tuple[Cloud, str, str, Capacity]
"""Cloud, lower-case size, lower-case region, capacity."""

PriceTable = Mapping[PriceKey, Price]
"""Prices by what they are for."""

NO_PRICES: Final[PriceTable] = MappingProxyType({})

REFERENCE_REGIONS: Final[Mapping[Cloud, tuple[str, ...]]] = MappingProxyType(
    {Cloud.AZURE: ("eastus", "eastus2", "westus3"), Cloud.AWS: ("us-east-1",)}
)
"""Where prices are read while nobody says in which region nodes are made, in this order.

Base prices of these regions are equal where a size is sold in several of them. Source: the dated list prices.
"""


@cache
def load_prices() -> PriceTable:
    """The prices that ship with the program, read at the first call. Of several for one thing the newest counts."""
    return build_prices(json.loads(PRICES_PATH.read_bytes()))


def build_prices(data: Json) -> PriceTable:
    """The table of a decoded file of prices.

    Raises:
        KeyError, ValueError: a field is missing or a word is not of its closed list.
    """
    oldest_first = sorted(data["series"], key=lambda series: str(series["as_of"]))
    return MappingProxyType({key: price for series in oldest_first for key, price in _prices(series)})


def price_key(cloud: Cloud, size: str, region: str, capacity: Capacity) -> PriceKey:
    """Where a price stands in a table; letter case of names does not matter."""
    return cloud, size.strip().lower(), region.strip().lower(), capacity


def _prices(series: Json) -> Iterator[tuple[PriceKey, Price]]:
    cloud, capacity = Cloud(series["cloud"]), Capacity(series["capacity"])
    for region, figures in series["regions"].items():
        for size, figure in zip(series["sizes"], figures, strict=True):
            if figure is not None:
                price = Price(figure, series["as_of"], region, series["source"], capacity)
                yield price_key(cloud, size, region, capacity), price
