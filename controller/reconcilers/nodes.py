"""Carries out a node plan: makes and deletes claims, takes and gives back existing nodes."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from controller.api import labels
from controller.api.claims import CLAIM_KINDS, Claim, ClaimKind
from controller.api.json import Json, annotations_of, generation_of, is_deleting, labels_of, name_of, uid_of, version_of
from controller.api.reasons import Reason
from controller.api.resources import NODES, WORKSPACES
from controller.api.workspace import Workspace
from controller.planning.claim_words import noun_for, word_for
from controller.planning.claims import ownership_labels
from controller.planning.existing_nodes import kinds, narrowed
from controller.planning.inherited import ORDINAL
from controller.planning.node_plan import claim_of, is_taken, plan_nodes
from controller.planning.nodes import NodePlan
from controller.planning.observed import Node, Observed, parse_node
from controller.planning.ownership import freeing, taking
from controller.planning.plan import NO_DEMAND, claims_to_create
from controller.planning.resolving import resolve
from controller.planning.site import Site
from controller.planning.target import Target
from controller.reconcilers.context import Context
from controller.reconcilers.observe import claims_of
from controller.reconcilers.refusals import Blocked, kind_not_served, name_taken
from controller.reconcilers.story import NORMAL
from controller.runtime.errors import AlreadyExists, Conflict, NotFound


async def settle_nodes(
    context: Context, workspace: Workspace, obj: Json, target: Target, plan: NodePlan, observed: Observed
) -> tuple[str, ...]:
    """Closes the difference between the node plan and the cluster. Each step is safe to repeat.

    Returns:
        The UIDs of the claims that were made.
    """
    for node in plan.release:
        since = observed.troubled.get(node.name)
        await release_node(context, obj, node, f", it was of no use since {since}" if since else "")
    await delete_claims(context, obj, plan.delete)
    for node in plan.mark:
        await _mark_node(context, workspace, node, claim_of(node, observed.claims))
    for node in plan.take:
        await _take_node(context, workspace, obj, node)
    return await _create_claims(context, workspace, obj, target, plan)


async def give_back_nodes(context: Context, workspace: Workspace, obj: Json, observed: Observed) -> None:
    """Gives back all nodes and claims of a Workspace whose training run is over; what pods hold stays until later."""
    plan = plan_nodes(workspace, NO_DEMAND, observed)
    if plan.is_settled:
        return
    if not await is_current(context, workspace, obj):
        return
    closer = await look_closer(context, workspace, obj, observed, plan, NO_DEMAND.kind)
    plan = plan_nodes(workspace, NO_DEMAND, closer)
    for node in plan.release:
        await release_node(context, obj, node)
    await delete_claims(context, obj, plan.delete)


async def let_go(context: Context, workspace: Workspace, obj: Json, observed: Observed, site: Site) -> None:
    """Gives back taken nodes that will not do for what is asked where nodes with other GPUs would.

    Held on to, they would serve nobody, and keep their Workspace from those others. What pods hold stays.
    """
    own = {node.name: node for node in observed.nodes if node.owner_uid == workspace.uid}
    taken = [node for node in own.values() if is_taken(node, observed.claims)]
    if not taken or observed.hosts & own.keys() or not kinds(workspace, site):
        return
    others = narrowed(site, {node.name for node in site.nodes() or ()} - own.keys())
    if isinstance(resolve(workspace, obj, others), Target) and await is_current(context, workspace, obj):
        for node in taken:
            await release_node(context, obj, node, ", its GPUs will not do for what is asked now")


async def look_closer(
    context: Context, workspace: Workspace, obj: Json, observed: Observed, plan: NodePlan, kind: ClaimKind
) -> Observed:
    """What is observed, with claims and own nodes as the API server has them now instead of as a cache that lags shows.

    A plan that changes anything is made again from this: a claim costs money, and a node given up is served by nobody.

    Args:
        context: the operator's connections.
        workspace: whose surroundings are looked at.
        obj: the Workspace as stored.
        observed: what the caches show.
        plan: what would be done according to them.
        kind: the kind of claim missing nodes are asked for with.

    Raises:
        Blocked: claims are to be made of a kind the API server does not serve.
    """
    claims = await live_claims(context, workspace, obj, needed=kind if plan.create else None)
    if not (plan.take or plan.release or plan.delete):
        return replace(observed, claims=claims)
    listed = await context.client.list(NODES, labels=f"{labels.WORKSPACE_UID}={workspace.uid}")
    others = (node for node in observed.nodes if node.owner_uid != workspace.uid)
    nodes = {node.name: node for node in (*others, *map(parse_node, listed.items))}
    return replace(observed, claims=claims, nodes=tuple(nodes.values()))


async def is_current(context: Context, workspace: Workspace, obj: Json) -> bool:
    """Whether the API server's own Workspace asks for what ours does; what it asks for instead is looked at by itself.

    Nothing is bought or given up for a Workspace as a cache that lags shows it.
    """
    try:
        live = await context.client.get(WORKSPACES, workspace.name, namespace=workspace.namespace)
    except NotFound:
        return False
    return asks_the_same(live, obj)


def asks_the_same(live: Json, seen: Json) -> bool:
    """Whether a Workspace still is the one that was seen and asks for the same.

    No generation counts annotations, and those say what nodes are made of and whether anything is to be done at all.
    """
    known, found = (
        (uid_of(each), generation_of(each), is_deleting(each), annotations_of(each)) for each in (seen, live)
    )
    return known == found


async def _create_claims(
    context: Context, workspace: Workspace, obj: Json, target: Target, plan: NodePlan
) -> tuple[str, ...]:
    """Makes the missing claims.

    Names are deterministic, so even two replicas that both look first cannot make two claims for one ordinal.
    """
    kind, made = target.demand.kind, []
    for claim in claims_to_create(workspace, target, plan):
        try:
            stored = await context.client.create(kind.resource, claim)
        except AlreadyExists:
            await _check_claim(context, workspace, kind, name_of(claim))
            continue
        except NotFound:
            raise Blocked(kind_not_served(kind)) from None
        made.append(uid_of(stored))
        note = f"created {noun_for(kind)} {name_of(claim)} for a {target.sku.name} node"
        reason = word_for(kind, Reason.MACHINE_CREATED)
        context.recorder.event(obj, type=NORMAL, reason=reason, note=note, related=claim)
    return tuple(made)


async def _check_claim(context: Context, workspace: Workspace, kind: ClaimKind, name: str) -> None:
    """A claim of our name that our labels no longer find would be waited for in vain.

    Raises:
        Blocked: it is not labelled as this Workspace's.
    """
    with suppress(NotFound):
        found = await context.client.get(kind.resource, name)
        if not ownership_labels(workspace).items() <= labels_of(found).items():
            raise Blocked(name_taken(kind.resource.kind, name))


async def live_claims(
    context: Context, workspace: Workspace, obj: Json, *, needed: ClaimKind | None = None
) -> tuple[Claim, ...]:
    """The claims of every kind that were made for the Workspace, read from the API server and not from the cache.

    All kinds share one sequence of ordinals: a NodeClaim must not get the name, and so the agent pool, of a Machine.

    Raises:
        Blocked: the kind that is needed is not served; of others it means that there are none.
    """
    names = f"{labels.WORKSPACE}={workspace.name},{labels.WORKSPACE_NAMESPACE}={workspace.namespace}"
    found: list[tuple[ClaimKind, Json]] = []
    for kind in CLAIM_KINDS:
        try:
            listed = await context.client.list(kind.resource, labels=names)
        except NotFound:
            if kind == needed:
                raise Blocked(kind_not_served(kind)) from None
            continue
        found += [(kind, each) for each in listed.items]
    return claims_of(found, workspace, obj)


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
    metadata = {"resourceVersion": node.resource_version, **taking(node.labels, workspace)}
    await context.client.merge(NODES, node.name, {"metadata": metadata})
    note = f"node {node.name} serves this Workspace now"
    context.recorder.event(obj, type=NORMAL, reason=Reason.NODE_CLAIMED, note=note)


async def _mark_node(context: Context, workspace: Workspace, node: Node, claim: Claim | None) -> None:
    """Labels a node that was made for one of the Workspace's claims and does not say so, or no longer does."""
    ordinal = ORDINAL if claim is None else claim.labels.get(labels.CLAIM_ORDINAL, ORDINAL)
    wanted = {**ownership_labels(workspace), labels.CLAIM_ORDINAL: ordinal}
    patch = {"metadata": {"resourceVersion": node.resource_version, "labels": wanted}}
    await context.client.merge(NODES, node.name, patch)


async def release_node(context: Context, obj: Json, node: Node, why: str = "") -> None:
    """Takes the ownership labels off a node that existed on its own; `why` is added to what is told of it."""
    if not await free_node(context, node.name, node.owner_uid):
        return
    note = f"node {node.name} is free again{why}"
    context.recorder.event(obj, type=NORMAL, reason=Reason.NODE_RELEASED, note=note)


async def free_node(context: Context, name: str, uid: str) -> bool:
    """Takes what we wrote off a node that served the Workspace of the UID; whether it still did."""
    try:
        live = await context.client.get(NODES, name)
        if labels_of(live).get(labels.WORKSPACE_UID) != uid:
            return False
        metadata = {"resourceVersion": version_of(live), **freeing(live, uid)}
        await context.client.merge(NODES, name, {"metadata": metadata})
    except NotFound:
        return False
    return True
