from controller.api import labels
from controller.api.json import Json
from tests.unit.planning.builders import UID, V100
from tests.unit.planning.rendering.kit import manifest, pod, rendered

CONTAINER = {"name": "own", "image": "registry.example.com/own:1", "resources": {"limits": {"nvidia.com/gpu": "1"}}}
OWN = {"key": labels.WORKSPACE_UID, "operator": "In", "values": [UID]}
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def templated(spec: Json, metadata: Json | None = None, count: int = 1) -> Json:
    template = {"metadata": metadata or {}, "spec": {"containers": [CONTAINER], **spec}}
    return manifest(V100, count, inference={"template": template})


def test_the_users_pod_is_pinned_and_tolerated_and_otherwise_as_written() -> None:
    spec: Json = {"serviceAccountName": "own", "terminationGracePeriodSeconds": 5, "nodeSelector": {"disk": "fast"}}
    found = pod(rendered(templated(spec)))
    assert {**found, "affinity": None, "tolerations": None} == {
        "containers": [CONTAINER], **spec, "affinity": None, "tolerations": None,
    }  # fmt: skip
    assert found["affinity"] == {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": [OWN]}]}}}
    assert {"key": "sku", "operator": "Exists", "effect": "NoSchedule"} in found["tolerations"]


def test_what_the_user_asks_of_nodes_and_neighbours_still_holds() -> None:
    zone = {"key": "zone", "operator": "In", "values": ["1"]}
    spread = {"podAntiAffinity": {REQUIRED: [{"topologyKey": "kubernetes.io/hostname", "labelSelector": {}}]}}
    terms: list[Json] = [{"matchExpressions": [zone]}, {"matchFields": [{"key": "metadata.name", "operator": "In"}]}]
    wished = {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": terms}}, **spread}
    found = pod(rendered(templated({"affinity": wished})))["affinity"]
    assert found["podAntiAffinity"] == spread["podAntiAffinity"]
    narrowed = found["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]
    assert [term["matchExpressions"] for term in narrowed] == [[zone, OWN], [OWN]]
    assert narrowed[1]["matchFields"] == terms[1]["matchFields"]


def test_a_toleration_the_user_has_already_is_not_repeated() -> None:
    own = {"key": "sku", "operator": "Exists", "effect": "NoSchedule"}
    assert pod(rendered(templated({"tolerations": [own]})))["tolerations"].count(own) == 1


def test_the_users_labels_stay_beside_ours_and_every_node_gets_a_pod() -> None:
    found = rendered(templated({}, {"labels": {"team": "a"}, "annotations": {"note": "b"}}, count=3)).workload
    metadata = found["spec"]["template"]["metadata"]
    assert metadata == {"labels": {"team": "a", labels.WORKSPACE: "phi"}, "annotations": {"note": "b"}}
    assert (found["spec"]["replicas"], found["spec"]["selector"]["matchLabels"]) == (3, {labels.WORKSPACE: "phi"})
