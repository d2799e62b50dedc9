"""Which nodes a Workspace uses, which existing ones it takes or gives back, and which claims it still needs.

Existing nodes that are free and match are used before anything is bought. A claim once made is kept: a node that turns
up later does not replace it, so that nothing flaps. What pods of the Workspace still hold is not given away.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from controller.api import labels
from controller.api.claims import Claim
from controller.api.workspace import Workspace
from controller.planning.claims import free_ordinals
from controller.planning.inherited import is_reserved
from controller.planning.moments import remaining
from controller.planning.nodes import NodeDemand, NodePlan
from controller.planning.observed import Node, Observed, selects
from controller.planning.provisioning import gave_up
from controller.planning.repair import next_overdue, noted, overdue

OCCUPIED_AGAIN: Final = 10.0
"""Seconds until nodes whose GPUs pods of others hold are looked at again where too few others are free."""

LINGERS_AFTER: Final = 900.0
"""Seconds after which a claim that is being deleted counts as stuck; nodes are drained and machines gone before."""


def is_taken(node: Node, claims: Collection[Claim] = ()) -> bool:
    """Whether the node existed on its own and was taken, rather than made for one of the claims.

    The node's own label alone would let anyone who may edit nodes turn a claimed node into a taken one.
    """
    return claim_of(node, claims) is None and labels.CLAIM_ORDINAL not in node.labels


def claim_of(node: Node, claims: Collection[Claim]) -> Claim | None:
    """The claim the node was made for, by what the claim says or the node's label; None for no known one."""
    named = next((claim for claim in claims if claim.node_name == node.name), None)
    if named is not None or labels.CLAIM_ORDINAL not in node.labels:
        return named
    keys = (labels.WORKSPACE_UID, labels.CLAIM_ORDINAL)
    told = tuple(map(node.labels.get, keys))
    return next((claim for claim in claims if tuple(map(claim.labels.get, keys)) == told), None)


def given_up(demand: NodeDemand, observed: Observed) -> tuple[Claim, ...]:
    """Claims their provisioner says will come to nothing; one whose node has pods all the same came to something."""
    homes, stalled = observed.homes, observed.provisioning.stalled
    lived_in = [node for node in observed.nodes if node.name in homes]
    bare = [node for node in observed.nodes if demand.lacks_only_gpus(node)]
    return tuple(
        claim
        for claim in observed.claims
        if not claim.deleting
        and gave_up(claim, keeps_node=stalled or any(claim_of(node, (claim,)) for node in bare))
        and not any(claim_of(node, (claim,)) for node in lived_in)
    )


def lingering(observed: Observed) -> tuple[Claim, ...]:
    """Claims that should have been gone long ago, the oldest deletion first."""
    leaving = sorted((claim for claim in observed.claims if claim.deleting), key=lambda claim: claim.deletion_time)
    return tuple(claim for claim in leaving if not remaining(claim.deletion_time, LINGERS_AFTER, observed.now))


def next_lingering(observed: Observed) -> float | None:
    """Seconds until the next claim that is being deleted should have been gone; None when none is waited for."""
    leaving = (claim.deletion_time for claim in observed.claims if claim.deleting)
    left = [rest for since in leaving if (rest := remaining(since, LINGERS_AFTER, observed.now))]
    return min(left, default=None)


def plan_nodes(workspace: Workspace, demand: NodeDemand, observed: Observed) -> NodePlan:
    """The node plan for what is observed; pure and total."""
    own = _Own.of(workspace, demand, observed)
    pause, stuck = observed.provisioning.wait(observed.now), lingering(observed)
    # Claims that cannot be removed cost money, and each new one could become one more of them.
    waits_for = stuck if len(stuck) > demand.count else ()
    waits = bool(pause or waits_for)
    gap = demand.count - len(own.taken) - len(own.kept)
    fit = _free(workspace, demand, observed)
    free = tuple(node for node in fit if node.name not in observed.occupied or node.name in observed.homes)
    troubled = noted(own.bad, observed.troubled, observed.now)
    late = overdue(troubled, demand.patience, observed.now)
    bad = tuple(node for node in own.bad if node.name in late and not own.holds(node))
    wanting = gap + len(bad)
    if not demand.provision or waits:
        bad = bad[: max(len(free) - max(gap, 0), 0)]
    missing = gap + len(bad)
    take = free[: max(missing, 0)]
    lacking = max(missing - len(take), 0) if demand.provision else 0
    release, delete = own.surplus(-missing, bad)
    due = [next_overdue(troubled, demand.patience, observed.now)]
    if wanting > len(take) and len(free) < len(fit):
        due.append(OCCUPIED_AGAIN)
    if lacking:
        due += [pause or None, next_lingering(observed)]
    return NodePlan(
        members=own.members,
        usable=own.usable,
        take=take,
        mark=own.unmarked,
        release=(*bad, *release),
        create=() if waits else tuple(free_ordinals(workspace.uid, observed.claims, lacking)),
        delete=(*own.doomed, *delete),
        held=lacking if waits else 0,
        waits_for=waits_for if lacking else (),
        # What is given back is noted until it is seen to be gone, or the claim in its place would be one too many.
        troubled=troubled,
        recheck=min((seconds for seconds in due if seconds is not None), default=None),
    )


