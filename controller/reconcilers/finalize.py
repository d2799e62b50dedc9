"""Deletion of a Workspace: workload first, then claims, then the finalizer; nothing foreign is touched.

Claims are cluster-scoped and the Workspace is not, so no owner reference can do this.
"""

from contextlib import suppress

from controller.api import labels
from controller.api.conditions import conditions_of, merge_conditions
from controller.api.json import Json, is_deleting, name_of, namespace_of, uid_of
from controller.api.reasons import Reason
from controller.api.resources import DEPLOYMENTS, SERVICES, WORKSPACES, Resource
from controller.api.workspace import Workspace
from controller.planning.nodes import is_taken
from controller.planning.observed import Observed, is_owned_by
from controller.planning.status import deleting_conditions
from controller.reconcilers.context import Context, version_of
from controller.reconcilers.nodes import delete_claims, live_claims, release_node
from controller.reconcilers.observe import claims_of, observe
from controller.reconcilers.report import now, write_status
from controller.reconcilers.story import NORMAL
from controller.runtime.errors import Conflict, NotFound
from controller.runtime.reconciler import DONE, Result


async def add_finalizer(context: Context, workspace: Workspace, obj: Json) -> None:
    """Puts our finalizer on the Workspace, before anything is made that it would have to clean up."""
    await _write_finalizers(context, workspace, obj, (*workspace.finalizers, labels.WORKSPACE_FINALIZER))


async def finalize(context: Context, workspace: Workspace, obj: Json) -> Result:
    """One step of the clean-up; the watches report when the next one can be taken."""
    if labels.WORKSPACE_FINALIZER not in workspace.finalizers:
        return DONE
    observed = observe(context.informers, workspace)
    await _delete_workload(context, workspace, observed)
    claims = claims_of(await live_claims(context, workspace.uid), workspace.uid)
    await delete_claims(context, obj, claims)
    for node in observed.nodes:
        if node.owner_uid == workspace.uid and is_taken(node):
            await release_node(context, obj, node)
    if claims:
        names = ", ".join(sorted(claim.name for claim in claims)[:3])
        await _report(context, workspace, obj, f"waiting for {len(claims)} machine(s) to be gone: {names}")
        return DONE
    others = tuple(name for name in workspace.finalizers if name != labels.WORKSPACE_FINALIZER)
    await _write_finalizers(context, workspace, obj, others)
    note = "machines, nodes and workload are gone"
    context.recorder.event(obj, type=NORMAL, reason=Reason.WORKSPACE_DELETED, note=note)
    return DONE


async def _delete_workload(context: Context, workspace: Workspace, observed: Observed) -> None:
    for resource, live in ((DEPLOYMENTS, observed.deployment), (SERVICES, observed.service)):
        if live is not None and is_owned_by(live, workspace.uid) and not is_deleting(live):
            await _delete(context, resource, live)


async def _delete(context: Context, resource: Resource, live: Json) -> None:
    with suppress(NotFound, Conflict):
        await context.client.delete(resource, name_of(live), namespace=namespace_of(live), uid=uid_of(live))


async def _write_finalizers(context: Context, workspace: Workspace, obj: Json, finalizers: tuple[str, ...]) -> None:
    """Replaces the list only if the Workspace still is the version we saw; otherwise this is a conflict."""
    patch = {"metadata": {"resourceVersion": version_of(obj), "finalizers": list(finalizers)}}
    with suppress(NotFound):
        await context.client.merge(WORKSPACES, workspace.name, patch, namespace=workspace.namespace)


async def _report(context: Context, workspace: Workspace, obj: Json, remaining: str) -> None:
    """Says what is left; a Workspace that vanished meanwhile needs no report."""
    before = conditions_of(obj)
    conditions = merge_conditions(
        before, deleting_conditions(before, remaining), generation=workspace.generation, now=now()
    )
    status = {**(obj.get("status") or {}), "conditions": [condition.as_json() for condition in conditions]}
    with suppress(NotFound, Conflict):
        await write_status(context, workspace, obj, status)
