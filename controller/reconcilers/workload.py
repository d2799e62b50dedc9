"""Writes Deployment and Service: only when they differ, and never over someone else's object."""

from controller.api import labels
from controller.api.json import Json, name_of, namespace_of, uid_of
from controller.api.reasons import Reason
from controller.api.resources import DEPLOYMENTS, SERVICES, Resource
from controller.api.workspace import Workspace
from controller.planning.drift import covers
from controller.planning.observed import is_owned_by
from controller.reconcilers.context import Context
from controller.reconcilers.refusals import Blocked, name_taken, refused
from controller.reconcilers.story import NORMAL
from controller.runtime.errors import Forbidden, Invalid, NotFound


async def apply_service(context: Context, workspace: Workspace, wanted: Json, cached: Json | None) -> None:
    """Writes the Service where it differs.

    Raises:
        Blocked: the name belongs to someone else, or the object is not accepted.
    """
    await _apply(context, workspace, SERVICES, wanted, cached)


async def apply_deployment(
    context: Context, workspace: Workspace, obj: Json, wanted: Json, cached: Json | None
) -> None:
    """Writes the Deployment where it differs, and tells so.

    Raises:
        Blocked: the name belongs to someone else, or the object is not accepted.
    """
    if await _apply(context, workspace, DEPLOYMENTS, wanted, cached):
        note = f"applied Deployment and Service {workspace.name}"
        context.recorder.event(obj, type=NORMAL, reason=Reason.WORKLOAD_APPLIED, note=note, related=wanted)


async def rehearse_deployment(context: Context, workspace: Workspace, wanted: Json) -> None:
    """Makes sure, before nodes are bought for it, that the Deployment would be accepted under its name.

    Raises:
        Blocked: it would not.
    """
    await _not_foreign(context, workspace, DEPLOYMENTS, wanted)
    await _write(context, DEPLOYMENTS, wanted, dry_run=True)


async def _apply(context: Context, workspace: Workspace, resource: Resource, wanted: Json, cached: Json | None) -> bool:
    """Whether the object had to be written.

    The cache holds only objects with our label, so what it lacks is looked for directly before the write. The UID in
    the body keeps a successor of the same name from being changed.
    """
    live = cached if cached is not None else await _not_foreign(context, workspace, resource, wanted)
    if live is None:
        await _write(context, resource, wanted)
        return True
    _check_owner(workspace, resource, live)
    if covers(live, wanted):
        return False
    await _write(context, resource, {**wanted, "metadata": {**wanted["metadata"], "uid": uid_of(live)}})
    return True


async def _not_foreign(context: Context, workspace: Workspace, resource: Resource, wanted: Json) -> Json | None:
    """The live object of the name, which is the Workspace's own; None when there is none."""
    try:
        live = await context.client.get(resource, name_of(wanted), namespace=namespace_of(wanted))
    except NotFound:
        return None
    _check_owner(workspace, resource, live)
    return live


def _check_owner(workspace: Workspace, resource: Resource, live: Json) -> None:
    if not is_owned_by(live, workspace.uid):
        raise Blocked(name_taken(resource.kind, name_of(live), namespace_of(live)))


async def _write(context: Context, resource: Resource, body: Json, *, dry_run: bool = False) -> None:
    try:
        await context.client.apply(resource, body, manager=labels.CONTROLLER_MANAGER, dry_run=dry_run)
    except (Invalid, Forbidden) as error:
        raise Blocked(refused(error, resource, body)) from error
