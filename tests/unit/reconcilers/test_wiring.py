"""Which change makes which Workspace be looked at again."""

from typing import Any

from controller.api import labels
from controller.api.json import Json, Key
from controller.api.resources import CONFIG_MAPS
from controller.reconcilers.informers import Informers, build_informers
from controller.reconcilers.wiring import connect
from controller.runtime.cache import Informer


def node(**labelled: str) -> Json:
    found = {labels.INSTANCE_TYPE: "Standard_NC6s_v3", **labelled}
    return {"metadata": {"name": "n", "labels": found, "resourceVersion": "1"}}


def pod(name: str) -> Json:
    metadata = {"name": name, "namespace": "a", "labels": {labels.WORKSPACE: "old"}, "resourceVersion": "1"}
    return {"metadata": metadata, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}}


def workspace(name: str, status: str) -> Json:
    conditions = [{"type": "ResourceReady", "status": status}]
    return {"metadata": {"namespace": "a", "name": name}, "status": {"conditions": conditions}}


def connected(*nodes: Json, pods: tuple[Json, ...] = ()) -> tuple[Informers, list[Key]]:
    """Caches with a Workspace that waits for nodes and one that does not, and what is enqueued from now on."""
    client: Any = None
    informers, keys = build_informers(client, Informer(client, CONFIG_MAPS)), list[Key]()
    informers.workspaces._replace([workspace("waits", "False"), workspace("runs", "True")])
    informers.nodes._replace(nodes)
    informers.pods._replace(pods)
    connect(informers, keys.append)
    keys.clear()
    return informers, keys


def test_a_free_node_that_joins_concerns_those_that_wait_for_nodes() -> None:
    informers, keys = connected()
    informers.nodes._replace([node()])
    assert keys == [("a", "waits")]


def test_at_the_start_every_workspace_is_looked_at_and_the_nodes_add_nothing_to_that() -> None:
    client: Any = None
    informers, keys = build_informers(client, Informer(client, CONFIG_MAPS)), list[Key]()
    informers.workspaces._replace([workspace("waits", "False"), workspace("runs", "True")])
    informers.nodes._replace([node()])
    connect(informers, keys.append)
    assert sorted(keys) == [("a", "runs"), ("a", "waits")]


def test_a_node_that_serves_somebody_concerns_nobody_else() -> None:
    informers, keys = connected()
    informers.nodes._replace([node(**{labels.WORKSPACE: "old", labels.WORKSPACE_NAMESPACE: "a"})])
    assert keys == [("a", "old")]


def test_the_last_pod_that_leaves_an_unlabelled_node_makes_room() -> None:
    informers, keys = connected(node(), pods=(pod("p1"), pod("p2")))
    informers.pods._replace([pod("p2")])
    assert keys == [("a", "old")], "another pod still holds the node"
    keys.clear()
    informers.pods._replace([])
    assert keys == [("a", "old"), ("a", "waits")]
