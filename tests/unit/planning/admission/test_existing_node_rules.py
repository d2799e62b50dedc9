"""Workspaces on existing nodes: which nodes do, which do not, and what is said about them."""

from typing import Any

import pytest

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.catalog import load_catalog
from controller.planning.admission.validation import Findings, validate, validate_stored, validate_update
from controller.planning.node_facts import NodeFacts
from controller.planning.site import Site
from tests.unit.planning.manifests import changed, example

CATALOG = load_catalog()
SELECTOR = "resource.labelSelector"


def gpu_node(
    name: str, product: str = "NVIDIA-A100-80GB", count: str = "1", memory: str = "81920", **more: str
) -> NodeFacts:
    """A node of the pool `a100`, labelled by GPU feature discovery."""
    gpus = {"nvidia.com/gpu.product": product, "nvidia.com/gpu.count": count, "nvidia.com/gpu.memory": memory}
    return NodeFacts(name, {"pool": "a100", **gpus, **more})


def without(node: NodeFacts, label: str) -> NodeFacts:
    return NodeFacts(node.name, {key: value for key, value in node.labels.items() if key != label}, node.capacity)


def sized(name: str, size: str) -> NodeFacts:
    return NodeFacts(name, {"pool": "a100", "node.kubernetes.io/instance-type": size})


PAIR = (gpu_node("gpu-1"), gpu_node("gpu-2"))
CPU = NodeFacts("cpu-1", {"pool": "a100"})
COUNTED = NodeFacts("gpu-1", {"pool": "a100"}, {"nvidia.com/gpu": "1"})
V100 = gpu_node("gpu-9", "Tesla-V100-SXM2-16GB", "1", "16384")
TEMPLATE = {"spec": {"containers": [{"name": "main", "image": "example.io/serve:1"}]}}


def on_nodes(**changes: Any) -> Json:
    """A Workspace for the nodes of the pool `a100`; `metadata__name="x"` changes a field."""
    base: dict[str, Any] = {
        "apiVersion": "kaito.sh/v1beta1",
        "resource": {"labelSelector": {"matchLabels": {"pool": "a100"}}},
        "inference__preset__name": "phi-4-mini-instruct",
    }
    return example(**{**base, **changes})


def site(*nodes: NodeFacts) -> Site:
    return Site(CATALOG, auto_provision=False, nodes=lambda: nodes)


def judge(obj: Json, *nodes: NodeFacts) -> Findings:
    return validate(obj, site(*nodes))


ACCEPTED: list[tuple[str, dict[str, Any], tuple[NodeFacts, ...]]] = [
    ("two nodes of one kind", {}, PAIR),
    ("nodes that are not Ready: all count", {"inference__preset__name": "microsoft/phi-4"}, PAIR),
    ("a model the nodes hold together", {"inference__preset__name": "openai/gpt-oss-120b"}, PAIR),
    ("nodes of others beside them", {}, (*PAIR, NodeFacts("cpu-1", {"pool": "cpu"}))),
    ("a size the nodes do not name", {"resource__instanceType": "Standard_NC24ads_A100_v4"}, PAIR),
    ("nodes only their cloud describes", {}, (sized("gpu-1", "Standard_NC24ads_A100_v4"),)),
    ("nodes of another cloud", {}, (sized("gpu-1", "g5.xlarge"),)),
    ("nodes only the device plug-in describes", {}, (COUNTED,)),
    ("one kind, described in two ways", {},
     (sized("gpu-1", "Standard_NC24ads_A100_v4"),
      gpu_node("gpu-2", **{"node.kubernetes.io/instance-type": "Standard_NC24ads_A100_v4"}))),
    ("two kinds, one of which is named", {"resource__instanceType": "Standard_NC6s_v3",
                                        "inference__preset__name": "phi-3-mini-4k-instruct"},
     (sized("gpu-1", "Standard_NC24ads_A100_v4"), sized("gpu-2", "standard_nc6s_v3"))),
    ("a malformed label beside a known size", {},
     (gpu_node("gpu-1", count="one", **{"node.kubernetes.io/instance-type": "Standard_NC24ads_A100_v4"}),)),
    ("a template needs to know nothing of the nodes", {"inference": {"template": TEMPLATE}}, ()),
    ("a template without resource", {"inference": {"template": TEMPLATE}, "resource": None}, ()),
    ("too little memory, bypassed",
     {"inference__preset__name": "meta-llama/Llama-3.3-70B-Instruct",
      "metadata__annotations": {"kaito.sh/bypass-resource-checks": ""}},
     (gpu_node("gpu-1"),)),
    ("a slice", {"resource__partition": {"mode": "mig", "profile": "2g.20gb"}}, PAIR),
    ("some of the GPUs", {"resource__partition": {"mode": "accelerator", "count": 1}}, PAIR),
]  # fmt: skip


