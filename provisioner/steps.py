"""What the phases see and what they answer: plain values, so that every decision can be tested as a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from controller.api.claims import Claim
from controller.api.conditions import Condition
from controller.api.json import Json
from controller.api.reasons import Reason
from provisioner.errors import Fault
from provisioner.history import Failure
from provisioner.holds import Holds
from provisioner.nodes import Node
from provisioner.offerings import Offering, Place
from provisioner.policy import Policy
from provisioner.pools import Pool
from provisioner.replacements import Row
from provisioner.sizes import Sizes


@dataclass(frozen=True, slots=True)
class Drain:
    """How far a node's drain has come.

    Attributes:
        waiting: namespace/name of pods that still have to leave.
        blocked: those of them a disruption budget or a do-not-disrupt mark holds, each with the cause.
        volumes: names of the volumes that are still attached, once no pod waits.
        due: when the next pod must be deleted to end in time; None for none.
    """

    waiting: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fleet:
    """How the nodes are doing, all of them together.

    Attributes:
        nodes: of claims.
        unready: those of them that are not Ready.
        cluster_nodes: all of the cluster, those of claims among them.
        cluster_unready: those of them that are not Ready.
        repairing: names of claims that are being replaced because of their node.
        gpuless: nodes of claims that are Ready and have lost GPUs.
    """

    nodes: int = 0
    unready: int = 0
    cluster_nodes: int = 0
    cluster_unready: int = 0
    repairing: tuple[str, ...] = ()
    gpuless: int = 0


@dataclass(frozen=True, slots=True)
class Observed:
    """Everything a decision about one claim may depend on.

    Attributes:
        stored: the claim as the API server keeps it.
        claim: the same, typed.
        pool: the agent pool of the claim's name; None when none is known.
        pools_known: whether the cloud has been read at all; without it `pool` means nothing.
        confirmed: whether the cloud was just asked about this very pool.
        confirmed_gone: whether it then said that there is none.
        nodes: every node of the agent pool.
        now: the present moment, UTC.
        policy: deadlines and delays.
        sizes: what is known of sizes.
        place: where pools are made.
        holds: what failed lately for this claim or another, by scope.
        pool_count: agent pools of the whole cluster.
        nodeless: seconds for which this process has seen no node of the pool, unless it is stopped or being started.
        unready: seconds for which this process has seen nodes of the pool and none of them Ready.
        gpuless: seconds for which this process has seen the claim's node Ready and without GPUs it had.
        users: pods that work with devices of the claim's node, as just looked up; None when nobody looked.
        replaced: other claims in a row whose nodes were replaced for the same owner because they lacked GPUs.
        fleet: how all nodes are doing; counted only for one that is not Ready or has lost GPUs.
        fault: the last call to the cloud for this claim failed, and none may be made before `fault_wait` is over.
        fault_wait: seconds to wait before the failed call is repeated.
        setback: why the last removal of this very pool, once taken, failed; none is asked for before `setback_wait` is
            over.
        setback_wait: seconds to wait before the pool's removal is asked for again.
        blind: why the pools cannot be read at present; `pool` may then be out of date.
        answered: moments of the claim's requests for a pool that are known to be over.
        drained: by node name, what a drain made just now has left.
        rival: the claim of another kind that holds the name; pool and nodes are that one's, and not shown here.
        unmarked: whether the API server refuses what is only noted on the claim, so that all goes on without it.
    """

    stored: Json
    claim: Claim
    pool: Pool | None
    pools_known: bool
    nodes: tuple[Node, ...]
    now: datetime
    policy: Policy
    sizes: Sizes = field(default_factory=dict)
    place: Place = field(default_factory=Place)
    holds: Holds = field(default_factory=dict)
    pool_count: int = 0
    nodeless: float = 0.0
    unready: float = 0.0
    gpuless: float = 0.0
    users: tuple[str, ...] | None = None
    replaced: Row = field(default_factory=Row)
    fleet: Fleet = field(default_factory=Fleet)
    confirmed: bool = False
    confirmed_gone: bool = False
    fault: Fault | None = None
    fault_wait: float = 0.0
    setback: Fault | None = None
    setback_wait: float = 0.0
    blind: Fault | None = None
    answered: frozenset[str] = frozenset()
    drained: Mapping[str, Drain] = field(default_factory=dict)
    rival: str = ""
    unmarked: bool = False


@dataclass(frozen=True, slots=True)
class PatchClaim:
    """Change the claim's metadata: a merge patch, guarded by its resource version.

    Attributes:
        metadata: what is to change.
        warning: reason and text of an event that tells of the change; None for a change nobody needs to hear of.
        dispensable: whether everything goes on without the change where the API server refuses it.
    """

    metadata: Json
    warning: tuple[Reason, str] | None = None
    dispensable: bool = False


@dataclass(frozen=True, slots=True)
class CreatePool:
    """Ask the cloud for the claim's agent pool, if and only if there is none of that name."""

    body: Json
    attempt: int
    offering: Offering


