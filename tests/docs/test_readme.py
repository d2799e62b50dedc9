"""Every command of the README is run by somebody: here, beside the other pages' commands, or by CI itself."""

import os

from hack.devcluster.layout import REPOSITORY, Layout
from tests.docs.shell import BY_HAND, run
from tests.docs.snippets import all_commands, commands

BY_CI = {"make demo", "make test"}
"""Commands that CI runs itself."""

BY_DEMO = {"kubectl get workspace"}
"""Commands whose output the README shows as the demonstration prints it."""

INSTALL = "Install on a cluster"


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


async def test_the_manifests_install_and_leave_again(empty_cluster: Layout) -> None:
    (install,) = commands("README.md")[INSTALL]
    environment = {"KUBECONFIG": str(empty_cluster.kubeconfig), "PATH": f"{REPOSITORY}/.venv/bin:{os.environ['PATH']}"}
    shown = await run(install, REPOSITORY, **environment)
    assert "deployment.apps/kaito-controller serverside-applied" in shown
    await run("kubectl delete -k manifests/overlays/ha --wait=false", REPOSITORY, **environment)
