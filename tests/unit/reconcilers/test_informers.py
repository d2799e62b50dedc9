from typing import Any

import pytest

from controller.api import labels
from controller.api.claims import MACHINE
from controller.api.json import Json
from controller.api.resources import CONFIG_MAPS
from controller.api.workspace import parse_workspace
from controller.planning.claims import Order, render_claim
from controller.planning.observed import Observed, parse_node
from controller.planning.pods import trouble_of
from controller.reconcilers.informers import (
    FREE,
    build_informers,
    claimed_by,
    free,
    named_by,
    slim_claim,
    slim_node,
    slim_pod,
)
from controller.reconcilers.observe import observe
from controller.runtime.cache import Informer
from tests.unit.planning.builders import workspace_object

_NOBODY: Any = None
"""A client nothing is asked of."""

NODE: Json = {
    "metadata": {"name": "n", "resourceVersion": "7", "labels": {"a": "b"}, "annotations": {"big": "x" * 1000}},
    "spec": {"podCIDR": "10.0.0.0/24", "taints": [{"key": "sku", "value": "gpu", "effect": "NoSchedule"}]},
    "status": {
        "allocatable": {"cpu": "6", labels.NVIDIA_GPU: "1"},
        "conditions": [
            {"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:00Z"},
            {"type": "MemoryPressure", "status": "False"},
        ],
        "images": [{"names": ["x" * 1000]}],
    },
}


def test_a_slim_node_says_all_that_is_read_of_it_and_no_more() -> None:
    assert parse_node(slim_node(NODE)) == parse_node(
        {**NODE, "status": {**NODE["status"], "allocatable": {labels.NVIDIA_GPU: "1"}}}
    )
    assert len(str(slim_node(NODE))) < 500


def test_a_heartbeat_leaves_a_slim_node_as_it_was() -> None:
    beat = {**NODE["status"]["conditions"][0], "lastHeartbeatTime": "2026-01-01T00:05:00Z"}
    later = {**NODE, "status": {**NODE["status"], "conditions": [beat]}}
    assert slim_node(later) == slim_node(NODE)


def test_a_slim_pod_still_tells_its_trouble() -> None:
    waiting = {"name": "c", "image": "i", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "m"}}}
    pod = {"metadata": {"name": "p", "annotations": {"x": "y"}}, "spec": {}, "status": {"containerStatuses": [waiting]}}
    assert trouble_of(slim_pod(pod)) == trouble_of(pod) is not None


def test_a_slim_pod_says_what_is_read_of_it_and_no_more() -> None:
    said = {"name": "c", "image": "i", "ready": True, "started": True, "restartCount": 2, "state": {"running": {}}}
    made_of = {
        "imageID": "x" * 90,
        "containerID": "y" * 90,
        "resources": {"limits": {"cpu": "1"}},
        "volumeMounts": [{}],
    }
    read = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
    conditions = [{**read, "lastProbeTime": None}, {**read, "type": "ContainersReady"}]
    status = {
        "phase": "Running",
        "conditions": conditions,
        "containerStatuses": [{**said, **made_of}],
        "podIP": "10.0.0.9",
    }
    pod: Json = {"metadata": {"name": "p", "annotations": {"x": "y"}}, "spec": {"containers": []}, "status": status}
    assert slim_pod(pod) == {
        "metadata": {"name": "p"},
        "status": {"phase": "Running", "conditions": [read], "containerStatuses": [said]},
    }


def test_objects_are_found_by_the_workspace_they_name() -> None:
    claim = {"metadata": {"labels": {labels.WORKSPACE: "phi", labels.WORKSPACE_NAMESPACE: "a"}}}
    assert list(claimed_by(claim)) == ["a/phi"]
    assert list(named_by({"metadata": {"namespace": "b", "labels": {labels.WORKSPACE: "phi"}}})) == ["b/phi"]
    assert list(claimed_by({"metadata": {}})) == list(named_by({"metadata": {}})) == []


def test_a_node_is_free_when_nobody_is_named_on_it() -> None:
    assert list(free(NODE)) == [FREE, "a=b"]
    for key in (labels.WORKSPACE, labels.WORKSPACE_UID, labels.RAG_ENGINE, labels.CLAIM_ORDINAL):
        assert list(free({"metadata": {"labels": {key: "x"}}})) == []
    assert list(free({"metadata": {"labels": {labels.NODE_POOL: labels.NODE_POOL_NAME}}})) == []
    assert FREE in free({"metadata": {"labels": {labels.NODE_POOL: "the-users-own"}}})