@pytest.mark.parametrize(("title", "changes", "nodes"), ACCEPTED, ids=[row[0] for row in ACCEPTED])
def test_accepted(title: str, changes: dict[str, Any], nodes: tuple[NodeFacts, ...]) -> None:
    assert judge(on_nodes(**changes), *nodes).problems == (), title


REFUSED: list[tuple[str, dict[str, Any], tuple[NodeFacts, ...], Reason, str]] = [
    ("no node at all", {}, (), Reason.NO_NODES_MATCH, "of 0 nodes in the cluster none has"),
    ("no node with the label", {}, (NodeFacts("cpu-1", {"pool": "cpu"}),), Reason.NO_NODES_MATCH,
     'of 1 node in the cluster none has "pool=a100"'),
    ("no node of the size", {"resource__instanceType": "Standard_NC6s_v3"},
     (sized("gpu-1", "Standard_NC24ads_A100_v4"),), Reason.NO_NODES_MATCH,
     '"pool=a100" and node.kubernetes.io/instance-type "Standard_NC6s_v3"'),
    ("an empty selector in an empty cluster", {"resource__labelSelector": {}}, (), Reason.NO_NODES_MATCH,
     "the cluster has no node"),
    ("an empty selector where nodes have no GPU", {"resource__labelSelector": {}}, (CPU,), Reason.NODE_GPU_UNKNOWN,
     'node "cpu-1", whose GPUs are not known: its label nvidia.com/gpu.product is missing'),
    ("a node that keeps its memory to itself", {}, (without(PAIR[0], "nvidia.com/gpu.memory"),),
     Reason.NODE_GPU_UNKNOWN, 'node "gpu-1", whose GPUs are not known: its label nvidia.com/gpu.memory is missing'),
    ("a number in words", {}, (gpu_node("gpu-1", count="one"),), Reason.NODE_GPU_UNKNOWN,
     'its label nvidia.com/gpu.count is "one"'),
    ("two kinds of node", {}, (PAIR[0], V100), Reason.NODES_DIFFER,
     '"gpu-1" has 1 GPU NVIDIA A100 80GB of 80 GiB, "gpu-9" has 1 GPU Tesla V100 SXM2 16GB of 16 GiB'),
    ("two numbers of GPUs", {}, (PAIR[0], gpu_node("gpu-3", count="2")), Reason.NODES_DIFFER,
     '"gpu-1" has 1 GPU NVIDIA A100 80GB of 80 GiB, "gpu-3" has 2 GPUs'),
    ("a model larger than all nodes together", {"inference__preset__name": "deepseek-ai/DeepSeek-R1-0528"}, PAIR,
     Reason.INSUFFICIENT_GPU_MEMORY, "nodes for deepseek-r1-0528, 2 nodes match"),
    ("a model no number of such nodes holds",
     {"inference__preset__name": "phi-3-medium-4k-instruct", "metadata__annotations": {"kaito.sh/runtime": "vllm"}},
     (gpu_node("gpu-1", "Tesla-T4", "1", "15360"),), Reason.INSUFFICIENT_GPU_MEMORY,
     "resource.labelSelector selects nodes with 1 GPU Tesla T4, which is too small for phi-3-medium-4k-instruct"),
    ("GPUs the image has no code for", {"inference__preset__name": "llama-3.3-70b-instruct"},
     (gpu_node("gpu-1", "Tesla-V100-SXM2-32GB", "8", "32768"),), Reason.GPU_NOT_SUPPORTED,
     "resource.labelSelector selects nodes with 8 GPUs Tesla V100 SXM2 32GB, which cannot run llama-3.3-70b-instruct"),
    ("a slice smaller than the model", {"resource__partition": {"mode": "mig", "profile": "1g.5gb"}},
     (gpu_node("gpu-1", "NVIDIA-A100-SXM4-40GB", "1", "40960"),), Reason.INSUFFICIENT_GPU_MEMORY, "5.00 usable"),
    ("more GPUs than a node has", {"resource__partition": {"mode": "accelerator", "count": 2}}, PAIR,
     Reason.PARTITION_INVALID, 'resource.partition.count is 2: node "gpu-1" has 1'),
]  # fmt: skip


