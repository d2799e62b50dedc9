"""Requests that change agent pools: checks in AKS's order, then the start of a long-running operation.

Every function takes the world and returns the next one; a refusal leaves the world as it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from controller.api.json import Json
from hack.aks_simulator import faults, quota, validation
from hack.aks_simulator.context import Context
from hack.aks_simulator.errors import (
    RefusalError,
    busy,
    invalid_parameter,
    pool_not_found,
    precondition_failed,
)
from hack.aks_simulator.faults import Doom, Effects
from hack.aks_simulator.properties import check_unchanged, checked_properties, fixed_properties, with_defaults
from hack.aks_simulator.sizes import VmSize
from hack.aks_simulator.values import (
    NodeFault,
    Operation,
    OperationKind,
    Pool,
    Vm,
    World,
    fresh_id,
    running_operation,
    with_operation,
    with_pool,
)

_IMAGES: Final = {
    "Ubuntu": "AKSUbuntu-2204gen2containerd-202510.03.1",
    "Ubuntu2204": "AKSUbuntu-2204gen2containerd-202510.03.1",
    "Ubuntu2404": "AKSUbuntu-2404gen2containerd-202510.03.1",
    "AzureLinux": "AKSAzureLinux-V2gen2-202510.03.1",
    "AzureLinux3": "AKSAzureLinux-V3gen2-202510.03.1",
}
_BODY_KEYS: Final = {"id", "name", "type", "properties", "systemData"}


@dataclass(frozen=True, slots=True)
class Conditions:
    """The conditional headers of a request, unquoted; empty when absent."""

    if_match: str = ""
    if_none_match: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A request to change one pool: its name, conditions, and the scenario's rules that act on it."""

    name: str
    conditions: Conditions = field(default_factory=Conditions)
    effects: Effects = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Started:
    """An accepted request: the next world, the operation that runs, and whether the pool is new."""

    world: World
    operation: Operation
    created: bool = False


def put_pool(world: World, context: Context, change: Change, body: Any) -> Started:
    """Create a pool, or replace the mutable properties of one.

    Raises:
        RefusalError: as AKS would refuse; the world is unchanged.
    """
    old = world.pools.get(change.name.lower())
    _check_conditions(old, change.conditions)
    stored = _accepted_properties(world, context, old, change.name, body)
    _check_idle(world, context, change.name)
    size = validation.known_size(context, stored["vmSize"])
    draft = replace(old, properties=stored) if old else _new_pool(change.name, stored)
    missing = draft.desired - len(draft.staying)
    faults.refuse_sku(context, change.effects, size.name)
    doom = _quota_doom(world, context, size, draft, missing, creating=old is None)
    doom = faults.doom_of(context, change.effects, size.name, creating=old is None) or doom
    verb = "Creating" if old is None else _update_verb(old, draft)
    kind: OperationKind = "create" if old is None else "update"
    world, operation = _start(world, context, kind, draft.name, verb, _seconds(context, missing), change, doom)
    pool = draft if doom else _with_vms(context, draft, missing, operation, faults.node_faults(change.effects))
    pool = replace(_retire(old, pool), state=verb, operation=operation.id, error=None)
    return Started(with_pool(world, pool), operation, created=old is None)


def delete_pool(world: World, context: Context, change: Change, *, ignore_budgets: bool) -> Started | None:
    """Delete a pool; None when there is nothing to delete and the scenario has AKS answer 204 to that.

    Raises:
        RefusalError: as AKS would refuse; the world is unchanged.
    """
    pool = world.pools.get(change.name.lower())
    _check_conditions(pool, change.conditions)
    if pool is None:
        if context.scenario.delete_missing == 204:
            return None
        raise pool_not_found()
    running = running_operation(world, pool)
    if running and running.kind == "delete" and context.scenario.delete_deleting == 202:
        return Started(world, running)
    _check_idle(world, context, pool.name)
    validation.check_system_pool_remains(world, pool)
    doom = faults.doom_of(context, change.effects, pool.vm_size, creating=False)
    seconds = context.timing.delete_seconds
    world, operation = _start(world, context, "delete", pool.name, "Deleting", seconds, change, doom)
    vms = tuple(_leave(vm, ignore_budgets=ignore_budgets) for vm in pool.vms)
    pool = replace(pool, vms=vms, state="Deleting", operation=operation.id)
    return Started(with_pool(world, pool), operation)


