"""A model that comes in pieces, one for each GPU, started on several nodes by torchrun."""

import os
import subprocess
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from controller.api import labels
from controller.api.json import Json
from controller.planning.rendering.serving import JOIN_SECONDS
from controller.planning.target import Serving
from tests.unit.planning.builders import UID
from tests.unit.planning.rendering.kit import A100, A100_4, manifest, pod, rendered, server, target_of

LEADER = "phi-0.phi-headless.default.svc"


class Answering(BaseHTTPRequestHandler):
    """A model server that is well."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def llama(sku: str = A100_4, count: int = 2, name: str = "llama-2-70b-chat", **metadata: Any) -> Json:
    options = {"image": "registry.example.com/llama:1"}
    obj = manifest(sku, count, inference={"preset": {"name": name, "accessMode": "private", "presetOptions": options}})
    return {**obj, "metadata": {**obj["metadata"], **metadata}}


def flags(obj: Json) -> dict[str, str]:
    command = server(rendered(obj))["command"]
    return dict(word.removeprefix("--").split("=", 1) for word in command if word.startswith("--"))


@pytest.mark.parametrize(
    ("sku", "count", "name", "nodes", "each"),
    [
        (A100_4, 2, "llama-2-70b-chat", "2", "4"),
        (A100, 8, "llama-2-70b-chat", "8", "1"),
        (A100, 2, "llama-2-13b", "2", "1"),
    ],
)
def test_rank_and_world_follow_from_nodes_and_pieces(sku: str, count: int, name: str, nodes: str, each: str) -> None:
    told = flags(llama(sku, count, name))
    assert (told["nnodes"], told["nproc_per_node"], told["node_rank"]) == (nodes, each, "$(POD_INDEX)")
    assert (told["master_addr"], told["rdzv_endpoint"]) == (LEADER, f"{LEADER}:29500")
    assert (told["rdzv_backend"], told["rdzv_id"]) == ("c10d", UID)
    assert server(rendered(llama(sku, count, name)))["env"][0]["name"] == "POD_INDEX"


def test_pods_wait_for_one_that_pulls_its_image_on_a_new_node_and_that_wait_is_no_failed_start() -> None:
    waits = dict(part.split("=") for part in flags(llama())["rdzv_conf"].split(","))
    assert {key: int(value) for key, value in waits.items()} == dict.fromkeys(
        ("join_timeout", "read_timeout"), JOIN_SECONDS
    )
    probe = server(rendered(llama()))["startupProbe"]
    assert probe["failureThreshold"] * probe["periodSeconds"] > JOIN_SECONDS, "killed while it waits for the others"


def test_each_pod_has_a_node_of_its_own_with_all_its_gpus() -> None:
    found = rendered(llama())
    assert (found.workload["kind"], found.workload["spec"]["replicas"]) == ("StatefulSet", 2)
    assert "podAntiAffinity" in pod(found)["affinity"]
    assert server(found)["resources"]["limits"] == {"nvidia.com/gpu": "4"}


@pytest.mark.parametrize("name", ["startupProbe", "readinessProbe", "livenessProbe"])
@pytest.mark.parametrize(("index", "well"), [("0", False), ("1", True)])
def test_only_the_first_pod_is_asked_so_that_a_roll_never_waits_for_a_leader_it_is_to_replace(
    name: str, index: str, well: bool
) -> None:
    command = server(rendered(llama()))[name]["exec"]["command"]
    assert command[-1] == "http://127.0.0.1:5000/health"
    nobody = [*command[:-1], "http://127.0.0.1:1/health"]
    ended = subprocess.run(nobody, env={**os.environ, "POD_INDEX": index}, capture_output=True, check=False)
    assert (ended.returncode == 0) is well, ended.stderr


def test_the_first_pod_is_well_when_the_model_answers() -> None:
    with HTTPServer(("127.0.0.1", 0), Answering) as running:
        command = server(rendered(llama()))["readinessProbe"]["exec"]["command"]
        asks = [*command[:-1], f"http://127.0.0.1:{running.server_port}/health"]
        with subprocess.Popen(asks, env={**os.environ, "POD_INDEX": "0"}) as probe:
            running.handle_request()
            assert probe.wait() == 0


def test_pieces_are_shared_out_evenly() -> None:
    work = target_of(llama(count=3)).work
    assert isinstance(work, Serving)
    assert work.nodes == 2, "8 pieces do not go into 3 nodes"


def test_on_one_node_nothing_is_looked_for_elsewhere() -> None:
    told = flags(llama("Standard_ND96isr_H100_v5", 1))
    assert (told["nnodes"], told["nproc_per_node"], told["rdzv_endpoint"]) == ("1", "8", "localhost:29500")


@pytest.mark.parametrize(("word", "ports"), [("True", [80]), ("", [80, 29500])])
def test_the_rendezvous_is_inside_the_cluster(word: str, ports: list[int]) -> None:
    clients, headless = rendered(llama(annotations={labels.ENABLE_LOAD_BALANCER: word})).services
    assert [port["port"] for port in clients["spec"]["ports"]] == ports
    assert clients["spec"]["selector"]["statefulset.kubernetes.io/pod-name"] == "phi-0"
    assert [port["port"] for port in headless["spec"]["ports"]] == [29500]
