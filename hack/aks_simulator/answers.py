"""From a request to an answer: one pure function over the world, whatever carries the bytes."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from controller.api.json import Json
from hack.aks_simulator import bodies, pools, power, quota
from hack.aks_simulator.context import Context
from hack.aks_simulator.errors import RefusalError, arm, detail_body
from hack.aks_simulator.faults import Effects, spend
from hack.aks_simulator.pools import Change, Conditions, Started, existing_pool
from hack.aks_simulator.routes import Target, check_scope
from hack.aks_simulator.scenario import Cancel, Fail, Hang, NodeTrouble, SkuUnavailable, Subject
from hack.aks_simulator.values import Operation, World

_VERSION: Final = re.compile(r"\d{4}-\d{2}-\d{2}(-preview)?")
_DEEDS: Final = {
    "put_pool": "creating or updating an agent pool",
    "delete_pool": "deleting an agent pool",
    "abort_pool": "aborting an agent pool operation",
    "delete_machines": "deleting machines",
}
_STARTING_EFFECTS: Final = (Fail, Cancel, Hang, NodeTrouble, SkuUnavailable)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, decoded.

    Attributes:
        target: the operation meant.
        query: query parameters by lower-case name.
        conditions: conditional headers.
        body: decoded JSON, None without a body.
        next_link: URL of the same list up to the value of its skip token.
    """

    target: Target
    query: Mapping[str, str] = field(default_factory=dict)
    conditions: Conditions = field(default_factory=Conditions)
    body: Any = None
    next_link: str = ""

    @property
    def api_version(self) -> str:
        """The api-version asked for, empty without one."""
        return self.query.get("api-version", "")

    @property
    def next_page(self) -> bool:
        """Whether it goes on with a list that was begun before."""
        return "$skiptoken" in self.query


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back.

    Attributes:
        status: HTTP status.
        body: JSON, or None for an empty body.
        operation: id of the operation whose polling headers go along, empty for none.
        location: whether `Location` goes along with `Azure-AsyncOperation`.
        polling: whether the answer is about an operation that still runs.
    """

    status: int
    body: Json | None = None
    operation: str = ""
    location: bool = False
    polling: bool = False


def subject_of(world: World, call: Call) -> Subject:
    """What scenario rules are matched against: of a pool not yet stored, what the request says."""
    target = call.target
    operation = world.operations.get(target.item)
    name = target.pool or (operation.pool if operation else "")
    pool = world.pools.get(name.lower())
    properties: Any = pool.properties if pool else {}
    if pool is None and isinstance(call.body, dict):
        properties = call.body.get("properties")
    if not isinstance(properties, dict):
        properties = {}
    zones = properties.get("availabilityZones") or ()
    return Subject(target.operation, name, str(properties.get("vmSize", "")), tuple(map(str, zones)))


def answer(world: World, context: Context, call: Call, effects: Effects) -> tuple[World, Answer]:
    """Carry out a request.

    Raises:
        RefusalError: as Azure would refuse; the world is unchanged.
    """
    _check_version(call)
    check_scope(context.settings, call.target)
    match call.target.operation:
        case "put_pool" | "delete_pool" | "abort_pool" | "delete_machines":
            return _change(world, context, call, effects)
        case "stop_cluster" | "start_cluster":
            started = power.switch(world, context, "Stopped" if call.target.operation == "stop_cluster" else "Running")
            return started.world, Answer(202, operation=started.operation.id, location=True)
        case "get_operation" | "get_result":
            return world, _operation(world, context, call)
        case _:
            return world, Answer(200, _read(world, context, call))


def _check_version(call: Call) -> None:
    if not call.api_version:
        raise arm(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    if not _VERSION.fullmatch(call.api_version):
        message = f"The api-version '{call.api_version}' is invalid: it must be of the form YYYY-MM-DD[-preview]."
        raise arm(400, "InvalidApiVersionParameter", message)


def _change(world: World, context: Context, call: Call, effects: Effects) -> tuple[World, Answer]:
    conditions = call.conditions if call.api_version >= bodies.ETAG_VERSION else Conditions()
    change = Change(call.target.pool, conditions, effects)
    power.check_power(world, _DEEDS[call.target.operation])
    started: Started | None
    match call.target.operation:
        case "put_pool":
            started = pools.put_pool(world, context, change, call.body)
        case "delete_pool":
            ignore = call.query.get("ignore-pod-disruption-budget", "").lower() == "true"
            started = pools.delete_pool(world, context, change, ignore_budgets=ignore)
        case "abort_pool":
            started = pools.abort_pool(world, context, change)
        case _:
            started = pools.delete_machines(world, context, change, call.body)
    if started is None:
        return world, Answer(204)
    world = spend(started.world, [rule for kind, rule in effects.items() if issubclass(kind, _STARTING_EFFECTS)])
    return world, _started(world, context, call, started)


def _started(world: World, context: Context, call: Call, started: Started) -> Answer:
    if call.target.operation != "put_pool":
        return Answer(202, operation=started.operation.id, location=True)
    pool = existing_pool(world, call.target.pool)
    body = bodies.pool_body(context.settings, pool, call.api_version)
    return Answer(201 if started.created else 200, body, operation=started.operation.id)


def _operation(world: World, context: Context, call: Call) -> Answer:
    operation = world.operations.get(call.target.item)
    if operation is None:
        raise RefusalError(404, "NotFound", f"The operation {call.target.item} was not found.")
    if call.target.operation == "get_operation":
        return Answer(200, bodies.operation_body(operation), polling=operation.finished is None)
    return _result(world, context, call, operation)


def _result(world: World, context: Context, call: Call, operation: Operation) -> Answer:
    if operation.finished is None:
        return Answer(202, operation=operation.id, location=True, polling=True)
    if operation.fate != "Succeeded" and operation.error:
        return Answer(400, {"error": detail_body(operation.error)})
    pool = world.pools.get(operation.pool.lower())
    if operation.kind in {"create", "update"} and pool:
        return Answer(200, bodies.pool_body(context.settings, pool, bodies.ETAG_VERSION))
    return Answer(204)


def _read(world: World, context: Context, call: Call) -> Json:
    settings, version = context.settings, call.api_version
    match call.target.operation:
        case "get_cluster":
            return bodies.cluster_body(world, settings, version)
        case "list_pools":
            return _page(context, call, [bodies.pool_body(settings, pool, version) for pool in bodies.pools_of(world)])
        case "get_pool":
            return bodies.pool_body(settings, existing_pool(world, call.target.pool), version)
        case "list_usages":
            return _page(context, call, quota.usage_items(world, context))
    pool = existing_pool(world, call.target.pool)
    machines = [bodies.machine_body(settings, pool, vm) for vm in bodies.listed_vms(pool, context.now)]
    if call.target.operation == "list_machines":
        return _page(context, call, machines)
    for machine in machines:
        if machine["name"] == call.target.item.lower():
            return machine
    raise RefusalError(404, "NotFound", f"Machine {call.target.item} not found")


def _page(context: Context, call: Call, items: list[Json]) -> Json:
    token = call.query.get("$skiptoken", "0")
    if not token.isdecimal():
        raise arm(400, "InvalidSkipToken", f"The skip token '{token}' is invalid.")
    return bodies.page_body(context, items, int(token), call.next_link)
