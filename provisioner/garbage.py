"""What has no claim any more: agent pools that would cost money for ever, node objects that nobody lets go.

A pool is removed only when its tag says that this provisioner made it, when it has been seen without a claim for the
whole grace, and when the live API server knows no claim of its name. Whoever restores a cluster from a backup, or
changes over from gpu-provisioner, keeps every node.
"""

import asyncio
from collections.abc import Collection

from controller.api.claims import parse_claim
from controller.api.resources import NODES
from controller.runtime.cache import Informer
from controller.runtime.client import Client
from controller.runtime.errors import Conflict, NotFound
from controller.runtime.logs import fields, get_logger
from controller.runtime.reconciler import DONE, Result
from provisioner import metrics
from provisioner.calls import ABORT_PATIENCE, Pauses
from provisioner.claims import Claims, claim_is_ours, is_gone
from provisioner.errors import CloudError, Fault
from provisioner.nodes import POOL_INDEX, Node, parse_node
from provisioner.policy import Policy
from provisioner.pools import CANCELING, CREATING, Pool
from provisioner.removal import look, remove_pool
from provisioner.setbacks import Removals
from provisioner.snapshot import PoolApi, Snapshot
from provisioner.termination import release_patch
from provisioner.times import now, seconds_since

log = get_logger(__name__)


