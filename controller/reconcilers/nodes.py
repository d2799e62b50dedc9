"""Carries out a node plan: makes and deletes claims, takes and gives back existing nodes."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from controller.api import labels
from controller.api.claims import CLAIM_KINDS, Claim, ClaimKind
from controller.api.json import Json, is_deleting, labels_of, name_of, uid_of
from controller.api.reasons import Reason
from controller.api.resources import NODES, WORKSPACES
from controller.api.workspace import Workspace
from controller.planning.claim_words import noun_for, word_for
from controller.planning.claims import ownership_labels
from controller.planning.nodes import NodePlan, plan_nodes
from controller.planning.observed import Node
from controller.planning.plan import claims_to_create
from controller.planning.target import Target
from controller.reconcilers.context import Context
from controller.reconcilers.observe import claims_of, observe
from controller.reconcilers.refusals import Blocked, kind_not_served, name_taken
from controller.reconcilers.story import NORMAL
from controller.runtime.errors import AlreadyExists, Conflict, NotFound


async def settle_nodes(context: Context, workspace: Workspace, obj: Json, target: Target, plan: NodePlan) -> None:
    """Closes the difference between the node plan and the cluster. Each step is safe to repeat."""
    for node in plan.release:
        await release_node(context, obj, node)
    await delete_claims(context, obj, plan.delete)
    for node in plan.take:
        await _take_node(context, workspace, obj, node)
    if plan.create:
        await _create_claims(context, workspace, obj, target)


async def _create_claims(context: Context, workspace: Workspace, obj: Json, target: Target) -> None:
    """Makes the missing claims, after a look at the truth: a claim costs money, and caches lag.

    Names are deterministic, so even two replicas that both look first cannot make two claims for one ordinal.
    """
    if not await _still_wanted(context, workspace):
        return
    kind, claims = target.demand.kind, await live_claims(context, workspace.uid)
    observed = replace(observe(context.informers, workspace, obj), claims=claims)
    for claim in claims_to_create(workspace, target, plan_nodes(workspace, target.demand, observed)):
        try:
            await context.client.create(kind.resource, claim)
        except AlreadyExists:
            await _check_claim(context, workspace, kind, name_of(claim))
            continue
        except NotFound:
            raise Blocked(kind_not_served(kind)) from None
        note = f"created {noun_for(kind)} {name_of(claim)} for a {target.sku.name} node"
        reason = word_for(kind, Reason.MACHINE_CREATED)
        context.recorder.event(obj, type=NORMAL, reason=reason, note=note, related=claim)


async def _check_claim(context: Context, workspace: Workspace, kind: ClaimKind, name: str) -> None:
    """A claim of our name that our labels no longer find would be waited for in vain.

    Raises:
        Blocked: it is not labelled as this Workspace's.
    """
    with suppress(NotFound):
        found = await context.client.get(kind.resource, name)
        if labels_of(found).get(labels.WORKSPACE_UID) != workspace.uid:
            raise Blocked(name_taken(kind.resource.kind, name))


async def _still_wanted(context: Context, workspace: Workspace) -> bool:
    try:
        live = await context.client.get(WORKSPACES, workspace.name, namespace=workspace.namespace)
    except NotFound:
        return False
    return uid_of(live) == workspace.uid and not is_deleting(live)


async def live_claims(context: Context, workspace_uid: str) -> tuple[Claim, ...]:
    """The claims of every kind that carry the UID, read from the API server and not from the cache.

    All kinds share one sequence of ordinals: a NodeClaim must not get the name, and so the agent pool, of a Machine.
    """
    found: list[tuple[ClaimKind, Json]] = []
    for kind in CLAIM_KINDS:
        with suppress(NotFound):  # where the kind does not exist, no object of it does
            listed = await context.client.list(kind.resource, labels=f"{labels.WORKSPACE_UID}={workspace_uid}")
            found += [(kind, obj) for obj in listed.items]
    return claims_of(found, workspace_uid)


async def delete_claims(context: Context, obj: Json, claims: Iterable[Claim]) -> None:
    """Asks for the deletion of claims that are not already going; another object of the same name is left alone."""
    for claim in claims:
        if claim.deleting:
            continue
        try:
            await context.client.delete(claim.kind.resource, claim.name, uid=claim.uid)
        except (NotFound, Conflict):
            continue
        note = f"deleted {noun_for(claim.kind)} {claim.name}"
        context.recorder.event(obj, type=NORMAL, reason=word_for(claim.kind, Reason.MACHINE_DELETED), note=note)


async def _take_node(context: Context, workspace: Workspace, obj: Json, node: Node) -> None:
    """Labels a free node as the Workspace's own; whoever else takes it at the same moment makes this a conflict."""
    patch = {"metadata": {"resourceVersion": node.resource_version, "labels": ownership_labels(workspace)}}
    await context.client.merge(NODES, node.name, patch)
    note = f"node {node.name} serves this Workspace now"
    context.recorder.event(obj, type=NORMAL, reason=Reason.NODE_CLAIMED, note=note)


async def release_node(context: Context, obj: Json, node: Node) -> None:
    """Takes the ownership labels off a node that existed on its own."""
    gone = {labels.WORKSPACE: None, labels.WORKSPACE_NAMESPACE: None, labels.WORKSPACE_UID: None}
    try:
        live = await context.client.get(NODES, node.name)
        if labels_of(live).get(labels.WORKSPACE_UID) != node.owner_uid:
            return
        version = live["metadata"]["resourceVersion"]
        await context.client.merge(NODES, node.name, {"metadata": {"resourceVersion": version, "labels": gone}})
    except NotFound:
        return
    note = f"node {node.name} is free again"
    context.recorder.event(obj, type=NORMAL, reason=Reason.NODE_RELEASED, note=note)
