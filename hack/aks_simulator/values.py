"""The simulator's whole state as frozen values: pools with their VMs, operations, and what scenario rules were used up.

All instants are seconds since the epoch (wall clock), so that a restarted simulator resumes where time has got to.
"""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from controller.api.json import Json

Fate = Literal["Succeeded", "Failed", "Canceled"]
OperationKind = Literal["create", "update", "delete", "delete-machines", "abort", "cluster"]
Power = Literal["Running", "Stopped"]
NodeFaultKind = Literal["never_registers", "never_ready", "no_gpu"]

STABLE_STATES: Final = frozenset({"Succeeded", "Failed", "Canceled"})
"""`provisioningState` words of a pool on which no operation runs."""


@dataclass(frozen=True, slots=True)
class Detail:
    """An Azure ErrorDetail: code and message, possibly wrapping the errors that caused it."""

    code: str
    message: str
    details: tuple["Detail", ...] = ()


@dataclass(frozen=True, slots=True)
class Vm:
    """One virtual machine of a scale set.

    Attributes:
        index: instance number in the scale set, never reused within one pool.
        zone: availability zone number, empty for a regional VM.
        exists_at: when Azure lists it; None while its operation hangs.
        boots_at: when the operating system runs and the kubelet may register; None while its operation hangs.
        leaving: the VM is to be removed; its Node is cordoned and drained first.
        ignore_budgets: drain by deletion instead of eviction.
        drained: nothing that may be evicted runs on the Node any more, or the VM never had one.
        gone: the VM no longer exists; only its Node object is left.
    """

    index: int
    zone: str
    exists_at: float | None
    boots_at: float | None
    leaving: bool = False
    ignore_budgets: bool = False
    drained: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True)
class NodeFault:
    """A fault of a pool's Nodes that holds as long as the rule that caused it is part of the scenario."""

    kind: NodeFaultKind
    rule: str


@dataclass(frozen=True, slots=True)
class Pool:
    """One agent pool.

    Attributes:
        name: as given at creation.
        properties: what the user set, completed with defaults, without the read-only fields; treat as immutable.
        state: `provisioningState`.
        etag: changes with every change of properties, state or error.
        image: `nodeImageVersion`.
        vms: present, booting and leaving VMs.
        next_index: instance number of the next VM.
        operation: id of the running operation, empty when none runs.
        error: why the pool is Failed, shown as `status.provisioningError`.
        faults: node faults under which the VMs were created.
        retired_labels: keys once in nodeLabels and since removed; taken off the Nodes.
        retired_taints: the same for nodeTaints.
    """

    name: str
    properties: Json
    state: str
    etag: str
    image: str
    vms: tuple[Vm, ...] = ()
    next_index: int = 0
    operation: str = ""
    error: Detail | None = None
    faults: tuple[NodeFault, ...] = ()
    retired_labels: frozenset[str] = frozenset()
    retired_taints: frozenset[str] = frozenset()

    @property
    def vm_size(self) -> str:
        """The VM size as the user spelled it."""
        return str(self.properties["vmSize"])

    @property
    def desired(self) -> int:
        """VMs the pool should have: none while it is stopped."""
        stopped = (self.properties.get("powerState") or {}).get("code") == "Stopped"
        return 0 if stopped else int(self.properties["count"])

    @property
    def staying(self) -> tuple[Vm, ...]:
        """The VMs that are not on their way out."""
        return tuple(vm for vm in self.vms if not vm.leaving)


@dataclass(frozen=True, slots=True)
class Operation:
    """One long-running operation, kept for hours after its end.

    Attributes:
        id: GUID in the polling URL.
        kind: what it does.
        pool: name of the pool it works on.
        verb: the pool's `provisioningState` while it runs.
        started: instant of the request.
        ends: earliest end; None while a scenario rule keeps it hanging.
        fate: how it will end, or has ended.
        error: why, when the fate is not success.
        keep_error: whether the pool will show the error as `status.provisioningError`.
        rule: the scenario rule that makes it hang.
        finished: instant of the end; None while it runs.
    """

    id: str
    kind: OperationKind
    pool: str
    verb: str
    started: float
    ends: float | None
    fate: Fate = "Succeeded"
    error: Detail | None = None
    keep_error: bool = True
    rule: str = ""
    finished: float | None = None

    @property
    def status(self) -> str:
        """The word in the operation resource: InProgress until finished, then the fate."""
        return "InProgress" if self.finished is None else self.fate


@dataclass(frozen=True, slots=True)
class World:
    """Everything the simulator remembers.

    Attributes:
        seed: makes generated ids differ between simulators.
        serial: number of ids handed out.
        pools: by lower-case name.
        operations: by id.
        uses: how often each scenario rule with a `times` limit has acted, by rule id.
        power: whether the cluster is meant to run.
        power_operation: id of the operation that last stopped or started the cluster, empty for none.
    """

    seed: str
    serial: int = 0
    pools: Mapping[str, Pool] = field(default_factory=dict)
    operations: Mapping[str, Operation] = field(default_factory=dict)
    uses: Mapping[str, int] = field(default_factory=dict)
    power: Power = "Running"
    power_operation: str = ""


def fresh_id(world: World) -> tuple[World, str]:
    """The next GUID of this world; the same world always yields the same one."""
    name = f"{world.seed}/{world.serial}"
    return replace(world, serial=world.serial + 1), str(uuid.uuid5(uuid.NAMESPACE_OID, name))


def with_pool(world: World, pool: Pool) -> World:
    """The world with one pool added or replaced; what ARM shows of it having changed, it gets a new etag."""
    old = world.pools.get(pool.name.lower())
    if old is None or (old.properties, old.state, old.error) != (pool.properties, pool.state, pool.error):
        world, etag = fresh_id(world)
        pool = replace(pool, etag=etag)
    return replace(world, pools={**world.pools, pool.name.lower(): pool})


def without_pool(world: World, name: str) -> World:
    """The world without the named pool."""
    return replace(world, pools={key: pool for key, pool in world.pools.items() if key != name.lower()})


def with_operation(world: World, operation: Operation) -> World:
    """The world with one operation added or replaced."""
    return replace(world, operations={**world.operations, operation.id: operation})


def running_operation(world: World, pool: Pool) -> Operation | None:
    """The operation that runs on a pool."""
    return world.operations.get(pool.operation) if pool.operation else None


def power_operation(world: World) -> Operation | None:
    """The operation that is stopping or starting the whole cluster."""
    operation = world.operations.get(world.power_operation)
    return operation if operation is not None and operation.finished is None else None
