"""Stopping and starting the whole cluster (AKS REST API: Managed Clusters - Stop, - Start).

A stopped cluster keeps its pools with all their settings and none of their machines. Nothing about its pools can be
changed until it runs again; they can still be read.
"""

from dataclasses import replace
from typing import Final

from hack.aks_simulator.context import Context
from hack.aks_simulator.errors import busy, power_state
from hack.aks_simulator.pools import Change, Started, put_pool
from hack.aks_simulator.scenario import Scenario
from hack.aks_simulator.values import (
    Operation,
    Pool,
    Power,
    World,
    fresh_id,
    power_operation,
    running_operation,
    with_operation,
    with_pool,
)

_DEEDS: Final = {"Stopped": ("stopping", "Stopping"), "Running": ("starting", "Starting")}


def switch(world: World, context: Context, power: Power) -> Started:
    """Stop or start the cluster: every pool gives up its machines, past all disruption budgets, or gets new ones.

    Raises:
        RefusalError: it is in that state already, or an operation runs; the world is unchanged.
    """
    deed, verb = _DEEDS[power]
    if (changing := power_operation(world)) is not None:
        raise busy("managed cluster", changing.verb)
    if world.power == power:
        raise power_state(power, deed)
    for pool in world.pools.values():
        if (running := running_operation(world, pool)) is not None:
            raise busy(pool.name, running.verb)
    plain = replace(context, scenario=replace(Scenario(), timing=context.scenario.timing))
    for pool in tuple(world.pools.values()):
        world = _switched(world, plain, pool, power)
    world, identifier = fresh_id(world)
    operation = Operation(identifier, "cluster", "", verb, started=context.now, ends=None)
    return Started(replace(with_operation(world, operation), power=power, power_operation=identifier), operation)


def check_power(world: World, deed: str) -> None:
    """Refuse a change of pools while the cluster is stopped, or on its way there or back.

    Raises:
        RefusalError: 409 while the cluster changes, 400 while it is stopped.
    """
    if (changing := power_operation(world)) is not None:
        raise busy("managed cluster", changing.verb)
    if world.power == "Stopped":
        raise power_state("Stopped", deed)


def _switched(world: World, context: Context, pool: Pool, power: Power) -> World:
    if pool.properties["powerState"]["code"] == power:
        return world
    properties = {**pool.properties, "powerState": {"code": power}}
    world = put_pool(world, context, Change(pool.name), {"properties": properties}).world
    pool = world.pools[pool.name.lower()]
    return with_pool(world, replace(pool, vms=tuple(replace(vm, ignore_budgets=vm.leaving) for vm in pool.vms)))
