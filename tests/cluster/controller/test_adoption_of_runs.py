"""Nodes and runs KAITO made go on under this operator: no second node is bought, and nothing is done twice."""

import contextlib
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.api import labels
from controller.api.json import Json, labels_of, name_of, uid_of
from controller.api.resources import (
    CONTROLLER_REVISIONS,
    DEPLOYMENTS,
    JOBS,
    MACHINES,
    NODE_CLAIMS,
    NODES,
    PODS,
    SERVICES,
    STATEFUL_SETS,
    Resource,
)
from controller.planning.inherited import ORDINAL
from controller.runtime.client import Client
from hack.devcluster.stages import PREFIX
from tests.cluster.controller import kaito
from tests.cluster.controller.conftest import start_operator
from tests.cluster.controller.stage import NAME, Stage
from tests.cluster.harness import Cluster
from tests.cluster.provisioner_parts import install_node_claims

CLAIM, MACHINE = "ws0a1b2c3d4", "ws1b2c3d4e5"
FOR_EVER = "1000000"
NOTES = {"workspace.kaito.io/revision": "3", "workspace.kaito.io/hash": "3f9a1c"}
READY = {
    "type": "Ready",
    "status": "True",
    "reason": "Ready",
    "message": "",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
}
TUNING = {
    "preset": {"name": "phi-3-mini-4k-instruct"},
    "method": "qlora",
    "input": {"urls": ["https://data.example.com/a.parquet"]},
    "output": {"image": "registry.example.com/out/adapter:1", "imagePushSecret": "push"},
}


@pytest.fixture
async def before(client: Client, namespace: str, crds: None, tmp_path: Path) -> AsyncIterator[Stage]:
    """A namespace at which no operator looks yet."""
    stage = Stage(client, namespace, tmp_path / "controller.log")
    yield stage
    await stage.clean_up()


@contextmanager
def operating(stage: Stage, kubeconfig: Path) -> Iterator[None]:
    """An operator at work."""
    process = start_operator(kubeconfig, stage.log)
    try:
        yield
    finally:
        end(process)
    assert process.returncode == 0, f"the operator did not end cleanly:\n{stage.log.read_text()[-3000:]}"


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(30)
    process.kill()
    process.wait()


async def until_ready(stage: Stage) -> None:
    await stage.until_condition("Ready", lambda ready: ready.status == "True")


async def serving(stage: Stage, *objects: tuple[Resource, Json]) -> Json:
    """Makes what KAITO made of a model; its pod, once it is Ready."""
    for resource, obj in objects:
        await stage.client.create(resource, obj)
    return await stage.until_pod(lambda pod: "True" in condition_of(pod, "Ready"))


def condition_of(obj: Json, type_: str) -> list[str]:
    found = (obj.get("status") or {}).get("conditions") or []
    return [each["status"] for each in found if each["type"] == type_]


async def owner_of(stage: Stage, node: str) -> tuple[str | None, str | None]:
    found = labels_of(await stage.client.get(NODES, node))
    return found.get(labels.WORKSPACE_UID), found.get(labels.CLAIM_ORDINAL)


async def node_claims(stage: Stage) -> list[str]:
    found = await stage.client.list(NODE_CLAIMS, labels=f"{labels.WORKSPACE_NAMESPACE}={stage.namespace}")
    return [uid_of(each) for each in found.items]


async def test_a_model_on_a_node_claim_goes_on_where_machines_are_made(
    before: Stage, cluster: Cluster, operator_kubeconfig: Path
) -> None:
    stage = before
    await install_node_claims(cluster)
    workspace = await stage.workspace(annotations=NOTES)
    claim = await stage.client.create(NODE_CLAIMS, kaito.node_claim(workspace, CLAIM))
    node = await stage.node(also=labels_of(claim))
    status = {"conditions": [READY], "nodeName": node}
    await stage.client.merge(NODE_CLAIMS, CLAIM, {"status": status}, subresource="status")
    services = [(SERVICES, each) for each in kaito.services(workspace)]
    revision = (CONTROLLER_REVISIONS, kaito.revision(workspace))
    pod = await serving(stage, revision, *services, (STATEFUL_SETS, kaito.stateful_set(workspace, node)))

    with operating(stage, operator_kubeconfig):
        await until_ready(stage)
        await stage.until_condition("MachineReady", lambda ready: ready.status == "True")
        assert await node_claims(stage) == [uid_of(claim)], "a second node was bought"
        assert await stage.machines() == [], "a second node was bought, as a Machine"
        assert [uid_of(each) for each in await stage.owned(PODS)] == [uid_of(pod)], "the pod was not left in peace"
        assert await owner_of(stage, node) == (uid_of(workspace), ORDINAL)
        assert (await stage.get())["status"]["workerNodes"] == [node]
        await stage.delete()
        await stage.until_gone()
        assert await node_claims(stage) == [], "the node's claim outlived the Workspace"


