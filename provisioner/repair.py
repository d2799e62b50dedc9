"""Replacing nodes that fell silent or lost their GPUs, and leaving alone those that only seem to.

One dead node among many that live is replaced. Many at once are an outage of network, zone or control plane, which ends
by itself and must cost nobody scarce GPUs: then nothing is replaced (kubernetes-sigs/karpenter core v1, node health).
"""

from dataclasses import dataclass
from math import ceil
from typing import Final

from controller.api import labels
from controller.api.conditions import TRUE
from controller.api.quantity import count_of
from controller.api.reasons import Reason
from controller.catalog.mig import MIG_RESOURCE_PREFIX
from provisioner.initialization import lacking
from provisioner.nodes import Node
from provisioner.pools import belongs
from provisioner.registration import node_of
from provisioner.replacements import noted_row, with_claim
from provisioner.sizes import size_of
from provisioner.steps import ConfirmPool, DeleteClaim, Fleet, LookForUsers, Observed, PatchClaim
from provisioner.times import in_words, seconds_since

_MOST_UNREADY: Final = 0.2
"""Share of the claims' nodes that may be not Ready, or have lost GPUs, for one of them to be replaced, rounded up."""


@dataclass(frozen=True, slots=True)
class Repair:
    """What is to be done about a node that is not Ready, or has lost GPUs.

    Attributes:
        action: replaces it, or makes sure before that; None for nothing now.
        wait: seconds until its time is over; None when it is over, or the node needs no repair.
        held: why it is not replaced although its time is over; empty otherwise.
    """

    action: DeleteClaim | ConfirmPool | LookForUsers | None = None
    wait: float | None = None
    held: str = ""


_NOTHING: Final = Repair()


def repair(seen: Observed) -> Repair:
    """What is to be done about the claim's node.

    The time counts from when this process first saw the node so, not from when it became so: after a stop of the whole
    cluster every node looks long dead until its kubelet speaks again.
    """
    limit, node = seen.policy.repair_deadline, node_of(seen)
    if node is None or not limit or not _repairable(seen) or not (trouble := _trouble(seen, node)):
        return _NOTHING
    if (rest := limit - (seen.gpuless if node.ready else seen.unready)) > 0:
        return Repair(wait=rest)
    text = f"Node {node.name} {trouble} for {in_words(limit)}"
    if held := _held(seen, node) or (_gpus_held(seen) if node.ready else ""):
        return Repair(held=f"{text} and is kept: {held}")
    if node.ready and seen.users is None:
        return Repair(LookForUsers(node.name))
    if not seen.confirmed:
        return Repair(ConfirmPool())
    note = f"{text}; its claim is deleted so that another is made"
    if node.ready:
        return Repair(DeleteClaim(Reason.GPUS_NOT_ADVERTISED, note))
    return Repair(DeleteClaim(Reason.NODE_UNHEALTHY, note))


def has_lost_gpus(seen: Observed) -> bool:
    """Whether the claim's node is Ready and shows fewer GPUs than when it was complete."""
    node, pool = node_of(seen), seen.pool
    known = pool is not None and pool.settled and seen.claim.is_true(seen.claim.kind.initialized)
    return known and node is not None and node.ready and bool(_trouble(seen, node))


def _trouble(seen: Observed, node: Node) -> str:
    """What is wrong with a node; empty for nothing.

    What it had is what the claim's status says. More than its size has, such as GPUs shared in time, may go, and slices
    may take the place of whole ones.
    """
    if not node.ready:
        return "has not been Ready"
    size = size_of(seen.sizes, node.labels.get(labels.INSTANCE_TYPE) or (seen.pool.vm_size if seen.pool else ""))
    had = count_of((seen.stored.get("status") or {}).get("allocatable") or {}, size.gpu_resource)
    had, shown = min(had, size.gpu_count), node.offers(size.gpu_resource)
    if shown >= had or any(name.startswith(MIG_RESOURCE_PREFIX) for name in node.allocatable):
        return ""
    return f"has shown {shown} of the {had} {size.gpu_resource} it had"