@pytest.mark.parametrize(("title", "changes", "nodes", "reason", "says"), REFUSED, ids=[row[0] for row in REFUSED])
def test_refused(title: str, changes: dict[str, Any], nodes: tuple[NodeFacts, ...], reason: Reason, says: str) -> None:
    found = judge(on_nodes(**changes), *nodes)
    texts = [problem.text for problem in found.problems if problem.reason is reason]
    assert texts, f"{title}: {[problem.text for problem in found.problems]}"
    assert says in texts[0]


def test_the_first_fix_for_unknown_gpus_is_to_leave_such_nodes_out() -> None:
    (problem,) = judge(on_nodes(), CPU).problems
    assert problem.fixes[0] == "select GPU nodes only"


WARNED: list[tuple[str, dict[str, Any], tuple[NodeFacts, ...], str]] = [
    ("an empty selector", {"resource__labelSelector": {}}, PAIR,
     "resource.labelSelector is empty: every node of the cluster may be used"),
    ("no selector", {"resource": None}, PAIR,
     "resource.labelSelector is not set: every node of the cluster may be used"),
    ("more nodes than there are", {"resource__count": 3}, PAIR,
     "3 nodes are asked for and 2 nodes match: the model starts when there are enough"),
    ("memory nobody states", {}, (COUNTED,),
     "the GPU memory of nvidia GPU is not known: whether phi-4-mini-instruct fits is not checked"),
    ("a slice the GPUs do not have", {"resource__partition": {"mode": "mig", "profile": "2g.24gb"}}, PAIR,
     'NVIDIA A100 80GB on node "gpu-1" has no slices 2g.24gb: no pod would start'),
    ("a name no node can have", {"resource__preferredNodes": ["gpu-1", "GPU 2"]}, PAIR,
     'resource.preferredNodes[1] "GPU 2" cannot be the name of a node and is passed over'),
]  # fmt: skip


@pytest.mark.parametrize(("title", "changes", "nodes", "text"), WARNED, ids=[row[0] for row in WARNED])
def test_warned(title: str, changes: dict[str, Any], nodes: tuple[NodeFacts, ...], text: str) -> None:
    found = judge(on_nodes(**changes), *nodes)
    assert (found.problems, text in found.warnings) == ((), True), f"{title}: {found}"


def test_while_nobody_watches_nodes_their_fit_is_not_checked_and_that_is_said() -> None:
    found = validate(on_nodes(), Site(CATALOG, auto_provision=False))
    told = "the nodes of the cluster are not known here: whether the model fits them is not checked"
    assert found == Findings(warnings=(told,))


def test_a_named_size_is_judged_even_while_nobody_watches_nodes() -> None:
    small = on_nodes(resource__instanceType="Standard_NV6ads_A10_v5", inference__preset__name="phi-3-mini-4k-instruct")
    found = validate(small, Site(CATALOG, auto_provision=False))
    assert [problem.reason for problem in found.problems] == [Reason.INSUFFICIENT_GPU_MEMORY]


def test_a_size_nobody_listed_is_taken_as_a_label_of_the_nodes() -> None:
    labelled = gpu_node("gpu-1", **{"node.kubernetes.io/instance-type": "rack-4"})
    assert judge(on_nodes(resource__instanceType="rack-4"), labelled).problems == ()


