"""Commands of the documents, run as they are written."""

import asyncio
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

BY_HAND: Final = "Use it by hand"
"""The section of the README whose commands bring a cluster up and down again."""

REFUSED: Final = "kubectl apply -f hack/demo/refused.yaml"
"""The command that must fail."""

PATIENCE_SECONDS: Final = 300.0


async def run(script: str, folder: Path, **environment: str) -> str:
    """What a shell prints for the commands; the first that fails ends them, and the test."""
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-euo",
        "pipefail",
        "-c",
        script,
        cwd=folder,
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        printed, _ = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    shown = printed.decode(errors="replace")
    assert process.returncode == 0, f"{script}\nended with {process.returncode}:\n{shown[-6000:]}"
    return shown


def script_of(commands: Sequence[str]) -> str:
    """The commands for one shell, each printed before it is run; the one that must fail turned into its opposite."""
    lines = (f"! {line}" if line == REFUSED else line for line in commands)
    return "\n".join(f"echo '$ '{_quoted(line)}\n{line}" for line in lines)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
