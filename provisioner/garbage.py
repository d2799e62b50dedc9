"""What has no claim any more: agent pools that would cost money for ever, node objects that nobody lets go."""

import asyncio
from datetime import datetime

from controller.api import labels
from controller.api.claims import ClaimKind
from controller.api.resources import NODES
from controller.runtime.cache import Informer
from controller.runtime.client import Client
from controller.runtime.errors import Conflict, NotFound
from controller.runtime.logs import fields, get_logger
from controller.runtime.reconciler import DONE, Result
from provisioner import metrics
from provisioner.errors import CloudError, ErrorKind
from provisioner.nodes import POOL_INDEX, Node, parse_node
from provisioner.policy import Policy, fault_delay
from provisioner.pools import CREATING, DELETING, Pool
from provisioner.snapshot import PoolApi, Snapshot
from provisioner.termination import release_patch
from provisioner.times import now, seconds_since

log = get_logger(__name__)


def orphan_rest(pool: Pool, claimless: float, moment: datetime, grace: float) -> float:
    """Seconds until a pool without a claim may be removed; not positive when it may be now.

    Args:
        pool: a pool a KAITO provisioner made.
        claimless: seconds since it was first seen without a claim.
        moment: the present moment.
        grace: seconds a pool is spared, counted from its claim's creation or from `claimless`, whichever is longer.
    """
    age = seconds_since(pool.labels.get(labels.CREATION_TIMESTAMP, ""), moment)
    return grace - max(claimless, age)


class Collector:
    """Removes what a name without a claim still stands for."""

    def __init__(
        self, client: Client, api: PoolApi, snapshot: Snapshot, nodes: Informer, policy: Policy, kind: ClaimKind
    ) -> None:
        self._client = client
        self._api = api
        self._snapshot = snapshot
        self._nodes = nodes
        self._policy = policy
        self._kind = kind
        self._first_seen: dict[str, float] = {}
        self._faults: dict[str, int] = {}

    async def collect(self, name: str) -> Result:
        """Looks at a name that no cached claim carries; the live API server and Azure have the last word."""
        if not self._snapshot.synced:
            return DONE
        pool = self._snapshot.get(name)
        try:
            result = await (self._let_nodes_go(name) if pool is None else self._remove(name, pool))
        except CloudError as error:
            self._faults[name] = self._faults.get(name, 0) + 1
            log.warning("what is left without a claim cannot be removed now: %s", error)
            return Result(fault_delay(self._faults[name], error.retry_after))
        self._faults.pop(name, None)
        return result

    async def _remove(self, name: str, pool: Pool) -> Result:
        if not pool.ours:
            return DONE
        if pool.deleting:
            self._snapshot.watch(name, wanted=True)
            return DONE
        loop = asyncio.get_running_loop()
        claimless = loop.time() - self._first_seen.setdefault(name, loop.time())
        rest = orphan_rest(pool, claimless, now(), self._policy.orphan_grace)
        if rest > 0:
            return Result(rest)
        if await self._claimed(name) or not (pool := await self._api.get(name)).ours:
            self._first_seen.pop(name, None)
            return DONE
        if pool.state == CREATING:
            await self._abort(name)
        await self._api.delete(name)
        self._snapshot.mark(name, DELETING)
        self._snapshot.watch(name, wanted=True)
        self._first_seen.pop(name, None)
        metrics.ORPHANS.inc()
        log.warning("removed an agent pool without a claim", extra=fields(pool=name, size=pool.vm_size))
        return DONE

    async def _abort(self, name: str) -> None:
        try:
            await self._api.abort(name)
        except CloudError as error:
            log.info("nothing to abort: %s", error)

    async def _let_nodes_go(self, name: str) -> Result:
        """Node objects of a claim that is gone, pool and all: their finalizer is ours, so nobody else frees them."""
        self._first_seen.pop(name, None)
        nodes = [node for node in self._own_nodes(name) if node.finalized]
        if not nodes or await self._claimed(name) or not await self._pool_gone(name):
            return DONE
        for node in nodes:
            try:
                if not node.deleting:
                    await self._client.delete(NODES, node.name, uid=node.uid)
                    node = parse_node(await self._client.get(NODES, node.name))  # noqa: PLW2901
                await self._client.merge(NODES, node.name, release_patch(node))
            except (NotFound, Conflict) as error:
                log.info("node %s changed meanwhile: %s", node.name, error)
                continue
            metrics.NODES_TERMINATED.inc()
            log.warning("removed a node without a claim", extra=fields(node=node.name))
        return DONE

    def _own_nodes(self, name: str) -> list[Node]:
        nodes = (parse_node(obj) for obj in self._nodes.by_index(POOL_INDEX, name))
        return [node for node in nodes if node.owned_by_claim(name)]

    async def _claimed(self, name: str) -> bool:
        try:
            await self._client.get(self._kind.resource, name)
        except NotFound:
            return False
        return True

    async def _pool_gone(self, name: str) -> bool:
        try:
            self._snapshot.learn(name, await self._api.get(name))
        except CloudError as error:
            if error.kind is ErrorKind.POOL_NOT_FOUND:
                return True
            raise
        return False
