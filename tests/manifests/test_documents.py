"""The operations pages tell of every overlay and component there is, and of what `make` does."""

import re

from hack.devcluster.layout import REPOSITORY
from tests.docs.snippets import all_commands
from tests.manifests.building import FOLDER, OVERLAYS

_ROW = re.compile(r"^\| `([\w-]+)` \|", re.MULTILINE)
_RECIPE = re.compile(r"^uninstall:.*\n((?:\t.*\n)+)", re.MULTILINE)


def test_the_install_page_lists_every_overlay_and_component() -> None:
    text = (REPOSITORY / "docs/operations/install.md").read_text(encoding="utf-8")
    section = text[text.index("## What to apply") : text.index("## The image")]
    components = {path.name for path in (FOLDER / "components").iterdir()}
    assert set(_ROW.findall(section)) == {*OVERLAYS, *components}


def test_the_uninstall_page_says_what_make_does() -> None:
    match = _RECIPE.search((REPOSITORY / "Makefile").read_text(encoding="utf-8"))
    assert match, "the Makefile has no recipe `uninstall`"
    steps = match[1].replace("$(VENV)/bin/", "").replace("$(INSTALLATION)", "manifests/overlays/ha")
    assert all_commands("docs/operations/uninstall.md") == [line.strip() for line in steps.splitlines()]
