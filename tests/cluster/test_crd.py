"""The definition of Workspaces on the real API server, with no webhook anywhere: versions, rules, owners of fields."""

import base64
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.api.json import Json
from controller.api.resources import (
    CUSTOM_RESOURCE_DEFINITIONS,
    MUTATING_WEBHOOK_CONFIGURATIONS,
    VALIDATING_WEBHOOK_CONFIGURATIONS,
    WORKSPACES,
    Resource,
)
from controller.planning.admission.findings import Cel
from controller.runtime import errors
from controller.runtime.client import Client
from hack.crds.definition import VERSIONS, definition
from hack.crds.schema import workspace_schema
from hack.devcluster import manifests
from tests.cluster.crd_kit import MANAGER, Listener, copies, install, remove, valid, without
from tests.cluster.harness import Cluster, eventually
from tests.unit.planning.admission.cel_cases import CASES, SERVE, TUNE, Case, located, shown
from tests.unit.planning.manifests import changed

OLDER, NEWER = copies(WORKSPACES.group)
NAME = SERVE["metadata"]["name"]
SPEC = ("resource", "inference", "tuning")


@pytest.fixture(autouse=True)
def served(crds: None) -> None:
    """The shipped definition is served throughout."""


def placed(obj: Json, namespace: str, api_version: str = WORKSPACES.api_version) -> Json:
    """The manifest, for the namespace and in the version."""
    return {**obj, "apiVersion": api_version, "metadata": {**obj["metadata"], "namespace": namespace}}


def rows(*, changes: bool) -> list[Any]:
    """The table of rules in CEL: those about changes, or all others."""
    return [
        pytest.param(case, cel, id=f"{case.rule} {case.field}".strip())
        for case, _, cel in shown()
        if (case.before is not None) == changes
    ]


# Rules


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("case", "cel"), rows(changes=False))
async def test_what_breaks_a_rule_cannot_be_made(
    client: Client, namespace: str, case: Case, cel: Cel, version: str
) -> None:
    api_version = f"{WORKSPACES.group}/{version}"
    resource = OLDER if version == OLDER.version else NEWER
    attempt = partial(client.apply, resource, manager=MANAGER, dry_run=True)
    await attempt(placed(case.accepted, namespace, api_version))
    with pytest.raises(errors.Invalid) as refusal:
        await attempt(placed(case.refused, namespace, api_version))
    expect(refusal.value, cel)


@pytest.mark.parametrize(("case", "cel"), rows(changes=True))
async def test_a_change_that_breaks_a_rule_is_refused(client: Client, namespace: str, case: Case, cel: Cel) -> None:
    assert case.before is not None
    stored = await client.create(WORKSPACES, placed(case.before, namespace))
    replacing = {"metadata": stored["metadata"], "apiVersion": stored["apiVersion"], "kind": stored["kind"]}
    with pytest.raises(errors.Invalid) as refusal:
        await client.replace(WORKSPACES, {**case.refused, **replacing})
    expect(refusal.value, cel)
    await client.replace(WORKSPACES, {**case.accepted, **replacing})


def expect(refusal: errors.Invalid, cel: Cel) -> None:
    """The rule itself is among what was refused, under the field at fault."""
    field = located(cel).replace("[]", "[0]") or "<nil>"
    said = [cause.message for cause in refusal.causes if cause.field == field]
    assert any(cel.message in answer for answer in said), f"said of {field}: {said}; in all: {refusal}"


async def test_what_is_stored_already_can_still_be_labelled_reported_on_and_deleted(
    client: Client, namespace: str
) -> None:
    """Rules grew stricter since: an object that breaks them all lives on wherever nobody touches the broken part."""
    group = f"ratchet.{namespace}.example.com"
    resource = copies(group)[1]
    lax, strict = without(definition(()), "minimum"), definition()
    broken = [case.refused for case in CASES if case.before is None]
    broken.append(changed(SERVE, "resource.count", 0))
    await install(client, lax, group)
    try:
        stored = [await _store(client, resource, obj, namespace, index) for index, obj in enumerate(broken)]
        await install(client, strict, group)
        await eventually(partial(_refuses, client, resource, stored[-1]))
        for obj in stored:
            await _live_on(client, resource, obj)
    finally:
        await remove(client, group)


async def _store(client: Client, resource: Resource, obj: Json, namespace: str, index: int) -> Json:
    # Names that break their own rule stay; the others are told apart.
    name = obj["metadata"]["name"] if obj["metadata"]["name"] != NAME else f"{NAME}-{index}"
    body = changed(placed(obj, namespace, resource.api_version), "metadata.name", name)
    return await client.create(resource, changed(body, "metadata.finalizers", ["example.com/hold"]))