def delete_machines(world: World, context: Context, change: Change, body: Any) -> Started:
    """Remove chosen machines of a pool and lower its count by as many.

    Raises:
        RefusalError: as AKS would refuse; the world is unchanged.
    """
    pool = existing_pool(world, change.name)
    names = body.get("machineNames") if isinstance(body, dict) else None
    known = {context.settings.node_name(pool.name, vm.index): vm.index for vm in pool.staying}
    if not isinstance(names, list) or not names or not set(names) <= known.keys():
        raise invalid_parameter("machineNames", f"{names!r} are not machines of agent pool {pool.name}")
    _check_idle(world, context, pool.name)
    leaving = {known[name] for name in names}
    properties = pool.properties | {"count": pool.properties["count"] - len(leaving)}
    validation.check_pool(properties)
    seconds = context.timing.delete_seconds
    doom = faults.doom_of(context, change.effects, pool.vm_size, creating=False)
    world, operation = _start(world, context, "delete-machines", pool.name, "DeletingMachines", seconds, change, doom)
    vms = tuple(_leave(vm, ignore_budgets=False) if vm.index in leaving else vm for vm in pool.vms)
    pool = replace(pool, vms=vms, properties=properties, state=operation.verb, operation=operation.id)
    return Started(with_pool(world, pool), operation)


def abort_pool(world: World, context: Context, change: Change) -> Started:
    """Cancel the operation that runs on a pool; the pool ends Canceled.

    Raises:
        RefusalError: 404 without the pool, 409 when nothing runs that could be aborted.
    """
    pool = existing_pool(world, change.name)
    running = running_operation(world, pool)
    if running is None or running.kind == "abort":
        raise RefusalError(409, "OperationNotAllowed", f"No operation is in progress on agent pool {pool.name}.")
    seconds = context.timing.update_seconds
    world, abort = _start(world, context, "abort", pool.name, "Canceling", seconds, change, None)
    error = faults.preempted(f"a later operation {abort.id}")
    world = with_operation(world, replace(running, fate="Canceled", error=error, finished=context.now, rule=""))
    pool = replace(pool, vms=settled_vms(pool, context.now), state="Canceling", operation=abort.id)
    return Started(with_pool(world, pool), abort)


def existing_pool(world: World, name: str) -> Pool:
    """The named pool.

    Raises:
        RefusalError: 404 `NotFound`.
    """
    pool = world.pools.get(name.lower())
    if pool is None:
        raise pool_not_found()
    return pool


def schedule_boot(context: Context, vm: Vm) -> Vm:
    """The VM as asked for now: listed and booted after the scenario's times."""
    timing = context.timing
    exists = min(timing.allocate_seconds, timing.boot_seconds)
    return replace(vm, exists_at=context.now + exists, boots_at=context.now + timing.boot_seconds)


def settled_vms(pool: Pool, now: float) -> tuple[Vm, ...]:
    """The VMs an operation leaves behind that did not succeed: those that run, none of them leaving any more."""
    return tuple(
        vm if vm.gone else replace(vm, leaving=False, drained=False, ignore_budgets=False)
        for vm in pool.vms
        if vm.boots_at is not None and vm.boots_at <= now
    )


def _accepted_properties(world: World, context: Context, old: Pool | None, name: str, body: Any) -> Json:
    if not isinstance(body, dict) or not isinstance(body.get("properties"), dict):
        raise RefusalError(400, "InvalidRequestContent", "The request body is not an object with properties.")
    unknown = sorted(body.keys() - _BODY_KEYS)
    if unknown:
        message = f'UnmarshalEntity encountered error: json: unknown field "{unknown[0]}".'
        raise RefusalError(400, "UnmarshalError", message)
    given = checked_properties(body["properties"])
    carried: Json = {"orchestratorVersion": context.settings.kubernetes_version}
    if old:
        check_unchanged(old.properties, given)
        kept = {key: old.properties[key] for key in ("powerState", "mode", "orchestratorVersion", "count")}
        carried = fixed_properties(old.properties) | kept
        given = {key: value for key, value in given.items() if key not in fixed_properties(old.properties)}
    else:
        validation.check_name(name, given.get("osType", "Linux"))
        validation.check_room(context, world)
    stored = with_defaults(carried | given)
    validation.check_pool(stored)
    validation.check_version(context, stored["orchestratorVersion"])
    others = [pool.properties for key, pool in world.pools.items() if key != name.lower()]
    validation.check_untainted_pool_remains([*others, stored])
    if old and old.properties["mode"] == "System" != stored["mode"]:
        validation.check_system_pool_remains(world, old)
    return stored


