"""From an empty control plane to a ready Workspace and back, with nothing but the shipped manifests.

The programs run from the Pods of the applied Deployments, with their arguments, environment, service accounts and
probes, behind their Services and under the shipped roles.
"""

import asyncio
import os
from pathlib import Path

import pytest

from controller.api.labels import WORKSPACE
from hack.devcluster.commands import CommandError, kubectl_path, run
from hack.devcluster.request import Request
from tests.cluster.harness import Cluster, eventually
from tests.docs.snippets import commands
from tests.manifests.installation import cloud, filled_in, node, seen, simulated_azure, uninstall
from tests.manifests.inventory import everything, nothing_but
from tests.manifests.load import admissions
from tests.manifests.rights import asked, forbidden
from tests.system.harness import System, workspace

LONG = os.environ.get("KAITO_LONG_TESTS", "") not in ("", "0")
"""Whether as many admissions are sent as promised to users; without it as many as a change can wait for."""

RATE = 50.0 if LONG else 20.0
"""Admissions a second while replicas are replaced."""

WANTED = 10_000 if LONG else 0
"""Admissions in all; replicas are replaced again and again until then, and once at least."""

PATIENCE = "--timeout=200s"
ROLLOUT = ("--namespace=kaito-system", "rollout")
DEPLOYMENTS = ("deployment/kaito-webhook", "deployment/kaito-controller", "deployment/kaito-provisioner")
REPLICAS = 3
"""Of the webhook."""

NODES = 2
"""The agent's, and the one the simulated cluster has from the start."""


@pytest.mark.timeout(1200 if LONG else 600)
async def test_it_installs_serves_rolls_over_and_leaves(
    site: Cluster, request_of_site: Request, tmp_path: Path
) -> None:
    async with cloud(site.layout, request_of_site) as url, node(site.layout), seen(site, url) as system:
        await eventually(lambda: surroundings(site))
        await site.kubectl("cordon", "--selector=kubernetes.azure.com/mode=system")
        before = await everything(site)

        folder = filled_in(tmp_path, "ha", simulated_azure(site.layout, url, request_of_site.speed))
        await site.kubectl("apply", "--server-side", "-k", str(folder))
        await asyncio.gather(*(site.kubectl(*ROLLOUT, "status", name, PATIENCE) for name in DEPLOYMENTS))
        await system.apply(workspace("default"))
        await system.until_ready("default", "phi")
        await roll_over(site)
        await migrate(site)
        await uninstall(site, folder)
        await paid_for_no_more(system)
        await eventually(lambda: nothing_but(site, before))
    assert forbidden(asked(site.layout.audit_log)) == [], "the roles do not suffice"


async def surroundings(site: Cluster) -> str:
    """Empty once the nodes that belong to no Workspace are there."""
    found = await site.get("nodes")
    return "" if len(found["items"]) == NODES else f"{len(found['items'])} of {NODES} nodes"


async def roll_over(site: Cluster) -> None:
    """Replaces every replica of the webhook while it is asked; no admission may fail.

    What a closing connection may cut off is counted, and bounded by one request for each replica that went.
    """
    restarts = 0
    async with admissions(site, workspace("default", "other"), RATE) as tally:
        while not restarts or tally.admitted < WANTED:
            await site.kubectl(*ROLLOUT, "restart", DEPLOYMENTS[0])
            await site.kubectl(*ROLLOUT, "status", DEPLOYMENTS[0], PATIENCE)
            restarts += 1
    counts = (
        f"{tally.admitted} admissions during {restarts} rolling restarts, {len(tally.failures)} failed, {tally.cut} cut"
    )
    print(counts)
    assert tally.failures == []
    assert tally.cut <= REPLICAS * restarts, counts
    assert tally.admitted > 0


async def migrate(site: Cluster) -> None:
    """The commands of the upgrade page that leave no object in an older version."""
    script = "\n".join(commands("docs/operations/upgrade.md")["Storage versions"])
    path = f"{kubectl_path().parent}:{os.environ['PATH']}"
    environment = {"KUBECONFIG": str(site.kubeconfig), "PATH": path}

    async def done() -> str:
        """Somebody may have written between reading and writing; then the commands are given again."""
        try:
            await run("bash", "-euo", "pipefail", "-c", script, environment=environment)
        except CommandError as error:
            return str(error)
        return ""

    await eventually(done)


async def paid_for_no_more(system: System) -> None:
    """Neither agent pools nor nodes of Workspaces are left: the uninstallation waited for them."""
    pools = [pool["name"] for pool in (await system.cloud())["pools"] if pool["name"].startswith("ws")]
    assert not pools, f"agent pools that nobody needs any more: {pools}"
    assert not (await system.cluster.get("nodes", f"--selector={WORKSPACE}"))["items"]
