"""Every command of the README does what it says, run as it is written from a fresh copy of the project."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hack.devcluster.layout import REPOSITORY, Layout
from tests.docs.snippets import all_commands, commands

BY_CI = {"make demo", "make test"}
"""Commands that CI runs itself."""

BY_DEMO = {"kubectl get workspace"}
"""Commands whose output the README shows as the demonstration prints it."""

REFUSED = "kubectl apply -f hack/demo/refused.yaml"
"""The command that must fail."""

BY_HAND = "Use it by hand"
INSTALL = "Install on a cluster"


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
    return target


def run(script: str, folder: Path, **environment: str) -> str:
    """What a shell prints for the commands; the first that fails ends them."""
    done = subprocess.run(
        ["bash", "-euc", script],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, f"{script}\nended with {done.returncode}:\n{done.stdout[-6000:]}"
    return done.stdout


def test_every_command_is_run_by_a_test_or_by_ci() -> None:
    ci = (REPOSITORY / ".ci" / "run").read_text(encoding="utf-8")
    assert all(command in ci for command in BY_CI), f"CI no longer runs {BY_CI}"
    found = commands("README.md")
    by_hand = found.pop(BY_HAND)
    install = found.pop(INSTALL)
    others = {command for section in found.values() for command in section}
    assert others <= BY_CI | BY_DEMO, f"nobody runs {others - BY_CI - BY_DEMO}"
    assert by_hand[0] == "make up"
    assert install == ["kubectl apply --server-side -k manifests/overlays/ha"]


def test_the_quick_start_has_no_command_the_readme_has_not() -> None:
    assert set(all_commands("docs/quick-start.md")) <= set(commands("README.md")[BY_HAND])


def test_the_commands_to_use_it_by_hand_lead_to_a_ready_workspace_and_away_again(copy: Path) -> None:
    try:
        shown = run(
            "\n".join(f"! {line}" if line == REFUSED else line for line in commands("README.md")[BY_HAND]), copy
        )
    finally:
        run("make down", copy)
    assert "workspace.kaito.sh/workspace-phi-3-mini created" in shown
    assert "workspace.kaito.sh/workspace-phi-3-mini condition met" in shown
    for reason in ("MachineCreated", "MachinesReady", "ResourcesReady", "InferenceReady", "WorkspaceReady"):
        assert reason in shown, f"`kubectl describe` does not tell of {reason}:\n{shown[-5000:]}"
    assert "it needs 10.31 GiB of GPU memory" in shown
    assert 'workspace.kaito.sh "workspace-phi-3-mini" deleted' in shown


def test_the_manifests_install_and_leave_again(empty_cluster: Layout) -> None:
    (install,) = commands("README.md")[INSTALL]
    environment = {"KUBECONFIG": str(empty_cluster.kubeconfig), "PATH": f"{REPOSITORY}/.venv/bin:{os.environ['PATH']}"}
    shown = run(install, REPOSITORY, **environment)
    assert "deployment.apps/kaito-controller serverside-applied" in shown
    run("kubectl delete -k manifests/overlays/ha --wait=false", REPOSITORY, **environment)