async def _refuses(client: Client, resource: Resource, stored: Json) -> str:
    metadata = {"name": "probe", "namespace": stored["metadata"]["namespace"]}
    try:
        await client.apply(resource, {**stored, "metadata": metadata}, manager=MANAGER, dry_run=True)
    except errors.Invalid:
        return ""
    return "the stricter definition is not in force yet"


async def _live_on(client: Client, resource: Resource, stored: Json) -> None:
    name, namespace = stored["metadata"]["name"], stored["metadata"]["namespace"]
    change = partial(client.merge, resource, name, namespace=namespace)
    await change({"metadata": {"labels": {"team": "a"}}})
    await change({"resource": {"preferredNodes": ["gpu-node-1"]}})
    await change({"status": {"observedGeneration": 1}}, subresource="status")
    await client.delete(resource, name, namespace=namespace)
    await change({"metadata": {"finalizers": None}})
    with pytest.raises(errors.NotFound):
        await client.get(resource, name, namespace=namespace)


# Versions

STATUS = {
    "observedGeneration": 1,
    "state": "Ready",
    "targetNodeCount": 1,
    "workerNodes": ["gpu-node-1"],
    "phases": [{"name": "planned", "startTime": "2026-01-05T10:00:00Z", "endTime": "2026-01-05T10:00:01Z"}],
    "performance": {
        "metrics": {
            "peakTokensPerMinute": {"description": "a", "value": "1", "unit": "b", "config": {"engine": "vllm"}}
        }
    },
}


async def travel(client: Client, pair: tuple[Resource, Resource], obj: Json) -> None:
    """Write in one version, read in the other, write it back there, read it in the first: the same throughout."""
    first, second = pair
    metadata = obj["metadata"]
    name, namespace = metadata["name"], metadata["namespace"]
    content = {key: value for key, value in obj.items() if key in SPEC}
    status = obj.get("status", {})
    made = await client.create(
        first, {**content, "apiVersion": first.api_version, "kind": first.kind, "metadata": metadata}
    )
    await client.replace(first, {**made, "status": status}, subresource="status")
    for here, there in ((second, first), (first, second)):
        read = await client.get(here, name, namespace=namespace)
        assert read["apiVersion"] == here.api_version
        assert {key: read[key] for key in SPEC if key in read} == content, (
            f"lost between {there.version} and {here.version}"
        )
        assert read.get("status", {}) == status, f"lost of the status between {there.version} and {here.version}"
        written = await client.replace(here, read)
        await client.replace(here, {**written, "status": status}, subresource="status")
    await client.delete(first, name, namespace=namespace)


@pytest.fixture
async def pair(client: Client, namespace: str) -> AsyncIterator[tuple[Resource, Resource]]:
    """A copy of the definition without rules in CEL: the schema alone says what is valid."""
    group = f"travel.{namespace}.example.com"
    await install(client, definition(()), group)
    yield copies(group)
    await remove(client, group)


SCHEMA = workspace_schema(())["properties"]


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    obj=st.fixed_dictionaries(
        {"resource": valid(SCHEMA["resource"]), "status": valid(SCHEMA["status"])},
        optional={"inference": valid(SCHEMA["inference"]), "tuning": valid(SCHEMA["tuning"])},
    ),
    backwards=st.booleans(),
)
async def test_whatever_is_valid_travels_between_the_versions_unharmed(
    client: Client, namespace: str, pair: tuple[Resource, Resource], obj: Json, backwards: bool
) -> None:
    name = {"metadata": {"name": "traveller", "namespace": namespace}}
    await travel(client, pair[::-1] if backwards else pair, {**obj, **name})


@pytest.mark.parametrize("obj", [SERVE, TUNE], ids=["inference", "tuning"])
@pytest.mark.parametrize("order", [(OLDER, NEWER), (NEWER, OLDER)], ids=["older first", "newer first"])
async def test_a_workspace_travels_between_the_versions(
    client: Client, namespace: str, order: tuple[Resource, Resource], obj: Json
) -> None:
    await travel(client, order, {**placed(obj, namespace), "status": STATUS})


async def test_what_an_older_installation_stored_is_taken_over(client: Client, namespace: str) -> None:
    """v1alpha1 was the only version once; nothing has to be converted before the new definition is applied."""
    group = f"older.{namespace}.example.com"
    older, newer = copies(group)
    former = definition(())
    (only,) = (each for each in former["spec"]["versions"] if each["name"] == older.version)
    former["spec"]["versions"] = [{**only, "storage": True}]
    await install(client, former, group)
    try:
        await client.create(older, placed(SERVE, namespace, older.api_version))
        await install(client, definition(), group)
        await eventually(partial(_serves, client, newer))
        stored = await client.get(newer, NAME, namespace=namespace)
        assert stored["resource"] == SERVE["resource"]
        answer = await client.apply(
            newer, {"metadata": place(namespace), "status": STATUS}, manager=MANAGER, subresource="status"
        )
        assert answer["status"] == STATUS
        now = await client.get(CUSTOM_RESOURCE_DEFINITIONS, f"{WORKSPACES.plural}.{group}")
        assert now["status"]["storedVersions"] == list(VERSIONS)
    finally:
        await remove(client, group)


