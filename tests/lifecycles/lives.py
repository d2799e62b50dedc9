"""Lives of Workspaces: applied, at the end state, changed, at the new end state, deleted, nothing left."""

import asyncio
import json
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from controller.api import labels
from controller.api.json import Json, name_of
from controller.api.resources import CONFIG_MAPS, NAMESPACES, NODES, SECRETS, WORKSPACES, Resource
from controller.planning.configs import INFERENCE_KEY
from tests.cluster.harness import NODE_OF_TEST, eventually, ready_node
from tests.lifecycles.cases import VOLUMES, Case
from tests.system.harness import System, made_for
from tests.system.planned import Eyes, Name, View, unfinished, watching

NAME = "life"
PATIENCE_SECONDS = 150.0
"""How long a stretch of a life may take; far above what it takes, so that a slow machine is not a failure."""

_VOLUMES = Resource("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)
_CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim", namespaced=True)
_SELECTED = "lifecycles.kaito.sh/life"


@dataclass(frozen=True, slots=True)
class Life:
    """What came of one Workspace.

    Attributes:
        failure: why the life did not come to its end; empty when it did.
        before: the end state before the change.
        after: the end state after the change.
        events: about the Workspace, oldest first, each with its moment.
        left: what was there for the Workspace when it was gone.
        kept: nodes that were there before it, as they are after it.
    """

    failure: str
    before: View | None = None
    after: View | None = None
    events: tuple[Json, ...] = ()
    left: tuple[str, ...] = ()
    kept: tuple[Json, ...] = ()


async def live_all(system: System, cases: Iterable[Case]) -> dict[str, Life]:
    """The lives of all cases at the same time, by the case's name; a failure is part of its life."""
    cases = tuple(cases)
    async with watching(system) as eyes:
        lives = await asyncio.gather(*(_told(system, eyes, case) for case in cases))
    return {case.name: life for case, life in zip(cases, lives, strict=True)}


async def _told(system: System, eyes: Eyes, case: Case) -> Life:
    namespace = f"life-{secrets.token_hex(4)}"
    try:
        return await _live(system, eyes, case, namespace)
    except Exception as error:  # noqa: BLE001 - the other lives go on, and the test of this one tells it
        return Life(f"{type(error).__name__}: {error}", events=tuple(await system.events(namespace, "Workspace", NAME)))
    finally:
        await _clear(system, namespace)


async def _live(system: System, eyes: Eyes, case: Case, namespace: str) -> Life:
    nodes = await _surround(system, case, namespace)
    client, name = system.client, (namespace, NAME)
    await client.create(WORKSPACES, manifest(case, namespace))
    before = await _until(eyes, name, lambda seen: "" if case.shows not in text_of(seen) else "it is changed already")
    if case.config[1]:
        await _configure(system, namespace, case.config[1])
    await client.merge(WORKSPACES, NAME, case.change, namespace=namespace)
    after = await _until(eyes, name, lambda seen: "" if case.shows in text_of(seen) else f"{case.shows} is not there")
    await _until_told(system, namespace, "TrainingSucceeded" if case.tunes else "WorkspaceReady")
    await client.delete(WORKSPACES, NAME, namespace=namespace)

    async def gone() -> str:
        return ", ".join(await leftovers(system, eyes, name))

    await eventually(gone, PATIENCE_SECONDS)
    events = await _until_told(system, namespace, "WorkspaceDeleted")
    left = await leftovers(system, eyes, name)
    return Life("", before, after, events, tuple(left), tuple([await client.get(NODES, node) for node in nodes]))


def manifest(case: Case, namespace: str) -> Json:
    """The Workspace as it is applied first."""
    resource: Json = {"instanceType": case.size, "labelSelector": {"matchLabels": {_SELECTED: namespace}}}
    return {
        "apiVersion": WORKSPACES.api_version,
        "kind": WORKSPACES.kind,
        "metadata": {"name": NAME, "namespace": namespace, "annotations": case.annotations},
        "resource": resource | ({"count": case.count} if case.count else {}),
        **case.work,
    }


def text_of(seen: View) -> str:
    """Everything that was made for the Workspace, as text."""
    return json.dumps([each["spec"] for each in seen.objects])


async def _until(eyes: Eyes, name: Name, holds: Callable[[View], str]) -> View:
    """Waits until the Workspace has all that is planned for it, and something holds besides."""
    found: View | None = None

    async def look() -> str:
        nonlocal found
        found = eyes.view(name)
        return "there is no Workspace" if found is None else unfinished(found) or holds(found)

    await eventually(look, PATIENCE_SECONDS)
    assert found is not None
    return found


async def _until_told(system: System, namespace: str, wanted: str) -> tuple[Json, ...]:
    """The events once the wanted one is among them; they are written beside the work."""
    found: list[Json] = []

    async def told() -> str:
        nonlocal found
        found = await system.events(namespace, "Workspace", NAME)
        return "" if wanted in {each["reason"] for each in found} else f"{wanted} is not told"

    await eventually(told, PATIENCE_SECONDS)
    return tuple(found)


async def leftovers(system: System, eyes: Eyes, name: Name) -> list[str]:
    """Kind and name of everything that is there for the Workspace, itself included, in the cluster and in the cloud."""
    pools = [pool for pool in (await system.cloud())["pools"] if made_for(pool, *name)]
    return [*eyes.leftovers(name), *(f"agent pool {pool['name']}" for pool in pools)]


async def _surround(system: System, case: Case, namespace: str) -> list[str]:
    """Makes what must be there before the Workspace; gives the names of the nodes."""
    await system.client.create(NAMESPACES, {"metadata": {"name": namespace}})
    for name in ("registry-key", "push-key", "hf-token"):
        await system.client.create(SECRETS, {"metadata": {"name": name, "namespace": namespace}})
    if case.config[0]:
        await _configure(system, namespace, case.config[0])
    if case.tunes:
        await asyncio.gather(*(_volume(system, namespace, name) for name in VOLUMES))
    own = {labels.INSTANCE_TYPE: case.size, _SELECTED: namespace}
    nodes = [ready_node(namespace, f"-{number}", gpus=1, labels=own) for number in range(case.existing)]
    return [await _join(system, node) for node in nodes]


async def _join(system: System, node: Json) -> str:
    """Registers a node; its name, once it takes pods: Kubernetes bars every new one for a moment."""
    name = name_of(await system.client.create(NODES, node))

    async def open_for_pods() -> str:
        return str((await system.client.get(NODES, name))["spec"].get("taints") or "")

    await eventually(open_for_pods, PATIENCE_SECONDS)
    return name


async def _configure(system: System, namespace: str, text: str) -> None:
    body = {"metadata": {"name": "config", "namespace": namespace}, "data": {INFERENCE_KEY: text}}
    await system.client.apply(CONFIG_MAPS, body, manager="tests")


async def _volume(system: System, namespace: str, name: str) -> None:
    """A claim with a volume of its own, bound to it."""
    common = {"accessModes": ["ReadWriteMany"], "storageClassName": ""}
    volume = {
        "metadata": {"name": f"{namespace}-{name}", "labels": {_SELECTED: namespace}},
        "spec": {
            **common,
            "capacity": {"storage": "1Gi"},
            "nfs": {"server": "storage.example.com", "path": "/"},
            "claimRef": {"namespace": namespace, "name": name},
        },
    }
    claim = {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {**common, "volumeName": f"{namespace}-{name}", "resources": {"requests": {"storage": "1Gi"}}},
    }
    await system.client.create(_VOLUMES, volume)
    await system.client.create(_CLAIMS, claim)

    async def bound() -> str:
        status = (await system.client.get(_CLAIMS, name, namespace=namespace)).get("status") or {}
        return "" if status.get("phase") == "Bound" else f"{name}: {status}"

    await eventually(bound, PATIENCE_SECONDS)


async def _clear(system: System, namespace: str) -> None:
    """Asks for everything of the life to go, what a failure left included."""
    await system.kubectl("delete", "workspaces", "--all", "-n", namespace, "--wait=false")
    for resource, key in ((NODES, NODE_OF_TEST), (_VOLUMES, _SELECTED)):
        for each in await system.everything(resource, labels=f"{key}={namespace}"):
            await system.client.delete(resource, name_of(each))
    await system.client.delete(NAMESPACES, namespace)
