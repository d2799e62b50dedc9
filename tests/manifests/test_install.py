"""From an empty control plane to a ready Workspace and back, with nothing but the shipped manifests.

The programs run from the Pods of the applied Deployments, with their arguments, environment, service accounts and
probes, behind their Services and under the shipped roles.
"""

import asyncio
import os
from pathlib import Path

import pytest

from controller.api.json import Json, name_of
from controller.api.labels import WORKSPACE
from hack.devcluster.commands import CommandError, kubectl_path, run
from hack.devcluster.request import Request
from tests.cluster.harness import Cluster, eventually
from tests.docs.snippets import commands
from tests.manifests.guarded import metrics_guarded
from tests.manifests.installation import cloud, filled_in, node, seen, simulated_azure, uninstall
from tests.manifests.inventory import everything, nothing_but
from tests.manifests.load import admissions
from tests.manifests.rights import asked, forbidden
from tests.manifests.rotating import change_the_authority
from tests.manifests.striking import LED, running, strike_everybody
from tests.system.harness import PATIENCE_SECONDS, WEBHOOK, Scene, System, workspace

LONG = os.environ.get("KAITO_LONG_TESTS", "") not in ("", "0")
"""Whether as many admissions are sent as promised to users; without it as many as a change can wait for."""

RATE = 50.0 if LONG else 20.0
"""Admissions a second while replicas are replaced."""

WANTED = 10_000 if LONG else 0
"""Admissions in all; replicas are replaced again and again until then, and once at least."""

PATIENCE = "--timeout=200s"
ROLLOUT = ("--namespace=kaito-system", "rollout")
DEPLOYMENTS = ("deployment/kaito-webhook", "deployment/kaito-controller", "deployment/kaito-provisioner")
MIRROR = "registry.example.com/"
"""The registry of the air-gapped overlay."""

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

        settings = simulated_azure(site.layout, url, request_of_site.speed)
        folder = filled_in(tmp_path / "plain", "ha", settings)
        await site.kubectl("apply", "--server-side", "-k", str(folder))
        await asyncio.gather(*(site.kubectl(*ROLLOUT, "status", name, PATIENCE) for name in DEPLOYMENTS))
        await system.apply(workspace("default"))
        await system.until_ready("default", "phi")
        await metrics_guarded(site)
        folder = filled_in(tmp_path / "mirrored", "air-gapped", settings)
        await roll_over(system, folder)
        await strike_everybody(system, struck(), RATE)
        await all_from_the_mirror(system, await system.until_ready("default", "struck"))
        await change_the_authority(system, RATE)
        await migrate(site)
        await uninstall(site, folder)
        await paid_for_no_more(system)
        await eventually(lambda: nothing_but(site, before))
    assert forbidden(asked(site.layout.audit_log)) == [], "the roles do not suffice"


async def surroundings(site: Cluster) -> str:
    """Empty once the nodes that belong to no Workspace are there."""
    found = await site.get("nodes")
    return "" if len(found["items"]) == NODES else f"{len(found['items'])} of {NODES} nodes"


async def roll_over(system: System, folder: Path) -> None:
    """Replaces every replica by those of another overlay while the webhook is asked; no admission may fail."""
    site, restarts = system.cluster, 1
    async with admissions(site, workspace("default", "other"), RATE) as tally:
        await site.kubectl("apply", "--server-side", "-k", str(folder))
        await asyncio.gather(*(site.kubectl(*ROLLOUT, "status", name, PATIENCE) for name in DEPLOYMENTS))
        while tally.admitted < WANTED:
            await site.kubectl(*ROLLOUT, "restart", DEPLOYMENTS[0])
            await site.kubectl(*ROLLOUT, "status", DEPLOYMENTS[0], PATIENCE)
            restarts += 1
    print(f"figure: {restarts} rolling restarts of the webhook: {tally.figures}")
    assert tally.failures == []
    assert tally.admitted > 0
    await eventually(lambda: led_by_new_ones(system), PATIENCE_SECONDS)


async def led_by_new_ones(system: System) -> str:
    """Empty once the programs are led by replicas that stay."""
    for program in LED:
        leader, names = await system.leader(program), [name_of(pod) for pod in await running(system, program)]
        if leader not in names:
            return f"{program} is led by {leader or 'nobody'}, its replicas are {names}"
    return ""


def struck() -> Json:
    """A Workspace whose pods need images of all kinds: a model server, and what fetches an adapter."""
    made = workspace("default", "struck")
    made["inference"]["adapters"] = [{"source": {"name": "tuned", "image": f"{MIRROR}adapters/tuned:1"}}]
    return made


async def all_from_the_mirror(system: System, scene: Scene) -> None:
    """No pod names an image from elsewhere: neither ours, nor what the controller wrote for a Workspace."""
    ours = [pod for program in (WEBHOOK, *LED) for pod in await running(system, program)]
    images = {
        (name_of(pod), container["image"])
        for pod in (*ours, *scene.pods)
        for field in ("initContainers", "containers")
        for container in pod["spec"].get(field) or ()
    }
    assert scene.pods
    assert {pair for pair in images if not pair[1].startswith(MIRROR)} == set()


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
