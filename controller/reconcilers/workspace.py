"""The loop of one Workspace: look, plan, close the difference, say how things stand."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from controller.api import labels
from controller.api.claims import ClaimKind
from controller.api.conditions import Condition, conditions_of, is_true
from controller.api.json import Json, Key, annotations_of
from controller.api.messages import Problem
from controller.api.reasons import Reason
from controller.api.workspace import ConditionType, ParseError, Workspace, parse_workspace
from controller.planning.existing_nodes import narrowed
from controller.planning.memory import with_made
from controller.planning.node_plan import plan_nodes
from controller.planning.node_status import NODE_CONDITIONS, node_conditions
from controller.planning.observed import Node, Observed, is_owned_by, parse_node
from controller.planning.pausing import paused_status
from controller.planning.phases import NOTHING_PLANNED, Sight
from controller.planning.plan import NO_DEMAND, Plan, is_over, make_plan
from controller.planning.rendering import APPLIED_HASH
from controller.planning.resolving import resolve, unreadable
from controller.planning.revisions import Wish, revision_name, wish_of
from controller.planning.status import blocked_conditions, conditions_for, render_status
from controller.planning.target import Target
from controller.reconcilers.adopting import adopt
from controller.reconcilers.collect import collect_leftovers
from controller.reconcilers.context import Context
from controller.reconcilers.finalize import add_finalizer, finalize
from controller.reconcilers.hearsay import listen
from controller.reconcilers.nodes import give_back_nodes, is_current, let_go, look_closer, settle_nodes
from controller.reconcilers.observe import observe
from controller.reconcilers.occupancy import MOST_LOOKED_AT, find_occupied
from controller.reconcilers.refusals import Blocked, refused
from controller.reconcilers.report import now, write_status
from controller.reconcilers.revisions import record, remembered, was_trained
from controller.reconcilers.story import NORMAL
from controller.reconcilers.workload import apply_services, apply_workload, rehearse_workload, remove_obsolete
from controller.runtime import logs
from controller.runtime.errors import ApiError, Unavailable, is_final
from controller.runtime.reconciler import DONE, Result

log = logs.get_logger(__name__)

RECHECK: Final = Result(requeue_after=30.0)
"""A Workspace is looked at again whose obstacle no watch reports, such as a foreign object or a policy."""


@dataclass(frozen=True, slots=True)
class View:
    """What a status is computed from."""

    conditions: list[Condition]
    nodes: Sequence[Node] = ()
    count: int = 0
    sight: Sight = NOTHING_PLANNED
    revision: str = ""


@dataclass(frozen=True, slots=True)
class Work:
    """A Workspace that can run, with everything its reconciliation looks at."""

    workspace: Workspace
    obj: Json
    target: Target
    observed: Observed
    plan: Plan
    wish: Wish
    revision: str

    @property
    def carried_out(self) -> bool:
        """Whether what is asked for now is there, is being made, or was made and is over."""
        live = self.plan.seen.like(self.plan.workload)
        is_there = live is not None and is_owned_by(live, self.workspace.uid)
        return self.plan.start or is_there or self.plan.seen.trained


async def reconcile(context: Context, key: Key) -> Result:
    """Brings the Workspace of the key one step nearer to what it asks for."""
    obj = context.latest(key)
    if obj is None:
        await collect_leftovers(context, key)
        return DONE
    try:
        workspace, problem = parse_workspace(obj), None
    except ParseError as error:
        # The schema forbids this; it is said all the same, so that a loosened schema cannot silence the Workspace.
        workspace, problem = parse_workspace({"metadata": obj["metadata"]}), unreadable(error)
    if workspace.deleting:
        return await finalize(context, workspace, obj)
    if workspace.paused:
        await write_status(context, workspace, obj, paused_status(workspace, obj, now=now()))
        return DONE
    if problem is not None:
        return await _report(context, workspace, obj, _unresolved(workspace, obj, Observed(), [problem]), DONE)
    fresh = labels.WORKSPACE_FINALIZER not in workspace.finalizers
    if fresh:
        stored = await add_finalizer(context, workspace, obj)
        if stored is None:
            return DONE
        workspace, obj = parse_workspace(stored), stored
    await _collect_predecessors(context, workspace)
    return await _advance(context, workspace, obj, fresh=fresh)


async def _collect_predecessors(context: Context, workspace: Workspace) -> None:
    """What a predecessor left must not keep its successor from running; the next look tries again."""
    try:
        await collect_leftovers(context, (workspace.namespace, workspace.name), workspace.uid)
    except ApiError as error:
        log.warning("cannot collect what an earlier Workspace of this name left: %s", error)


async def _advance(context: Context, workspace: Workspace, obj: Json, *, fresh: bool) -> Result:
    """The steps of a Workspace that is to run; `fresh` tells that it is as the API server itself just had it."""
    observed = observe(context.informers, workspace, obj)
    site = context.site().sourced(workspace.node_source)
    target = resolve(workspace, obj, site)
    if not isinstance(target, Target):
        over = is_over(workspace, observed)
        if over:
            view = _finished(workspace, site.claims, observed, target)
        else:
            view = _unresolved(workspace, obj, observed, target)
        result = await _report(context, workspace, obj, view, DONE)
        if over:
            await give_back_nodes(context, workspace, obj, observed)
        else:
            await let_go(context, workspace, obj, observed, site)
        return result
    if target.demand.among is not None:
        site = narrowed(site, target.demand.among)
    observed = replace(observed, occupied=context.occupied(target.demand))
    wish = wish_of(workspace, obj, target, site)
    work = _work(workspace, obj, target, observed, wish)
    try:
        if await adopt(context, workspace, obj, observed, wish.pods):
            return DONE
        certain = await _made_certain(context, work, fresh=fresh)
        if certain is None:
            return DONE
        work = certain
        made = await _close_difference(context, work)
    except Blocked as blocked:
        return await _report(context, workspace, obj, _blocked(work, blocked.problem), RECHECK)
    except ApiError as error:
        if is_final(error):
            return await _report(context, workspace, obj, _blocked(work, refused(error)), RECHECK)
        if isinstance(error, Unavailable) and error.status:
            # Answered with a fault, such as that of an admission webhook: said on the Workspace, and tried again.
            with suppress(ApiError):
                await _report(context, workspace, obj, _blocked(work, refused(error)), DONE)
        raise
    heard, result = await listen(context, workspace, work.plan.seen)
    work = replace(work, plan=with_made(replace(work.plan, seen=heard), made))
    return await _report(context, workspace, obj, _healthy(work), _sooner(result, work.plan.nodes.recheck))


def _sooner(result: Result, seconds: float | None) -> Result:
    """The result, with the next look no later than that."""
    waits = [wait for wait in (result.requeue_after, seconds) if wait is not None]
    return Result(requeue_after=min(waits)) if waits else result


async def _made_certain(context: Context, work: Work, *, fresh: bool) -> Work | None:
    """The work as it is after a look at the API server where nodes are to change; None where the Workspace did.

    Claims that seem to be gone may only be unknown to a cache that lags.
    """
    seen, plan = work.observed, work.plan.nodes
    if plan.is_settled and not seen.provisioning.misses(seen.claims):
        return work
    if not fresh and not await is_current(context, work.workspace, work.obj):
        return None
    closer = await look_closer(context, work.workspace, work.obj, seen, plan, work.target.demand.kind)
    return await _without_occupied(context, _seeing(work, closer))


async def _without_occupied(context: Context, work: Work) -> Work:
    """The work without nodes whose GPUs pods of others hold; what is to be taken in their place is looked at in turn.

    Once enough were looked at, the rest counts as occupied until the next look.
    """
    fine: set[str] = set()
    looked_at = 0
    while unknown := [node for node in work.plan.nodes.take if node.name not in fine]:
        now = unknown[: MOST_LOOKED_AT - looked_at]
        occupied = await find_occupied(context, work.workspace, work.target.demand, now)
        looked_at += len(now)
        fine |= {node.name for node in now} - occupied
        left = {node.name for node in unknown} - fine
        if len(now) < len(unknown):
            # All at once: with a plan for each of them, thousands would keep everybody else waiting.
            demand, nodes = work.target.demand, work.observed.nodes
            left |= {node.name for node in nodes if not node.owner_uid and demand.usable(node)} - fine
        if left:
            work = _seeing(work, replace(work.observed, occupied=work.observed.occupied | left))
    return work


def _seeing(work: Work, observed: Observed) -> Work:
    """The work as it is when that is observed."""
    return _work(work.workspace, work.obj, work.target, observed, work.wish)


def _work(workspace: Workspace, obj: Json, target: Target, observed: Observed, wish: Wish) -> Work:
    known = was_trained(obj, revision_name(workspace, wish, "")) if wish.once else None
    if known is not None:
        observed = replace(observed, trained=known)
    plan = make_plan(workspace, target, observed, wish.pods, certain=known is not None)
    revision = revision_name(workspace, wish, annotations_of(plan.workload).get(APPLIED_HASH, ""))
    return Work(workspace, obj, target, observed, plan, wish, revision)


async def _close_difference(context: Context, work: Work) -> tuple[str, ...]:
    """The Services first, and the workload at least on trial: nodes cost money, and a refusal should not.

    Returns:
        The UIDs of the claims that were made.
    """
    workspace, plan, observed = work.workspace, work.plan, work.observed
    await apply_services(context, workspace, plan, observed)
    if observed.like(plan.workload) is None and not plan.nodes.is_settled:
        await rehearse_workload(context, workspace, plan.workload)
    await remove_obsolete(context, workspace, plan)
    made = await settle_nodes(context, workspace, work.obj, work.target, plan.nodes, observed)
    if plan.start:
        await apply_workload(context, workspace, work.obj, plan, observed)
    if work.carried_out:
        await record(context, workspace, work.obj, work.wish, work.revision)
    return made


def _healthy(work: Work) -> View:
    plan = work.plan
    conditions = conditions_for(work.workspace, plan.demand, plan.nodes, plan.seen, served=plan.served)
    revision = work.revision if work.carried_out else ""
    sight = Sight(work.plan, blocked=False)
    return View(conditions, work.plan.nodes.usable, work.plan.demand.count, sight, revision)


def _blocked(work: Work, problem: Problem) -> View:
    """The nodes are told as they are; the workload is what cannot go on."""
    demand, nodes = work.plan.demand, work.plan.nodes
    known = node_conditions(demand, nodes, work.plan.seen)
    conditions = blocked_conditions(work.workspace, work.plan.seen, [problem], known=known)
    return View(conditions, nodes.usable, demand.count, Sight(work.plan, blocked=True))


def _unresolved(workspace: Workspace, obj: Json, observed: Observed, problems: Sequence[Problem]) -> View:
    """What the nodes were said to be stays said: nothing was done to them."""
    before, status = conditions_of(obj), obj.get("status") or {}
    known = [before[type_] for type_ in NODE_CONDITIONS if type_ in before]
    conditions = blocked_conditions(
        workspace, observed, problems, known=known if ConditionType.RESOURCE_READY in before else ()
    )
    nodes = [parse_node({"metadata": {"name": name}}) for name in status.get("workerNodes") or []]
    return View(conditions, nodes, int(status.get("targetNodeCount") or 0))


def _finished(workspace: Workspace, kind: ClaimKind, observed: Observed, problems: Sequence[Problem]) -> View:
    """What cannot be resolved any more and has ended: its nodes go, whatever stands in the way of another run."""
    demand = replace(NO_DEMAND, kind=kind)
    nodes = plan_nodes(workspace, demand, observed)
    known = node_conditions(demand, nodes, observed)
    return View(blocked_conditions(workspace, observed, problems, known=known), nodes.usable)


async def _report(context: Context, workspace: Workspace, obj: Json, view: View, result: Result) -> Result:
    status = render_status(workspace, obj, view.conditions, view.nodes, view.count, now=now(), sight=view.sight)
    status |= remembered(obj, view.revision, view.conditions)
    await write_status(context, workspace, obj, status)
    if is_true(obj, ConditionType.PAUSED):
        note = "the Workspace is looked after again"
        context.recorder.event(obj, type=NORMAL, reason=Reason.WORKSPACE_RESUMED, note=note)
    return result
