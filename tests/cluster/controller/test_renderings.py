"""The real API server takes everything that is rendered, and its pods keep the PodSecurity level they claim."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable

import pytest

from controller.api.json import Json
from controller.api.resources import NAMESPACES, PODS, SERVICES
from controller.catalog import load_catalog
from controller.planning.drift import covers
from controller.planning.rendering import OWNED
from controller.planning.rendering.parts import POD_SECURITY
from controller.runtime.client import Client
from controller.runtime.errors import ApiError
from hack.devcluster.api import Api
from tests.cluster.harness import Cluster, eventually
from tests.unit.planning.rendering.cases import CASES, objects
from tests.unit.planning.rendering.matrix import ways

RESOURCES = {resource.kind: resource for resource in OWNED}
AT_ONCE = 12
"""Requests under way at a time: the API server is busy and answers none late."""

ROOTLESS = "runAsNonRoot != true"


@pytest.fixture
async def api(cluster: Cluster) -> AsyncIterator[Api]:
    async with cluster.api() as connected:
        yield connected


async def enforce(client: Client, api: Api, namespace: str, level: str) -> None:
    """Holds the pods of a namespace to a level, and waits until a pod that breaks every level is refused."""
    label = {"pod-security.kubernetes.io/enforce": level}
    await client.merge(NAMESPACES, namespace, {"metadata": {"labels": label}})
    privileged = {"name": "a", "image": "a", "securityContext": {"privileged": True}}

    async def refused() -> str:
        told = await asked(api, pod({"spec": {"containers": [privileged]}}, namespace))
        return "" if f'violates PodSecurity "{level}' in told else f"not yet: {told}"

    await eventually(refused)


async def asked(api: Api, body: Json) -> str:
    """Why a pod is not accepted with every field checked; empty where it is."""
    path = PODS.path(body["metadata"]["namespace"])
    status, text = await api.request("POST", f"{path}?dryRun=All&fieldValidation=Strict", body)
    return "" if status == 201 else str(json.loads(text)["message"]) if status else text


def pod(template: Json, namespace: str) -> Json:
    """A pod as the workload's controller would make it; only pods are held to a PodSecurity level."""
    metadata = {**template.get("metadata", {}), "name": "sample", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def placed(obj: Json, namespace: str) -> Json:
    return {**obj, "metadata": {**obj["metadata"], "namespace": namespace}}


async def applied(client: Client, obj: Json, namespace: str) -> str:
    """What is wrong with an object for the API server, or with what it would store; empty for nothing."""
    try:
        answer = await client.apply(
            RESOURCES[obj["kind"]], placed(obj, namespace), manager="tests", dry_run=True, timeout=60
        )
    except ApiError as error:
        return str(error)
    return "" if covers(answer["spec"], obj["spec"]) else "what is stored would look like a difference for ever"


def everything() -> dict[str, Json]:
    """Every object there is of any preset, by what it is one of; equal ones once."""
    found: dict[str, tuple[str, Json]] = {}
    for preset in {each.name: each for each in load_catalog().presets.values() if each.runnable}.values():
        for way in ways(preset):
            for variant in way.variants:
                rendering = way.render(variant)
                for obj in (rendering.workload, *rendering.services):
                    content = json.dumps([obj["kind"], obj["spec"]], sort_keys=True)
                    found.setdefault(content, (f"{preset.name}, {way.title}, {variant}: {obj['kind']}", obj))
    return dict(found.values())


async def test_every_way_to_run_every_preset_is_accepted(
    client: Client, api: Api, namespace: str, capsys: pytest.CaptureFixture[str]
) -> None:
    await enforce(client, api, namespace, POD_SECURITY)
    turns = asyncio.Semaphore(AT_ONCE)

    async def judged(title: str, obj: Json) -> Iterable[str]:
        async with turns:
            wrong = await applied(client, obj, namespace)
        if not wrong and obj["kind"] != SERVICES.kind:
            async with turns:
                wrong = await asked(api, pod(obj["spec"]["template"], namespace))
        return [f"{title}: {wrong}"] if wrong else []

    known = everything()
    answers = await asyncio.gather(*(judged(title, obj) for title, obj in known.items()))
    assert [each for answer in answers for each in answer] == []
    with capsys.disabled():
        print(f"\n{len(known)} different objects of all presets are accepted")


@pytest.mark.parametrize("name", CASES)
async def test_every_kind_of_workspace_is_accepted(client: Client, api: Api, namespace: str, name: str) -> None:
    await enforce(client, api, namespace, POD_SECURITY)
    for obj in objects(name):
        assert await applied(client, obj, namespace) == ""
        if "template" in obj["spec"]:
            assert await asked(api, pod(obj["spec"]["template"], namespace)) == ""


async def test_a_field_nobody_knows_would_be_told(client: Client, api: Api, namespace: str) -> None:
    (workload, *_) = objects("vllm_config")
    wrong = {**workload, "spec": {**workload["spec"], "replica": 1}}
    assert "replica" in await applied(client, wrong, namespace)
    template = workload["spec"]["template"]
    unknown = {**template, "spec": {**template["spec"], "hostname_": "a"}}
    assert "hostname_" in await asked(api, pod(unknown, namespace))


@pytest.mark.parametrize("name", ["transformers", "vllm_several_nodes", "tuning_urls_to_image"])
async def test_the_root_user_is_all_that_keeps_pods_from_the_strictest_level(
    client: Client, api: Api, namespace: str, name: str
) -> None:
    await enforce(client, api, namespace, "restricted")
    (workload, *_) = objects(name)
    told = await asked(api, pod(workload["spec"]["template"], namespace))
    _, _, violations = told.partition("violates PodSecurity")
    assert ROOTLESS in violations, told
    for other in ("allowPrivilegeEscalation", "unrestricted capabilities", "seccompProfile", "volume types"):
        assert other not in violations, told
