"""What a Workspace says of itself on the real API server, version by version."""

from contextlib import aclosing
from itertools import pairwise

from controller.api.conditions import conditions_of
from controller.api.json import Json, metadata_of, name_of
from controller.api.resources import NAMESPACES, PODS, WORKSPACES
from hack.devcluster.stages import PREFIX
from tests.cluster.controller.stage import NAME, Stage
from tests.unit.planning.kstatus import kstatus

START = [
    "accepted", "planned", "nodes-registered", "gpus-advertised", "images-pulled", "weights-loading", "serving",
]  # fmt: skip
"""The phases of a Workspace that uses a node that is there already."""


def phases(obj: Json) -> dict[str, Json]:
    return {each["name"]: each for each in (obj.get("status") or {}).get("phases") or []}


def said(obj: Json) -> tuple[Json, Json]:
    """What people read of a version: the object without its bookkeeping."""
    ignored = ("resourceVersion", "managedFields")
    return {key: value for key, value in metadata_of(obj).items() if key not in ignored}, obj["status"]


async def versions(stage: Stage, created: Json) -> list[Json]:
    """Every version of the Workspace from its creation to its being ready."""
    found: list[Json] = []
    since = metadata_of(created)["resourceVersion"]
    events = stage.client.watch(WORKSPACES, namespace=stage.namespace, resource_version=since, timeout_seconds=40)
    async with aclosing(events):
        async for event in events:
            found.append(event.object)
            ready = conditions_of(event.object).get("Ready")
            if ready is not None and ready.status == "True":
                return found
    raise AssertionError(f"not ready after {len(found)} versions: {found[-1:]}")


async def test_every_version_of_the_status_is_read_rightly_and_written_for_a_change(stage: Stage) -> None:
    await stage.node()
    created = await stage.workspace()
    seen = [created, *await versions(stage, created)]
    assert [kstatus(obj) for obj in seen] == ["InProgress"] * (len(seen) - 1) + ["Current"]
    assert {obj["status"]["observedGeneration"] for obj in seen} == {-1, 1}, "before the first look and after it"
    # Of two versions with one status, the second is about the object itself, such as its finalizers.
    written = [said(obj) for obj in seen]
    assert all(one != other for one, other in pairwise(written)), "a version was written without a change"
    assert list(phases(seen[-1])) == START
    assert all("endTime" in each for name, each in phases(seen[-1]).items() if name != "serving")


async def test_a_timeline_that_was_lost_is_told_again_from_the_objects(stage: Stage) -> None:
    await stage.node()
    await stage.workspace()
    await stage.until_condition("Ready", lambda ready: ready.status == "True")
    before = phases(await stage.get())
    lost = {"status": {"phases": None}}
    await stage.client.merge(WORKSPACES, NAME, lost, namespace=stage.namespace, subresource="status")

    async def told() -> str:
        return "" if list(phases(await stage.get())) == START else "not told again yet"

    await stage.until(told)
    after = phases(await stage.get())
    for name in ("images-pulled", "weights-loading"):
        assert after[name]["endTime"] == before[name]["endTime"], f"{name} was told otherwise"
    assert after["serving"]["startTime"] == before["serving"]["startTime"]


async def test_a_missing_secret_is_named_stalls_and_heals(stage: Stage) -> None:
    await stage.node()
    await stage.play(fail="image-pull")
    await stage.workspace()
    await stage.until_reason("InferenceReady", "ImagePullFailed")
    # From here on nothing but the test writes the pod's status.
    pod = await stage.until_pod(lambda pod: "ImagePullBackOff" in str(pod["status"]))
    words = 'secret "hf-token" not found'
    waiting = {"waiting": {"reason": "CreateContainerConfigError", "message": words}}
    containers = [{**each, "state": waiting} for each in pod["status"]["containerStatuses"]]
    status = {"status": {"containerStatuses": containers}}
    await stage.client.merge(PODS, name_of(pod), status, namespace=stage.namespace, subresource="status")
    stalled = await stage.until_reason("Stalled", "ContainerNotCreated")
    assert words in stalled.message
    assert kstatus(await stage.get()) == "Failed"

    async def event() -> str:
        return "" if "ContainerNotCreated" in await stage.event_reasons() else "no event yet"

    await stage.until(event)
    heal = {"metadata": {"annotations": {f"{PREFIX}fail": None}}}
    await stage.client.merge(NAMESPACES, stage.namespace, heal)
    await stage.client.delete(PODS, name_of(pod), namespace=stage.namespace)
    await stage.until_condition("Ready", lambda ready: ready.status == "True")
    assert kstatus(await stage.get()) == "Current"
