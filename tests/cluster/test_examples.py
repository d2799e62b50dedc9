"""Every example passes the real API server and the webhook, and what it has Kubernetes make is taken too."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.planning.admission.strict import POD_TEMPLATE, misfits
from tests.cluster.harness import NODE_OF_TEST, Cluster, eventually
from tests.cluster.webhook_kit import Webhook
from tests.unit.planning.manifests import changed
from tests.unit.test_examples import FILES, FOLDER, NODE

TEMPLATE = FOLDER / "inference" / "kaito_workspace_custom_template.yaml"


@pytest.fixture
async def pool(webhook: Webhook, namespace: str) -> None:
    """The node that must exist before for examples on existing nodes."""
    metadata = {"name": f"{namespace}-gpu", "labels": {**NODE.labels, NODE_OF_TEST: namespace}}
    await webhook.cluster.apply({"apiVersion": "v1", "kind": "Node", "metadata": metadata})


async def until_admitted(webhook: Webhook, *arguments: str) -> str:
    """What kubectl says once the webhook has seen the nodes there are."""
    said = ""

    async def admitted() -> str:
        nonlocal said
        code, said = await webhook.kubectl("apply", *arguments)
        return "" if code == 0 else said

    await eventually(admitted)
    return said


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
async def test_an_example_is_admitted(webhook: Webhook, namespace: str, pool: None, path: Path) -> None:
    text = await until_admitted(webhook, "-n", namespace, "--dry-run=server", "-f", str(path))
    assert "(server dry run)" in text


async def test_all_examples_can_be_applied_and_removed_together(webhook: Webhook, namespace: str, pool: None) -> None:
    everything = ("-n", namespace, "-R", "-f", str(FOLDER))
    await until_admitted(webhook, *everything)
    code, text = await webhook.kubectl("delete", *everything, "--wait=false")
    assert code == 0, text


def pod_template() -> Json:
    """That of the example."""
    template: Json = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))["inference"]["template"]
    return template


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("", None),
        ("spec.containres", []),
        ("spec.terminationGracePeriodSeconds", "30"),
        ("spec.nodeSelector", {"pool": 1}),
        ("spec.containers", [{"name": "a", "image": "b", "env": [{"name": "c", "value": 1}]}]),
        ("spec.containers", [{"name": "a", "image": "b", "resources": {"limits": {"memory": "16 GB"}}}]),
        ("spec.containers", [{"name": "a", "image": "b", "resources": {"limits": {"cpu": 1}}}]),
        ("spec.containers", [{"name": "a", "image": "b", "ports": [{"containerPort": "80"}]}]),
        ("spec.containers", [{"name": "a", "image": "b", "livenessProbe": {"httpGet": {"port": "http"}}}]),
        ("spec.volumes", [{"name": "dshm", "emptyDir": {"sizeLimit": 5}}]),
        ("spec.volumes", [{"name": "dshm", "persistentVolumeClaim": {}}]),
        ("spec.tolerations", {}),
    ],
)
async def test_pod_templates_are_read_as_the_api_server_reads_them(
    cluster: Cluster, namespace: str, path: str, value: Any
) -> None:
    template = changed(pod_template(), path, value) if path else pod_template()
    ours = [problem.text for problem in misfits(template, POD_TEMPLATE, "t", Reason.TEMPLATE_INVALID)]
    status, answer = await as_deployment(cluster, namespace, template)
    assert (not ours) is (status == 201), f"we say {ours}, the API server says {status}: {json.dumps(answer)}"


async def as_deployment(cluster: Cluster, namespace: str, template: Json) -> tuple[int, Any]:
    """The API server's answer to a Deployment of the template, read strictly; nothing is stored."""
    labels = {"app": "server"}
    template = changed(template, "metadata.labels", labels)
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "server"},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }
    query = "dryRun=All&fieldValidation=Strict"
    async with cluster.api() as api:
        return await api.request("POST", f"/apis/apps/v1/namespaces/{namespace}/deployments?{query}", body)
