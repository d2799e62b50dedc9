"""Termination: drain the node, remove the pool, and let go of the claim only when the cloud says the pool is gone."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from controller.api import labels
from controller.api.conditions import Condition
from controller.api.json import Json
from controller.api.reasons import Reason
from controller.runtime.options import duration
from provisioner.calls import ABORT_PATIENCE
from provisioner.departure import Stage, departing, stage_shown
from provisioner.errors import ErrorKind, Fault
from provisioner.nodes import Node
from provisioner.pools import CANCELING, CREATING, Pool, belongs
from provisioner.repair import is_silent
from provisioner.requested import last_arrival
from provisioner.setbacks import not_removed
from provisioner.steps import (
    Action,
    CloudAction,
    ConfirmPool,
    DeleteNode,
    DeletePool,
    DrainNode,
    Observed,
    PatchClaim,
    PatchNode,
    ReleaseClaim,
    Step,
    earliest,
)
from provisioner.texts import explain, headline
from provisioner.times import in_words, parse_time, rfc3339, seconds_since

NO_END: Final = datetime.max.replace(microsecond=0, tzinfo=UTC)
"""The end of a drain that nothing cuts short."""

_WAY_OUT: Final = f"if gone for good, remove finalizer {labels.TERMINATION_FINALIZER} from claim and node"
_LONGEST_DRAIN_PAUSE: Final = 10.0
_MOST_SHOWN: Final = 3


def terminate(seen: Observed) -> Step:
    """What to show and do for a claim that is being deleted."""
    claim = seen.claim
    if labels.TERMINATION_FINALIZER not in claim.finalizers:
        return Step(tuple(claim.conditions.values()))
    if not seen.pools_known:
        return _unread(seen)
    step = _next(seen)
    if seen.fault is not None and isinstance(step.action, CloudAction):
        shown = _departing(seen, stage_shown(step.conditions), *_hindered(seen, seen.fault))
        return Step(shown, None, seen.fault_wait, watch=True)
    return step


def _departing(seen: Observed, stage: Stage, reason: Reason, text: str) -> tuple[Condition, ...]:
    return departing(seen.claim, stage, reason, text, late=seen.now > drain_end(seen))


def _unread(seen: Observed) -> Step:
    told = Reason.INSTANCE_TERMINATING, "Waiting for the first answer from the cloud"
    shown = _departing(seen, Stage.UNSEEN, *(_hindered(seen, seen.blind) if seen.blind else told))
    return Step(shown, None, _time_left(seen))


def _time_left(seen: Observed) -> float | None:
    """Seconds until the removal is late; None once it is."""
    rest = seen.policy.termination_deadline - seconds_since(seen.claim.deletion_time, seen.now)
    return rest if rest > 0 else None


def _hindered(seen: Observed, fault: Fault, what: str = "cannot be removed now") -> tuple[Reason, str]:
    """Why the removal does not go on; of a cluster that stays away only a person can say that it is gone for good."""
    lost = fault.kind is ErrorKind.CLUSTER_NOT_FOUND and _time_left(seen) is None
    return fault.reason, explain(fault, f"Agent pool {seen.claim.name} {what}", way_out=_WAY_OUT if lost else "")


def _next(seen: Observed) -> Step:
    claim = seen.claim
    foreign = seen.pool is not None and not belongs(seen.pool, claim, seen.nodes)
    if seen.pool is None and (until := last_arrival(seen)) is not None:
        return _await_request(seen, until)
    if seen.confirmed_gone or foreign or seen.rival:
        return _let_go(seen)
    if seen.pool is None:
        return _do(seen, ConfirmPool())
    return _announce(seen) or _empty_nodes(seen, seen.pool) or _remove_pool(seen, seen.pool)


def _await_request(seen: Observed, until: datetime) -> Step:
    """A pool that comes late is seen by the readings and removed; the last look comes when none can come any more."""
    text = f"A request for agent pool {seen.claim.name} has no answer; the pool may yet appear until {rfc3339(until)}"
    shown = _departing(seen, Stage.REMOVING, Reason.INSTANCE_TERMINATING, text)
    return Step(shown, None, (until - seen.now).total_seconds(), watch=True)


def _announce(seen: Observed) -> Step | None:
    """Writes down when the claim's own grace for pods ends, once (kubernetes-sigs/karpenter core v1).

    The moment counts whether or not it can be written down.
    """
    claim = seen.claim
    if not claim.termination_grace or labels.TERMINATION_TIMESTAMP in claim.annotations or seen.unmarked:
        return None
    end = rfc3339(drain_end(seen))
    warning = (Reason.TERMINATION_GRACE_PERIOD_EXPIRING, f"The node is removed by {end}, whatever pods are on it")
    return _do(seen, PatchClaim({"annotations": {labels.TERMINATION_TIMESTAMP: end}}, warning, dispensable=True))


def drain_end(seen: Observed) -> datetime:
    """The moment from which pods hold up the removal no longer: the claim's own if it has one, else the setting's."""
    claim, limit = seen.claim, seen.policy.drain_deadline
    if (stated := parse_time(claim.annotations.get(labels.TERMINATION_TIMESTAMP, ""))) is not None:
        return stated
    with suppress(ValueError):
        limit = min(limit, duration(claim.termination_grace))
    try:
        return (parse_time(claim.deletion_time) or seen.now) + timedelta(seconds=limit)
    except OverflowError:
        return NO_END


def _end_of_wait(seen: Observed, what: str) -> str:
    end = drain_end(seen)
    return f"From {rfc3339(end)} {what}" if end < NO_END else "Nothing cuts the wait short (--drain-deadline=never)"


def _do(seen: Observed, action: Action, text: str = "") -> Step:
    text = text or f"Removing agent pool {seen.claim.name}"
    return Step(_departing(seen, Stage.REMOVING, Reason.INSTANCE_TERMINATING, text), action, watch=True)


def _drain(seen: Observed, action: Action, node: Node) -> Step:
    shown = _departing(seen, Stage.DRAINING, Reason.DRAINING, f"Draining node {node.name}")
    return Step(shown, action, watch=True)


def _own_nodes(seen: Observed) -> list[Node]:
    return [node for node in seen.nodes if node.finalized and node.owned_by_claim(seen.claim.name)]


def _empty_nodes(seen: Observed, pool: Pool) -> Step | None:
    """The next step of the drain; None when it is over, need not be done, or has had its time."""
    age = seconds_since(seen.claim.deletion_time, seen.now)
    if pool.deleting or seen.now > drain_end(seen) or is_silent(seen):
        return None
    for node in _own_nodes(seen):
        if (action := _prepare(node)) is not None:
            return _drain(seen, action, node)
        if node.name not in seen.drained:
            return _drain(seen, DrainNode(node.name, drain_end(seen)), node)
    if (shown := _still_there(seen)) is None:
        return None
    pauses = [1 + age / 30, _LONGEST_DRAIN_PAUSE]
    pauses += [(drain.due - seen.now).total_seconds() for drain in seen.drained.values() if drain.due is not None]
    return Step(shown, None, min(pauses))


def _still_there(seen: Observed) -> tuple[Condition, ...] | None:
    """What to show while pods, and after them volumes, are waited for; None when neither is."""
    drains = seen.drained.values()
    if waiting := [pod for drain in drains for pod in drain.waiting]:
        blocked = [pod for drain in drains for pod in drain.blocked]
        return _departing(seen, Stage.DRAINING, Reason.DRAINING, _drain_text(seen, waiting, blocked))
    if volumes := [volume for drain in drains for volume in drain.volumes]:
        shown = ", ".join(volumes[:_MOST_SHOWN])
        end = _end_of_wait(seen, "nothing waits for them")
        text = f"{len(volumes)} volumes still attached: {shown}. {end}"
        return _departing(seen, Stage.DETACHING, Reason.AWAITING_VOLUME_DETACHMENT, text)
    return None


def _drain_text(seen: Observed, waiting: list[str], blocked: list[str]) -> str:
    shown = ", ".join((blocked or sorted(waiting))[:_MOST_SHOWN])
    cause = "some held up" if blocked else "leaving"
    end = _end_of_wait(seen, "the pool is removed regardless")
    return f"{len(waiting)} pods still to leave, {cause}: {shown}. {end}"


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
    if seen.setback is not None and not pool.deleting and seen.setback_wait > 0:
        shown = _departing(seen, Stage.REMOVING, *not_removed(pool.name, seen.setback))
        return Step(shown, None, seen.setback_wait)
    if not (pool.deleting or pool.state == CANCELING):
        return _do(seen, DeletePool(abort=pool.state == CREATING))
    limit = seen.policy.termination_deadline
    rest = limit - seconds_since(seen.claim.deletion_time, seen.now)
    if seen.setback is not None:
        reason, text = not_removed(pool.name, seen.setback)
    else:
        reason, text = _progress(seen, pool) if rest > 0 or seen.blind is not None else _overdue(pool, limit)
    waits = [rest if rest > 0 else None, ABORT_PATIENCE if pool.state == CANCELING else None]
    shown = _departing(seen, Stage.REMOVING, reason, text)
    return Step(shown, None, earliest(waits), watch=True, overdue=rest <= 0)


def _progress(seen: Observed, pool: Pool) -> tuple[Reason, str]:
    if seen.blind is not None:
        return _hindered(seen, seen.blind, "is being removed unseen")
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
        return _do(seen, action, f"Removing node {node.name}")
    return _do(seen, ReleaseClaim(), "Everything of this claim is gone")
