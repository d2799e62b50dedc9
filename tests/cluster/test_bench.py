"""The bench measures what it promises, shown with a handful of objects; how much that is, is no test's business."""

from collections.abc import AsyncIterator, Sequence

import pytest

from controller.api.json import name_of
from controller.api.resources import NAMESPACES, NODES
from hack.bench import claims, fleet, workspaces
from hack.bench.claims import Plan
from hack.bench.figures import Figure, load_targets
from hack.bench.stand import Stand, stand_on
from hack.bench.workspaces import Sizes
from tests.cluster.harness import Cluster

FEW = Sizes(few=1, many=2, nodes=3, pods=3, foreign_pods=1, quiet_seconds=1, settle_seconds=1)
CLAIMS = Plan(claims=2, limit=10, speed=20, poll=0.3, idle=0.5, quiet_seconds=1)


@pytest.fixture
async def stand(cluster: Cluster, crds: None) -> AsyncIterator[Stand]:
    """A stand on the cluster of all tests, which is as it was when the test is over."""
    async with stand_on(cluster.layout, cluster.server) as made:
        yield made
        for node in (await made.client.list(NODES, labels=fleet.BALLAST)).items:
            await made.client.delete(NODES, name_of(node))
        for namespace in (await made.client.list(NAMESPACES)).items:
            if name_of(namespace).startswith("bench-"):
                await made.client.delete(NAMESPACES, name_of(namespace))


def keys(figures: Sequence[Figure]) -> set[str]:
    return {figure.key for figure in figures}


async def test_the_operators_part_measures_every_figure_that_has_a_target(stand: Stand) -> None:
    figures = await workspaces.measure(stand, FEW)
    wanted = {key for key in load_targets() if key.startswith("controller.")}
    assert wanted <= keys(figures)
    requests = {each.key: each.value for each in figures if each.key.startswith("controller.requests")}
    assert requests["controller.requests-create_per-Workspace"] >= 1, f"each has made a claim at least: {requests}"


async def test_the_provisioners_part_measures_every_figure_that_has_a_target(stand: Stand) -> None:
    figures = await claims.measure(stand, CLAIMS)
    wanted = {key.partition(".")[2] for key in load_targets() if key.startswith(("claims200.", "claims999."))}
    assert {f"{CLAIMS.name}.{key}" for key in wanted} <= keys(figures)
    (puts,) = (each.value for each in figures if each.key == f"{CLAIMS.name}.put-pool_per-claim")
    assert puts == 1, "one pool was asked for, once, for each claim"
