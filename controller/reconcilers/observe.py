"""Puts together what the caches know about one Workspace."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from controller.api.claims import Claim, ClaimKind, parse_claim
from controller.api.conditions import TRUE, conditions_of
from controller.api.json import Json, name_of
from controller.api.workspace import ConditionType, Workspace
from controller.planning.inherited import is_own, is_stray
from controller.planning.moments import created
from controller.planning.observed import Observed, Ref, parse_node, selected, wanted_labels
from controller.planning.provisioning import parse_provisioning
from controller.planning.rendering import object_names
from controller.planning.repair import parse_troubled
from controller.reconcilers.informers import BY_WORKSPACE, Informers


def observe(informers: Informers, workspace: Workspace, obj: Json) -> Observed:
    """The surroundings of the Workspace as the caches show them.

    Args:
        informers: the caches.
        workspace: the typed view of `obj`.
        obj: the Workspace as stored, whose status remembers what is not to be done twice.
    """
    key = f"{workspace.namespace}/{workspace.name}"
    found, status = informers.claims_for(key), obj.get("status") or {}
    claims = claims_of(found, workspace, obj)
    named = informers.nodes.by_index(BY_WORKSPACE, key)
    nodes = (*named, *_made(informers, claims), *_candidates(informers, workspace, key))
    return Observed(
        claims=claims,
        strays=strays_of(found, workspace, obj),
        nodes=tuple(map(parse_node, {name_of(node): node for node in nodes}.values())),
        objects=_objects(informers, workspace),
        pods=tuple(informers.pods.by_index(BY_WORKSPACE, key)),
        trained=_trained(workspace, obj),
        provisioning=parse_provisioning(status),
        troubled=parse_troubled(status),
        now=datetime.now(UTC),
    )


def _objects(informers: Informers, workspace: Workspace) -> dict[Ref, Json]:
    return {
        (resource.kind, name): found
        for resource, name in object_names(workspace)
        if (found := informers.of(resource).get(name, workspace.namespace)) is not None
    }


def _trained(workspace: Workspace, obj: Json) -> bool:
    succeeded = conditions_of(obj).get(ConditionType.WORKSPACE_SUCCEEDED)
    if workspace.tuning is None or succeeded is None or succeeded.status != TRUE:
        return False
    return succeeded.observed_generation == workspace.generation


def claims_of(found: Iterable[tuple[ClaimKind, Json]], workspace: Workspace, obj: Json) -> tuple[Claim, ...]:
    """Those of the claims that were made for the Workspace; a predecessor of the same name had its own."""
    claims = (parse_claim(each, kind) for kind, each in found)
    return tuple(claim for claim in claims if is_own(claim, workspace, created(obj)))


def strays_of(found: Iterable[tuple[ClaimKind, Json]], workspace: Workspace, obj: Json) -> tuple[str, ...]:
    """The names of those of the claims that KAITO made for an older Workspace of this name."""
    claims = (parse_claim(each, kind) for kind, each in found)
    return tuple(sorted(claim.name for claim in claims if is_stray(claim, workspace, created(obj))))


def _made(informers: Informers, claims: Iterable[Claim]) -> Iterator[Json]:
    """The nodes the claims stand for, whatever their labels say."""
    for claim in claims:
        node = informers.nodes.get(claim.node_name) if claim.node_name else None
        if node is not None:
            yield node


def _candidates(informers: Informers, workspace: Workspace, key: str) -> Iterator[Json]:
    for node in selected(workspace, informers.free_nodes(wanted_labels(workspace))):
        name = name_of(node)
        if not (informers.is_claimed(name) or informers.is_inhabited(name, besides=key)):
            yield node
