"""Deletion of a Workspace: workload first, then claims, then the finalizer; nothing foreign is touched.

Claims are cluster-scoped and the Workspace is not, so no owner reference can do this.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from controller.api import labels
from controller.api.claims import READY
from controller.api.conditions import conditions_of, merge_conditions
from controller.api.json import Json, is_deleting, version_of
from controller.api.messages import shorten
from controller.api.reasons import Reason
from controller.api.resources import WORKSPACES
from controller.api.workspace import Workspace
from controller.planning.claim_words import noun_for
from controller.planning.node_plan import is_taken
from controller.planning.observed import Observed, is_owned_by
from controller.planning.rendering import object_names
from controller.planning.status import deleting_conditions
from controller.reconcilers.context import Context
from controller.reconcilers.nodes import delete_claims, live_claims, release_node
from controller.reconcilers.observe import observe
from controller.reconcilers.refusals import refused
from controller.reconcilers.report import now, write_status
from controller.reconcilers.story import NORMAL
from controller.reconcilers.workload import delete_own
from controller.runtime.errors import ApiError, Conflict, NotFound, Unavailable, is_final
from controller.runtime.reconciler import DONE, Result

RECHECK: Final = Result(requeue_after=30.0)
"""A clean-up is looked at again although no watch reports anything, so that nothing can hold it unseen."""

POD_PATIENCE: Final = timedelta(minutes=2)
"""How long pods may hold the release of a taken node; their own grace is 30 s."""

CAUSE_CHARACTERS: Final = 256
"""Characters of a claim's own words that are shown."""


async def add_finalizer(context: Context, workspace: Workspace, obj: Json) -> Json | None:
    """Puts our finalizer on the Workspace, before anything is made that it would have to clean up.

    Returns:
        The Workspace as it is stored then; None when it is gone.
    """
    stored = await _write_finalizers(context, workspace, obj, (*workspace.finalizers, labels.WORKSPACE_FINALIZER))
    if stored is not None:
        context.remember((workspace.namespace, workspace.name), stored)
    return stored


async def finalize(context: Context, workspace: Workspace, obj: Json) -> Result:
    """One step of the clean-up; each part is tried even when another fails, and what is left is told."""
    if labels.WORKSPACE_FINALIZER not in workspace.finalizers:
        return DONE
    observed = observe(context.informers, workspace, obj)
    left: list[str] = []
    fault: Unavailable | None = None
    for part in (_delete_workload, _delete_claims, _release_nodes):
        try:
            left += await part(context, workspace, obj, observed)
        except ApiError as error:
            if isinstance(error, Unavailable) and error.status:
                fault = error
            elif not is_final(error):
                raise
            left.append(refused(error).text)
    if left:
        await _report(context, workspace, obj, "; ".join(left))
        if fault is not None:
            raise fault
        return RECHECK
    others = tuple(name for name in workspace.finalizers if name != labels.WORKSPACE_FINALIZER)
    await _write_finalizers(context, workspace, obj, others)
    note = "machines and workload are gone"
    context.recorder.event(obj, type=NORMAL, reason=Reason.WORKSPACE_DELETED, note=note)
    return DONE


async def _delete_workload(context: Context, workspace: Workspace, obj: Json, observed: Observed) -> list[str]:
    del obj
    for resource, name in object_names(workspace):
        live = observed.objects.get((resource.kind, name))
        if live is not None and is_owned_by(live, workspace.uid) and not is_deleting(live):
            await delete_own(context, workspace, resource, name, live)
    return []


async def _delete_claims(context: Context, workspace: Workspace, obj: Json, observed: Observed) -> list[str]:
    del observed
    claims = await live_claims(context, workspace, obj)
    await delete_claims(context, obj, claims)
    if not claims:
        return []
    first = min(claims, key=lambda claim: claim.name)
    ready = first.conditions.get(READY)
    cause = f": {shorten(ready.message, CAUSE_CHARACTERS)}" if ready is not None and ready.message else ""
    nouns = " and ".join(f"{noun}(s)" for noun in dict.fromkeys(noun_for(claim.kind) for claim in claims))
    return [f"waiting for {len(claims)} {nouns} to be gone; {first.name}{cause}"]


async def _release_nodes(context: Context, workspace: Workspace, obj: Json, observed: Observed) -> list[str]:
    """Nodes that existed on their own are given back once no pod of ours holds their GPUs any more."""
    taken = [node for node in observed.nodes if node.owner_uid == workspace.uid and is_taken(node, observed.claims)]
    if taken and observed.pods and not waited_long(obj):
        return [f"waiting for {len(observed.pods)} pod(s) to end on {taken[0].name}"]
    for node in taken:
        await release_node(context, obj, node)
    return []


def waited_long(obj: Json) -> bool:
    """Whether pods had their time to end; a dead node's pods never do, and must not hold the Workspace for ever.

    Where our clock lags far behind the API server's, nobody could tell when that time is over: it is.
    """
    since = datetime.fromisoformat(str(obj["metadata"]["deletionTimestamp"]))
    return abs(datetime.now(UTC) - since) > POD_PATIENCE


async def _write_finalizers(
    context: Context, workspace: Workspace, obj: Json, finalizers: tuple[str, ...]
) -> Json | None:
    """Replaces the list only if the Workspace still is the version we saw; otherwise this is a conflict."""
    patch = {"metadata": {"resourceVersion": version_of(obj), "finalizers": list(finalizers)}}
    with suppress(NotFound):
        return await context.client.merge(WORKSPACES, workspace.name, patch, namespace=workspace.namespace)
    return None


async def _report(context: Context, workspace: Workspace, obj: Json, remaining: str) -> None:
    """Says what is left; a Workspace that vanished meanwhile needs no report."""
    before = conditions_of(obj)
    conditions = merge_conditions(
        before, deleting_conditions(before, remaining), generation=workspace.generation, now=now()
    )
    status = {
        **(obj.get("status") or {}),
        "observedGeneration": workspace.generation,
        "conditions": [condition.as_json() for condition in conditions],
    }
    with suppress(NotFound, Conflict):
        await write_status(context, workspace, obj, status)
