"""Every command on every page does what it says, run as it is written from a fresh copy of the project."""

import asyncio
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from hack.devcluster.layout import REPOSITORY
from tests.docs.shell import BY_HAND, run, script_of
from tests.docs.snippets import all_commands, answers, commands
from tests.docs.test_pages import PAGES

ELSEWHERE: Final = {
    "README.md": "test_readme",
    "docs/quick-start.md": "test_readme: what it tells to run is in the README",
    "docs/operations/install.md": "tests/manifests/test_install, and test_readme",
    "docs/operations/upgrade.md": "tests/manifests/test_install",
    "docs/operations/monitoring.md": "tests/manifests/test_api_server, tests/cluster/test_metrics_access",
    "docs/operations/uninstall.md": "tests/manifests/test_install and test_documents",
}
"""Pages whose commands other tests run."""

NOT_HERE: Final = {
    "az ": "asks Azure",
    "kubectl apply --server-side -k manifests": "tests/manifests applies every overlay, on a cluster of its own",
    "kubectl -n kaito-system logs": "the local programs are processes, no pods",
    "kubectl -n kaito-system top": "needs metrics-server",
}
"""Beginnings of commands that nothing on this machine can answer."""

SIDE_BY_SIDE: Final = (
    "docs/how-to/serve-a-model.md",
    "docs/how-to/adapters.md",
    "docs/how-to/custom-template.md",
    "docs/how-to/tune-a-model.md",
)
"""Pages that make Workspaces of their own."""

GPU_NODE: Final = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "gpu-node-1", "labels": {"node.kubernetes.io/instance-type": "Standard_NC24ads_A100_v4"}},
}

PRELUDE: Final = (
    "sed 's/too-small/phi-3/; s/NV6ads_A10_v5/NC4as_T4_v3/' hack/demo/refused.yaml | kubectl apply -f -",
    "kubectl wait --for=condition=Ready workspace/phi-3 --timeout=120s",
    "kubectl -n kaito-system create configmap kaito-catalog",
    f"echo '{json.dumps(GPU_NODE)}' | kubectl apply -f -",
)
"""What the other pages take for granted: a Workspace called phi-3, a catalogue of one's own, and a GPU node."""

PLACEHOLDERS: Final = {
    "machines.karpenter.sh NAME": "machines.karpenter.sh -l kaito.sh/workspace=phi-3",
    "NAMESPACE": "default",
    "NAME": "phi-3",
}
"""What stands in commands for a reader's own names, and what is put there."""

STEPS: Final = ("MachineCreated", "MachinesReady", "ResourcesReady", "InferenceReady", "WorkspaceReady")
QUICK: Final = "--speed=4"
"""Clouds and pods hurry; the demonstration in CI shows them at their own pace."""


def runnable(page: str) -> list[str]:
    """The commands of a page that can be answered here, with names filled in."""
    found = [line for line in all_commands(page) if not line.startswith(tuple(NOT_HERE))]
    return [filled_in(line) if page.startswith("docs/runbooks/") else line for line in found]


def filled_in(command: str) -> str:
    """The command with names for its placeholders."""
    for placeholder, value in PLACEHOLDERS.items():
        command = re.sub(rf"(?<![\w$]){re.escape(placeholder)}\b", value, command)
    return command


OTHERS: Final = [page for page in PAGES if page not in ELSEWHERE and page not in SIDE_BY_SIDE and runnable(page)]
"""Pages that look at what is there."""


def test_whatever_is_not_run_here_is_listed_with_the_reason() -> None:
    lost = [page for page in ELSEWHERE if page not in PAGES or not all_commands(page)]
    assert not lost, f"pages without commands: {lost}"
    everything = [line for page in PAGES for line in all_commands(page)]
    needless = [start for start in NOT_HERE if not any(line.startswith(start) for line in everything)]
    assert not needless, f"no page has such a command any more: {needless}"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project as a user has it after cloning, with the environment already installed."""
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(listed, cwd=REPOSITORY, capture_output=True, check=True, text=True).stdout
    target = tmp_path / "kaito"
    for name in filter(None, names.split("\0")):
        if (REPOSITORY / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, target / name)
    (target / ".venv").symlink_to(REPOSITORY / ".venv")
    for name in ("requirements-dev.lock", "pyproject.toml"):
        os.utime(target / name, (0, 0))  # or make would install anew what is installed already
    return target


@pytest.mark.timeout(600)
async def test_the_commands_of_the_readme_and_of_the_pages_do_what_they_say(copy: Path) -> None:
    up, environment, *by_hand, down = commands("README.md")[BY_HAND]
    assert (up, down) == ("make up", "make down")

    async def shell(lines: Sequence[str]) -> str:
        return await run(script_of([environment, *lines]), copy)

    try:
        await run(up, copy, UP_ARGS=QUICK)
        looks = [line for page in OTHERS for line in runnable(page)]
        async with asyncio.TaskGroup() as group:
            readme = group.create_task(shell(by_hand))
            group.create_task(shell([*PRELUDE, *looks]))
            for page in SIDE_BY_SIDE:
                group.create_task(shell(runnable(page)))
    finally:
        await run(down, copy)
    check_readme(readme.result())


def check_readme(shown: str) -> None:
    """What the README shows is what was printed, but for ages; and `kubectl describe` tells the whole story."""
    printed = {alike(line) for line in shown.splitlines()}
    other = [line for line in answers("README.md", BY_HAND) if alike(line) not in printed]
    assert not other, f"the README shows what is not printed any more: {other}\nprinted was:\n{shown[-8000:]}"
    for reason in STEPS:
        assert reason in shown, f"`kubectl describe` does not tell of {reason}:\n{shown[-5000:]}"
    assert 'workspace.kaito.sh "workspace-phi-3-mini" deleted' in shown
    assert "KAITO / Workspace default/too-small" in shown, "`make panels` shows no dashboard of the Workspace"


def alike(line: str) -> str:
    """A line without ages and the width of columns."""
    return " ".join(re.sub(r"\b(\d+m\d+s|\d+[ms])\b", "AGE", line).split())
