"""Prometheus and promtool: installed, found in the cache, or taken from Debian's package, which needs no privileges."""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hack.devcluster.binaries import cache_root
from hack.devcluster.commands import CommandError, run
from hack.devcluster.locks import file_lock

VERSION: Final = "2.42.0+ds-5+deb12u1"
"""The release of Debian's package `prometheus`."""

SHA256: Final = "81d59a24fce84f7fbe97a45a4f2914b6a5881b5cd1db2a6a0e129e515e1a5f55"
"""Of that package for amd64."""

_NAMES: Final = ("prometheus", "promtool")
_REMEDY: Final = "install Prometheus 2.42 or newer, with promtool, on PATH"


class MissingPrometheusError(Exception):
    """Neither on PATH nor to be had; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Tools:
    """Where the two programs are."""

    prometheus: Path
    promtool: Path


def find() -> Tools | None:
    """Both programs on PATH or in the cache; None when they are in neither place."""
    for folder in (None, _folder() / "usr" / "bin"):
        found = [shutil.which(name, path=None if folder is None else str(folder)) for name in _NAMES]
        if all(found):
            prometheus, promtool = (Path(each or "") for each in found)
            return Tools(prometheus, promtool)
    return None


async def find_or_fetch() -> Tools:
    """Both programs; fetched once when they are nowhere.

    Raises:
        MissingPrometheusError: the package cannot be had, or is not the pinned one.
    """
    cache_root().mkdir(parents=True, exist_ok=True)
    async with file_lock(cache_root() / "prometheus.lock", "another fetch of Prometheus is running: waiting for it"):
        tools = find()
        if tools is None:
            try:
                await _fetch(_folder())
            except CommandError as error:
                raise MissingPrometheusError(f"Debian's package prometheus {VERSION}: {error}\n{_REMEDY}") from error
            tools = find()
    if tools is None:
        raise MissingPrometheusError(f"Debian's package prometheus {VERSION} lacks {' or '.join(_NAMES)}: {_REMEDY}")
    return tools


def _folder() -> Path:
    return cache_root() / f"prometheus-{VERSION}"


async def _fetch(target: Path) -> None:
    """Unpacks the package; the folder appears in one step, so that a fetch that was killed leaves nothing usable."""
    partial = target.with_name(f"{target.name}.partial-{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        await _download(partial)
        (package,) = partial.glob("*.deb")
        verify(package, SHA256)
        await run("dpkg-deb", "--extract", str(package), str(partial))
        package.unlink()
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


async def _download(folder: Path) -> None:
    """The package, into the folder; by package lists of our own where the machine's do not know it."""
    wanted = ("download", "--quiet", f"prometheus={VERSION}")
    try:
        await run("apt-get", *wanted, directory=folder)
    except CommandError:
        lists, cache = folder / "lists", folder / "cache"
        (lists / "partial").mkdir(parents=True)
        (cache / "archives" / "partial").mkdir(parents=True)
        own = ("-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={cache}", "-o", "APT::Sandbox::User=")
        await run("apt-get", *own, "update", "--quiet", directory=folder)
        await run("apt-get", *own, *wanted, directory=folder)
        shutil.rmtree(lists)
        shutil.rmtree(cache)


def verify(package: Path, expected: str) -> None:
    """Compare a file with its pinned SHA-256.

    Raises:
        MissingPrometheusError: they differ.
    """
    found = hashlib.sha256(package.read_bytes()).hexdigest()
    if found != expected:
        raise MissingPrometheusError(f"{package.name} has SHA-256 {found}, expected {expected}: {_REMEDY}")
