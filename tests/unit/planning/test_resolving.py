"""Where existing nodes have different GPUs, and no size is named, a Workspace keeps to those that will do."""

from collections.abc import Iterable
from dataclasses import replace

import pytest

from controller.api import labels
from controller.api.json import Json
from controller.api.workspace import parse_workspace
from controller.catalog import load_catalog
from controller.planning.existing_nodes import narrowed
from controller.planning.node_facts import NodeFacts
from controller.planning.node_plan import plan_nodes
from controller.planning.node_status import node_conditions
from controller.planning.observed import Node, Observed
from controller.planning.resolving import resolve
from controller.planning.site import Site
from controller.planning.target import Target
from tests.unit.planning.builders import GPU, UID, V100, workspace_object
from tests.unit.planning.test_node_plan import NOW, pod

CATALOG = load_catalog()
A100, T4 = "Standard_NC24ads_A100_v4", "Standard_NC4as_T4_v3"
SELECTOR = {"matchLabels": {"apps": "phi-3"}}
OURS = {labels.WORKSPACE: "phi", labels.WORKSPACE_NAMESPACE: "default", labels.WORKSPACE_UID: UID}
THEIRS = {**OURS, labels.WORKSPACE: "falcon", labels.WORKSPACE_UID: "other"}


def asking(preset: str = "phi-3-mini-4k-instruct", **resource: object) -> Json:
    """A Workspace that names no size."""
    return workspace_object(
        resource={"count": 1, "labelSelector": SELECTOR, **resource}, inference={"preset": {"name": preset}}
    )


def node(name: str, size: str, owner: dict[str, str] | None = None, *, ready: bool = True) -> Node:
    found = {labels.INSTANCE_TYPE: size, "apps": "phi-3", **(owner or {})}
    return Node(name, labels=found, allocatable={GPU: "1"}, ready=ready)


def site(nodes: Iterable[Node]) -> Site:
    facts = [NodeFacts(each.name, each.labels, each.allocatable, each.ready) for each in nodes]
    return Site(CATALOG, auto_provision=False, nodes=lambda: facts)


def target(obj: Json, *nodes: Node) -> Target:
    found = resolve(parse_workspace(obj), obj, site(nodes))
    assert isinstance(found, Target), found
    return found


def taken(obj: Json, observed: Observed) -> list[str]:
    """The nodes the Workspace would take now."""
    demand = target(obj, *observed.nodes).demand
    return [each.name for each in plan_nodes(parse_workspace(obj), demand, observed).take]


LOST = node("node-b", A100, OURS, ready=False)


def test_a_lost_node_is_replaced_by_one_with_the_same_gpu_and_by_no_other() -> None:
    observed = Observed(nodes=(LOST, node("node-a", T4)), troubled={"node-b": "2026-01-05T09:00:00Z"}, now=NOW)
    assert taken(asking(), observed) == [], "another GPU means other number formats, and may not hold the model"
    assert taken(asking(), replace(observed, nodes=(*observed.nodes, node("node-c", A100)))) == ["node-c"]


@pytest.mark.parametrize(
    ("preset", "nodes", "expected"),
    [
        ("phi-3-mini-4k-instruct", [node("a", T4), node("b", A100)], ["a"]),
        ("phi-3-mini-4k-instruct", [node("a", T4, ready=False), node("b", A100)], ["b"]),
        ("phi-3-mini-4k-instruct", [node("a", A100, THEIRS), node("b", T4)], ["b"]),
        ("phi-4", [node("a", T4), node("b", A100)], ["b"]),
    ],
    ids=["the first by name", "the first is not Ready", "the first serves another", "the first is too small"],
)
def test_of_free_nodes_those_are_taken_that_will_do(preset: str, nodes: list[Node], expected: list[str]) -> None:
    assert taken(asking(preset), Observed(nodes=tuple(nodes))) == expected


def test_nodes_of_one_workspace_have_the_same_gpus() -> None:
    mixed = Observed(nodes=(node("a", T4), node("b", A100), node("c", T4)))
    assert taken(asking(count=2), mixed) == ["a", "c"]


def test_preferred_nodes_decide_which_gpus_it_is() -> None:
    assert taken(asking(preferredNodes=["b"]), Observed(nodes=(node("a", T4), node("b", A100)))) == ["b"]


def test_a_named_size_is_taken_at_its_word() -> None:
    obj = asking(instanceType=A100)
    assert target(obj, node("a", T4), node("b", A100)).demand.among is None


def test_an_own_node_with_other_gpus_is_told_and_replaced_in_time() -> None:
    nodes = (node("a", A100, OURS), node("b", T4, OURS), node("c", A100))
    obj = asking(count=2)
    demand = target(obj, *nodes).demand
    observed = Observed(nodes=nodes, pods=(pod("a"),), troubled={"b": "2026-01-05T09:00:00Z"}, now=NOW)
    plan = plan_nodes(parse_workspace(obj), demand, observed)
    assert ([each.name for each in plan.release], [each.name for each in plan.take]) == (["b"], ["c"])
    (_, told, _) = node_conditions(demand, plan, observed)
    assert told.message.startswith("node b has other GPUs than the Workspace's other nodes")


def test_pods_that_run_are_not_made_for_other_gpus_while_their_node_does_not_tell_its_own() -> None:
    untold = Node("b", labels={"apps": "phi-3", **OURS}, allocatable={GPU: "0"}, ready=True)
    obj, others = asking(), (node("a", T4), node("c", A100))
    assert not isinstance(resolve(parse_workspace(obj), obj, site((untold, *others))), Target)
    assert target(obj, node("b", A100, OURS), *others).sku.name == A100


def test_where_no_gpus_will_do_the_first_ones_are_told() -> None:
    obj = asking("phi-4")
    found = resolve(parse_workspace(obj), obj, site([node("a", V100), node("b", T4)]))
    assert not isinstance(found, Target)
    assert "Tesla V100" in found[0].text


def test_a_narrowed_site_knows_what_it_knew() -> None:
    assert narrowed(Site(CATALOG), {"a"}).nodes() is None
    assert [each.name for each in narrowed(site([node("a", T4), node("b", T4)]), {"b", "c"}).nodes() or ()] == ["b"]