def test_a_size_without_gpu_is_refused_on_existing_nodes_too() -> None:
    found = judge(on_nodes(resource__instanceType="Standard_D4s_v5"), sized("cpu-1", "Standard_D4s_v5"))
    assert Reason.INSTANCE_TYPE_HAS_NO_GPU in {problem.reason for problem in found.problems}


def test_nodes_come_and_go_without_making_a_stored_workspace_invalid() -> None:
    """The controller waits for nodes; only whoever creates a Workspace is told that none match."""
    assert judge(on_nodes()).problems
    assert validate_stored(on_nodes(), site()) == Findings()


def test_nodes_come_and_go_without_standing_in_the_way_of_a_change() -> None:
    later = changed(on_nodes(), "metadata.labels", {"team": "a"})
    assert validate_update(on_nodes(), later, site(CPU)) == Findings()


def test_no_node_of_the_cluster_is_asked_about_where_nodes_are_made() -> None:
    def nobody() -> tuple[NodeFacts, ...]:
        raise AssertionError("nodes that exist decide nothing here")

    assert validate(example(), Site(CATALOG, nodes=nobody)).problems == ()


def fixes(obj: Json, *nodes: NodeFacts) -> list[str]:
    (problem,) = judge(obj, *nodes).problems
    assert len(problem.text) < 600
    return list(problem.fixes)


def test_the_way_out_of_too_few_nodes_is_more_of_them() -> None:
    found = fixes(on_nodes(inference__preset__name="llama-3.3-70b-instruct"), *PAIR)
    assert found[0] == "label 1 more node of this kind to match"
    more = (gpu_node("gpu-3"), *PAIR)
    assert judge(on_nodes(inference__preset__name="llama-3.3-70b-instruct"), *more).problems == ()


@pytest.mark.parametrize(
    ("preset", "nodes"), [("llama-3.3-70b-instruct", PAIR), ("phi-4", (V100,)), ("gpt-oss-120b", (V100,))]
)
def test_no_size_is_to_be_named_that_no_node_has(preset: str, nodes: tuple[NodeFacts, ...]) -> None:
    texts = [fix for each in judge(on_nodes(inference__preset__name=preset), *nodes).problems for fix in each.fixes]
    assert texts
    assert not [text for text in texts if text.startswith("use Standard_")], texts


def test_a_slice_too_small_is_answered_by_the_least_that_does() -> None:
    obj = on_nodes(resource__partition={"mode": "mig", "profile": "1g.10gb"})
    assert fixes(obj, *PAIR)[:2] == ["use profile 1g.20gb", "remove resource.partition to use all GPUs"]
    assert judge(changed(obj, "resource.partition.profile", "1g.20gb"), *PAIR).problems == ()
    assert judge(changed(obj, "resource.partition", None), *PAIR).problems == ()


def test_too_few_gpus_are_answered_by_the_least_number_that_does() -> None:
    obj = on_nodes(
        inference__preset__name="llama-3.3-70b-instruct", resource__partition={"mode": "accelerator", "count": 1}
    )
    node = gpu_node("gpu-1", count="8")
    assert "set resource.partition.count to 3" in fixes(obj, node)
    assert judge(changed(obj, "resource.partition.count", 3), node).problems == ()


def test_a_size_without_gpus_is_removed() -> None:
    obj = on_nodes(resource__instanceType="Standard_D4s_v5")
    problem = next(each for each in judge(obj, *PAIR).problems if each.reason is Reason.INSTANCE_TYPE_HAS_NO_GPU)
    assert problem.fixes == ("remove it, resource.labelSelector chooses the nodes",)


def test_nodes_whose_gpus_are_all_cut_give_one_slice_to_a_pod() -> None:
    cut = gpu_node("gpu-1", "NVIDIA-A100-80GB-PCIe-MIG-1g.10gb", "7", "9728")
    (problem,) = judge(on_nodes(inference__preset__name="phi-4"), cut).problems
    assert problem.reason is Reason.INSUFFICIENT_GPU_MEMORY
    assert "1 GPU" in problem.what