@dataclass(frozen=True, slots=True)
class RecordFailure:
    """Remember a failed launch on the claim."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class ConfirmPool:
    """Ask the cloud about the claim's pool itself before something is done that trusts its absence or state."""


@dataclass(frozen=True, slots=True)
class DeletePool:
    """Have the cloud remove the claim's pool.

    Attributes:
        abort: whether a creation still runs: it is stopped, and the pool removed once it has.
    """

    abort: bool = False


@dataclass(frozen=True, slots=True)
class PatchNode:
    """Change a node: a merge patch, guarded by the resource version it was computed from."""

    node: str
    patch: Json


@dataclass(frozen=True, slots=True)
class DeleteNode:
    """Delete a node object; its finalizer keeps it until the instance is gone."""

    node: str
    uid: str


@dataclass(frozen=True, slots=True)
class DrainNode:
    """Evict what still runs on a node.

    Attributes:
        end: the moment at which the node goes, whatever is on it.
    """

    node: str
    end: datetime


@dataclass(frozen=True, slots=True)
class LookForUsers:
    """Find out which pods work with the devices of a node."""

    node: str


@dataclass(frozen=True, slots=True)
class DeleteClaim:
    """Delete the claim, because what it stood for is gone for good."""

    reason: Reason
    note: str


@dataclass(frozen=True, slots=True)
class ReleaseClaim:
    """Remove the claim's finalizer: nothing is left behind it."""


Action: TypeAlias = (
    PatchClaim
    | CreatePool
    | RecordFailure
    | ConfirmPool
    | DeletePool
    | PatchNode
    | DeleteNode
    | DrainNode
    | LookForUsers
    | DeleteClaim
    | ReleaseClaim
)
"""One call that changes or asks something outside. Each is safe to repeat."""

CloudAction: TypeAlias = CreatePool | ConfirmPool | DeletePool
"""Those of them that go to the cloud rather than to the API server."""

OnClaim: TypeAlias = PatchClaim | RecordFailure | CreatePool
"""Those of them that write to no other object of the API server than the claim, if to any."""


@dataclass(frozen=True, slots=True)
class Step:
    """The answer of a phase or of the whole lifecycle.

    Attributes:
        conditions: what is to be shown.
        action: what is to be done now; the decision is then made again. None when there is nothing to do but wait.
        requeue_after: seconds until the next look without any change; None when a change will wake us.
        watch: whether the pool is expected to change, so that the cloud is read at the fast interval.
        overdue: whether the change is late already, so that a slower interval will do.
    """

    conditions: tuple[Condition, ...]
    action: Action | None = None
    requeue_after: float | None = None
    watch: bool = False
    overdue: bool = False


def earliest(waits: Sequence[float | None]) -> float | None:
    """The shortest of several waits; None when nothing is waited for."""
    known = [wait for wait in waits if wait is not None]
    return min(known) if known else None
