"""The commands of the pages that tell how to do something, run as they are written."""

import asyncio
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hack.devcluster.layout import REPOSITORY
from tests.docs.snippets import all_commands
from tests.system.harness import System, workspace

HOW_TO = (
    "docs/how-to/serve-a-model.md",
    "docs/how-to/adapters.md",
    "docs/how-to/tune-a-model.md",
    "docs/how-to/custom-template.md",
    "docs/how-to/node-sources.md",
    "docs/operations/troubleshooting.md",
)

ELSEWHERE = {"docs/how-to/history.md"}
"""Pages whose commands another test runs."""


def in_namespace(system: System, namespace: str, folder: Path) -> dict[str, str]:
    """The environment of a shell whose kubectl works in the namespace."""
    kubeconfig = folder / "kubeconfig"
    shutil.copy2(system.layout.kubeconfig, kubeconfig)
    path = f"{REPOSITORY}/.venv/bin:{os.environ['PATH']}"
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "PATH": path}
    context = ["kubectl", "config", "set-context", "--current", f"--namespace={namespace}"]
    subprocess.run(context, env=environment, check=True, capture_output=True)
    return environment


def shell(script: str, environment: dict[str, str]) -> tuple[int, str]:
    """Exit code and output of a script; the first command that fails ends it."""
    done = subprocess.run(
        ["bash", "-euxc", script],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=250,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("page", HOW_TO)
async def test_the_commands_of_a_page_work(system: System, namespace: str, tmp_path: Path, page: str) -> None:
    if "workspace phi " in "\n".join(all_commands(page)):
        await system.apply(workspace(namespace, "phi"))
    environment = in_namespace(system, namespace, tmp_path)
    code, shown = await asyncio.to_thread(shell, "\n".join(all_commands(page)), environment)
    assert code == 0, f"the commands of {page} end with {code}:\n{shown[-6000:]}"


def test_every_page_with_commands_is_run() -> None:
    pages = {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "docs" / "how-to").glob("*.md")}
    assert {page for page in pages if all_commands(page)} == {*HOW_TO, *ELSEWHERE} & pages, "nobody runs their commands"
