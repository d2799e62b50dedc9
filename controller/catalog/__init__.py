"""Model presets and GPU sizes as reviewed data, with the loader that checks them."""

from controller.catalog.loader import Catalog, build_catalog, load_catalog
from controller.catalog.model import Architecture, Image, Lifecycle, Preset, RuntimeSpec, Sku

__all__ = [
    "Architecture",
    "Catalog",
    "Image",
    "Lifecycle",
    "Preset",
    "RuntimeSpec",
    "Sku",
    "build_catalog",
    "load_catalog",
]
