"""`python -m controller.catalog`: checks the data files against their schemas and prints what they hold."""

import sys
from collections import Counter
from collections.abc import Iterator

import jsonschema

from controller.catalog.loader import PRESETS_FILE, SKUS_FILE, load_catalog, read_data


def violations(stem: str) -> Iterator[str]:
    """What a data file breaks of its schema, one line each."""
    validator = jsonschema.Draft202012Validator(read_data(f"{stem}.schema"))
    for error in validator.iter_errors(read_data(stem)):
        yield f"{stem}.json {error.json_path}: {error.message[:200]}"


def main() -> int:
    """Exit code 0 when the data are sound, else 1 with every violation on stderr."""
    broken = [line for stem in (PRESETS_FILE, SKUS_FILE) for line in violations(stem)]
    if broken:
        sys.stderr.write("\n".join(broken) + "\n")
        return 1
    catalog = load_catalog()
    stages = Counter(sku.lifecycle.value for sku in catalog.skus.values())
    detail = ", ".join(f"{count} {stage}" for stage, count in stages.most_common())
    sys.stdout.write(
        f"catalogue: {len(catalog.preset_names)} presets, {len(catalog.skus)} Azure GPU sizes ({detail})\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
