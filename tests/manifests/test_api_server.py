"""The real API server takes every installation, in any order, and is left as it was."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.cluster.harness import Cluster, eventually
from tests.manifests.asking import documents, refused
from tests.manifests.building import FOLDER, FOREIGN, OVERLAYS, Json, build, identity, of_kind, pod_template
from tests.manifests.inventory import everything, nothing_but

OVERLAY = "monitoring"
"""The one with most kinds, several of them foreign."""

FOREIGN_KINDS = ("servicemonitor", "prometheusrule")
APPLY = ("apply", "--server-side")
MOST_ROUNDS = 4
PROGRAMS = 7
"""Pods of the programs in `ha`, which the overlay builds upon."""


@pytest.fixture(scope="module")
def installed(site: Cluster) -> Iterator[Cluster]:
    """An installation that arrived as from a tool that knows no order and tries again: the last first.

    Prometheus's kinds come after all else. In the end everything is removed, and nothing may be left.
    """
    before = asyncio.run(everything(site))
    asyncio.run(arrive(site))
    yield site
    asyncio.run(leave(site))
    asyncio.run(eventually(lambda: nothing_but(site, before)))


async def arrive(site: Cluster) -> None:
    objects = [*reversed(build(f"overlays/{OVERLAY}"))]
    for _ in range(MOST_ROUNDS):
        complaints = await refused(site, *APPLY, "-f", "-", stdin=documents(objects))
        if not (others := [line for line in complaints if line and not about_foreign_kinds(line)]):
            break
    assert complaints, "kinds nobody knows were taken"
    assert not others, f"still refused in round {MOST_ROUNDS}: {others}"
    await site.kubectl("apply", "-f", str(FOREIGN))
    await site.kubectl("wait", "--for=condition=Established", "-f", str(FOREIGN))
    await site.kubectl(*APPLY, "-k", str(FOLDER / "overlays" / OVERLAY))


async def leave(site: Cluster) -> None:
    await site.kubectl("delete", "-k", str(FOLDER / "overlays" / OVERLAY))
    await site.kubectl("delete", "-f", str(FOREIGN))


def about_foreign_kinds(line: str) -> bool:
    return any(kind in line.lower() for kind in FOREIGN_KINDS) or line.startswith("ensure CRDs are installed first")


async def test_admission_lets_in_every_pod(installed: Cluster) -> None:
    """PodSecurity's level `restricted` among it, which the namespace enforces."""

    async def admitted() -> str:
        found = await installed.get("pods", "--namespace=kaito-system")
        return "" if len(found["items"]) == PROGRAMS else f"{len(found['items'])} of {PROGRAMS} pods exist"

    await eventually(admitted)


async def test_a_pod_that_may_more_is_kept_out(installed: Cluster) -> None:
    ours = pod_template(of_kind(build("base"), "Deployment")[0])["spec"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "guest", "namespace": "kaito-system"},
        "spec": ours | {"hostNetwork": True},
    }
    complaint = await refused(installed, "create", "--dry-run=server", "-f", "-", stdin=documents([pod]))
    assert 'violates PodSecurity "restricted:latest": host namespaces' in " ".join(complaint)


async def test_strict_validation_finds_nothing_in_any_overlay(installed: Cluster) -> None:
    """Unknown and doubled fields would be errors. What several overlays share is asked about once."""
    different = {documents([item]): item for name in OVERLAYS for item in build(f"overlays/{name}")}
    dry_run = (*APPLY, "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-")
    complaints = await refused(installed, *dry_run, stdin=documents([*different.values()]))
    assert not complaints


async def test_one_go_is_enough_and_applying_again_writes_nothing(installed: Cluster) -> None:
    folder = str(FOLDER / "overlays" / OVERLAY)
    first = await writes(installed, folder)
    await installed.kubectl(*APPLY, "-k", folder)
    assert set(first) == {identity(item) for item in build(f"overlays/{OVERLAY}")}
    assert await writes(installed, folder) == first


async def writes(site: Cluster, folder: str) -> dict[str, Json]:
    """What the API server noted of kubectl's last write to each object, which is nothing new where nothing changed."""
    found = await site.get("-k", folder, "--show-managed-fields")
    return {
        identity(item): entry
        for item in found["items"]
        for entry in item["metadata"]["managedFields"]
        if (entry["manager"], entry["operation"]) == ("kubectl", "Apply")
    }
