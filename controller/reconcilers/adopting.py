"""Takes over what KAITO made for a Workspace, without touching a pod."""

from controller.api.json import Json, is_deleting, name_of
from controller.api.reasons import Reason
from controller.api.resources import SERVICES, Resource
from controller.api.workspace import Workspace
from controller.planning.adoption import adoption_patch, is_adoptable, is_awaited, may_have_predecessor
from controller.planning.observed import Observed, is_owned_by
from controller.planning.rendering import WORKLOADS, object_names
from controller.reconcilers.context import Context
from controller.reconcilers.story import NORMAL
from controller.runtime.errors import NotFound


async def adopt(context: Context, workspace: Workspace, obj: Json, observed: Observed, pods: str) -> bool:
    """Labels and annotates KAITO's objects, so that the caches show them and plans know them.

    Args:
        context: the operator's connections.
        workspace: whose objects they are; those of others are left alone.
        obj: the Workspace as stored.
        observed: what the caches show of its surroundings.
        pods: the digest of what its pods depend on.

    Returns:
        Whether a workload is there that the caches do not show yet as it is: nothing is to be made beside it.
    """
    if not may_have_predecessor(workspace, observed):
        return False
    waits = False
    for resource, name in object_names(workspace):
        live = await _live(context, workspace, resource, name)
        if live is None or is_deleting(live) or not is_owned_by(live, workspace.uid):
            continue
        adoptable = is_adoptable(live, workspace)
        if adoptable:
            await _take_over(context, workspace, obj, resource, live, pods)
        # What lost label or mark by hand is no affair of the caches: writing it once more puts that right.
        waits = waits or (resource in WORKLOADS and (adoptable or is_awaited(live)))
    return waits


async def _live(context: Context, workspace: Workspace, resource: Resource, name: str) -> Json | None:
    try:
        return await context.client.get(resource, name, namespace=workspace.namespace)
    except NotFound:
        return None


async def _take_over(
    context: Context, workspace: Workspace, obj: Json, resource: Resource, live: Json, pods: str
) -> None:
    name = name_of(live)
    patch = adoption_patch(live, workspace, pods, fields=resource is SERVICES)
    await context.client.merge(resource, name, patch, namespace=workspace.namespace)
    if resource in WORKLOADS:
        note = f"{resource.kind} {name} of KAITO goes on as it is until the Workspace asks for something else"
        context.recorder.event(obj, type=NORMAL, reason=Reason.WORKLOAD_ADOPTED, note=note, related=live)
