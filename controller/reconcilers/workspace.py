"""The loop of one Workspace: look, plan, close the difference, say how things stand."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from controller.api import labels
from controller.api.conditions import Condition, conditions_of
from controller.api.json import Json, Key
from controller.api.messages import Problem
from controller.api.workspace import ConditionType, ParseError, Workspace, parse_workspace
from controller.planning.node_status import NODE_CONDITIONS, node_conditions
from controller.planning.observed import Node, Observed, parse_node
from controller.planning.phases import NOTHING_PLANNED, Sight
from controller.planning.plan import Plan, make_plan
from controller.planning.resolving import resolve, unreadable
from controller.planning.status import blocked_conditions, conditions_for, render_status
from controller.planning.target import Target
from controller.reconcilers.collect import collect_leftovers
from controller.reconcilers.context import Context
from controller.reconcilers.finalize import add_finalizer, finalize
from controller.reconcilers.nodes import settle_nodes
from controller.reconcilers.observe import observe
from controller.reconcilers.refusals import Blocked, refused
from controller.reconcilers.report import now, write_status
from controller.reconcilers.workload import apply_services, apply_workload, rehearse_workload, remove_obsolete
from controller.runtime import logs
from controller.runtime.errors import ApiError, Forbidden, Invalid, Unavailable
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


@dataclass(frozen=True, slots=True)
class Work:
    """A Workspace that can run, with everything its reconciliation looks at."""

    workspace: Workspace
    obj: Json
    target: Target
    observed: Observed
    plan: Plan


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
    if problem is not None:
        return await _report(context, workspace, obj, _unresolved(workspace, obj, Observed(), [problem]), DONE)
    if labels.WORKSPACE_FINALIZER not in workspace.finalizers:
        await add_finalizer(context, workspace, obj)
        return DONE
    await _collect_predecessors(context, workspace)
    return await _advance(context, workspace, obj)


async def _collect_predecessors(context: Context, workspace: Workspace) -> None:
    """What a predecessor left must not keep its successor from running; the next look tries again."""
    try:
        await collect_leftovers(context, (workspace.namespace, workspace.name), workspace.uid)
    except ApiError as error:
        log.warning("cannot collect what an earlier Workspace of this name left: %s", error)


async def _advance(context: Context, workspace: Workspace, obj: Json) -> Result:
    observed = observe(context.informers, workspace, obj)
    target = resolve(workspace, obj, context.site())
    if not isinstance(target, Target):
        return await _report(context, workspace, obj, _unresolved(workspace, obj, observed, target), DONE)
    work = Work(workspace, obj, target, observed, make_plan(workspace, target, observed))
    try:
        await _close_difference(context, work)
    except Blocked as blocked:
        return await _report(context, workspace, obj, _blocked(work, blocked.problem), RECHECK)
    except (Invalid, Forbidden) as error:
        return await _report(context, workspace, obj, _blocked(work, refused(error)), RECHECK)
    except Unavailable as error:
        if error.status:
            # Answered with a fault, such as that of an admission webhook: said on the Workspace, and tried again.
            with suppress(ApiError):
                await _report(context, workspace, obj, _blocked(work, refused(error)), DONE)
        raise
    return await _report(context, workspace, obj, _healthy(work), DONE)


async def _close_difference(context: Context, work: Work) -> None:
    """The Services first, and the workload at least on trial: nodes cost money, and a refusal should not."""
    workspace, plan, observed = work.workspace, work.plan, work.observed
    await apply_services(context, workspace, plan, observed)
    if observed.like(plan.workload) is None and not plan.nodes.is_settled:
        await rehearse_workload(context, workspace, plan.workload)
    await remove_obsolete(context, workspace, plan)
    await settle_nodes(context, workspace, work.obj, work.target, plan.nodes)
    if plan.start:
        await apply_workload(context, workspace, work.obj, plan, observed)


def _healthy(work: Work) -> View:
    conditions = conditions_for(work.workspace, work.plan.demand, work.plan.nodes, work.plan.seen)
    return View(conditions, work.plan.nodes.usable, work.plan.demand.count, Sight(work.plan, blocked=False))


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


async def _report(context: Context, workspace: Workspace, obj: Json, view: View, result: Result) -> Result:
    status = render_status(workspace, obj, view.conditions, view.nodes, view.count, now=now(), sight=view.sight)
    await write_status(context, workspace, obj, status)
    return result