def _check_conditions(old: Pool | None, conditions: Conditions) -> None:
    etag = old.etag if old else ""
    present = {etag, "*"} if old else set()
    if conditions.if_none_match and conditions.if_none_match in present:
        raise precondition_failed(etag)
    if conditions.if_match and conditions.if_match not in present:
        raise precondition_failed(etag)


def _check_idle(world: World, context: Context, name: str) -> None:
    for pool in world.pools.values():
        running = running_operation(world, pool)
        if running and (context.scenario.lock_scope == "cluster" or pool.name.lower() == name.lower()):
            raise busy(pool.name, running.verb)


def _new_pool(name: str, stored: Json) -> Pool:
    return Pool(name, stored, state="Creating", etag="", image=_IMAGES.get(stored["osSKU"], _IMAGES["Ubuntu"]))


def _quota_doom(
    world: World, context: Context, size: VmSize, pool: Pool, missing: int, *, creating: bool
) -> Doom | None:
    bucket = quota.shortage(world, context, size, pool.properties, missing)
    if not bucket:
        return None
    requested = size.vcpu * missing
    if context.scenario.quota.enforcement == "request":
        text = quota.precheck_text(world, context, bucket, requested)
        raise RefusalError(400, "ErrCode_InsufficientVCPUQuota", text)
    return faults.doomed(context, quota.operation_cause(world, context, bucket, requested), creating=creating)


def _update_verb(old: Pool, new: Pool) -> str:
    power = new.properties["powerState"]["code"]
    if power != old.properties["powerState"]["code"]:
        return "Stopping" if power == "Stopped" else "Starting"
    return "Scaling" if new.properties["count"] != old.properties["count"] else "Updating"


def _seconds(context: Context, missing: int) -> float:
    timing = context.timing
    if missing > 0:
        return timing.boot_seconds + timing.settle_seconds
    return timing.delete_seconds if missing < 0 else timing.update_seconds


def _start(
    world: World,
    context: Context,
    kind: OperationKind,
    pool: str,
    verb: str,
    seconds: float,
    change: Change,
    doom: Doom | None,
) -> tuple[World, Operation]:
    world, identifier = fresh_id(world)
    operation = Operation(identifier, kind, pool, verb, started=context.now, ends=context.now + seconds)
    rule = faults.hanging_rule(change.effects)
    if doom:
        operation = replace(
            operation,
            ends=context.now + doom.seconds,
            fate=doom.fate,
            error=doom.error,
            keep_error=doom.keep_error,
        )
    elif rule:
        operation = replace(operation, ends=None, rule=rule)
    return with_operation(world, operation), operation


def _with_vms(context: Context, pool: Pool, missing: int, operation: Operation, trouble: tuple[NodeFault, ...]) -> Pool:
    if missing < 0:
        surplus = {vm.index for vm in pool.staying[missing:]}
        vms = tuple(_leave(vm, ignore_budgets=False) if vm.index in surplus else vm for vm in pool.vms)
        return replace(pool, vms=vms)
    zones: list[str] = pool.properties.get("availabilityZones") or [""]
    indices = range(pool.next_index, pool.next_index + missing)
    new = [Vm(index, zones[index % len(zones)], exists_at=None, boots_at=None) for index in indices]
    if operation.ends is not None:
        new = [schedule_boot(context, vm) for vm in new]
    known = trouble if missing else pool.faults
    return replace(pool, vms=(*pool.vms, *new), next_index=pool.next_index + missing, faults=known)


def _leave(vm: Vm, *, ignore_budgets: bool) -> Vm:
    return replace(vm, leaving=True, ignore_budgets=ignore_budgets)


def _retire(old: Pool | None, new: Pool) -> Pool:
    if old is None:
        return new
    labels = _keys(old, "nodeLabels") | old.retired_labels
    taints = frozenset(old.properties.get("nodeTaints", ())) | old.retired_taints
    return replace(
        new,
        retired_labels=labels - _keys(new, "nodeLabels"),
        retired_taints=taints - frozenset(new.properties.get("nodeTaints", ())),
    )


def _keys(pool: Pool, name: str) -> frozenset[str]:
    mapping: Mapping[str, str] = pool.properties.get(name, {})
    return frozenset(mapping)
