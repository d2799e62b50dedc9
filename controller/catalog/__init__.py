"""Model presets, machine sizes and list prices as reviewed data, with the loader that turns them into values."""

from controller.catalog.loader import Catalog, build_catalog, load_catalog
from controller.catalog.model import (
    Architecture,
    Edition,
    Image,
    KvQuality,
    Preset,
    PresetStatus,
    RuntimeSpec,
    Tuning,
)
from controller.catalog.prices import Capacity, Price
from controller.catalog.sku import Cloud, Lifecycle, Sku

__all__ = [
    "Architecture",
    "Capacity",
    "Catalog",
    "Cloud",
    "Edition",
    "Image",
    "KvQuality",
    "Lifecycle",
    "Preset",
    "PresetStatus",
    "Price",
    "RuntimeSpec",
    "Sku",
    "Tuning",
    "build_catalog",
    "load_catalog",
]
