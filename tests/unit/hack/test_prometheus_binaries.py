"""Prometheus is what it is said to be, or it is not used."""

import hashlib
import os
from pathlib import Path

import pytest

from hack.devcluster.binaries import cache_root
from hack.prometheus.binaries import SHA256, MissingPrometheusError, Tools, find, find_or_fetch, verify


def executable(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Nothing on PATH, nothing in the cache; PATH is the folder `bin`."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def test_a_package_with_another_content_is_refused(tmp_path: Path) -> None:
    package = tmp_path / "prometheus.deb"
    package.write_bytes(b"something else")
    with pytest.raises(MissingPrometheusError, match=r"prometheus\.deb has SHA-256 .* expected 81d59a24"):
        verify(package, SHA256)
    verify(package, hashlib.sha256(b"something else").hexdigest())


def test_what_is_installed_is_used(nowhere: Path) -> None:
    executable(nowhere / "bin" / "prometheus")
    assert find() is None, "one of the two is not enough"
    executable(nowhere / "bin" / "promtool")
    assert find() == Tools(nowhere / "bin" / "prometheus", nowhere / "bin" / "promtool")


async def test_without_a_package_it_is_said_what_to_do(nowhere: Path) -> None:
    with pytest.raises(MissingPrometheusError, match=r"(?s)apt-get could not start.*install Prometheus 2\.42 or newer"):
        await find_or_fetch()


async def test_a_package_that_is_not_the_pinned_one_leaves_nothing_behind(nowhere: Path) -> None:
    executable(nowhere / "bin" / "apt-get", "#!/bin/sh\necho content > prometheus.deb\n")
    with pytest.raises(MissingPrometheusError, match="SHA-256"):
        await find_or_fetch()
    left = [name for name in os.listdir(cache_root()) if name != "prometheus.lock"]  # noqa: PTH208
    assert left == []
