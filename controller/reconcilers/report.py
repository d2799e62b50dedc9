"""Writes a Workspace's status, when and only when it changed, and tells the story of the change."""

from datetime import UTC, datetime

from controller.api import labels
from controller.api.json import Json
from controller.api.resources import WORKSPACES
from controller.api.workspace import Workspace
from controller.planning.status import owned_part
from controller.reconcilers.context import Context
from controller.reconcilers.story import tell


async def write_status(context: Context, workspace: Workspace, obj: Json, status: Json) -> None:
    """Stores the status and tells what changed; an unchanged status costs nothing.

    The UID in the body makes sure that a successor of the same name is never given its predecessor's status.
    """
    if owned_part(status) == owned_part(obj.get("status") or {}):
        return
    body = {
        "apiVersion": WORKSPACES.api_version,
        "kind": WORKSPACES.kind,
        "metadata": {"name": workspace.name, "namespace": workspace.namespace, "uid": workspace.uid},
        "status": status,
    }
    answer = await context.client.apply(WORKSPACES, body, manager=labels.CONTROLLER_MANAGER, subresource="status")
    context.remember((workspace.namespace, workspace.name), answer)
    tell(context.recorder, obj, status)


def now() -> str:
    """The present moment as RFC 3339 in UTC, whole seconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
