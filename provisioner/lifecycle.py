"""The lifecycle of one claim as one pure function: what is seen goes in, what to show and to do comes out."""

from typing import Any

from controller.api import labels
from controller.api.json import Json
from controller.api.reasons import Reason
from provisioner.expiry import expired, expires_in
from provisioner.initialization import initialize
from provisioner.launch import joined_nodes, launch
from provisioner.nodes import Node
from provisioner.pools import Pool, belongs
from provisioner.registration import capacity_type, node_of, register
from provisioner.repair import Repair, repair, without_gpus
from provisioner.steps import Action, ConfirmPool, DeleteClaim, Observed, PatchClaim, PatchNode, Step, earliest
from provisioner.termination import release_patch, terminate
from provisioner.times import in_words
from provisioner.verdict import sum_up


def decide(seen: Observed) -> Step:
    """What to show on the claim and the one thing to do now.

    After an action the decision is made again with what the action brought to light; a step without an action is
    final until something changes or its time has come.
    """
    if seen.claim.deleting:
        return terminate(seen)
    launched = launch(seen)
    registered = register(seen, launched.conditions[0])
    initialized = initialize(seen, registered.conditions[0])
    phases = (launched, registered, initialized)
    dependents = tuple(phase.conditions[0] for phase in phases)
    mended, returning = repair(seen), _returning(seen)
    actions = (
        _lost(seen),
        mended.action,
        without_gpus(seen),
        expired(seen),
        _surplus(seen),
        _finalizer(seen),
        *(phase.action for phase in phases),
        _marks(seen),
    )
    return Step(
        conditions=(*dependents, sum_up(seen.claim.kind, dependents)),
        action=next((action for action in actions if action is not None), None),
        requeue_after=earliest(
            [
                *(phase.requeue_after for phase in phases),
                _next_call(seen),
                _missed(seen),
                returning,
                _upkeep(seen, mended),
            ]
        ),
        watch=returning is not None or any(phase.watch for phase in phases),
        overdue=any(phase.overdue for phase in phases),
    )


def _upkeep(seen: Observed, mended: Repair) -> float | None:
    """Seconds until the node's health or the claim's age is worth another look."""
    return earliest([mended.wait, seen.policy.retry_max if mended.held else None, expires_in(seen)])


def _next_call(seen: Observed) -> float | None:
    """Seconds until the cloud may be asked again, whichever phase wanted to ask."""
    return None if seen.fault is None else seen.fault_wait


def _lost(seen: Observed) -> Action | None:
    """What to do when the thing the claim stood for is gone: a claim is never launched twice, it is replaced."""
    claim = seen.claim
    if not claim.is_true(claim.kind.registered) or seen.rival:
        return None
    for node in seen.nodes:
        if _is_deleted_instance(seen, node):
            return _parted(seen, node)
    if not seen.pools_known or seen.fault is not None or seen.blind is not None:
        return None
    if seen.pool is not None:
        return _abandoned(seen, seen.pool)
    if (node_found := node_of(seen)) is not None and node_found.ready:
        return None
    if not seen.confirmed_gone:
        return ConfirmPool()
    return DeleteClaim(Reason.INSTANCE_GONE, f"Agent pool {claim.name} is gone from the cloud and its node with it")


def _parted(seen: Observed, node: Node) -> Action | None:
    """What to do about a claim whose node object was deleted, by somebody or because the instance is gone.

    Kubernetes deletes the nodes of a stopped cluster too, and starting it brings others: they are no wish about the
    claim. What was last read of the pool may be older than its stop, so it is looked at anew; and a pool may be said to
    stand again before its new node has joined, so a node that fell silent is waited for a while.
    """
    if _may_return(seen, node):
        return None
    if not seen.confirmed:
        return ConfirmPool() if seen.fault is None else None
    if seen.pool is not None and seen.pool.paused:
        return PatchNode(node.name, release_patch(node))
    return DeleteClaim(Reason.INSTANCE_GONE, f"Node {node.name} was deleted; its instance follows")


