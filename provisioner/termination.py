"""Termination: drain the node, remove the pool, and let go of the claim only when the cloud says the pool is gone."""

from typing import Final

from controller.api import labels
from controller.api.claims import READY
from controller.api.conditions import FALSE, Condition
from controller.api.json import Json
from controller.api.reasons import Reason
from provisioner.calls import ABORT_PATIENCE
from provisioner.errors import Fault
from provisioner.nodes import Node
from provisioner.pools import CANCELING, CREATING, Pool, belongs
from provisioner.steps import (
    Action,
    CloudAction,
    ConfirmPool,
    DeleteNode,
    DeletePool,
    DrainNode,
    Observed,
    PatchNode,
    ReleaseClaim,
    Step,
    earliest,
)
from provisioner.texts import explain, headline
from provisioner.times import in_words, seconds_since

_LONGEST_DRAIN_PAUSE: Final = 10.0
_SHOWN_PODS: Final = 3


def terminate(seen: Observed) -> Step:
    """What to show and do for a claim that is being deleted."""
    claim = seen.claim
    if labels.TERMINATION_FINALIZER not in claim.finalizers:
        return Step(tuple(claim.conditions.values()))
    if not seen.pools_known:
        return _unread(seen)
    step = _next(seen)
    if seen.fault is not None and isinstance(step.action, CloudAction):
        return _show(seen, *_hindered(seen, seen.fault), wait=seen.fault_wait, watch=True)
    return step


def _unread(seen: Observed) -> Step:
    if seen.blind is None:
        return _show(seen, Reason.INSTANCE_TERMINATING, "Waiting for the first answer from the cloud")
    return _show(seen, *_hindered(seen, seen.blind))


def _hindered(seen: Observed, fault: Fault) -> tuple[Reason, str]:
    return fault.reason, explain(fault, f"Agent pool {seen.claim.name} cannot be removed now")


def _next(seen: Observed) -> Step:
    claim = seen.claim
    foreign = seen.pool is not None and not belongs(seen.pool, claim)
    if seen.confirmed_gone or foreign:
        return _let_go(seen)
    if seen.pool is None:
        return _do(seen, ConfirmPool())
    return _empty_nodes(seen, seen.pool) or _remove_pool(seen, seen.pool)


def _show(seen: Observed, reason: Reason, text: str, *, wait: float | None = None, watch: bool = False) -> Step:
    return Step(_conditions(seen, reason, text), None, wait, watch)


def _do(seen: Observed, action: Action, reason: Reason = Reason.INSTANCE_TERMINATING, text: str = "") -> Step:
    return Step(_conditions(seen, reason, text or f"Removing agent pool {seen.claim.name}"), action, watch=True)


def _conditions(seen: Observed, reason: Reason, text: str) -> tuple[Condition, ...]:
    claim = seen.claim
    kept = tuple(claim.conditions[type_] for type_ in claim.kind.dependents if type_ in claim.conditions)
    return (*kept, Condition(READY, FALSE, reason, text))


def _own_nodes(seen: Observed) -> list[Node]:
    return [node for node in seen.nodes if node.finalized and node.owned_by_claim(seen.claim.name)]


def _empty_nodes(seen: Observed, pool: Pool) -> Step | None:
    """The next step of the drain; None when it is over, need not be done, or has had its time."""
    age = seconds_since(seen.claim.deletion_time, seen.now)
    if pool.deleting or age > seen.policy.drain_deadline:
        return None
    for node in _own_nodes(seen):
        if (action := _prepare(node)) is not None:
            return _do(seen, action, Reason.DRAINING, f"Draining node {node.name}")
        if node.name not in seen.drained:
            return _do(seen, DrainNode(node.name), Reason.DRAINING, f"Draining node {node.name}")
    waiting = [pod for drain in seen.drained.values() for pod in drain.waiting]
    if not waiting:
        return None
    blocked = [pod for drain in seen.drained.values() for pod in drain.blocked]
    return _show(
        seen, Reason.DRAINING, _drain_text(seen, waiting, blocked), wait=min(1 + age / 30, _LONGEST_DRAIN_PAUSE)
    )


def _drain_text(seen: Observed, waiting: list[str], blocked: list[str]) -> str:
    shown = ", ".join((blocked or sorted(waiting))[:_SHOWN_PODS])
    cause = "some held up" if blocked else "leaving"
    limit = in_words(seen.policy.drain_deadline)
    return f"{len(waiting)} pods still to leave, {cause}: {shown}. After {limit} the pool is removed regardless"


def _prepare(node: Node) -> Action | None:
    """What keeps new pods and new traffic away from a node that is to go."""
    if not node.deleting:
        return DeleteNode(node.name, node.uid)
    if not node.has_taint(labels.DISRUPTED_TAINT_KEY, "NoSchedule"):
        return PatchNode(node.name, disruption_patch(node))
    return None


def disruption_patch(node: Node) -> Json:
    """The change that keeps the scheduler and external load balancers away from a node."""
    taint = {"key": labels.DISRUPTED_TAINT_KEY, "effect": "NoSchedule"}
    return {
        "metadata": {
            "resourceVersion": node.resource_version,
            "labels": {labels.EXCLUDE_FROM_LOAD_BALANCERS: "karpenter"},
        },
        "spec": {"taints": [*(taint.as_json() for taint in node.taints), taint]},
    }


def release_patch(node: Node) -> Json:
    """The change that lets a node object go."""
    kept = [name for name in node.finalizers if name != labels.TERMINATION_FINALIZER]
    return {"metadata": {"resourceVersion": node.resource_version, "finalizers": kept}}


def _remove_pool(seen: Observed, pool: Pool) -> Step:
    if not (pool.deleting or pool.state == CANCELING):
        return _do(seen, DeletePool(abort=pool.state == CREATING))
    limit = seen.policy.termination_deadline
    rest = limit - seconds_since(seen.claim.deletion_time, seen.now)
    reason, text = _progress(seen, pool) if rest > 0 else _overdue(pool, limit)
    waits = [rest if rest > 0 else None, ABORT_PATIENCE if pool.state == CANCELING else None]
    return Step(_conditions(seen, reason, text), None, earliest(waits), watch=True, overdue=rest <= 0)


def _progress(seen: Observed, pool: Pool) -> tuple[Reason, str]:
    if seen.blind is not None:
        return seen.blind.reason, explain(seen.blind, f"Agent pool {pool.name} is being removed unseen")
    doing = "removing" if pool.deleting else "stopping the creation of"
    return Reason.INSTANCE_TERMINATING, f"The cloud is {doing} agent pool {pool.name}"


def _overdue(pool: Pool, limit: float) -> tuple[Reason, str]:
    what = f"Agent pool {pool.name} is still {pool.state}"
    why = f"the claim was deleted more than {in_words(limit)} ago"
    reason = Reason.INSTANCE_TERMINATING
    return reason, headline(what, why, reason, "look at the pool and its resource locks in Azure")


def _let_go(seen: Observed) -> Step:
    for node in _own_nodes(seen):
        action = PatchNode(node.name, release_patch(node)) if node.deleting else DeleteNode(node.name, node.uid)
        return _do(seen, action, text=f"Removing node {node.name}")
    return _do(seen, ReleaseClaim(), text="Everything of this claim is gone")
