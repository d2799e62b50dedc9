"""What is kept of a node, and under which pools it is found."""

from typing import Any

import pytest

from provisioner.nodes import parse_node, pool_names, slim_claim, slim_node
from tests.unit.provisioner.builders import NAME, machine, node, node_json


@pytest.mark.parametrize("options", [{}, {"registered": False}, {"deleting": True}, {"ready": False}, {"gpus": 0}])
def test_the_slim_form_says_the_same_as_the_whole_node(options: dict[str, Any]) -> None:
    whole = node_json(**options)
    whole["metadata"]["managedFields"] = [{"manager": "kubelet"}]
    whole["status"]["images"] = [{"names": ["x"]}]
    whole["status"]["conditions"].append({"type": "DiskPressure", "status": "False"})
    slim = slim_node(whole)
    assert parse_node(slim) == parse_node(whole)
    assert (slim["apiVersion"], slim["kind"]) == ("v1", "Node")
    assert "managedFields" not in slim["metadata"]
    assert "images" not in slim["status"]


def test_a_bare_node_is_read_without_complaint() -> None:
    bare = parse_node(slim_node({"metadata": {"name": "n"}}))
    assert (bare.name, bare.ready, bare.taints) == ("n", False, ())


def test_nodes_are_found_by_either_of_the_pool_labels() -> None:
    assert list(pool_names(node_json())) == [NAME]
    assert sorted(pool_names({"metadata": {"labels": {"agentpool": "a", "kubernetes.azure.com/agentpool": "b"}}})) == [
        "a",
        "b",
    ]
    assert list(pool_names({"metadata": {}})) == []


def test_a_claim_is_kept_without_its_managed_fields() -> None:
    stored = machine()
    stored["metadata"]["managedFields"] = [{}]
    assert slim_claim(stored) == machine()


def test_ownership_is_by_kind_and_name() -> None:
    assert node().owned_by_claim(NAME)
    assert not node().owned_by_claim("other")
    assert not node(registered=False).owned_by_claim(NAME)
