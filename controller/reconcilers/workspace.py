"""The loop of one Workspace: look, plan, close the difference, say how things stand."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from controller.api import labels
from controller.api.conditions import Condition
from controller.api.json import Json, Key
from controller.api.messages import Problem
from controller.api.workspace import ParseError, Workspace, parse_workspace
from controller.planning.observed import Node, Observed
from controller.planning.plan import Plan, Target, foreign_objects, make_plan, resolve, unreadable
from controller.planning.status import blocked_conditions, conditions_for, render_status
from controller.reconcilers.collect import collect_leftovers
from controller.reconcilers.context import Context
from controller.reconcilers.finalize import add_finalizer, finalize
from controller.reconcilers.nodes import settle_nodes
from controller.reconcilers.observe import observe
from controller.reconcilers.report import now, write_status
from controller.reconcilers.workload import Refused, apply_objects, with_live_objects
from controller.runtime.reconciler import DONE, Result

BLOCKED_RECHECK_SECONDS: Final = 30.0
"""How often a Workspace is looked at again whose obstacle no watch reports, such as a foreign object."""


@dataclass(frozen=True, slots=True)
class View:
    """What a status is computed from."""

    conditions: list[Condition]
    nodes: Sequence[Node] = ()
    count: int = 0


async def reconcile(context: Context, key: Key) -> Result:
    """Brings the Workspace of the key one step nearer to what it asks for."""
    obj = context.latest(key)
    if obj is None:
        await collect_leftovers(context, key)
        return DONE
    try:
        workspace = parse_workspace(obj)
    except ParseError as error:
        # The schema forbids this; it is said all the same, so that a loosened schema cannot silence the Workspace.
        bare = parse_workspace({"metadata": obj["metadata"]})
        return await _report(context, bare, obj, _blocked(Observed(), [unreadable(error)]), DONE)
    if workspace.deleting:
        return await finalize(context, workspace, obj)
    if labels.WORKSPACE_FINALIZER not in workspace.finalizers:
        await add_finalizer(context, workspace, obj)
        return DONE
    return await _advance(context, workspace, obj)


async def _advance(context: Context, workspace: Workspace, obj: Json) -> Result:
    await collect_leftovers(context, (workspace.namespace, workspace.name), workspace.uid)
    observed = observe(context.informers, workspace)
    target = resolve(workspace, obj, context.catalog, provision=context.provision)
    if not isinstance(target, Target):
        return await _report(context, workspace, obj, _blocked(observed, target), DONE)
    plan = make_plan(workspace, target, observed)
    observed = await with_live_objects(context, workspace, plan, observed)
    foreign = foreign_objects(workspace, observed)
    if foreign:
        return await _report(context, workspace, obj, _blocked(observed, foreign), _recheck())
    await settle_nodes(context, workspace, obj, target, plan.nodes)
    try:
        await apply_objects(context, workspace, obj, plan, observed)
    except Refused as refusal:
        return await _report(context, workspace, obj, _blocked(observed, [refusal.problem]), _recheck())
    return await _report(context, workspace, obj, _healthy(target, plan, observed), DONE)


def _blocked(observed: Observed, problems: Sequence[Problem]) -> View:
    return View(blocked_conditions(observed, problems))


def _healthy(target: Target, plan: Plan, observed: Observed) -> View:
    conditions = conditions_for(target.demand, plan.nodes, observed)
    return View(conditions, plan.nodes.usable, target.demand.count)


def _recheck() -> Result:
    return replace(DONE, requeue_after=BLOCKED_RECHECK_SECONDS)


async def _report(context: Context, workspace: Workspace, obj: Json, view: View, result: Result) -> Result:
    status = render_status(workspace, obj, view.conditions, view.nodes, view.count, now=now())
    await write_status(context, workspace, obj, status)
    return result
