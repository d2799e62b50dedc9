"""What a Workspace comes down to once every name in it is resolved: what runs, and on which nodes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from controller.api.claims import DEFAULT_NODE_CLASS, NodeClass
from controller.api.json import Json
from controller.catalog import Preset, Sku
from controller.planning.nodes import NodeDemand
from controller.planning.registries import PUBLISHED, Registries
from controller.planning.runtimes import RuntimeChoice
from controller.planning.sizing import Layout


@dataclass(frozen=True, slots=True)
class Serving:
    """A preset to be served.

    Attributes:
        preset: the model, by the image that serves it on the size.
        runtime: the model server.
        layout: how one copy is spread over GPUs.
        nodes: nodes one copy is spread over; each further node holds a copy of its own where this is 1.
        flags: flags of the model server from the user's configuration, without leading dashes; empty text for a flag
            without value.
        percent: share of each GPU's memory the server is given; 0 leaves it to the server.
        context: tokens of context there is room for; 0 leaves it to the server.
        sliced: whether it runs on a slice of a GPU, beside others on the same node.
        disks: StorageClass of the nodes' local disks, for weights that are downloaded; empty for the disk of the node.
    """

    preset: Preset
    runtime: RuntimeChoice
    layout: Layout
    nodes: int = 1
    flags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    percent: int = 0
    context: int = 0
    sliced: bool = False
    disks: str = ""


@dataclass(frozen=True, slots=True)
class Templated:
    """A pod of the user's own. `template` is a pod template as plain JSON."""

    template: Json


@dataclass(frozen=True, slots=True)
class Training:
    """A preset to be tuned on one node.

    Attributes:
        preset: the model, which can be tuned.
        document: the configuration file of the training program.
        output_dir: the folder the program writes its result to.
        arch: CPU architecture of the node, as container images name it.
        intent: everything of the user's the run depends on; another intent is another run.
    """

    preset: Preset
    document: str
    output_dir: str
    arch: str
    intent: Json


Work: TypeAlias = Serving | Templated | Training


@dataclass(frozen=True, slots=True)
class Target:
    """A Workspace with every name in it resolved.

    Attributes:
        work: what runs.
        sku: the size of the nodes.
        demand: what is asked of the nodes.
        disk_gib: disk each node needs, in GiB.
        sizes: VM sizes to make nodes of, best first; empty stands for `sku` alone.
        node_class: which provisioner NodeClaims ask.
        registries: where published images come from.
    """

    work: Work
    sku: Sku
    demand: NodeDemand
    disk_gib: int
    sizes: tuple[str, ...] = ()
    node_class: NodeClass = DEFAULT_NODE_CLASS
    registries: Registries = PUBLISHED
