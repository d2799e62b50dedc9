"""The facts of the cluster's nodes follow the nodes."""

import asyncio
from collections.abc import Collection

from controller.api.resources import NODES
from controller.node_store import NodeStore, slim
from controller.planning.node_facts import NodeFacts
from controller.runtime.cache import Informer
from tests.unit.runtime.model_server import ModelServer
from tests.unit.virtual_time import run_virtual


def names(facts: Collection[NodeFacts] | None) -> list[str] | None:
    return None if facts is None else sorted(each.name for each in facts)


def test_nodes_come_change_and_go() -> None:
    async def scenario() -> None:
        server = ModelServer()
        server.put("a", pool="x")
        store = NodeStore(Informer(server, NODES, transform=slim))
        assert store.facts() is None, "nothing is known before the nodes were listed once"
        task = asyncio.create_task(store.informer.run())
        await store.informer.wait_synced()
        assert names(store.facts()) == ["a"]
        server.put("b", pool="x")
        server.put("a", pool="y")
        await asyncio.sleep(1)
        assert {each.name: each.labels["pool"] for each in store.facts() or ()} == {"a": "y", "b": "x"}
        server.delete("a")
        await asyncio.sleep(1)
        assert names(store.facts()) == ["b"]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_virtual(scenario())


def test_of_a_node_only_identity_labels_and_gpus_are_kept() -> None:
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": "a",
            "uid": "u",
            "resourceVersion": "1",
            "labels": {"pool": "x"},
            "annotations": {"b": "c"},
        },
        "spec": {"podCIDR": "10.0.0.0/24"},
        "status": {"capacity": {"nvidia.com/gpu": "1", "cpu": "6"}, "images": [{"sizeBytes": 1}]},
    }
    assert slim(node) == {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "a", "uid": "u", "resourceVersion": "1", "labels": {"pool": "x"}},
        "status": {"capacity": {"nvidia.com/gpu": "1"}},
    }
