"""A Workspace that KAITO v0.12 served goes on serving: no pod restarts until its user asks for something else."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.api.json import Json, annotations_of, labels_of, name_of, uid_of
from controller.api.resources import CONTROLLER_REVISIONS, DEPLOYMENTS, PODS, SERVICES, STATEFUL_SETS
from controller.planning.revisions import CAUSE, number_of
from controller.runtime.client import Client
from tests.cluster.controller import kaito
from tests.cluster.controller.conftest import start_operator
from tests.cluster.controller.stage import NAME, Stage

MIRROR = "copies.example.com"
ADAPTER = {"source": {"name": "poet", "image": "registry.example.com/poet:1"}}


@pytest.fixture
async def before(client: Client, namespace: str, crds: None, tmp_path: Path) -> AsyncIterator[Stage]:
    """A namespace at which no operator looks yet."""
    stage = Stage(client, namespace, tmp_path / "controller.log")
    yield stage
    await stage.clean_up()


async def left_behind(stage: Stage) -> tuple[Json, Json]:
    """What KAITO leaves of a Workspace that serves: the Workspace and its pod."""
    node = await stage.node()
    notes = {"workspace.kaito.io/revision": "3", "workspace.kaito.io/hash": "3f9a1c"}
    workspace = await stage.workspace(preset="phi-3-mini-128k-instruct", annotations=notes)
    for resource, objects in (
        (CONTROLLER_REVISIONS, [kaito.revision(workspace)]),
        (SERVICES, kaito.services(workspace)),
        (STATEFUL_SETS, [kaito.stateful_set(workspace, node)]),
    ):
        for obj in objects:
            await stage.client.create(resource, obj)
    pod = await stage.until_pod(lambda pod: any(c["type"] == "Ready" and c["status"] == "True" for c in said(pod)))
    return workspace, pod


def said(pod: Json) -> list[Json]:
    found: list[Json] = (pod.get("status") or {}).get("conditions") or []
    return found


async def service(stage: Stage, name: str = NAME) -> Json:
    return await stage.client.get(SERVICES, name, namespace=stage.namespace)


async def test_what_kaito_made_goes_on_until_the_wish_changes(before: Stage, operator_kubeconfig: Path) -> None:
    stage = before
    _, pod = await left_behind(stage)
    address = (await service(stage))["spec"]["clusterIP"]
    rewrite = f"--registry-rewrite=mcr.microsoft.com={MIRROR}"
    process = start_operator(operator_kubeconfig, stage.log, rewrite)
    try:
        await stage.until_condition("Ready", lambda ready: ready.status == "True")
        assert [uid_of(each) for each in await stage.owned(PODS)] == [uid_of(pod)], "the pod was not left in peace"
        assert await stage.owned(DEPLOYMENTS) == []
        (kept,) = await stage.owned(STATEFUL_SETS)
        assert kept["metadata"]["generation"] == 1, "nothing of the StatefulSet's spec may be touched"
        assert [port["port"] for port in (await service(stage))["spec"]["ports"]] == [80, 29500]
        assert (await service(stage))["spec"]["clusterIP"] == address

        await stage.change(inference={"adapters": [ADAPTER]})
        newer = await stage.until_pod(lambda each: uid_of(each) != uid_of(pod) and "nodeName" in each["spec"])
        await stage.until_condition("Ready", lambda ready: ready.status == "True")
        assert await stage.owned(STATEFUL_SETS) == []
        assert [name_of(each) for each in await stage.owned(SERVICES)] == [NAME]
        assert (await service(stage))["spec"]["clusterIP"] == address, "clients keep their address"
        images = [each["image"] for each in (*newer["spec"]["containers"], *newer["spec"]["initContainers"])]
        assert {image.partition("/")[0] for image in images} == {MIRROR}
        await until_told(stage)
        await stage.delete()
        await stage.until_gone()
    finally:
        process.terminate()
        assert process.wait(30) == 0, stage.log.read_text()[-3000:]


async def until_told(stage: Stage) -> None:
    """Waits until event and history tell what happened."""

    async def look() -> str:
        reasons = await stage.event_reasons()
        selector = f"workspace.kaito.io/name={NAME}"
        found = await stage.client.list(CONTROLLER_REVISIONS, namespace=stage.namespace, labels=selector)
        causes = [(number_of(each), annotations_of(each).get(CAUSE)) for each in sorted(found.items, key=number_of)]
        wanted = [(3, None), (4, "taken over from KAITO"), (5, "inference.adapters added")]
        return "" if causes == wanted and "WorkloadAdopted" in reasons else f"{causes} {reasons}"

    await stage.until(look)


async def test_objects_of_others_under_its_names_are_not_taken_over(before: Stage, operator_kubeconfig: Path) -> None:
    stage = before
    node = await stage.node()
    workspace = await stage.workspace(annotations={"workspace.kaito.io/revision": "3"})
    theirs = kaito.stateful_set(workspace, node)
    theirs["metadata"]["ownerReferences"] = []
    made = await stage.client.create(STATEFUL_SETS, theirs)
    process = start_operator(operator_kubeconfig, stage.log)
    try:
        await stage.until_condition("ResourceReady", lambda ready: ready.status == "True")
        found = await stage.client.get(STATEFUL_SETS, NAME, namespace=stage.namespace)
        assert (uid_of(found), labels_of(found)) == (uid_of(made), {})
        await stage.client.delete(STATEFUL_SETS, NAME, namespace=stage.namespace)
        await stage.delete()
        await stage.until_deleted()
    finally:
        process.terminate()
        assert process.wait(30) == 0, stage.log.read_text()[-3000:]
