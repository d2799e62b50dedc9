"""What each kustomization builds, pinned: the base in full, every overlay by what it changes of its foundation."""

import os

import pytest

from hack.devcluster.layout import REPOSITORY
from tests.manifests.building import OVERLAYS, build, difference, foundation, identity, whole

GOLDEN = REPOSITORY / "tests" / "golden" / "manifests"


def check(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("KAITO_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), (
        f"{path.relative_to(REPOSITORY)} no longer shows what is built; KAITO_UPDATE_GOLDEN=1 writes it anew"
    )


def test_the_base() -> None:
    check("base.yaml", whole(build("base")))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_overlay_changes_what_is_pinned(overlay: str) -> None:
    check(f"{overlay}.txt", difference(foundation(overlay), build(f"overlays/{overlay}")))


def test_every_golden_file_belongs_to_a_kustomization() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == {"base", *OVERLAYS}


@pytest.mark.parametrize("folder", ["base", *(f"overlays/{name}" for name in OVERLAYS)])
def test_no_object_is_built_twice(folder: str) -> None:
    names = [identity(item) for item in build(folder)]
    assert len(names) == len(set(names))