def _may_return(seen: Observed, node: Node) -> bool:
    """Whether a deleted node may be that of a machine which was stopped and started, and now joins anew.

    A node that was Ready when somebody deleted it is none, and a pool scaled to nothing brings none. While the cloud is
    at work on the pool, as when it gives the machine another image, nothing is certain.
    """
    pool = seen.pool
    if node.ready or pool is None or not belongs(pool, seen.claim, seen.nodes):
        return False
    if pool.paused or pool.deleting or pool.failed or not pool.count:
        return False
    return not pool.succeeded or seen.unready < seen.policy.rejoin_deadline


def _returning(seen: Observed) -> float | None:
    """Seconds until a deleted node that may return is given up; None when there is none."""
    waiting = any(_is_deleted_instance(seen, node) and _may_return(seen, node) for node in seen.nodes)
    return seen.policy.rejoin_deadline - seen.unready if waiting else None


def _abandoned(seen: Observed, pool: Pool) -> Action | None:
    """What to do about a pool that stands without its node: one evicted, scaled to nothing, or lost for good.

    A node object that is merely missed comes back with the kubelet's next word, and a stopped pool is to have none.
    """
    limit = seen.policy.registration_deadline
    if not _nodeless(seen, pool) or seen.nodeless < limit:
        return None
    if not seen.confirmed:
        return ConfirmPool()
    return DeleteClaim(Reason.INSTANCE_GONE, f"Agent pool {pool.name} has had no node for {in_words(limit)}")


def _nodeless(seen: Observed, pool: Pool) -> bool:
    return not seen.nodes and pool.settled and seen.blind is None and belongs(pool, seen.claim)


def _missed(seen: Observed) -> float | None:
    """Seconds until a claim whose node is missed is given up; None when none is, or only the cloud is waited for."""
    claim, pool = seen.claim, seen.pool
    if pool is None or not claim.is_true(claim.kind.registered) or not _nodeless(seen, pool):
        return None
    rest = seen.policy.registration_deadline - seen.nodeless
    return rest if rest > 0 else None


def _is_deleted_instance(seen: Observed, node: Node) -> bool:
    """Whether somebody deleted the very node the claim stands for, and no other node of its pool stands in.

    An upgrade of the pool brings a node for a while and deletes one of the two: neither is a wish about the claim.
    """
    claim = seen.claim
    named = not claim.node_name or node.name == claim.node_name
    return node.deleting and node.finalized and named and node.owned_by(claim.uid) and not joined_nodes(seen)


def _surplus(seen: Observed) -> PatchNode | None:
    """Lets go of a deleted node the claim does not stand for: one of an upgrade, or marked for a namesake before."""
    registered = seen.claim.is_true(seen.claim.kind.registered)
    for node in seen.nodes:
        if registered and _is_deleted_instance(seen, node):
            continue
        if node.deleting and node.finalized and node.owned_by_claim(seen.claim.name):
            return PatchNode(node.name, release_patch(node))
    return None


def _finalizer(seen: Observed) -> PatchClaim | None:
    """The finalizer, before anything is made; alone, so that nothing a policy may refuse can keep it away."""
    kept = seen.claim.finalizers
    if labels.TERMINATION_FINALIZER in kept:
        return None
    return PatchClaim({"finalizers": [*kept, labels.TERMINATION_FINALIZER]})


def _marks(seen: Observed) -> PatchClaim | None:
    """Labels that `kubectl get` shows; no memory of failures after a success."""
    claim = seen.claim
    patch: Json = {}
    wanted = {key: value for key, value in _labels(seen).items() if claim.labels.get(key) != value}
    if wanted:
        patch["labels"] = wanted
    if claim.conditions and claim.is_true(claim.kind.launched) and labels.LAUNCH_FAILURE in claim.annotations:
        patch["annotations"] = {labels.LAUNCH_FAILURE: None}
    return PatchClaim(patch) if patch else None


def _labels(seen: Observed) -> dict[str, Any]:
    claim = seen.claim
    known = {labels.INSTANCE_TYPE: seen.pool.vm_size} if seen.pool and belongs(seen.pool, claim, seen.nodes) else {}
    node = node_of(seen)
    if node is None:
        return known
    shown = (labels.INSTANCE_TYPE, labels.ZONE, labels.REGION, labels.ARCH, labels.OS)
    found = {key: node.labels[key] for key in shown if key in node.labels}
    return {**known, **found, labels.CAPACITY_TYPE: capacity_type(claim, seen.pool)}
