"""Which nodes a Workspace uses, which existing ones it takes or gives back, and which claims it still needs.

Existing nodes that are free and match are used before anything is bought. A claim once made is kept: a node that turns
up later does not replace it, so that nothing flaps.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from controller.api import labels
from controller.api.claims import MACHINE, Claim, ClaimKind, Taint
from controller.api.workspace import Workspace
from controller.planning.claims import free_ordinals
from controller.planning.observed import Node, Observed, selects

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
    """

    count: int
    instance_type: str
    gpu_resource: str
    gpus: int
    provision: bool = True
    kind: ClaimKind = MACHINE
    also: tuple[str, ...] = ()

    def accepts(self, node: Node) -> bool:
        """Whether the node is of the right size; a node without the size label is judged by its GPUs alone."""
        size = node.instance_type.lower()
        return "" in (size, self.instance_type) or size in {each.lower() for each in (self.instance_type, *self.also)}

    def usable(self, node: Node) -> bool:
        """Whether pods can run on it now: of the right size, Ready, open, staying, not barred, all GPUs advertised."""
        stays = node.ready and not node.unschedulable and not node.deleting
        return stays and self.accepts(node) and self.barrier(node) is None and self.gpus <= node.gpus(self.gpu_resource)

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
        members: nodes that serve the Workspace, usable or not, without those being deleted.
        usable: the members pods can run on.
        take: free existing nodes to be labelled as the Workspace's own.
        release: taken nodes that are no longer needed.
        create: ordinals of the claims to make.
        delete: claims that are too many.
    """

    members: tuple[Node, ...] = ()
    usable: tuple[Node, ...] = ()
    take: tuple[Node, ...] = ()
    release: tuple[Node, ...] = ()
    create: tuple[int, ...] = ()
    delete: tuple[Claim, ...] = ()

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing to do but wait."""
        return not (self.take or self.release or self.create or self.delete)


def tolerated_keys(gpu_resource: str) -> tuple[str, str, str]:
    """Keys of the taints a Workspace's pods tolerate: our own, the vendor's, and that of spot nodes."""
    return labels.GPU_TAINT[0], gpu_resource, labels.SPOT_TAINT[0]


def is_taken(node: Node, claims: Collection[Claim] = ()) -> bool:
    """Whether the node existed on its own and was taken, rather than made for one of the claims.

    The node's own label alone would let anyone who may edit nodes turn a claimed node into a taken one.
    """
    made = any(claim.node_name == node.name for claim in claims)
    return not made and labels.CLAIM_ORDINAL not in node.labels


def plan_nodes(workspace: Workspace, demand: NodeDemand, observed: Observed) -> NodePlan:
    """The node plan for what is observed; pure and total."""
    members = tuple(node for node in observed.nodes if node.owner_uid == workspace.uid and not node.deleting)
    taken = tuple(node for node in members if is_taken(node, observed.claims))
    active = tuple(claim for claim in observed.claims if not claim.deleting)
    missing = demand.count - len(taken) - len(active)
    take = _choose_free(workspace, demand, observed.nodes, missing)
    still_missing = max(missing - len(take), 0) if demand.provision else 0
    return NodePlan(
        members=tuple(sorted(members, key=lambda node: node.name)),
        usable=tuple(sorted((node for node in members if demand.usable(node)), key=lambda node: node.name)),
        take=take,
        release=_last_named(taken, -missing - len(active)),
        create=tuple(free_ordinals(workspace.uid, observed.claims, still_missing)),
        delete=_least_ready(active, -missing),
    )


def _choose_free(workspace: Workspace, demand: NodeDemand, nodes: tuple[Node, ...], count: int) -> tuple[Node, ...]:
    if count <= 0:
        return ()
    candidates = [node for node in nodes if node.free and demand.usable(node) and selects(workspace, node.labels)]
    preferred = workspace.resource.preferred_nodes
    candidates.sort(key=lambda node: (node.name not in preferred, node.name))
    return tuple(candidates[:count])


def _least_ready(claims: tuple[Claim, ...], count: int) -> tuple[Claim, ...]:
    """The claims to give up when there are too many nodes: those that cost least to lose first."""
    return tuple(sorted(claims, key=lambda claim: (claim.ready, claim.name))[: max(count, 0)])


def _last_named(taken: tuple[Node, ...], count: int) -> tuple[Node, ...]:
    """The taken nodes to give back once no claim is left to give up."""
    return tuple(sorted(taken, key=lambda node: node.name, reverse=True)[: max(count, 0)])
