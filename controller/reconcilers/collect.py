"""Collects what a vanished Workspace left behind: claims of its UID, and labels on nodes it had taken.

The finalizer prevents this; a Workspace whose finalizer was removed by hand, or a claim made at the very moment its
Workspace went, still must not cost money for ever.
"""

from controller.api import labels
from controller.api.claims import ClaimKind
from controller.api.json import Json, Key, is_deleting, labels_of, name_of, uid_of
from controller.api.resources import WORKSPACES
from controller.planning.claim_words import noun_for
from controller.reconcilers.context import Context
from controller.reconcilers.informers import BY_WORKSPACE
from controller.reconcilers.nodes import free_node
from controller.runtime import logs
from controller.runtime.errors import Conflict, NotFound

log = logs.get_logger(__name__)


async def collect_leftovers(context: Context, key: Key, uid: str = "") -> None:
    """Deletes claims and frees nodes that name the Workspace of the key but carry a UID that no longer exists.

    Args:
        context: the operator's connections.
        key: the Workspace's namespace and name.
        uid: the UID of the Workspace that has the name as far as we know; empty for none.
    """
    index = f"{key[0]}/{key[1]}"
    claims = [
        (kind, claim)
        for kind, claim in context.informers.claims_for(index)
        if _is_left_over(claim, uid) and not is_deleting(claim)
    ]
    nodes = [
        node
        for node in context.informers.nodes.by_index(BY_WORKSPACE, index)
        if _is_left_over(node, uid) and labels.CLAIM_ORDINAL not in labels_of(node)
    ]
    if not claims and not nodes:
        return
    alive = await _living_uid(context, key)
    for kind, claim in claims:
        if _is_left_over(claim, alive):
            await _delete_claim(context, kind, claim)
    for node in nodes:
        if _is_left_over(node, alive):
            await free_node(context, name_of(node), labels_of(node)[labels.WORKSPACE_UID])


async def _living_uid(context: Context, key: Key) -> str:
    """UID of the Workspace that has the name now, read from the API server; empty when none has."""
    try:
        return uid_of(await context.client.get(WORKSPACES, key[1], namespace=key[0]))
    except NotFound:
        return ""


def _is_left_over(obj: Json, alive: str) -> bool:
    """Whether the object carries a UID, and not that of the living Workspace; without one it is not ours to judge."""
    return labels_of(obj).get(labels.WORKSPACE_UID, alive) != alive


async def _delete_claim(context: Context, kind: ClaimKind, claim: Json) -> None:
    log.warning("deleting %s %s of a Workspace that no longer exists", noun_for(kind), name_of(claim))
    try:
        await context.client.delete(kind.resource, name_of(claim), uid=uid_of(claim))
    except (NotFound, Conflict):
        return
