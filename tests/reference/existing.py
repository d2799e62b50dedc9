"""Nodes that exist: what they say of themselves decides."""

from collections.abc import Mapping
from typing import Any, Final

from controller.api.json import Json
from tests.reference.rows import A100, Row, Where, annotated, no, workspace, yes

GPU: Final = "nvidia.com/gpu"
A100_LABELS: Final = {f"{GPU}.product": "NVIDIA-A100-80GB", f"{GPU}.count": "1", f"{GPU}.memory": "81920"}
V100_LABELS: Final = {f"{GPU}.product": "Tesla-V100-PCIE-16GB", f"{GPU}.count": "1", f"{GPU}.memory": "16384"}


def existing(answer: Any, number: str, does: str, *says: str, nodes: Any = None, **more: Any) -> Row:
    """A row of two nodes with an A100, or of those given; each row's nodes carry a label of their own."""
    pool = number.lower()
    labels: tuple[Mapping[str, str], ...] = (A100_LABELS, A100_LABELS) if nodes is None else nodes
    present = {f"{pool}-{index}": {"pool": pool, **each} for index, each in enumerate(labels)}
    obj = byo(pool, more.pop("preset", "phi-4-mini-instruct"))
    for path, value in more.pop("resource", {}).items():
        obj["resource"][path] = value
    if "annotations" in more:
        obj = annotated(obj, **more.pop("annotations"))
    row: Row = answer(number, does, obj, *says, where=Where.EXISTING, nodes=present, **more)
    return row


def byo(pool: str, preset: str = "phi-4-mini-instruct") -> Json:
    """A Workspace on the nodes of a pool."""
    obj = workspace("base-byo", "", inference={"preset": {"name": preset}})
    obj["resource"] = {"labelSelector": {"matchLabels": {"pool": pool}}}
    return obj


def mig(profile: str = "", **more: Any) -> Json:
    """A part of the resource block: one slice of a GPU."""
    return {"partition": {"mode": "mig", **({"profile": profile} if profile else {}), **more}}


def accelerator(**more: Any) -> Json:
    """A part of the resource block: whole GPUs."""
    return {"partition": {"mode": "accelerator", **more}}


def without(labels: Mapping[str, str], key: str) -> dict[str, str]:
    """Labels but one."""
    return {name: value for name, value in labels.items() if name != key}


GATES: Final = "there are no feature gates: what a manifest asks for is acted on"

EXISTING: Final[tuple[Row, ...]] = (
    existing(yes, "A-04", "serves on nodes that match"),
    existing(yes, "A-45", "serves on nodes whatever their state", preset="microsoft/phi-4"),
    existing(yes, "A-46", "serves a model that two nodes hold together", preset="openai/gpt-oss-120b"),
    existing(
        yes,
        "A-47",
        "serves 131 GiB on 80 GiB and bypasses the check",
        preset="meta-llama/Llama-3.3-70B-Instruct",
        nodes=(A100_LABELS,),
        annotations={"bypass_resource_checks": ""},
    ),
    existing(
        yes,
        "D-07",
        "names a size on existing nodes",
        resource={"instanceType": A100},
        nodes=[{**A100_LABELS, "node.kubernetes.io/instance-type": A100}] * 2,
        differs="KAITO took it until v0.7; it narrows the nodes to those of that size",
    ),
    existing(no, "D-48", "matches no node", nodes=()),
    existing(no, "D-49", "matches nodes without GPU", nodes=({},), resource={"labelSelector": {}}),
    existing(no, "D-50", "matches a node that hides its memory", nodes=(without(A100_LABELS, f"{GPU}.memory"),)),
    existing(
        no, "D-51", "matches a node whose GPUs cannot be counted", nodes=({**A100_LABELS, f"{GPU}.count": "one"},)
    ),
    existing(no, "D-52", "matches nodes of two kinds", nodes=(A100_LABELS, V100_LABELS)),
    existing(no, "D-53", "serves 641 GiB on 160 GiB", preset="deepseek-ai/DeepSeek-R1-0528"),
    # Parts of a node.
    existing(yes, "A-43", "serves on a slice of a GPU", resource=mig("2g.24gb")),
    existing(yes, "A-44", "serves on one GPU of a node", resource=accelerator(count=1)),
    existing(yes, "D-54", "asks for a slice without a feature gate", resource=mig("2g.24gb"), differs=GATES),
    existing(no, "D-55", "asks for a slice nobody knows", "9g.1gb", resource=mig("9g.1gb")),
    existing(no, "D-56", "counts slices", "resource.partition.count", resource=mig("1g.10gb", count=1)),
    existing(no, "D-57", "serves 7 GiB on a slice of 5 GiB", "(InsufficientGpuMemory)", resource=mig("1g.5gb")),
    existing(no, "D-58", "does not count whole GPUs", "resource.partition.count", resource=accelerator()),
    existing(
        no, "D-59", "slices whole GPUs", "resource.partition.profile", resource=accelerator(count=1, profile="1g.10gb")
    ),
    existing(no, "D-60", "asks for no GPU", "resource.partition.count", resource=accelerator(count=0)),
)
"""Whole nodes first, then parts of nodes."""
