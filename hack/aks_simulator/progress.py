"""The passing of time: what has happened to pools and operations by now, and when something happens next."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from hack.aks_simulator.context import Context
from hack.aks_simulator.pools import schedule_boot, settled_vms
from hack.aks_simulator.values import (
    Detail,
    Operation,
    Pool,
    World,
    power_operation,
    running_operation,
    with_operation,
    with_pool,
    without_pool,
)

OPERATION_LIFETIME: Final = 4 * 3600.0
"""Seconds a finished operation can still be read."""


def advance(world: World, context: Context) -> World:
    """The world as it is at `context.now`. Idempotent; loses nothing however late it is called."""
    for name in tuple(world.pools):
        world = _advance_pool(world, context, name)
    world = _advance_power(world, context)
    old = [
        operation.id
        for operation in world.operations.values()
        if operation.finished is not None and context.now - operation.finished > OPERATION_LIFETIME
    ]
    if old:
        world = replace(world, operations={key: value for key, value in world.operations.items() if key not in old})
    return world


def next_change(world: World, context: Context) -> float | None:
    """The next instant after now at which time alone changes a pool or its Nodes; None when none is known."""
    return min((instant for instant in _instants(world, context) if instant > context.now), default=None)


def report_drained(world: World, pool_name: str, index: int) -> World:
    """Record that nothing runs on the Node of a leaving VM any more."""
    return _change_vm(world, pool_name, index, drained=True)


def report_unregistered(world: World, pool_name: str, index: int) -> World:
    """Record that the Node object of a VM that is gone is gone as well."""
    pool = world.pools.get(pool_name.lower())
    if pool is None:
        return world
    vms = tuple(vm for vm in pool.vms if not (vm.index == index and vm.gone))
    return with_pool(world, replace(pool, vms=vms)) if vms != pool.vms else world


def _instants(world: World, context: Context) -> Iterator[float]:
    timing = context.timing
    after_boot = timing.register_seconds
    ready = after_boot + timing.node_ready_seconds
    node_steps = (0.0, after_boot, after_boot + timing.provider_id_seconds, ready, ready + timing.gpu_seconds)
    for pool in world.pools.values():
        running = running_operation(world, pool)
        if running and running.ends is not None:
            yield running.ends
            yield running.started + timing.drain_timeout_seconds
        for vm in pool.vms:
            if vm.boots_at is not None:
                yield from (vm.boots_at + step for step in node_steps)


def _advance_power(world: World, context: Context) -> World:
    """The change of the whole cluster ends with the last of its pools; no other operation can run meanwhile."""
    operation = power_operation(world)
    if operation is None or any(running_operation(world, pool) for pool in world.pools.values()):
        return world
    return with_operation(world, replace(operation, ends=context.now, finished=context.now))


def _advance_pool(world: World, context: Context, name: str) -> World:
    pool = world.pools[name]
    operation = running_operation(world, pool)
    if operation is None:
        return _drop_gone(world, context, pool)
    if operation.rule and not context.holds(operation.rule):
        world, operation = _release(world, context, pool, operation)
    world = _remove_leaving(world, context, world.pools[name], operation)
    pool = world.pools[name]
    if operation.ends is None or context.now < operation.ends:
        return world
    if operation.fate == "Succeeded" and any(vm.leaving for vm in pool.vms):
        if context.now < operation.started + context.timing.drain_timeout_seconds:
            return world
        if all(vm.drained for vm in pool.vms if vm.leaving):
            return world
        operation = replace(operation, fate="Failed", error=_drain_failure(pool))
    return _finish(world, context, pool, operation)


def _release(world: World, context: Context, pool: Pool, operation: Operation) -> tuple[World, Operation]:
    """A hanging operation goes on as if it had been asked for now."""
    timing = context.timing
    waiting = any(vm.boots_at is None for vm in pool.vms)
    leaving = any(vm.leaving for vm in pool.vms)
    seconds = timing.boot_seconds + timing.settle_seconds if waiting else timing.update_seconds
    released = replace(operation, ends=context.now + (timing.delete_seconds if leaving else seconds), rule="")
    vms = tuple(schedule_boot(context, vm) if vm.boots_at is None else vm for vm in pool.vms)
    return with_pool(with_operation(world, released), replace(pool, vms=vms)), released


def _remove_leaving(world: World, context: Context, pool: Pool, operation: Operation) -> World:
    over = operation.ends is not None and context.now >= operation.ends and operation.fate == "Succeeded"
    vms = pool.vms
    if not context.settings.nodes_attached:
        vms = tuple(replace(vm, drained=True) if vm.leaving else vm for vm in vms)
    if over:
        vms = tuple(replace(vm, gone=True) if vm.leaving and vm.drained else vm for vm in vms)
    if vms != pool.vms:
        world = with_pool(world, replace(pool, vms=vms))
    return _drop_gone(world, context, world.pools[pool.name.lower()])


def _drop_gone(world: World, context: Context, pool: Pool) -> World:
    if context.settings.nodes_attached or not any(vm.gone for vm in pool.vms):
        return world
    return with_pool(world, replace(pool, vms=tuple(vm for vm in pool.vms if not vm.gone)))


def _finish(world: World, context: Context, pool: Pool, operation: Operation) -> World:
    world = with_operation(world, replace(operation, finished=context.now))
    if operation.fate == "Succeeded" and operation.kind == "delete":
        return without_pool(world, pool.name)
    if operation.fate == "Succeeded" and operation.kind != "abort":
        return with_pool(world, replace(pool, state="Succeeded", operation="", error=None))
    state = "Failed" if operation.fate == "Failed" else "Canceled"
    error = operation.error if operation.keep_error and state == "Failed" else None
    return with_pool(world, replace(pool, state=state, operation="", vms=settled_vms(pool, context.now), error=error))


def _drain_failure(pool: Pool) -> Detail:
    stuck = sum(vm.leaving and not vm.drained for vm in pool.vms)
    message = (
        f"Drain of {stuck} node(s) of agent pool {pool.name} did not finish in time; a pod disruption budget may not "
        "allow the eviction of a pod."
    )
    return Detail("PodDrainFailure", message)


def _change_vm(world: World, pool_name: str, index: int, *, drained: bool) -> World:
    pool = world.pools.get(pool_name.lower())
    if pool is None:
        return world
    vms = tuple(replace(vm, drained=drained) if vm.index == index and vm.leaving else vm for vm in pool.vms)
    return with_pool(world, replace(pool, vms=vms)) if vms != pool.vms else world
