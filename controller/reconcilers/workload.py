"""Writes workload and Services: only where they differ, and never over someone else's object."""

from contextlib import suppress

from controller.api import labels
from controller.api.json import (
    Json,
    annotations_of,
    generation_of,
    metadata_of,
    name_of,
    namespace_of,
    uid_of,
    version_of,
)
from controller.api.reasons import Reason
from controller.api.resources import Resource
from controller.api.workspace import Workspace
from controller.planning.drift import covers
from controller.planning.observed import Observed, is_owned_by, ref_of
from controller.planning.plan import Plan
from controller.planning.rendering import APPLIED_HASH, OWNED
from controller.reconcilers.context import Applied, Context
from controller.reconcilers.refusals import Blocked, name_taken, refused
from controller.reconcilers.story import NORMAL
from controller.runtime.errors import ApiError, Conflict, NotFound, is_final

_RESOURCES = {resource.kind: resource for resource in OWNED}


async def apply_services(context: Context, workspace: Workspace, plan: Plan, observed: Observed) -> None:
    """Writes the Services that differ.

    Raises:
        Blocked: a name belongs to someone else, or an object is not accepted.
    """
    for service in plan.services:
        await _apply(context, workspace, service, observed.like(service))


async def apply_workload(context: Context, workspace: Workspace, obj: Json, plan: Plan, observed: Observed) -> None:
    """Writes the workload where it differs, and tells so.

    Raises:
        Blocked: the name belongs to someone else, or the object is not accepted.
    """
    wanted = plan.workload
    if await _apply(context, workspace, wanted, observed.like(wanted)):
        kinds = " and ".join(dict.fromkeys(each["kind"] for each in (wanted, *plan.services)))
        note = f"applied {kinds} {workspace.name}"
        context.recorder.event(obj, type=NORMAL, reason=Reason.WORKLOAD_APPLIED, note=note, related=wanted)


async def rehearse_workload(context: Context, workspace: Workspace, wanted: Json) -> None:
    """Makes sure, before nodes are bought for it, that the workload would be accepted under its name.

    Raises:
        Blocked: it would not.
    """
    resource = _RESOURCES[wanted["kind"]]
    try:
        answer = await _write(context, resource, wanted, dry_run=True)
    except Blocked:
        await _not_foreign(context, workspace, resource, wanted)  # what it would meet there is the better cause
        raise
    if version_of(answer):  # only what is stored has one
        await _not_foreign(context, workspace, resource, wanted)


async def remove_obsolete(context: Context, workspace: Workspace, plan: Plan) -> None:
    """Deletes the Workspace's own objects that it should not have any more."""
    for (kind, name), live in plan.remove.items():
        await delete_own(context, workspace, _RESOURCES[kind], name, live)


async def delete_own(context: Context, workspace: Workspace, resource: Resource, name: str, live: Json) -> None:
    """Asks for an object's deletion; another object of the same name is left alone."""
    with suppress(NotFound, Conflict):
        await context.client.delete(resource, name, namespace=workspace.namespace, uid=uid_of(live))


async def _apply(context: Context, workspace: Workspace, wanted: Json, cached: Json | None) -> bool:
    """Whether the object had to be written.

    The cache holds only objects with our label, so what it lacks is looked for directly before the write. The UID in
    the body keeps a successor of the same name from being changed.
    """
    resource = _RESOURCES[wanted["kind"]]
    live = cached if cached is not None else await _not_foreign(context, workspace, resource, wanted)
    if live is None:
        await _write(context, resource, wanted)
        return True
    _check_owner(workspace, resource, live)
    applied = context.applied.setdefault((workspace.namespace, workspace.name), {})
    if covers(live, wanted) or stands(applied.get(ref_of(wanted)), wanted, live):
        return False
    answer = await _write(context, resource, {**wanted, "metadata": {**wanted["metadata"], "uid": uid_of(live)}})
    applied[ref_of(wanted)] = _applied(wanted, answer)
    return version_of(answer) != version_of(live)


def stands(applied: Applied | None, wanted: Json, live: Json) -> bool:
    """Whether the object still is what an equal write of ours made of it.

    The API server spells some values of a user's pod in its own way, such as quantities; that is no difference. Kinds
    without a generation do not tell whether they were changed since.
    """
    untouched = generation_of(live) > 0 and covers(metadata_of(live), metadata_of(wanted))
    return untouched and applied == _applied(wanted, live)


def _applied(wanted: Json, stored: Json) -> Applied:
    return uid_of(stored), generation_of(stored), annotations_of(wanted)[APPLIED_HASH]


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


async def _write(context: Context, resource: Resource, body: Json, *, dry_run: bool = False) -> Json:
    try:
        return await context.client.apply(resource, body, manager=labels.CONTROLLER_MANAGER, dry_run=dry_run)
    except ApiError as error:
        if not is_final(error):
            raise
        raise Blocked(refused(error, resource, body)) from error
