"""Replacing nodes that fell silent, and leaving alone those that only seem to.

One dead node among many that live is replaced. Many at once are an outage of network, zone or control plane, which ends
by itself and must cost nobody scarce GPUs: then nothing is replaced (kubernetes-sigs/karpenter core v1, node health).
"""

from dataclasses import dataclass
from math import ceil
from typing import Final

from controller.api import labels
from controller.api.conditions import TRUE
from controller.api.reasons import Reason
from provisioner.initialization import lacking
from provisioner.nodes import Node
from provisioner.pools import belongs
from provisioner.registration import node_of
from provisioner.replacements import noted_row, with_claim
from provisioner.steps import DeleteClaim, Observed, PatchClaim
from provisioner.times import in_words, seconds_since

_MOST_UNREADY: Final = 0.2
"""Share of the claims' nodes that may be not Ready at the same time for one of them to be replaced, rounded up."""


@dataclass(frozen=True, slots=True)
class Repair:
    """What is to be done about a node that is not Ready.

    Attributes:
        action: replaces it; None for nothing now.
        wait: seconds until its time is over; None when it is over, or the node needs no repair.
        held: why it is not replaced although its time is over; empty otherwise.
    """

    action: DeleteClaim | None = None
    wait: float | None = None
    held: str = ""


_NOTHING: Final = Repair()


def repair(seen: Observed) -> Repair:
    """What is to be done about the claim's node.

    The time counts from when this process first saw the node so, not from when it became so: after a stop of the whole
    cluster every node looks long dead until its kubelet speaks again.
    """
    limit, node = seen.policy.repair_deadline, node_of(seen)
    if node is None or node.ready or not limit or not _repairable(seen):
        return _NOTHING
    if (rest := limit - seen.unready) > 0:
        return Repair(wait=rest)
    if held := _held(seen, node):
        return Repair(held=f"Node {node.name} has not been Ready for {in_words(limit)} and is kept: {held}")
    note = f"Node {node.name} has not been Ready for {in_words(limit)}; its claim is deleted so that another is made"
    return Repair(DeleteClaim(Reason.NODE_UNHEALTHY, note))


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
    if not late or len(seen.replaced.claims) >= seen.policy.gpu_replacements or _marked(seen, node):
        return None
    if claim.uid not in noted_row(claim).claims and not seen.unmarked:
        counted = with_claim(seen.replaced, claim).text
        return PatchClaim({"annotations": {labels.GPU_REPLACEMENTS: counted}}, dispensable=True)
    return DeleteClaim(Reason.GPUS_NOT_ADVERTISED, f"After {in_words(limit)} {lack[1]}; another node is tried")


def is_silent(seen: Observed) -> bool:
    """Whether the node has been not Ready for so long that nothing on it can be asked to leave."""
    return bool(seen.policy.repair_deadline) and seen.unready >= seen.policy.repair_deadline


def _repairable(seen: Observed) -> bool:
    """Whether the cloud is known to stand behind the node as it should: only a node that once worked is replaced."""
    return seen.claim.is_true(seen.claim.kind.initialized) and _stands(seen)


def _stands(seen: Observed) -> bool:
    """Whether the cloud was read, shows the claim's own pool, and says that all is well with it."""
    pool = seen.pool
    if not seen.pools_known or seen.blind is not None or seen.fault is not None or seen.rival or pool is None:
        return False
    return belongs(pool, seen.claim) and pool.succeeded and not pool.stopped


def _held(seen: Observed, node: Node) -> str:
    """Why the node is not replaced now; empty when it may be."""
    if _marked(seen, node):
        return f"it is marked {labels.DO_NOT_DISRUPT}"
    fleet = seen.fleet
    if others := [name for name in fleet.repairing if name != seen.claim.name]:
        return f"claim {others[0]} is being replaced, one at a time"
    if fleet.unready > (most := max(1, ceil(_MOST_UNREADY * fleet.nodes))):
        return (
            f"{fleet.unready} of {fleet.nodes} nodes of claims are not Ready, more than {most} are taken for an outage"
        )
    if 2 * fleet.cluster_unready > fleet.cluster_nodes:
        return f"{fleet.cluster_unready} of {fleet.cluster_nodes} nodes of the cluster are not Ready: an outage"
    return ""


def _marked(seen: Observed, node: Node) -> bool:
    """Whether somebody said that claim or node is to be left alone."""
    return any(each.get(labels.DO_NOT_DISRUPT) == "true" for each in (seen.claim.annotations, node.annotations))
