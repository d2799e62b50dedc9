"""The simulator's memory on disk, and the world it starts with when there is none."""

import json
import os
import uuid
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from controller.api.json import Json
from hack.aks_simulator.context import Context
from hack.aks_simulator.pools import Change, put_pool
from hack.aks_simulator.scenario import Scenario
from hack.aks_simulator.values import Detail, NodeFault, Operation, Pool, Vm, World, with_pool

SYSTEM_POOL: Final = "nodepool1"
SYSTEM_VM_SIZE: Final = "Standard_D4ds_v5"


def first_world(context: Context, seed: str = "") -> World:
    """A cluster with nothing but its system pool, which has been running for long. The seed is random if empty."""
    usual = replace(context, scenario=Scenario())
    properties = {"mode": "System", "count": context.settings.system_pool_count, "vmSize": SYSTEM_VM_SIZE}
    world = put_pool(World(seed or uuid.uuid4().hex), usual, Change(SYSTEM_POOL), {"properties": properties}).world
    pool = world.pools[SYSTEM_POOL]
    vms = tuple(replace(vm, exists_at=0.0, boots_at=0.0) for vm in pool.vms)
    pool = replace(pool, vms=vms, state="Succeeded", operation="")
    return replace(with_pool(world, pool), operations={})


def dump_world(world: World) -> Json:
    """The world as JSON."""
    return asdict(world)


def parse_world(document: Json) -> World:
    """A world out of `dump_world`'s JSON.

    Raises:
        KeyError: a field is missing.
        TypeError: a field is unknown.
    """
    return World(
        **document
        | {
            "pools": {name: _pool(pool) for name, pool in document["pools"].items()},
            "operations": {key: _operation(operation) for key, operation in document["operations"].items()},
        }
    )


def save(path: Path, document: Json) -> None:
    """Replace the file at once, so that a crash leaves the old or the new content.

    Raises:
        OSError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(document, default=_plain), encoding="utf-8")
    temporary.replace(path)


def load(path: Path) -> Json | None:
    """The saved document, None when there is none yet.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not JSON.
    """
    if not path.exists():
        return None
    document: Json = json.loads(path.read_text(encoding="utf-8"))
    return document


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no place in the state file")


def _pool(document: Json) -> Pool:
    return Pool(
        **document
        | {
            "vms": tuple(Vm(**vm) for vm in document["vms"]),
            "error": _detail(document["error"]),
            "faults": tuple(NodeFault(**fault) for fault in document["faults"]),
            "retired_labels": frozenset(document["retired_labels"]),
            "retired_taints": frozenset(document["retired_taints"]),
        }
    )


def _operation(document: Json) -> Operation:
    return Operation(**document | {"error": _detail(document["error"])})


def _detail(document: Mapping[str, Any] | None) -> Detail | None:
    if document is None:
        return None
    inner = tuple(detail for item in document["details"] if (detail := _detail(item)))
    return Detail(document["code"], document["message"], inner)
