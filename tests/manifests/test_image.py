"""The Dockerfile without an engine: what it copies is enough, and what it runs works in a clean folder."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hack.devcluster.layout import REPOSITORY
from tests.manifests.building import build, of_kind, pod_template

DOCKERFILE = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
COPIED = [words.split() for words in re.findall(r"^COPY (?!--)(.+)$", DOCKERFILE, re.MULTILINE)]
SOURCES = {source for *sources, _ in COPIED for source in sources}
PROGRAMS = [pod_template(item)["spec"]["containers"][0]["command"][0] for item in of_kind(build("base"), "Deployment")]


def call(*argv: str, folder: Path, **environment: str) -> str:
    """What a command prints with nothing but the given environment."""
    done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{argv} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the Dockerfile copies, and the wheel it builds of that installed beside it."""
    folder = tmp_path_factory.mktemp("image")
    source = folder / "src"
    source.mkdir()
    for name in SOURCES:
        if (REPOSITORY / name).is_dir():
            shutil.copytree(REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(REPOSITORY / name, source / name)
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-cache-dir")
    call(*pip, "wheel", "--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir=wheels", "./src", folder=folder)
    (wheel,) = folder.glob("wheels/*.whl")
    call(*pip, "install", "--no-deps", "--no-index", "--target=kaito", str(wheel), folder=folder)
    return folder / "kaito"


def test_the_catalogue_comes_along(root: Path) -> None:
    where = "import controller; print(controller.__file__)"
    assert call(sys.executable, "-c", where, folder=root, PYTHONPATH=str(root)).startswith(str(root))
    call(sys.executable, "-m", "controller.catalog", folder=root, PYTHONPATH=str(root))


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_of_the_deployments_starts(root: Path, program: str) -> None:
    assert call(str(root / "bin" / program), "--version", folder=root, PYTHONPATH=str(root)).startswith(program)


def test_nothing_else_of_the_folder_reaches_the_builder() -> None:
    lines = (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert "*" in lines
    assert {line[1:] for line in lines if line.startswith("!")} == SOURCES


def test_bases_are_named_by_digest_and_the_user_is_that_of_the_deployments() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert [base.rpartition("@")[2] for base in bases] == ["${DEBIAN_DIGEST}", "${DISTROLESS_DIGEST}"]
    assert not re.search(r"^ARG \w+_DIGEST=", DOCKERFILE, re.MULTILINE), "no digest is assumed"
    users = {
        f"{context['runAsUser']}:{context['runAsGroup']}"
        for item in of_kind(build("base"), "Deployment")
        for context in [pod_template(item)["spec"]["securityContext"]]
    }
    assert users == set(re.findall(r"^USER (\S+)", DOCKERFILE, re.MULTILINE))


def test_the_install_page_names_the_bases_and_gives_a_digest_for_each() -> None:
    page = (REPOSITORY / "docs/operations/install.md").read_text(encoding="utf-8")
    bases = re.findall(r"^FROM (\S+)@", DOCKERFILE, re.MULTILINE)
    assert [base for base in bases if f"`{base}`" not in page] == []
    needed = re.findall(r"^ARG (\w+)$", DOCKERFILE, re.MULTILINE)
    (command,) = re.findall(r"^\$ docker buildx build (.*(?:\\\n.*)*)", page, re.MULTILINE)
    assert re.findall(r"--build-arg (\w+)=", command) == needed


def test_what_builds_the_wheel_is_locked_as_for_development() -> None:
    lock = (REPOSITORY / "requirements-build.lock").read_text(encoding="utf-8")
    whole = (REPOSITORY / "requirements-dev.lock").read_text(encoding="utf-8")
    pins = re.findall(r"^(\S+==\S+) ", lock, re.MULTILINE)
    assert any(pin.startswith("hatchling==") for pin in pins)
    assert [pin for pin in pins if f"{pin} " not in whole] == [], "run make lock"