@dataclass(frozen=True, slots=True)
class _Own:
    """What serves the Workspace now.

    Attributes:
        demand: what is asked of nodes.
        observed: everything seen.
        members: its nodes by name, without those being deleted and those whose claim is given up.
        usable: those of them pods can run on.
        taken: those of them that existed on their own.
        unmarked: nodes made for its claims that do not say so.
        kept: claims that hold a place.
        doomed: claims nothing will come of: they are replaced.
    """

    demand: NodeDemand
    observed: Observed
    members: tuple[Node, ...]
    usable: tuple[Node, ...]
    taken: tuple[Node, ...]
    unmarked: tuple[Node, ...]
    kept: tuple[Claim, ...]
    doomed: tuple[Claim, ...]

    @classmethod
    def of(cls, workspace: Workspace, demand: NodeDemand, observed: Observed) -> "_Own":
        claims = observed.claims
        staying = sorted((node for node in observed.nodes if not node.deleting), key=lambda node: node.name)
        active = tuple(claim for claim in claims if not claim.deleting)
        hopeless = given_up(demand, observed)
        doomed = tuple(claim for claim in active if claim in hopeless or _is_outdated(claim, demand))
        leaving = [claim for claim in claims if claim.deleting or claim in doomed]
        owned = (node for node in staying if node.owner_uid == workspace.uid)
        members = tuple(node for node in owned if claim_of(node, claims) not in leaving)
        kept = tuple(claim for claim in active if claim not in doomed)
        return cls(
            demand=demand,
            observed=observed,
            members=members,
            usable=tuple(node for node in members if _serves(node, demand, observed)),
            taken=tuple(node for node in members if is_taken(node, claims)),
            unmarked=tuple(node for node in staying if not node.owner_uid and claim_of(node, kept) is not None),
            kept=kept,
            doomed=doomed,
        )

    @property
    def bad(self) -> tuple[Node, ...]:
        """Taken nodes of no use: new pods cannot come, and none is there that goes on all the same."""
        return tuple(node for node in self.taken if node not in self.usable and not self._goes_on(node))

    def _goes_on(self, node: Node) -> bool:
        """Whether pods are on the node that its trouble leaves alone, as cordons and taints leave those that run."""
        seen = self.observed
        return node.name in (seen.homes if self.demand.healthy(node) else seen.servers)

    def holds(self, node: Node) -> bool:
        """Whether pods hold the node; of those on their way out a node that is not Ready will not tell the end."""
        return node.name in (self.observed.hosts if node.ready else self.observed.homes)

    def surplus(self, count: int, besides: Collection[Node]) -> tuple[tuple[Node, ...], tuple[Claim, ...]]:
        """The taken nodes and claims to give up where `count` are too many: what costs least to lose goes first.

        What pods hold stays until they have gone: the workload shrinks first, and tells by that which of them it needs
        no more.
        """
        nodes = [node for node in reversed(self.taken) if node not in besides]
        ranked: list[tuple[tuple[bool, int, str], Node | Claim]] = [
            *(((self._is_held(claim), 2 if claim.ready else 0, claim.name), claim) for claim in self.kept),
            *(((self.holds(node), 3 if node in self.usable else 1, ""), node) for node in nodes),
        ]
        chosen = sorted(ranked, key=lambda each: each[0])[: max(count, 0)]
        idle = [each for (held, *_), each in chosen if not held]
        return tuple(each for each in idle if isinstance(each, Node)), tuple(
            each for each in idle if isinstance(each, Claim)
        )

    def _is_held(self, claim: Claim) -> bool:
        return any(self.holds(node) for node in self.members if claim_of(node, (claim,)) is claim)


def _serves(node: Node, demand: NodeDemand, observed: Observed) -> bool:
    """Whether a member can be used: one in use stays of the right size although the wished sizes changed."""
    claim = claim_of(node, observed.claims)
    asked = () if claim is None else {each.lower() for each in claim.instance_types}
    right = demand.accepts(node) or node.instance_type.lower() in asked or node.name in observed.homes
    return right and demand.healthy(node) and demand.open(node)


def _is_outdated(claim: Claim, demand: NodeDemand) -> bool:
    """Whether nothing was made for the claim yet and it asks for something else than is wished now.

    What KAITO asked for is written in other words, and claims of the other kind are kept as they are.
    """
    made = claim.is_true(claim.kind.launched) or claim.ready or claim.provider_id or claim.node_name
    comparable = claim.kind == demand.kind and labels.WORKSPACE_UID in claim.labels and claim.instance_types
    if made or not comparable:
        return False
    return any(claim.required_values(key) != values for key, values in demand.wishes.items())


def _free(workspace: Workspace, demand: NodeDemand, observed: Observed) -> tuple[Node, ...]:
    """Nodes that can be taken, the best first: where pods are already, put aside by hand, preferred, by name."""
    found = [
        node
        for node in observed.nodes
        if (node.free or is_reserved(node, workspace))
        and demand.usable(node)
        and selects(workspace, node.labels)
        and claim_of(node, observed.claims) is None
    ]
    homes = observed.homes
    preferred = {name: place for place, name in reversed(list(enumerate(workspace.resource.preferred_nodes)))}

    def rank(node: Node) -> tuple[bool, bool, int, str]:
        place = preferred.get(node.name, len(preferred))
        return node.name not in homes, node.free, place, node.name

    return tuple(sorted(found, key=rank))
