"""Which nodes a Workspace means, and which size they amount to."""

import pytest

from controller.api.workspace import Partition
from controller.catalog import load_catalog
from controller.planning.existing_nodes import candidates, part_of, sku_for
from controller.planning.node_facts import NodeFacts
from controller.planning.site import Site
from tests.unit.planning.builders import UID, workspace

CATALOG = load_catalog()
TYPE = "node.kubernetes.io/instance-type"
V100, T4 = "Standard_NC6s_v3", "Standard_NC4as_T4_v3"
APPS = {"apps": "phi-3"}
SELECTOR = {"labelSelector": {"matchLabels": APPS}}


def node(name: str, size: str = "", **labels: str) -> NodeFacts:
    return NodeFacts(name, {**APPS, **({TYPE: size} if size else {}), **labels})


def site(*nodes: NodeFacts) -> Site:
    return Site(CATALOG, auto_provision=False, nodes=lambda: nodes)


NODES = (node("b", V100), node("a", T4), node("c"), NodeFacts("foreign", {TYPE: V100}))


@pytest.mark.parametrize(
    ("size", "names"),
    [("", ["a", "b", "c"]), (V100, ["b", "c"]), ("standard_nc6S_V3", ["b", "c"]), ("Standard_NC12s_v3", ["c"])],
)
def test_selector_and_size_narrow_the_choice(size: str, names: list[str]) -> None:
    """A node that does not say its size is judged by its GPUs alone."""
    found = candidates(workspace(resource={**SELECTOR, "instanceType": size}), site(*NODES))
    assert found is not None
    assert [each.name for each in found] == names


def test_while_nobody_watches_nodes_nothing_is_said() -> None:
    assert candidates(workspace(), Site(CATALOG, auto_provision=False)) is None


def name_of_size(resource: dict[str, object], there: Site) -> str | None:
    found = sku_for(workspace(resource={**SELECTOR, **resource}), there)
    return found.name if found else None


def test_the_size_is_that_of_the_nodes() -> None:
    assert name_of_size({}, site(node("a", T4))) == T4


def test_nodes_that_are_its_own_go_first() -> None:
    assert name_of_size({}, site(node("a", T4), node("b", V100, **{"kaito.sh/workspace-uid": UID}))) == V100


def test_a_node_that_says_nothing_is_passed_over() -> None:
    assert name_of_size({}, site(node("a"), node("b", V100))) == V100


@pytest.mark.parametrize(("named", "size"), [(V100, V100), ("g5.xlarge", "g5.xlarge"), ("rack-4", None), ("", None)])
def test_without_nodes_the_name_decides(named: str, size: str | None) -> None:
    assert name_of_size({"instanceType": named}, site()) == size


@pytest.mark.parametrize(
    ("named", "size"), [(V100, V100), ("g5.xlarge", None), ("Standard_ND96asr_A100_v4", None), ("", None)]
)
def test_where_nodes_are_made_only_a_deployable_size_of_the_cloud_counts(named: str, size: str | None) -> None:
    assert name_of_size({"instanceType": named}, Site(CATALOG, nodes=lambda: [node("a", T4)])) == size


@pytest.mark.parametrize(
    ("partition", "gpus", "memory"),
    [
        (Partition("accelerator", count=2), 2, 80),
        (Partition("accelerator", count=4), 4, 80),
        (Partition("accelerator", count=5), 4, 80),
        (Partition("accelerator"), 4, 80),
        (Partition("mig", "1g.10gb"), 1, 10),
        (Partition("mig", "7g.80gb"), 1, 80),
        (Partition("mig", "9g.1gb"), 4, 80),
        (Partition("mps"), 4, 80),
    ],
)
def test_a_partition_leaves_a_part(partition: Partition, gpus: int, memory: int) -> None:
    whole = CATALOG.sku("Standard_NC96ads_A100_v4")
    assert whole is not None
    part = part_of(whole, partition)
    assert (part.gpu_count, part.gpu_memory_gib) == (gpus, memory)
    assert part.name == whole.name


def test_every_value_an_expression_allows_is_meant() -> None:
    either = {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["old", "new"]}]}
    nodes = (node("a", pool="old"), node("b", pool="new"), node("c", pool="other"))
    found = candidates(workspace(resource={"labelSelector": either, "instanceType": ""}), site(*nodes))
    assert found is not None
    assert [each.name for each in found] == ["a", "b"], "an `In` expression names several values, each of them will do"
