"""`python -m hack.crds`: writes the CustomResourceDefinition; with --check only tells whether it is stale."""

import argparse
import sys

from hack.crds.definition import TARGET, text


def main() -> int:
    """Exit code 0 when the file is current afterwards, else 1."""
    parser = argparse.ArgumentParser(prog="python -m hack.crds", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when the file is stale")
    check = parser.parse_args().check
    current = TARGET.exists() and TARGET.read_text(encoding="utf-8") == text()
    if current:
        print(f"{TARGET.name} is current")
    elif check:
        print(f"{TARGET.name} is stale: run python -m hack.crds")
    else:
        TARGET.write_text(text(), encoding="utf-8")
        print(f"wrote {TARGET.name}")
    return 0 if current or not check else 1


if __name__ == "__main__":
    sys.exit(main())
