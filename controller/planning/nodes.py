"""What a Workspace asks of its nodes, and what is to be done about them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from controller.api import labels
from controller.api.claims import MACHINE, Claim, ClaimKind, Taint
from controller.planning.observed import Node
from controller.planning.repair import PATIENCE

_TOLERATED_FOR_A_WHILE: Final = frozenset({"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"})
"""Keys of NoExecute taints every pod tolerates for 5 minutes, by the admission plug-in DefaultTolerationSeconds."""


@dataclass(frozen=True, slots=True)
class NodeDemand:
    """What the Workspace needs of its nodes.

    Attributes:
        count: how many nodes.
        instance_type: VM size as the catalogue spells it; empty where existing nodes of any size do.
        gpu_resource: extended resource the GPUs appear as.
        gpus: devices each node must offer.
        provision: whether missing nodes may be claimed; otherwise only existing ones are used.
        kind: the kind of claim missing nodes are asked for with.
        also: further VM sizes that do as well, as the catalogue spells them.
        wishes: what claims ask for besides, by the key of the requirement.
        patience: seconds an existing node may stay unusable before it is replaced.
        among: names of the existing nodes with the right GPUs, where no size is named and there are others, too; None
            where all will do.
    """

    count: int
    instance_type: str
    gpu_resource: str
    gpus: int
    provision: bool = True
    kind: ClaimKind = MACHINE
    also: tuple[str, ...] = ()
    wishes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    patience: float = PATIENCE
    among: frozenset[str] | None = None

    def accepts(self, node: Node) -> bool:
        """Whether the node is of the right size; a node without the size label is judged by its GPUs alone."""
        if self.among is not None and node.name not in self.among:
            return False
        size = node.instance_type.lower()
        return "" in (size, self.instance_type) or size in {each.lower() for each in (self.instance_type, *self.also)}

    def usable(self, node: Node) -> bool:
        """Whether pods can run on it now: of the right size, and everything `healthy` and `open` ask for."""
        return self.accepts(node) and self.healthy(node) and self.open(node)

    def healthy(self, node: Node) -> bool:
        """Whether the node is Ready, stays, and advertises all GPUs."""
        return node.ready and not node.deleting and self.gpus <= node.gpus(self.gpu_resource)

    def lacks_only_gpus(self, node: Node) -> bool:
        """Whether the node is Ready, open and stays, and merely does not advertise all GPUs."""
        return node.ready and not node.deleting and self.open(node) and not self.healthy(node)

    def open(self, node: Node) -> bool:
        """Whether new pods of the Workspace may come: it is not cordoned, and no taint keeps them away."""
        return not node.unschedulable and self.barrier(node) is None

    def barrier(self, node: Node) -> Taint | None:
        """The first taint of the node that keeps the Workspace's pods away."""
        return next((taint for taint in node.taints if not self._tolerates(taint)), None)

    def _tolerates(self, taint: Taint) -> bool:
        match taint.effect:
            case "NoSchedule":
                return taint.key in tolerated_keys(self.gpu_resource)
            case "NoExecute":
                return taint.key in _TOLERATED_FOR_A_WHILE
            case _:
                return True


@dataclass(frozen=True, slots=True)
class NodePlan:
    """What to do about nodes, and what there is.

    Attributes:
        members: nodes that serve the Workspace, usable or not, without those that are leaving.
        usable: the members pods can run on.
        take: free existing nodes to be labelled as the Workspace's own.
        mark: nodes made for its claims whose labels do not say so.
        release: taken nodes that are no longer needed, or replaced.
        create: ordinals of the claims to make.
        delete: claims that are too many, or come to nothing.
        held: claims that are missing and not made before the pause after a failure is over, or `waits_for` are gone.
        waits_for: claims that are stuck in their deletion, too many to make further ones.
        troubled: since when taken nodes are unusable, by name.
        recheck: seconds until time alone changes what is to be done; None while it does not.
    """

    members: tuple[Node, ...] = ()
    usable: tuple[Node, ...] = ()
    take: tuple[Node, ...] = ()
    mark: tuple[Node, ...] = ()
    release: tuple[Node, ...] = ()
    create: tuple[int, ...] = ()
    delete: tuple[Claim, ...] = ()
    held: int = 0
    waits_for: tuple[Claim, ...] = ()
    troubled: Mapping[str, str] = field(default_factory=dict)
    recheck: float | None = None

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to do but wait."""
        return not (self.take or self.mark or self.release or self.create or self.delete)


def tolerated_keys(gpu_resource: str) -> tuple[str, str, str]:
    """Keys of the taints a Workspace's pods tolerate: our own, the vendor's, and that of spot nodes."""
    return labels.GPU_TAINT[0], gpu_resource, labels.SPOT_TAINT[0]