async def _serves(client: Client, resource: Resource) -> str:
    try:
        await client.list(resource)
    except errors.NotFound as error:
        return str(error)
    return ""


def place(namespace: str) -> Json:
    return {"name": NAME, "namespace": namespace}


@pytest.fixture
async def listener(cluster: Cluster, client: Client, namespace: str, tmp_path: Path) -> AsyncIterator[Listener]:
    """Asked instead of the webhook by the shipped configurations, about the test's namespace only."""
    listening = Listener(cluster, tmp_path)
    async with listening.listening():
        authority = base64.b64encode(cluster.layout.certificate("ca").read_bytes()).decode()
        ours = [each for each in manifests.localized(await manifests.render(), listening.url) if each["kind"] in ASKING]
        for each in ours:
            each["metadata"]["name"] = namespace
            for webhook in each["webhooks"]:
                webhook["clientConfig"]["caBundle"] = authority
                webhook["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
            await client.apply(ASKING[each["kind"]], each, manager=MANAGER)
        yield listening
        for each in ours:
            await client.delete(ASKING[each["kind"]], namespace)


ASKING = {each.kind: each for each in (MUTATING_WEBHOOK_CONFIGURATIONS, VALIDATING_WEBHOOK_CONFIGURATIONS)}


@pytest.mark.parametrize("resource", [OLDER, NEWER], ids=VERSIONS)
async def test_the_webhook_is_shown_the_version_the_user_wrote(
    client: Client, namespace: str, listener: Listener, resource: Resource
) -> None:
    """What `count` means depends on it."""
    attempt = partial(client.apply, resource, placed(SERVE, namespace, resource.api_version), manager=MANAGER)

    async def asked() -> str:
        await attempt(dry_run=True)
        return "" if {path for path, _ in listener.asked} == set(PATHS) else f"asked so far: {len(listener.asked)}"

    await eventually(asked)
    listener.asked.clear()
    await attempt()
    other = NEWER if resource is OLDER else OLDER
    stored = await client.get(other, NAME, namespace=namespace)
    await client.replace(other, changed(stored, "metadata.labels", {"team": "a"}))
    seen = [
        (
            path,
            request["operation"],
            *(request[key].get("apiVersion") for key in ("object", "oldObject") if request[key]),
        )
        for path, request in listener.asked
    ]
    created = [(path, "CREATE", resource.api_version) for path in PATHS]
    updated = [(path, "UPDATE", other.api_version, other.api_version) for path in PATHS]
    assert seen == [*created, *updated]


PATHS = ("mutate-workspace", "validate-workspace")


# People


async def test_kubectl_shows_five_columns_and_explains_fields(cluster: Cluster, client: Client, namespace: str) -> None:
    await client.create(WORKSPACES, placed(SERVE, namespace))
    header, row = (await cluster.kubectl("get", "workspaces", "-n", namespace)).splitlines()
    assert header.split() == ["NAME", "INSTANCE", "RESOURCEREADY", "INFERENCEREADY", "WORKSPACEREADY", "AGE"]
    assert row.split()[:2] == [NAME, "Standard_NC6s_v3"]
    explained = " ".join((await cluster.kubectl("explain", "workspace.resource.count")).split())
    assert "Default: the number the model needs" in explained
    assert "Example: `1`" in explained


# Owners


def condition(type_: str, message: str) -> Json:
    return {
        "type": type_,
        "status": "True",
        "reason": "A",
        "message": message,
        "lastTransitionTime": "2026-01-05T10:00:00Z",
    }


async def test_two_managers_own_a_condition_each(client: Client, namespace: str) -> None:
    await client.create(WORKSPACES, placed(SERVE, namespace))

    async def report(manager: str, *conditions: Json) -> dict[str, str]:
        body = {"metadata": place(namespace), "status": {"conditions": list(conditions)}}
        answer = await client.apply(WORKSPACES, body, manager=manager, subresource="status", force=False)
        return {each["type"]: each["message"] for each in answer["status"].get("conditions", [])}

    await report("one", condition("Ready", "by one"))
    assert await report("two", condition("Checked", "by two")) == {"Ready": "by one", "Checked": "by two"}
    assert await report("one", condition("Ready", "again")) == {"Ready": "again", "Checked": "by two"}
    with pytest.raises(errors.Conflict):
        await report("two", condition("Checked", "by two"), condition("Ready", "mine"))
    assert await report("one") == {"Checked": "by two"}
