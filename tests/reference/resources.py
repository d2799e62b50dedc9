"""Nodes that are made: sizes, selectors, counts."""

from typing import Any, Final

from controller.api.json import Json
from tests.reference.rows import Row, Where, inf, no, served, tmpl, yes


def sized(size: str | None) -> Json:
    """The base on another size."""
    return inf(resource__instanceType=size)


def selected(selector: Any) -> Json:
    """The base with another selector."""
    return inf(resource__labelSelector=selector)


def required(operator: str, *values: str) -> Json:
    """The base whose selector is one requirement."""
    expression: Json = {"key": "apps", "operator": operator}
    return selected({"matchExpressions": [{**expression, "values": list(values)} if values else expression]})


RESERVED: Final = "kaito.sh/workspace"

RESOURCES: Final[tuple[Row, ...]] = (
    # Sizes.
    yes("A-09", "spells the size in any letter case", sized("standard_nc24ADS_a100_V4")),
    no(
        "A-10",
        "names a size of the N series nobody knows",
        sized("Standard_Nsku"),
        "(InstanceTypeUnknown)",
        differs="KAITO takes any name of the N series and then never learns how many nodes the model needs",
    ),
    no(
        "A-11",
        "serves a preset on a size without GPU",
        sized("Standard_D4s_v5"),
        "(InstanceTypeHasNoGpu)",
        differs="KAITO takes any name of the D series, on which no preset starts",
    ),
    yes("A-11", "runs a pod template on a size without GPU", tmpl(resource__instanceType="Standard_D4s_v5")),
    yes(
        "A-14",
        "serves 641 GiB on GPUs of 24 GiB",
        served("deepseek-ai/DeepSeek-R1-0528", resource__instanceType="Standard_NV36ads_A10_v5"),
    ),
    yes(
        "D-06",
        "names no size",
        sized(None),
        "resource.instanceType set to ",
        differs="the cheapest size that fits is chosen, and a warning says which",
    ),
    no("D-09", "serves on a size of the E series", sized("Standard_E4s_v5"), "(InstanceTypeHasNoGpu)"),
    no("D-10", "names an Azure size on AWS", inf(), "(InstanceTypeUnknown)", where=Where.AWS),
    no("D-47", "runs a pod template on a size of the E series", tmpl(resource__instanceType="Standard_E4s_v5")),
    # Selectors.
    yes("A-24", "selects by a requirement of one value", required("In", "x")),
    yes("A-25", "selects by nothing", selected({})),
    no(
        "A-26",
        "selects by a reserved label and another",
        selected({"matchLabels": {"apps": "x", RESERVED: "y"}}),
        "(LabelReserved)",
        differs="KAITO ignores the reserved one; who owns a node is no user's to say, and silence would hide it",
    ),
    no("D-08", "has no selector", inf(**{"resource.labelSelector": None}), "labelSelector"),
    no("D-31", "selects by a requirement of two values", required("In", "a", "b"), "(SelectorInvalid)"),
    no("D-32", "selects by a label that exists", required("Exists"), "(SelectorInvalid)"),
    no("D-33", "selects by a reserved label only", selected({"matchLabels": {RESERVED: "x"}}), "(LabelReserved)"),
    # Numbers and the rest.
    yes("A-30", "prefers nodes by name", inf(resource__preferredNodes=["n1", "n2"])),
    yes("A-31", "asks for six nodes", inf(resource__count=6)),
    no(
        "A-32",
        "asks for no nodes",
        inf(resource__count=0),
        "(CountInvalid)",
        differs="a Workspace without nodes serves nothing; KAITO makes one all the same",
    ),
    no(
        "D-34",
        "asks for a part of a GPU of a node to be made",
        inf(resource__partition={"mode": "mig", "profile": "1g.10gb"}),
        "resource.partition",
    ),
    no("D-35", "asks for a kind of partition nobody knows", inf(resource__partition={"mode": "mps"}), "mps"),
)
"""In the order of the sections."""
