"""Keeps the history of a Workspace, and what its status remembers of it."""

from collections.abc import Iterable
from contextlib import suppress

from controller.api import labels
from controller.api.conditions import TRUE, Condition
from controller.api.json import Json, name_of
from controller.api.reasons import Reason
from controller.api.resources import CONTROLLER_REVISIONS
from controller.api.workspace import ConditionType, Workspace
from controller.planning.observed import is_owned_by
from controller.planning.revisions import Wish, next_revision, render_revision, surplus
from controller.reconcilers.context import Context
from controller.reconcilers.refusals import refused
from controller.reconcilers.story import WARNING
from controller.runtime.errors import AlreadyExists, ApiError, NotFound, is_final


async def record(context: Context, workspace: Workspace, obj: Json, wish: Wish, name: str) -> None:
    """Makes the revision of what is carried out the newest of the history, and drops the oldest.

    The status names the revision in force, so that nothing is asked of the API server until it is another one. A
    history that is not taken, by a quota for instance, is told in an event: what was carried out is there all the same.
    """
    if (obj.get("status") or {}).get("currentRevision") == name:
        return
    try:
        await _record(context, workspace, render_revision(workspace, obj, wish, name))
    except ApiError as error:
        if not (is_final(error) or isinstance(error, AlreadyExists)):
            raise
        note = refused(error, CONTROLLER_REVISIONS, {"metadata": {"name": name}}).text
        context.recorder.event(obj, type=WARNING, reason=Reason.OBJECT_REFUSED, note=note)


async def _record(context: Context, workspace: Workspace, revision: Json) -> None:
    name, selector = name_of(revision), f"{labels.REVISION_OF}={workspace.name}"
    listed = await context.client.list(CONTROLLER_REVISIONS, namespace=workspace.namespace, labels=selector)
    history = [each for each in listed.items if is_owned_by(each, workspace.uid)]
    wanted = next_revision(revision, history)
    if wanted is not None:
        # Data never change, and the API server compares them byte by byte: a new number needs a new object.
        await _drop(context, workspace, [each for each in history if name_of(each) == name])
        await _create(context, workspace, wanted)
        history = [wanted, *(each for each in history if name_of(each) != name)]
    await _drop(context, workspace, surplus(history))


async def _create(context: Context, workspace: Workspace, wanted: Json) -> None:
    """Makes the revision; one of its name that lost the label by which a history is found is made anew.

    Raises:
        AlreadyExists: the one of its name is not the Workspace's own, or does not go.
    """
    try:
        await context.client.create(CONTROLLER_REVISIONS, wanted)
    except AlreadyExists:
        by_name = f"metadata.name={name_of(wanted)}"
        found = await context.client.list(CONTROLLER_REVISIONS, namespace=workspace.namespace, fields=by_name)
        if not all(is_owned_by(each, workspace.uid) for each in found.items):
            raise
        await _drop(context, workspace, found.items)
        await context.client.create(CONTROLLER_REVISIONS, wanted)


async def _drop(context: Context, workspace: Workspace, revisions: Iterable[Json]) -> None:
    for each in revisions:
        with suppress(NotFound):
            await context.client.delete(CONTROLLER_REVISIONS, name_of(each), namespace=workspace.namespace)


def remembered(obj: Json, revision: str, conditions: list[Condition]) -> Json:
    """The fields of the status that name revisions.

    Args:
        obj: the Workspace as stored.
        revision: the one in force; empty where nothing is carried out just now.
        conditions: what is said of the Workspace.
    """
    status = obj.get("status") or {}
    ended = any(each.type == ConditionType.WORKSPACE_SUCCEEDED and each.status == TRUE for each in conditions)
    fields = {
        "currentRevision": revision or status.get("currentRevision"),
        "succeededRevision": revision if revision and obj.get("tuning") and ended else status.get("succeededRevision"),
    }
    return {key: value for key, value in fields.items() if value}


def was_trained(obj: Json, revision: str) -> bool | None:
    """Whether the training run of the revision has ended well; None where the status, such as KAITO's, names none.

    Args:
        obj: the Workspace as stored.
        revision: the revision of what it asks for now.
    """
    known = (obj.get("status") or {}).get("succeededRevision")
    return known == revision if known else None
