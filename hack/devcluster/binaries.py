"""The binaries of the control plane: given, found in the cache, or built from the pinned Go modules."""

import asyncio
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

from hack.devcluster.commands import run
from hack.devcluster.locks import file_lock
from hack.devcluster.toolchain import find_go

MODULES = Path(__file__).with_name("modules")
"""The Go module whose go.mod and go.sum pin every source the binaries are made of."""

PACKAGES: Mapping[str, str] = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kwok": "sigs.k8s.io/kwok/cmd/kwok",
}
"""Binary name to Go package."""

ASSETS_VARIABLE = "KUBEBUILDER_ASSETS"
"""The variable by which controller-runtime's envtest, too, is told where prebuilt binaries are."""

_BUILD_ENVIRONMENT = {"CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly -buildvcs=false"}
_PROGRESS_SECONDS = 15.0


class MissingBinariesError(Exception):
    """The folder that was named lacks binaries, or nothing has been built yet."""


def kubernetes_version(go_mod: str) -> str:
    """The Kubernetes version a go.mod pins, such as `v1.36.4`.

    Raises:
        ValueError: the text requires no k8s.io/kubernetes.
    """
    match = re.search(r"^\s*k8s\.io/kubernetes (v\d+\.\d+\.\d+)\b", go_mod, re.MULTILINE)
    if not match:
        raise ValueError("go.mod requires no k8s.io/kubernetes")
    return match.group(1)


def go_directive(go_mod: str) -> str:
    """The oldest Go a go.mod allows, such as `1.26.0`.

    Raises:
        ValueError: the text has no go directive.
    """
    match = re.search(r"^go (\S+)$", go_mod, re.MULTILINE)
    if not match:
        raise ValueError("go.mod has no go directive")
    return match.group(1)


def linker_flags(version: str) -> str:
    """Linker flags that strip the binaries and stamp the version a release build would carry."""
    major, minor, _ = version.removeprefix("v").split(".")
    stamps = (
        f"k8s.io/component-base/version.gitVersion={version}",
        f"k8s.io/component-base/version.gitMajor={major}",
        f"k8s.io/component-base/version.gitMinor={minor}",
        f"k8s.io/client-go/pkg/version.gitVersion={version}",
    )
    return " ".join(("-s", "-w", *(f"-X {stamp}" for stamp in stamps)))


def cache_key(go_mod: bytes, go_sum: bytes) -> str:
    """The hash that names a build: the pinned sources and the way they are built."""
    recipe = json.dumps([PACKAGES, _BUILD_ENVIRONMENT, linker_flags(kubernetes_version(go_mod.decode()))])
    digest = hashlib.sha256()
    for part in (go_mod, go_sum, recipe.encode()):
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()


def cache_root(environment: Mapping[str, str] = os.environ) -> Path:
    """The cache folder of this user (XDG Base Directory specification)."""
    base = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "kaito-devcluster"


def built_folder() -> Path:
    """Where the binaries of the pinned modules are, or will be after a build."""
    key = cache_key((MODULES / "go.mod").read_bytes(), (MODULES / "go.sum").read_bytes())
    return cache_root() / key


def find(assets: Path | None = None) -> Path:
    """The folder with all binaries, without building anything.

    Args:
        assets: an explicit folder; else `KUBEBUILDER_ASSETS`, else the cache.

    Raises:
        MissingBinariesError: with the names that are missing and what to do.
    """
    named = assets or (Path(os.environ[ASSETS_VARIABLE]) if os.environ.get(ASSETS_VARIABLE) else None)
    folder = named or built_folder()
    missing = [name for name in PACKAGES if not os.access(folder / name, os.X_OK)]
    if not missing:
        return folder.resolve()
    if named:
        raise MissingBinariesError(
            f"{named} has no executable {', '.join(missing)}: put them there, "
            f"or unset {ASSETS_VARIABLE} and leave out --assets to build them"
        )
    raise MissingBinariesError(
        f"the control plane is not built yet ({folder} has no {', '.join(missing)}): "
        "run `python -m hack.devcluster build`, once, about 5 to 15 minutes"
    )


async def find_or_build(assets: Path | None = None) -> Path:
    """The folder with all binaries, building them when no folder was named and the cache has none.

    Raises:
        MissingBinariesError: a folder was named and lacks some.
        CommandError: the build failed.
    """
    try:
        return find(assets)
    except MissingBinariesError:
        if assets or os.environ.get(ASSETS_VARIABLE):
            raise
    return await build()


async def build() -> Path:
    """Build all binaries into the cache; returns at once when they are there.

    The folder appears in one step when everything is built, so that a build that was killed leaves nothing that looks
    finished; of several builders one works and the others wait.
    """
    root, folder = cache_root(), built_folder()
    root.mkdir(parents=True, exist_ok=True)
    async with file_lock(root / "build.lock", "another build of the control plane is running: waiting for it"):
        if folder.exists():
            return folder
        go = await find_go(go_directive(_go_mod()), root)
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        begin = time.monotonic()
        for number, (name, package) in enumerate(PACKAGES.items(), start=1):
            await _build_one(go, package, partial / name, f"[{number}/{len(PACKAGES)}] {name}", begin)
        partial.rename(folder)
    return folder


def _go_mod() -> str:
    return (MODULES / "go.mod").read_text(encoding="utf-8")


async def _build_one(go: Path, package: str, output: Path, label: str, begin: float) -> None:
    print(f"building {label} ...", flush=True)
    argv = (str(go), "build", "-trimpath", "-ldflags", linker_flags(kubernetes_version(_go_mod())))
    work = asyncio.ensure_future(
        run(*argv, "-o", str(output), package, environment=_BUILD_ENVIRONMENT, directory=MODULES)
    )
    try:
        while not (await asyncio.wait({work}, timeout=_PROGRESS_SECONDS))[0]:
            print(f"building {label}: {time.monotonic() - begin:.0f} s", flush=True)
    finally:
        work.cancel()
    await work
    print(f"built {label}: {time.monotonic() - begin:.0f} s", flush=True)
