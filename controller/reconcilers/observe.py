"""Puts together what the caches know about one Workspace."""

from collections.abc import Iterable

from controller.api import labels
from controller.api.claims import Claim, ClaimKind, parse_claim
from controller.api.conditions import TRUE, conditions_of
from controller.api.json import Json, labels_of
from controller.api.workspace import ConditionType, Workspace
from controller.planning.observed import Observed, Ref, parse_node, selects
from controller.planning.rendering import object_names
from controller.reconcilers.informers import BY_WORKSPACE, FREE, Informers


def observe(informers: Informers, workspace: Workspace, obj: Json) -> Observed:
    """The surroundings of the Workspace as the caches show them.

    Args:
        informers: the caches.
        workspace: the typed view of `obj`.
        obj: the Workspace as stored, whose status remembers what is not to be done twice.
    """
    key = f"{workspace.namespace}/{workspace.name}"
    nodes = [*informers.nodes.by_index(BY_WORKSPACE, key), *_candidates(informers, workspace)]
    return Observed(
        claims=claims_of(informers.claims_for(key), workspace.uid),
        nodes=tuple(parse_node(node) for node in nodes),
        objects=_objects(informers, workspace),
        pods=tuple(informers.pods.by_index(BY_WORKSPACE, key)),
        trained=_trained(workspace, obj),
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


def claims_of(found: Iterable[tuple[ClaimKind, Json]], uid: str) -> tuple[Claim, ...]:
    """Those of the claims that carry the Workspace's UID; a predecessor of the same name has another."""
    return tuple(parse_claim(obj, kind) for kind, obj in found if labels_of(obj).get(labels.WORKSPACE_UID) == uid)


def _candidates(informers: Informers, workspace: Workspace) -> list[Json]:
    return [node for node in informers.nodes.by_index(FREE, FREE) if selects(workspace, labels_of(node))]
