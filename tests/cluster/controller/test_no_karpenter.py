"""An installation that makes no nodes, in a cluster that knows no claims of any kind."""

import asyncio
import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.api.claims import CLAIM_KINDS
from controller.api.json import Json, name_of
from controller.api.reasons import Reason
from controller.api.resources import CUSTOM_RESOURCE_DEFINITIONS
from controller.runtime.client import Client
from controller.runtime.errors import NotFound
from hack.devcluster import manifests
from tests.cluster.controller.conftest import start_operator
from tests.cluster.controller.stage import Stage
from tests.cluster.harness import Cluster, eventually


async def remove_claims(cluster: Cluster) -> list[Json]:
    """Removes every claim's CRD; gives those the manifests install."""
    async with await Client.connect(user_agent="kaito-tests", kubeconfig=cluster.kubeconfig) as client:

        async def absent() -> str:
            for kind in CLAIM_KINDS:
                with contextlib.suppress(NotFound):
                    await client.list(kind.resource)
                    return f"{kind.resource.plural} are still served"
            return ""

        names = [f"{kind.resource.plural}.{kind.resource.group}" for kind in CLAIM_KINDS]
        for name in names:
            with contextlib.suppress(NotFound):
                await client.delete(CUSTOM_RESOURCE_DEFINITIONS, name)
        await eventually(absent)
    return [obj for obj in await manifests.render() if name_of(obj) in names]


@pytest.fixture(scope="module")
def operator(cluster: Cluster, operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """An operator that makes no nodes, where no claim of any kind is known; gives the path of its log."""
    removed = asyncio.run(remove_claims(cluster))
    log = tmp_path_factory.mktemp("operator") / "controller.log"
    process = start_operator(operator_kubeconfig, log, "--node-source=existing")
    yield log
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(30)
    process.kill()
    asyncio.run(manifests.apply(cluster.layout, removed))
    assert process.wait() == 0, f"the operator did not end cleanly:\n{log.read_text()[-3000:]}"


async def test_existing_nodes_serve_without_any_crd_of_karpenter(stage: Stage) -> None:
    await stage.workspace(size="")
    await stage.until_reason("Ready", Reason.NO_NODES_MATCH)
    node = await stage.node()
    await stage.until_condition("Ready", lambda ready: ready.status == "True")
    assert (await stage.get())["status"]["workerNodes"] == [node]
    await stage.delete()
    await stage.until_deleted()


async def test_a_workspace_that_wants_nodes_made_all_the_same_is_told_what_is_missing(stage: Stage) -> None:
    await stage.workspace(annotations={"kaito.sh/node-source": "machine"})
    told = await stage.until_reason("Ready", Reason.CLAIM_KIND_NOT_SERVED)
    assert "machines of karpenter.sh/v1alpha5" in told.message
    await stage.delete()
    await stage.until_deleted()
