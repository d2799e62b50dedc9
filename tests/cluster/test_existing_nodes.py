"""Admission where no nodes are made: the webhook watches the nodes there are, with its shipped rights."""

import json
from collections.abc import Iterator

import pytest

from controller.api.json import Json
from tests.cluster.harness import NODE_OF_TEST, Cluster, eventually
from tests.cluster.webhook_kit import Webhook, running_webhook
from tests.unit.planning.manifests import example

A100 = {"nvidia.com/gpu.product": "NVIDIA-A100-80GB", "nvidia.com/gpu.count": "1", "nvidia.com/gpu.memory": "81920"}


@pytest.fixture(scope="module")
def webhook(cluster: Cluster, crds: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webhook]:
    """The webhook of an installation that uses existing nodes."""
    log = tmp_path_factory.mktemp("webhook") / "log"
    with running_webhook(cluster, log, {"node-source": "existing"}) as running:
        yield running


@pytest.fixture
async def pool(webhook: Webhook, namespace: str) -> str:
    """A pool of one A100 node, of the test's own."""
    node: Json = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": f"{namespace}-gpu", "labels": {**A100, "pool": namespace, NODE_OF_TEST: namespace}},
    }
    async with webhook.cluster.api() as api:
        status, text = await api.request("POST", "/api/v1/nodes", node)
        assert status == 201, text
    return namespace


def serving(pool: str, **changes: object) -> Json:
    return example(
        apiVersion="kaito.sh/v1beta1",
        resource={"labelSelector": {"matchLabels": {"pool": pool}}},
        **{"inference__preset__name": "phi-4-mini-instruct", **changes},
    )


async def test_nodes_that_come_and_change_are_judged_as_they_are(webhook: Webhook, namespace: str, pool: str) -> None:
    async def seen() -> str:
        code, text = await webhook.apply(namespace, serving(pool), "--dry-run=server")
        return "" if code == 0 else text

    await eventually(seen)
    code, text = await webhook.apply(namespace, serving(pool, inference__preset__name="deepseek-r1-0528"))
    assert code == 1
    assert "resource.labelSelector: selects nodes with 1 GPU NVIDIA A100 80GB" in text
    assert "1 node matches" in text, text
    await webhook.kubectl("label", "node", f"{pool}-gpu", "nvidia.com/gpu.memory-")

    async def unknown() -> str:
        code, text = await webhook.apply(namespace, serving(pool), "--dry-run=server")
        told = "whose GPUs are not known: its label nvidia.com/gpu.memory is missing"
        return "" if code == 1 and told in text else text

    await eventually(unknown)


async def test_no_matching_node_is_told(webhook: Webhook, namespace: str) -> None:
    code, text = await webhook.apply(namespace, serving("nobody"))
    assert code == 1
    assert "resource.labelSelector: matches no node: of " in text
    assert "(NoNodesMatch)" in text, text


async def test_an_empty_size_stays_empty(webhook: Webhook, namespace: str, pool: str) -> None:
    async def accepted() -> str:
        code, text = await webhook.apply(namespace, serving(pool))
        return "" if code == 0 else text

    await eventually(accepted)
    stored = await webhook.cluster.get("workspace", "workspace-phi-3-mini", "-n", namespace)
    assert stored["resource"] == {"labelSelector": {"matchLabels": {"pool": pool}}}, json.dumps(stored)
