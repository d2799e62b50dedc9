"""The loop that makes Nodes follow the pools: compares both anew each time, so a restart simply goes on."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from controller.api.json import Json, is_deleting, metadata_of, name_of
from controller.runtime.errors import NotFound
from hack.aks_simulator.node_writer import NodeWriter
from hack.aks_simulator.nodes import cordon, next_step, silence
from hack.aks_simulator.progress import next_change, report_drained, report_unregistered
from hack.aks_simulator.simulator import Simulator
from hack.aks_simulator.values import Pool, Vm

log = logging.getLogger(__name__)

RESYNC_SECONDS: Final = 5.0
"""How often the Nodes are compared with the pools even if nothing is known to have changed."""
BUSY_SECONDS: Final = 0.1
"""How soon to look again while a Node is being brought up or drained."""
RETRY_SECONDS: Final = 1.0
"""How soon to look again after a failed call."""

_PARALLEL_CALLS: Final = 16


class NodeLoop:
    """Keeps the Nodes of one simulator in step with its pools."""

    def __init__(self, simulator: Simulator, writer: NodeWriter) -> None:
        self._simulator = simulator
        self._writer = writer
        self._slots = asyncio.Semaphore(_PARALLEL_CALLS)

    async def run(self) -> None:
        """Follow the pools until cancelled; failed calls are logged and made up for."""
        while True:
            self._simulator.changed.clear()
            try:
                pause = await self.sync()
            except Exception as error:  # noqa: BLE001 - whatever the cluster answers, the next look decides anew
                log.warning("could not follow the pools, trying again: %s", error)
                pause = RETRY_SECONDS
            try:
                await asyncio.wait_for(self._simulator.changed.wait(), pause)
            except TimeoutError:
                continue

    async def sync(self) -> float:
        """Bring each Node one step further; returns the seconds until the next look.

        Raises:
            ExceptionGroup: some calls failed, the others were made.
        """
        present = {name_of(node): node for node in await self._writer.nodes()}
        self._simulator.advance()
        settings = self._simulator.settings
        owned = {settings.node_name(pool.name, vm.index): (pool, vm) for pool, vm in self._vms()}
        orphans = [node for name, node in present.items() if name not in owned and not is_deleting(node)]
        results = await asyncio.gather(
            *(self._follow(pool, vm, present.get(name)) for name, (pool, vm) in owned.items()),
            *(self._remove(node) for node in orphans),
            return_exceptions=True,
        )
        errors = [result for result in results if isinstance(result, Exception)]
        if errors:
            raise ExceptionGroup("; ".join(sorted({str(error) for error in errors})[:3]), errors)
        return BUSY_SECONDS if any(result is True for result in results) else self._pause()

    def _vms(self) -> Iterator[tuple[Pool, Vm]]:
        return ((pool, vm) for pool in self._simulator.world.pools.values() for vm in pool.vms)

    def _pause(self) -> float:
        context = self._simulator.context()
        due = next_change(self._simulator.world, context)
        return RESYNC_SECONDS if due is None else min(RESYNC_SECONDS, due - context.now)

    async def _follow(self, pool: Pool, vm: Vm, node: Json | None) -> bool:
        """Take the step due for one VM; whether another one may follow at once."""
        async with self._slots:
            if vm.gone:
                if node:
                    await self._part(node)
                self._simulator.update(report_unregistered(self._simulator.world, pool.name, vm.index))
                return True
            if vm.leaving:
                return not vm.drained and await self._drain(pool, vm, node)
            step = next_step(self._simulator.context(), pool, vm, node)
            if step:
                await self._writer.write(step)
            return step is not None

    async def _drain(self, pool: Pool, vm: Vm, node: Json | None) -> bool:
        staying: list[Json] = []
        if node:
            unschedulable = cordon(node)
            if unschedulable:
                await self._writer.write(unschedulable)
            staying = [pod for pod in await self._writer.pods_on(name_of(node)) if _is_drained_away(pod)]
        for pod in staying:
            if not is_deleting(pod):
                await self._writer.evict(pod, ignore_budgets=vm.ignore_budgets)
        if not staying:
            self._simulator.update(report_drained(self._simulator.world, pool.name, vm.index))
        return True

    async def _remove(self, node: Json) -> bool:
        async with self._slots:
            await self._part(node)
        return True

    async def _part(self, node: Json) -> None:
        """What the cluster does about a Node without a machine: a finalizer may keep the object, but it is silent."""
        with suppress(NotFound):
            if (silent := silence(node)) is not None:
                await self._writer.write(silent)
        await self._writer.delete_node(node)


def _is_drained_away(pod: Json) -> bool:
    """Whether a drain waits for the pod: not for finished ones, nor for those a DaemonSet or the kubelet owns."""
    owners = {owner["kind"] for owner in metadata_of(pod).get("ownerReferences") or ()}
    finished = (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}
    return not finished and not owners & {"DaemonSet", "Node"}