class Collector:
    """Removes what a name without a claim still stands for.

    Args:
        client: the live API server.
        api: the cloud.
        snapshot: the pools as last read.
        claims: of every kind.
        nodes: informer.
        policy: tells the grace.
    """

    def __init__(
        self,
        client: Client,
        api: PoolApi,
        snapshot: Snapshot,
        *,
        claims: Claims,
        nodes: Informer,
        policy: Policy,
    ) -> None:
        self._client, self._api, self._snapshot = client, api, snapshot
        self._claims, self._nodes = claims, nodes
        self._policy = policy
        self._pauses: Pauses[Fault] = Pauses()
        self._removals = Removals()
        self._claimless_since: dict[str, float] = {}
        self._strangers: set[str] = set()

    def forget(self, name: str) -> None:
        """The name has a claim, or nothing at all any more: what was noted about it does not hold."""
        self._claimless_since.pop(name, None)
        self._pauses.end(name)
        self._removals.forget(name)
        self._strangers.discard(name)
        metrics.STRANGERS.set(len(self._strangers))

    async def collect(self, name: str) -> Result:
        """Looks at a name that no cached claim carries; the live API server and Azure have the last word.

        Raises:
            ApiError: the API server refused or did not answer, or does not serve claims at all.
        """
        if not self._snapshot.synced:
            self._snapshot.watch(name, wanted=True)  # woken when the pools have been read
            return DONE
        if (held := self._pauses.current(name)) is not None:
            return Result(held[1])
        pool = self._removals.view(self._snapshot.get(name))
        try:
            return await (self._let_nodes_go(name) if pool is None else self._look_at(name, pool))
        except CloudError as error:
            log.warning("what is left without a claim cannot be removed now: %s", error)
            return Result(self._pauses.fail(name, error.fault, error.retry_after))

    async def _look_at(self, name: str, pool: Pool) -> Result:
        if not pool.claim_uid:
            self._report(pool)
            return DONE
        if pool.deleting:
            return self._await_end(name)
        if (setback := self._removals.setback(pool)) is not None and setback[1] > 0:
            self._snapshot.watch(name, wanted=False)
            return Result(setback[1])
        if (rest := self._grace(name)) > 0:
            return Result(rest)
        if await self._claimed(name, pool, {pool.claim_uid}, pool.claim_kind):
            self.forget(name)
            return DONE
        if not await self._claims_can_be_missed():
            return Result(self._policy.orphan_grace)
        if (live := await self._live(name)) is None:
            return await self._let_nodes_go(name)
        return await self._remove(name, live) if live.claim_uid == pool.claim_uid else DONE

    def _grace(self, name: str) -> float:
        """Seconds the pool is still spared: its claim may only be late, as after a restore or a slow controller."""
        return self._policy.orphan_grace - self._claimless(name)

    def _claimless(self, name: str) -> float:
        """Seconds since the first look that found no claim of the name."""
        now = asyncio.get_running_loop().time()
        return now - self._claimless_since.setdefault(name, now)

    async def _remove(self, name: str, pool: Pool) -> Result:
        if pool.deleting or pool.state == CANCELING:
            return self._await_end(name)
        setback = self._removals.setback(pool)
        asked = await remove_pool(self._api, self._snapshot, self._removals, pool, abort=pool.state == CREATING)
        self._pauses.end(name)
        if asked and setback is None:
            metrics.ORPHANS.inc()
            log.warning("removed an agent pool without a claim", extra=fields(pool=name, size=pool.vm_size))
        return self._await_end(name)

    def _await_end(self, name: str) -> Result:
        """Waits for a pool to go; one that takes too long is read less often."""
        limit = self._policy.orphan_grace + self._policy.termination_deadline
        self._snapshot.watch(name, wanted=True, overdue=self._claimless(name) >= limit)
        return Result(ABORT_PATIENCE)

    def _report(self, pool: Pool) -> None:
        """Says once that a pool looks like one of KAITO's and is nobody's here."""
        if not pool.by_kaito or pool.name in self._strangers:
            return
        self._strangers.add(pool.name)
        metrics.STRANGERS.set(len(self._strangers))
        text = "an agent pool carries a Workspace's label, but this provisioner did not make it: it is left alone"
        log.warning(text, extra=fields(pool=pool.name, size=pool.vm_size))

    async def _let_nodes_go(self, name: str) -> Result:
        """Node objects of a claim that is gone, pool and all: their finalizer is ours, so nobody else frees them."""
        nodes = [node for node in self._own_nodes(name) if node.finalized]
        if not nodes:
            self.forget(name)
            return DONE
        kinds, uids = (frozenset[str]().union(*found) for found in zip(*map(_owners, nodes), strict=True))
        if await self._claimed(name, None, uids, *kinds) or await self._live(name) is not None:
            return DONE
        for node in nodes:
            await self._let_go(node)
        self.forget(name)
        return DONE

    async def _let_go(self, node: Node) -> None:
        try:
            if not node.deleting:
                await self._client.delete(NODES, node.name, uid=node.uid)
                node = parse_node(await self._client.get(NODES, node.name))
            await self._client.merge(NODES, node.name, release_patch(node))
        except (NotFound, Conflict) as error:
            log.info("node %s changed meanwhile: %s", node.name, error)
            return
        metrics.node_let_go(seconds_since(node.created, now()))
        log.warning("removed a node without a claim", extra=fields(node=node.name))

    def _own_nodes(self, name: str) -> list[Node]:
        nodes = (parse_node(obj) for obj in self._nodes.by_index(POOL_INDEX, name))
        return [node for node in nodes if node.owned_by_claim(name)]

    async def _claimed(self, name: str, pool: Pool | None, uids: Collection[str], *kinds: str) -> bool:
        """Whether the live API server knows a claim of the name, of the given kinds or any other that is served.

        One that asks another provisioner does not count, unless it has one of the UIDs. A 404 counts only when it is
        about this very object: load balancers and API servers without the kind send others. So nothing made for a claim
        is removed while its kind is not served, as during a restore.
        """
        for kind in self._claims.kinds(*kinds):
            try:
                claim = parse_claim(await self._client.get(kind.resource, name), kind)
            except NotFound as error:
                if not is_gone(error, name):
                    raise
            else:
                if claim.uid in uids or claim_is_ours(claim, pool):
                    return True
        return False

    async def _claims_can_be_missed(self) -> bool:
        """Whether so few claims are believable: none at all for several pools is doubted until a live list agrees."""
        made_for = self._snapshot.made_for()
        if self._claims.names() or len(made_for) < 2:
            return True
        lists = [await self._client.list(kind.resource) for kind in self._claims.kinds(*made_for)]
        return not any(found.items for found in lists)

    async def _live(self, name: str) -> Pool | None:
        """The pool as Azure itself has it now; None when it says there is none."""
        return self._removals.view(await look(self._api, self._snapshot, name))


def _owners(node: Node) -> tuple[frozenset[str], frozenset[str]]:
    """Kinds and UIDs of the claims that registered a node."""
    return node.owner_kinds, node.owner_uids
