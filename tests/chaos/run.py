"""One run: people at work, bad weather, programs killed; then calm, and a look at what came of it."""

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from controller.api.json import name_of, uid_of
from controller.api.resources import NAMESPACES, SECRETS, WORKSPACES
from tests.chaos import verdict
from tests.chaos.deeds import PROGRAMS, Log, people
from tests.chaos.foreign import Foreign, in_the_way, leave, settle_in
from tests.chaos.plan import Kind, Plan, Size
from tests.chaos.weather import behind_a_proxy, blow
from tests.cluster.harness import eventually
from tests.system import audit
from tests.system.harness import System
from tests.system.planned import watching

SHARED_NODES: Final = 3
_PATIENCE_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run; every list is empty when all was well.

    Attributes:
        unfinished: surviving Workspaces that are not what the planner says, and vanished ones that left something.
        doubled: claims and agent pools that were made more often than they were given up.
        beyond: claims that no plan can have asked for.
        orphans: things made for Workspaces that are gone.
        foreign: things of other people that are not as they were, or that our programs wanted to change.
        figures: for people.
    """

    unfinished: str
    doubled: list[str]
    beyond: list[str]
    orphans: list[str]
    foreign: list[str]
    figures: str


async def run(system: System, plan: Plan, size: Size, folder: Path) -> Outcome:
    """The whole run, with nothing left of it in the cluster but operators that nobody answers until the next run."""
    namespace, chance = f"chaos-{plan.seed}", random.Random(plan.seed)
    begin = time.time()
    foreign, log = await _prepare(system, namespace), Log()
    async with behind_a_proxy(system, folder) as proxy, watching(system) as eyes:
        await _restart(system)
        log.kinds[uid_of(await system.client.create(WORKSPACES, in_the_way(namespace)))] = Kind.SERVED
        weather = asyncio.create_task(blow(proxy, chance))
        try:
            await people(system, namespace, plan, size, log)
        finally:
            weather.cancel()
            await asyncio.gather(weather, return_exceptions=True)
        calm = time.time()
        wrong = await _until_rest(lambda: verdict.restless(eyes, namespace, plan), size.patience_seconds)
        rest = time.time() - calm
        orphans = await _until_rest(lambda: verdict.orphans(system), size.patience_seconds)
        # Once more: at the first look the caches may not have shown the last deed.
        wrong = wrong or await _until_rest(lambda: verdict.restless(eyes, namespace, plan), size.patience_seconds)
        spoilt = sum(seen.code in (0, 409, 429, 500, 503) for seen in proxy.seen)
        calls = audit.calls(system.layout, since=begin)
        outcome = Outcome(
            unfinished=wrong,
            doubled=[*verdict.doubled(calls), *await verdict.doubled_pools(system, calls)],
            beyond=verdict.beyond(calls, log),
            orphans=[orphans] if orphans else [],
            foreign=[*await foreign.changed(system), *foreign.touched(calls)],
            figures=f"{dict(log.done)}, {len(plan.strikes)} kills, {len(calls)} requests, of the last 10,000 {spoilt} "
            f"were spoilt; at rest {rest:.1f} s after the last deed",
        )
        await _clean_up(system, namespace, foreign)
    return outcome


async def _prepare(system: System, namespace: str) -> Foreign:
    await system.client.create(NAMESPACES, {"metadata": {"name": namespace}})
    await system.client.create(SECRETS, {"metadata": {"name": "push-key", "namespace": namespace}})
    return await settle_in(system, namespace, SHARED_NODES)


async def _restart(system: System) -> None:
    """Both operators anew, so that they speak to whom they are told to now."""
    replicas = [each for program in PROGRAMS for each in system.replicas(program)]
    before = {each.name: each.restarts for each in replicas}
    for replica in replicas:
        if replica.process:
            replica.process.signal(signal.SIGTERM)

    async def back() -> str:
        now = [each for program in PROGRAMS for each in system.replicas(program)]
        return ", ".join(each.name for each in now if each.waiting_for or each.restarts <= before[each.name])

    await eventually(back, _PATIENCE_SECONDS)


async def _until_rest(look: Callable[[], Awaitable[str]], seconds: float) -> str:
    """Waits until there is nothing to say; what there still is to say when patience ends."""
    try:
        await eventually(look, seconds)
    except AssertionError:
        return await look()
    return ""


async def _clean_up(system: System, namespace: str, foreign: Foreign) -> None:
    await system.kubectl("delete", "workspaces", "--all", "-n", namespace, "--wait=false")
    await _until_rest(lambda: _workspaces_of(system, namespace), _PATIENCE_SECONDS)
    await leave(system, foreign)
    await system.client.delete(NAMESPACES, namespace)


async def _workspaces_of(system: System, namespace: str) -> str:
    return ", ".join(map(name_of, await system.everything(WORKSPACES, namespace)))
