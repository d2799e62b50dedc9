"""What people do to a Workspace's surroundings, and clocks that are wrong: it comes back, or goes, all the same."""

from controller.api import labels
from controller.api.json import Json, annotations_of, labels_of, uid_of
from controller.api.resources import DEPLOYMENTS, NAMESPACES, NODES, SERVICES, WORKSPACES
from controller.planning.rendering import APPLIED_HASH
from controller.runtime.errors import NotFound
from tests.cluster.controller.stage import NAME, Stage

FUTURE = "2099-01-01T00:00:00Z"


async def until_ready(stage: Stage) -> None:
    await stage.until_condition("Ready", lambda ready: ready.status == "True")


async def test_objects_deleted_by_hand_come_back_whatever_the_status_says_of_times(stage: Stage) -> None:
    await stage.node()
    await stage.workspace()
    await until_ready(stage)
    status = (await stage.get())["status"]
    skewed = {
        "conditions": [{**each, "lastTransitionTime": FUTURE} for each in status["conditions"]],
        "phases": [{**each, "startTime": FUTURE} for each in status["phases"]],
    }
    await stage.client.merge(WORKSPACES, NAME, {"status": skewed}, namespace=stage.namespace, subresource="status")
    before = {kind: uid_of(await stage.client.get(kind, NAME, namespace=stage.namespace)) for kind in OBJECTS}
    for kind in OBJECTS:
        await stage.client.delete(kind, NAME, namespace=stage.namespace)

    async def made_anew() -> str:
        for kind in OBJECTS:
            try:
                if uid_of(await stage.client.get(kind, NAME, namespace=stage.namespace)) == before[kind]:
                    return f"the old {kind.kind} is still there"
            except NotFound:
                return f"no {kind.kind}"
        return ""

    await stage.until(made_anew)
    await stage.until_pod(lambda pod: "deletionTimestamp" not in pod["metadata"])
    await until_ready(stage)


OBJECTS = (DEPLOYMENTS, SERVICES)


async def test_what_was_taken_off_our_objects_by_hand_is_put_back(stage: Stage) -> None:
    await stage.node()
    await stage.workspace()
    await until_ready(stage)
    written = await stage.client.get(DEPLOYMENTS, NAME, namespace=stage.namespace)
    bare = {"labels": {labels.WORKSPACE: None}}, {"annotations": {APPLIED_HASH: None}}

    async def whole() -> str:
        found = await stage.client.get(DEPLOYMENTS, NAME, namespace=stage.namespace)
        same = all(part(found).items() >= part(written).items() for part in (labels_of, annotations_of))
        return "" if same else f"labels {labels_of(found)}, annotations {annotations_of(found)}"

    for metadata in (*bare, {**bare[0], **bare[1]}):
        await stage.client.merge(DEPLOYMENTS, NAME, {"metadata": metadata}, namespace=stage.namespace)
        await stage.until(whole)
    found = await stage.client.get(DEPLOYMENTS, NAME, namespace=stage.namespace)
    assert labels.ADOPTED not in annotations_of(found), "it was never KAITO's"
    await until_ready(stage)


async def test_what_was_added_to_our_objects_by_hand_and_stops_them_is_taken_away(stage: Stage) -> None:
    await stage.node()
    await stage.workspace()
    await until_ready(stage)
    written = {kind: await stage.client.get(kind, NAME, namespace=stage.namespace) for kind in OBJECTS}
    pod = "/spec/template/spec"
    for kind, path, value in (
        (SERVICES, "/spec/selector/v", "2"),
        (DEPLOYMENTS, "/spec/paused", True),
        (DEPLOYMENTS, f"{pod}/nodeSelector", {"v": "2"}),
        (DEPLOYMENTS, f"{pod}/tolerations/-", {"key": "v", "operator": "Exists"}),
        (DEPLOYMENTS, f"{pod}/containers/0/args", ["--port=1"]),
    ):
        added: Json = {"op": "add", "path": path, "value": value}
        await stage.client.json_patch(kind, NAME, [added], namespace=stage.namespace)

    async def as_written() -> str:
        found = {kind: await stage.client.get(kind, NAME, namespace=stage.namespace) for kind in OBJECTS}
        return str([found[kind]["spec"] for kind in OBJECTS if found[kind]["spec"] != written[kind]["spec"]] or "")

    await stage.until(as_written)
    await until_ready(stage)


async def test_a_successor_of_the_same_name_serves_on_the_node_its_predecessor_had(stage: Stage) -> None:
    node = await stage.node()
    first = await stage.workspace()
    await until_ready(stage)
    await stage.delete()
    await stage.until_deleted()
    second = await stage.workspace()
    await until_ready(stage)
    assert uid_of(first) != uid_of(second)
    assert labels_of(await stage.client.get(NODES, node))[labels.WORKSPACE_UID] == uid_of(second)
    deployment = await stage.client.get(DEPLOYMENTS, NAME, namespace=stage.namespace)
    assert [each["uid"] for each in deployment["metadata"]["ownerReferences"]] == [uid_of(second)]


async def test_a_workspace_goes_with_its_namespace_and_frees_its_node(stage: Stage) -> None:
    node = await stage.node()
    await stage.workspace()
    await until_ready(stage)
    await stage.client.delete(NAMESPACES, stage.namespace)
    await stage.until_deleted()
    assert labels.WORKSPACE_UID not in labels_of(await stage.client.get(NODES, node))
