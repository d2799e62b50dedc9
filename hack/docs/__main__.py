"""`python -m hack.docs`: writes the generated pages; with --check only tells which are stale."""

import argparse
import sys

from hack.docs.pages import PAGES, stale_pages, write_pages


def main() -> int:
    """Exit code 0 when all pages are current afterwards, else 1."""
    parser = argparse.ArgumentParser(prog="python -m hack.docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when a page is stale")
    if parser.parse_args().check:
        stale = stale_pages()
        print("\n".join(f"{path} is stale: run python -m hack.docs" for path in stale) or f"{len(PAGES)} pages current")
        return 1 if stale else 0
    written = write_pages()
    print("\n".join(f"wrote {path}" for path in written) or f"{len(PAGES)} pages current")
    return 0


if __name__ == "__main__":
    sys.exit(main())
