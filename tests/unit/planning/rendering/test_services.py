import pytest

from controller.api import labels
from controller.api.json import Json
from tests.unit.planning.builders import V100
from tests.unit.planning.rendering.kit import manifest, rendered, tuned


def service(**annotations: str) -> Json:
    (found,) = rendered(manifest(annotations=annotations)).services
    return found


def test_the_service_has_the_ports_clients_of_kaito_know() -> None:
    ports = [(port["port"], port["targetPort"]) for port in service()["spec"]["ports"]]
    assert ports == [(80, 5000), (29500, 29500)]


def test_clients_are_sent_to_pods_that_answer_and_to_no_others() -> None:
    assert "publishNotReadyAddresses" not in service()["spec"]


def test_the_rendezvous_port_never_leaves_the_cluster() -> None:
    found = service(**{labels.ENABLE_LOAD_BALANCER: "True"})["spec"]
    assert (found["type"], [port["port"] for port in found["ports"]]) == ("LoadBalancer", [80])


@pytest.mark.parametrize("word", ["true", "yes", "", "False"])
def test_only_the_exact_word_asks_for_a_load_balancer(word: str) -> None:
    assert service(**{labels.ENABLE_LOAD_BALANCER: word})["spec"]["type"] == "ClusterIP"


@pytest.mark.parametrize(
    ("ports", "target"),
    [
        ([], 5000),
        ([{"containerPort": 8000}], 8000),
        ([{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 8080, "protocol": "TCP"}], 8080),
    ],
)
def test_a_template_is_reached_at_the_first_tcp_port_it_declares(ports: list[Json], target: int) -> None:
    container = {"name": "own", "image": "registry.example.com/own:1", "ports": ports}
    (found,) = rendered(manifest(V100, inference={"template": {"spec": {"containers": [container]}}})).services
    assert [(port["port"], port["targetPort"]) for port in found["spec"]["ports"]] == [(80, target)]


def test_nobody_speaks_to_a_training_run() -> None:
    assert rendered(tuned()).services == ()