def without_gpus(seen: Observed) -> PatchClaim | DeleteClaim | None:
    """The replacement of a node that has not shown its GPUs in time; None for any other node, and after enough of them.

    The next one may come from another host; if it lacks them too, more of the same cost money and help nobody. So the
    claim is counted before it goes.
    """
    claim, node, limit = seen.claim, node_of(seen), seen.policy.initialization_deadline
    registered = claim.conditions.get(claim.kind.registered)
    if node is None or registered is None or registered.status != TRUE or claim.is_true(claim.kind.initialized):
        return None
    lack = lacking(seen, node)
    if lack is None or lack[0] is not Reason.GPUS_NOT_ADVERTISED or not _stands(seen):
        return None
    late = seconds_since(registered.last_transition_time, seen.now) >= limit
    if not late or len(seen.replaced.claims) >= seen.policy.gpu_replacements:
        return None
    if claim.uid not in noted_row(claim).claims and not seen.unmarked:
        counted = with_claim(seen.replaced, claim).text
        return PatchClaim({"annotations": {labels.GPU_REPLACEMENTS: counted}}, dispensable=True)
    return DeleteClaim(Reason.GPUS_NOT_ADVERTISED, f"After {in_words(limit)} {lack[1]}; another node is tried")


def is_silent(seen: Observed) -> bool:
    """Whether the node has been not Ready for so long that nothing on it can be asked to leave."""
    return bool(seen.policy.repair_deadline) and seen.unready >= seen.policy.repair_deadline


def _repairable(seen: Observed) -> bool:
    """Whether the cloud is known to stand behind the node: only a node that once worked is replaced."""
    return seen.claim.is_true(seen.claim.kind.initialized) and _stands(seen)


def _stands(seen: Observed) -> bool:
    """Whether the cloud was read, shows the claim's own pool, and says that it is at no work on it."""
    pool = seen.pool
    if not seen.pools_known or seen.blind is not None or seen.fault is not None or seen.rival or pool is None:
        return False
    return belongs(pool, seen.claim, seen.nodes) and pool.settled


def _held(seen: Observed, node: Node) -> str:
    """Why the node is not replaced now; empty when it may be."""
    if _marked(seen, node):
        return f"it is marked {labels.DO_NOT_DISRUPT}"
    fleet = seen.fleet
    if others := [name for name in fleet.repairing if name != seen.claim.name]:
        return f"claim {others[0]} is being replaced, one at a time"
    if fleet.unready > (most := _most(fleet)):
        return (
            f"{fleet.unready} of {fleet.nodes} nodes of claims are not Ready, more than {most} are taken for an outage"
        )
    if 2 * fleet.cluster_unready > fleet.cluster_nodes:
        return f"{fleet.cluster_unready} of {fleet.cluster_nodes} nodes of the cluster are not Ready: an outage"
    return ""


def _gpus_held(seen: Observed) -> str:
    """Why a node that answers is not replaced for its GPUs; empty when it may be, or who uses them is not known yet."""
    if seen.users:
        return f"pod {seen.users[0]} still works with its devices"
    if seen.fleet.gpuless > (most := _most(seen.fleet)):
        return f"{seen.fleet.gpuless} nodes of claims have lost GPUs, more than {most} are taken for a faulty driver"
    if len(seen.replaced.claims) >= seen.policy.gpu_replacements:
        return f"{len(seen.replaced.claims)} before it were replaced for want of GPUs, and no more are in a row"
    return ""


def _most(fleet: Fleet) -> int:
    """How many nodes may be in the same trouble for one of them to be replaced."""
    return max(1, ceil(_MOST_UNREADY * fleet.nodes))


def _marked(seen: Observed, node: Node) -> bool:
    """Whether somebody said that this node is to be left alone.

    What claim and node both carry was copied from the one to the other: it keeps Karpenter from voluntary disruption,
    as on every NodeClaim made for a Workspace, and holds off no repair (kubernetes-sigs/karpenter core v1).
    """
    mark = labels.DO_NOT_DISRUPT
    return node.annotations.get(mark) == "true" and seen.claim.annotations.get(mark) != "true"
