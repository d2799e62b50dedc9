"""The real API server takes everything that is rendered, and its pods keep the PodSecurity level they claim."""

import pytest

from controller.api.json import Json
from controller.api.resources import NAMESPACES, PODS
from controller.planning.drift import covers
from controller.planning.rendering import OWNED
from controller.runtime.client import Client
from tests.unit.planning.rendering.cases import CASES, objects

RESOURCES = {resource.kind: resource for resource in OWNED}
LEVEL = {"pod-security.kubernetes.io/enforce": "baseline"}


@pytest.mark.parametrize("name", CASES)
async def test_every_object_is_accepted(client: Client, namespace: str, name: str) -> None:
    await client.merge(NAMESPACES, namespace, {"metadata": {"labels": LEVEL}})
    for obj in objects(name):
        placed = {**obj, "metadata": {**obj["metadata"], "namespace": namespace}}
        answer = await client.apply(RESOURCES[obj["kind"]], placed, manager="tests", dry_run=True)
        assert covers(answer["spec"], obj["spec"]), "what is stored would look like a difference for ever"
        if "template" in obj["spec"]:
            await client.apply(PODS, pod_of(obj, namespace), manager="tests", dry_run=True)


def pod_of(workload: Json, namespace: str) -> Json:
    """A pod as the workload's controller would make it; only pods are held to a PodSecurity level."""
    template = workload["spec"]["template"]
    metadata = {**template["metadata"], "name": "sample", "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}