def test_a_slim_node_claim_is_silent_about_its_last_pod_event() -> None:
    """Karpenter renews it every few seconds; nothing here depends on it."""
    claim: Json = {"metadata": {"name": "c", "managedFields": []}, "status": {"nodeName": "n"}}
    noisy = {**claim, "status": {**claim["status"], "lastPodEventTime": "2026-01-01T00:00:00Z"}}
    assert slim_claim(noisy) == slim_claim(claim) == {"metadata": {"name": "c"}, "status": {"nodeName": "n"}}


def test_claims_are_known_once_those_of_every_served_kind_were_read() -> None:
    client: Any = None
    informers = build_informers(client, Informer(client, CONFIG_MAPS))
    assert informers.claims_unknown() == "reading machines, nodeclaims"
    informers.machines._replace([])
    assert informers.claims_unknown() == "reading nodeclaims"
    informers.node_claims._reflector.served = False
    assert informers.claims_unknown() == "", "a kind whose CRD is missing has no claims"
    informers.node_claims._reflector.served = True
    informers.node_claims._replace([])
    assert informers.claims_unknown() == ""


def test_a_slim_pod_tells_where_it_is() -> None:
    pod: Json = {"metadata": {"name": "p"}, "spec": {"nodeName": "n", "containers": []}, "status": {"phase": "Running"}}
    assert Observed(pods=(slim_pod(pod),)).hosts == {"n"}
    assert Observed(pods=(slim_pod({**pod, "status": {"phase": "Succeeded"}}),)).hosts == frozenset()


def test_a_node_a_claim_was_made_into_is_claimed_whatever_its_labels_say() -> None:
    client: Any = None
    informers = build_informers(client, Informer(client, CONFIG_MAPS))
    informers.node_claims._replace([{"metadata": {"name": "c"}, "status": {"nodeName": "n"}}])
    assert informers.is_claimed("n")
    assert not informers.is_claimed("other")


def test_the_nodes_of_a_workspaces_claims_are_seen_though_their_labels_were_taken_off() -> None:
    client: Any = None
    informers = build_informers(client, Informer(client, CONFIG_MAPS))
    owner = workspace_object()
    made = render_claim(parse_workspace(owner), 0, Order(MACHINE, ("Standard_NC6s_v3",), "amd64", 88))
    informers.machines._replace([{**made, "status": {"nodeName": "bare"}}])
    named = {labels.WORKSPACE: "phi", labels.WORKSPACE_NAMESPACE: "default"}
    found = {"bare": {}, "free": {"apps": "phi-3"}, "other": {"apps": "falcon"}, "ours": named}
    informers.nodes._replace([{"metadata": {"name": name, "labels": each}} for name, each in found.items()])
    seen = observe(informers, parse_workspace(owner), owner)
    assert sorted(node.name for node in seen.nodes) == ["bare", "free", "ours"]


def test_a_node_that_holds_anothers_pods_is_not_free_though_no_label_says_so() -> None:
    """KAITO labels no existing node: until its Workspace was looked at, only the pods tell whom the node serves."""
    informers = build_informers(_NOBODY, Informer(_NOBODY, CONFIG_MAPS))
    informers.workspaces._replace([{"metadata": {"name": "falcon", "namespace": "default"}}])
    names = ("inhabited", "vacated", "home", "pretended")
    informers.nodes._replace([{"metadata": {"name": name, "labels": {"apps": "phi-3"}}} for name in names])
    pods = [
        living("falcon", "inhabited"),
        {**living("falcon", "vacated"), "status": {"phase": "Succeeded"}},
        living("phi", "home"),
        living("nobody", "pretended"),
    ]
    informers.pods._replace(pods)
    owner = workspace_object()
    seen = observe(informers, parse_workspace(owner), owner)
    assert sorted(node.name for node in seen.nodes) == ["home", "pretended", "vacated"]


def living(workspace: str, node: str) -> Json:
    name = {"name": f"{workspace}-{node}", "namespace": "default", "labels": {labels.WORKSPACE: workspace}}
    return {"metadata": name, "spec": {"nodeName": node}, "status": {"phase": "Running"}}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, ["1", "2", "3"]),
        ({"pool": "a"}, ["1", "2"]),
        ({"pool": "a", "zone": "z"}, ["1"]),
        ({"pool": "a", "zone": "other"}, []),
    ],
    ids=str,
)
def test_free_nodes_are_found_by_the_rarest_label_that_is_wanted(wanted: dict[str, str], found: list[str]) -> None:
    informers = build_informers(_NOBODY, Informer(_NOBODY, CONFIG_MAPS))
    labelled = {"1": {"pool": "a", "zone": "z"}, "2": {"pool": "a"}, "3": {}}
    taken = {"pool": "a", "zone": "z", labels.WORKSPACE: "phi"}
    nodes = {**labelled, "taken": taken}.items()
    informers.nodes._replace([{"metadata": {"name": name, "labels": each}} for name, each in nodes])
    assert [node["metadata"]["name"] for node in informers.free_nodes(wanted.items())] == found
