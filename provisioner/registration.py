"""Registration: the pool's node is found, and made recognisable as the claim's."""

from typing import Final

from controller.api import labels
from controller.api.claims import Claim, Taint
from controller.api.conditions import FALSE, TRUE, UNKNOWN, Condition
from controller.api.json import Json
from controller.api.reasons import Reason
from provisioner.launch import joined_nodes
from provisioner.nodes import Node, is_claim
from provisioner.offerings import ON_DEMAND
from provisioner.pools import Pool, family_labels, reserved_label
from provisioner.steps import Observed, PatchNode, Step
from provisioner.texts import headline
from provisioner.times import in_words, seconds_since

_NOT_FOR_NODES: Final = frozenset(
    {
        labels.LAUNCH_FAILURE,
        labels.LAUNCH_REQUESTED,
        labels.GPU_REPLACEMENTS,
        "kubectl.kubernetes.io/last-applied-configuration",
    }
)


def register(seen: Observed, launched: Condition) -> Step:
    """What to show as Registered and what to do about it."""
    claim = seen.claim
    if launched.status != TRUE:
        return Step((_condition(seen, UNKNOWN, Reason.NOT_LAUNCHED, "The instance does not exist yet"),))
    nodes = joined_nodes(seen)
    if claim.is_true(claim.kind.registered):
        return _registered(seen, claim.conditions[claim.kind.registered], nodes)
    if not nodes:
        return _missing(seen)
    if len(nodes) > 1:
        names = ", ".join(sorted(node.name for node in nodes)[:3])
        what = f"Agent pool {claim.name} has {len(nodes)} nodes where one was asked for"
        text = headline(what, names, Reason.MULTIPLE_NODES_FOUND, "scale the pool back to 1")
        return Step((_condition(seen, FALSE, Reason.MULTIPLE_NODES_FOUND, text),))
    return _registered(seen, _condition(seen, TRUE, Reason.REGISTERED, f"Node {nodes[0].name} joined"), nodes)


def node_of(seen: Observed) -> Node | None:
    """The claim's node: the one it names, else the only one of its pool.

    A registered claim whose node left while others of its pool stand, as after an upgrade that adds a node for a
    while, moves to one of those.
    """
    claim = seen.claim
    nodes = sorted(joined_nodes(seen), key=lambda node: (node.name != claim.node_name, not node.ready, node.name))
    if not nodes or not (len(nodes) == 1 or nodes[0].name == claim.node_name or claim.is_true(claim.kind.registered)):
        return None
    return nodes[0]


def _registered(seen: Observed, condition: Condition, nodes: tuple[Node, ...]) -> Step:
    """Registered, and each node marked; one that came back unmarked after its object was deleted is marked again.

    So is one that a namesake of the claim marked: its owner is gone, and Kubernetes deletes what has no owner left.
    """
    for node in nodes:
        marked = node.labels.get(labels.REGISTERED) == "true" and node.finalized
        if not marked or not node.owned_by(seen.claim.uid):
            return Step((condition,), PatchNode(node.name, registration_patch(seen.claim, node, seen.pool)))
    return Step((condition,))


def _condition(seen: Observed, status: str, reason: Reason, message: str) -> Condition:
    return Condition(seen.claim.kind.registered, status, reason, message)


def _missing(seen: Observed) -> Step:
    claim, limit = seen.claim, seen.policy.registration_deadline
    known = claim.conditions.get(claim.kind.launched)
    since = known.last_transition_time if known is not None and known.status == TRUE else ""
    rest = limit - seconds_since(since, seen.now)
    if rest > 0:
        text = f"Agent pool {claim.name} is there, its node has not joined the cluster yet"
        return Step((_condition(seen, UNKNOWN, Reason.NODE_NOT_FOUND, text),), None, rest)
    text = headline(
        f"No node of agent pool {claim.name} joined, still awaited",
        f"none within {in_words(limit)} since {since}",
        Reason.REGISTRATION_TIMEOUT,
        "check the node's outbound network and bootstrap log",
        "delete this claim for a new one",
    )
    return Step((_condition(seen, claim.kind.hindered, Reason.REGISTRATION_TIMEOUT, text),))


def capacity_type(claim: Claim, pool: Pool | None) -> str:
    """What the instance is paid as; said on claim and node alike, whichever of them is labelled first."""
    return pool.offering.capacity_type if pool else claim.labels.get(labels.CAPACITY_TYPE, ON_DEMAND)


def registration_patch(claim: Claim, node: Node, pool: Pool | None) -> Json:
    """The change that marks a node as the claim's.

    Labels and taints that AKS keeps on the pool are left alone: its admission refuses any other value for them.
    """
    own, pool_labels = {**family_labels(claim), **claim.labels}, pool.labels if pool else {}
    wanted = {key: value for key, value in own.items() if not reserved_label(key) and key not in pool_labels}
    metadata: Json = {
        "resourceVersion": node.resource_version,
        "finalizers": list(dict.fromkeys([*node.finalizers, labels.TERMINATION_FINALIZER])),
        "ownerReferences": _owners(claim, node),
        "labels": {**wanted, labels.CAPACITY_TYPE: capacity_type(claim, pool), labels.REGISTERED: "true"},
        "annotations": {key: value for key, value in claim.annotations.items() if key not in _NOT_FOR_NODES},
    }
    taints = _taints(claim, node)
    unchanged = taints == list(node.taints) or node.labels.get(labels.DO_NOT_SYNC_TAINTS) == "true"
    return {"metadata": metadata, **({} if unchanged else {"spec": {"taints": [taint.as_json() for taint in taints]}})}


def _owners(claim: Claim, node: Node) -> list[Json]:
    resource = claim.kind.resource
    own = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": claim.name,
        "uid": claim.uid,
        "blockOwnerDeletion": True,
    }
    return [*(owner for owner in node.owners if not is_claim(owner)), own]


def _taints(claim: Claim, node: Node) -> list[Taint]:
    """The node's taints with the claim's added, start-up taints only before the node was ever registered."""
    missing = claim.taints if node.labels.get(labels.REGISTERED) else (*claim.taints, *claim.startup_taints)
    kept = [taint for taint in node.taints if taint.key != labels.UNREGISTERED_TAINT_KEY]
    return kept + [
        taint for taint in missing if not any((has.key, has.effect) == (taint.key, taint.effect) for has in kept)
    ]
