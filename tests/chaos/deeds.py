"""People and killers at work."""

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from controller.api.json import uid_of
from controller.api.resources import CONFIG_MAPS, DEPLOYMENTS, JOBS, SERVICES, WORKSPACES
from controller.planning.configs import INFERENCE_KEY
from controller.runtime.errors import AlreadyExists, ApiError, NotFound
from tests.chaos.plan import CONFIG, Act, Deed, Kind, Plan, Size, Strike, change, manifest
from tests.system.harness import CONTROLLER, PROVISIONER, System

PROGRAMS: Final = (CONTROLLER, PROVISIONER)
"""The programs that lead."""

_RETRY_SECONDS: Final = 0.3


@dataclass(slots=True)
class Log:
    """What was done so far: every UID a Workspace ever had, and its kind."""

    kinds: dict[str, Kind] = field(default_factory=dict)
    done: Counter[Act] = field(default_factory=Counter)


async def people(system: System, namespace: str, plan: Plan, size: Size, log: Log) -> None:
    """People and killers, each at their moments; a deed about a Workspace waits for the one before it."""
    begin = asyncio.get_running_loop().time()

    async def at(share: float) -> None:
        await asyncio.sleep(begin + share * size.load_seconds - asyncio.get_running_loop().time())

    async def story(name: str) -> None:
        for deed in (each for each in plan.deeds if each.name == name):
            await at(deed.at)
            await _persist(partial(_do, system, namespace, deed, log), size.patience_seconds)
            log.done[deed.act] += 1

    async def strike(each: Strike) -> None:
        await at(each.at)
        await _kill(system, each)

    async with asyncio.TaskGroup() as group:
        for name in dict.fromkeys(deed.name for deed in plan.deeds):
            group.create_task(story(name))
        for each in plan.strikes:
            group.create_task(strike(each))


async def _persist(call: Callable[[], Awaitable[None]], seconds: float) -> None:
    """Does it, again and again while the webhook is away or a predecessor still goes away, as a person would."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await call()
        except ApiError:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(_RETRY_SECONDS)


async def _do(system: System, namespace: str, deed: Deed, log: Log) -> None:
    client, name = system.client, deed.name
    match deed.act:
        case Act.CREATE:
            log.kinds[await _create(system, namespace, deed)] = deed.kind
        case Act.CHANGE:
            await client.merge(WORKSPACES, name, change(deed), namespace=namespace)
        case Act.CONFIGURE:
            data = {INFERENCE_KEY: "vllm: {max-model-len: 1024}"}
            body = {"metadata": {"name": CONFIG, "namespace": namespace}, "data": data}
            await client.apply(CONFIG_MAPS, body, manager="tests")
        case Act.DELETE:
            await _unless_gone(client.delete(WORKSPACES, name, namespace=namespace))
        case Act.SCALE:
            await _unless_gone(client.merge(DEPLOYMENTS, name, {"spec": {"replicas": 0}}, namespace=namespace))
        case Act.REMOVE:
            for resource in (SERVICES, DEPLOYMENTS, JOBS):
                await _unless_gone(client.delete(resource, name, namespace=namespace))


async def _create(system: System, namespace: str, deed: Deed) -> str:
    """The UID of the new Workspace; one of that name that still goes away is waited for."""
    try:
        return uid_of(await system.client.create(WORKSPACES, manifest(namespace, deed)))
    except AlreadyExists:
        found = await system.client.get(WORKSPACES, deed.name, namespace=namespace)
        if found["metadata"].get("deletionTimestamp"):
            raise
        return uid_of(found)


async def _unless_gone(call: Awaitable[object]) -> None:
    try:
        await call
    except NotFound:
        return


async def _kill(system: System, strike: Strike) -> None:
    replicas = system.replicas(strike.program)
    leader = await system.leader(strike.program) if strike.program in PROGRAMS else replicas[0].name
    for replica in replicas:
        if replica.process and (strike.everyone or replica.name == leader):
            replica.process.signal(signal.SIGKILL)
