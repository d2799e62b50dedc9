"""`python -m controller.catalog`: checks the data files and prints what they hold."""

import sys
from collections import Counter
from collections.abc import Iterator

import jsonschema

from controller.catalog.checks import catalog_faults, preset_faults, price_faults, sku_faults
from controller.catalog.loader import PRESETS_FILE, SKU_FILES, Catalog, load_catalog, read_data
from controller.catalog.prices import build_prices
from controller.catalog.sku import Cloud

SCHEMAS = {PRESETS_FILE: "presets", **dict.fromkeys(SKU_FILES.values(), "skus"), "prices": "prices"}
"""The schema of each data file, both by name without ending."""


def violations(stem: str) -> Iterator[str]:
    """What a data file breaks of its schema, one line each."""
    validator = jsonschema.Draft202012Validator(read_data(f"{SCHEMAS[stem]}.schema"))
    for error in validator.iter_errors(read_data(stem)):
        yield f"{stem}.json {error.json_path}: {error.message[:200]}"


def contradictions(catalog: Catalog) -> Iterator[str]:
    """What does not agree within the catalogue, one line each."""
    for name in catalog.preset_names:
        yield from (f"{name}: {fault}" for fault in preset_faults(catalog.presets[name.lower()]))
    for sku in (*catalog.skus.values(), *catalog.elsewhere.values()):
        yield from (f"{sku.name}: {fault}" for fault in sku_faults(sku))
    yield from catalog_faults(catalog)
    yield from price_faults(build_prices(read_data("prices")), catalog)


def summary(catalog: Catalog) -> str:
    """What the catalogue holds, in one line."""
    presets = Counter(catalog.presets[name.lower()].status.value for name in catalog.preset_names)
    sizes = ", ".join(f"{len(catalog.listing(cloud))} {cloud.value}" for cloud in Cloud)
    stages = ", ".join(f"{count} {status}" for status, count in presets.most_common())
    return f"catalogue: {presets.total()} presets ({stages}), sizes: {sizes}; {len(catalog.list_prices())} list prices"


def main() -> int:
    """Exit code 0 when the data are sound, else 1 with every fault on stderr."""
    broken = [line for stem in SCHEMAS for line in violations(stem)] or list(contradictions(load_catalog()))
    if broken:
        sys.stderr.write("\n".join(broken) + "\n")
        return 1
    sys.stdout.write(summary(load_catalog()) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