async def test_a_model_on_a_machine_goes_on_in_the_deployment_it_has(before: Stage, operator_kubeconfig: Path) -> None:
    stage = before
    workspace = await stage.workspace()
    machine = await stage.client.create(MACHINES, kaito.machine(workspace, MACHINE))
    node = await stage.node(also=labels_of(machine))
    await stage.report(MACHINE, conditions=[READY], nodeName=node)
    pod = await serving(stage, (DEPLOYMENTS, kaito.deployment(workspace, node)))
    made = await stage.client.get(DEPLOYMENTS, NAME, namespace=stage.namespace)

    with operating(stage, operator_kubeconfig):
        await until_ready(stage)
        await stage.until_condition("MachineReady", lambda ready: ready.status == "True")
        assert [uid_of(each) for each in await stage.machines()] == [uid_of(machine)], "a second node was bought"
        assert [uid_of(each) for each in await stage.owned(PODS)] == [uid_of(pod)], "the pod was not left in peace"
        (kept,) = await stage.owned(DEPLOYMENTS)
        assert kept["spec"] == made["spec"], "nothing of what makes the pods may be touched"
        await stage.delete()
        await stage.until_gone()


async def training(stage: Stage, seconds: str) -> Json:
    """A training run of KAITO's that takes so long; its pod, once it runs."""
    node = await stage.node()
    workspace = await stage.workspace(annotations=NOTES, tuning=TUNING)
    await stage.play(run_seconds=seconds)
    await stage.client.create(CONTROLLER_REVISIONS, kaito.revision(workspace))
    await stage.client.create(JOBS, kaito.job(workspace, node))
    return await stage.until_pod(lambda pod: pod["status"].get("phase") in ("Running", "Succeeded"))


async def only_run(stage: Stage) -> tuple[list[str], list[str]]:
    """The UIDs of the Jobs there are, and of the pods."""
    return [uid_of(each) for each in await stage.owned(JOBS)], [uid_of(each) for each in await stage.owned(PODS)]


async def test_a_run_that_is_under_way_comes_to_its_end_and_is_not_begun_again(
    before: Stage, operator_kubeconfig: Path
) -> None:
    stage = before
    pod = await training(stage, FOR_EVER)
    run = await only_run(stage)

    with operating(stage, operator_kubeconfig):
        await stage.until_reason("WorkspaceSucceeded", "TrainingRunning")
        assert await only_run(stage) == run, "the run was disturbed"
        over = {"metadata": {"annotations": {f"{PREFIX}run-seconds": "0"}}}
        await stage.client.merge(PODS, name_of(pod), over, namespace=stage.namespace)
        await stage.until_condition("WorkspaceSucceeded", lambda succeeded: succeeded.status == "True")
        await until_ready(stage)
        assert await only_run(stage) == run, "the run was begun again"
        await stage.delete()
        await stage.until_gone()


async def test_a_run_that_had_ended_is_not_begun_again_even_when_its_job_goes(
    before: Stage, operator_kubeconfig: Path
) -> None:
    stage = before
    await training(stage, "0")
    await stage.until(lambda: unended(stage))
    run = await only_run(stage)

    with operating(stage, operator_kubeconfig):
        await stage.until_condition("WorkspaceSucceeded", lambda succeeded: succeeded.status == "True")
        assert await only_run(stage) == run, "the run was begun again"
        await stage.client.delete(JOBS, NAME, namespace=stage.namespace)
        await stage.change(resource={"preferredNodes": [stage.namespace]})
        generation = (await stage.get())["metadata"]["generation"]
        over = await stage.until_condition("WorkspaceSucceeded", lambda each: each.observed_generation == generation)
        assert over.status == "True", "the run of a Job that was cleaned up was forgotten"
        assert await stage.owned(JOBS) == []
        await stage.delete()
        await stage.until_gone()


async def unended(stage: Stage) -> str:
    """What of the Job's run is not over."""
    (job,) = await stage.owned(JOBS)
    return "" if condition_of(job, "Complete") else str(job.get("status"))
