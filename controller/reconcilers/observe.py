"""Puts together what the caches know about one Workspace."""

from controller.api import labels
from controller.api.claims import Claim, parse_claim
from controller.api.json import Json, labels_of
from controller.api.workspace import Workspace
from controller.planning.observed import Observed, parse_node, selects
from controller.reconcilers.informers import BY_WORKSPACE, FREE, Informers


def observe(informers: Informers, workspace: Workspace) -> Observed:
    """The surroundings of the Workspace as the caches show them."""
    key = f"{workspace.namespace}/{workspace.name}"
    nodes = [*informers.nodes.by_index(BY_WORKSPACE, key), *_candidates(informers, workspace)]
    return Observed(
        claims=claims_of(informers.machines.by_index(BY_WORKSPACE, key), workspace.uid),
        nodes=tuple(parse_node(node) for node in nodes),
        deployment=informers.deployments.get(workspace.name, workspace.namespace),
        service=informers.services.get(workspace.name, workspace.namespace),
        pods=tuple(informers.pods.by_index(BY_WORKSPACE, key)),
    )


def claims_of(objects: list[Json], uid: str) -> tuple[Claim, ...]:
    """Those of the claims that carry the Workspace's UID; a predecessor of the same name has another."""
    return tuple(parse_claim(obj) for obj in objects if labels_of(obj).get(labels.WORKSPACE_UID) == uid)


def _candidates(informers: Informers, workspace: Workspace) -> list[Json]:
    return [node for node in informers.nodes.by_index(FREE, FREE) if selects(workspace, labels_of(node))]
