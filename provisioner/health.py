"""What this process has seen of the nodes' health, and for how long.

A new process begins anew, which only delays what follows from it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from controller.api.claims import Claim
from controller.api.reasons import Reason
from controller.runtime.cache import Informer
from provisioner.nodes import Node, parse_node
from provisioner.steps import Fleet

_FRESH: Final = 1.0
"""Seconds for which a count of all nodes is used again."""


class Health:
    """The memory of it.

    Args:
        nodes: informer of all nodes.
        patience: seconds after which a replacement that has not come to its end holds up no other any more.
    """

    def __init__(self, nodes: Informer, patience: float) -> None:
        self._nodes, self._patience = nodes, patience
        self._nodeless_since: dict[str, float] = {}
        self._unready_since: dict[str, float] = {}
        self._gpuless_since: dict[str, float] = {}
        self._repairing: dict[str, float] = {}
        self._going_since: dict[str, float] = {}
        self._counted: tuple[float, Fleet] | None = None

    def nodeless(self, name: str, *, missed: bool) -> float:
        """Seconds since the first look that found no node of the pool; 0 when none is missed."""
        return _since(self._nodeless_since, name, lasting=missed)

    def unready(self, name: str, nodes: Sequence[Node], *, expected: bool) -> float:
        """Seconds since the first look that found nodes of the pool and none of them Ready; 0 when one is.

        Args:
            name: of the pool.
            nodes: of the pool.
            expected: whether the pool is to have a working node at all.
        """
        silent = expected and bool(nodes) and not any(node.ready for node in nodes)
        return _since(self._unready_since, name, lasting=silent)

    def gpuless(self, name: str, *, lost: bool, deleting: bool) -> float:
        """Seconds since the first look that found the pool's node Ready and without GPUs it had; 0 when it has them.

        Args:
            name: of the pool, whose silence was asked for just before.
            lost: whether GPUs are missed.
            deleting: whether its claim is, so that the node is not looked at any more and all stays as it was.
        """
        lost = lost or (deleting and name in self._gpuless_since)
        if not lost and name not in self._unready_since:
            self._repairing.pop(name, None)
        return _since(self._gpuless_since, name, lasting=lost)

    def deletes(self, claim: Claim, reason: Reason) -> None:
        """The claim is about to be deleted for that reason."""
        if reason in (Reason.NODE_UNHEALTHY, Reason.GPUS_NOT_ADVERTISED):
            self._repairing.setdefault(claim.name, asyncio.get_running_loop().time())

    def fleet(self) -> Fleet:
        """How all nodes are doing, counted at most once per second; those being replaced are always up to date."""
        now = asyncio.get_running_loop().time()
        if self._counted is None or now - self._counted[0] > _FRESH:
            self._counted = (now, self._count(now))
        count, begun = self._counted[1], self._in_time(self._repairing, now)
        gpuless = self._gpuless_since.keys() - (self._repairing.keys() - begun)
        return replace(count, repairing=tuple(sorted({*count.repairing, *begun})), gpuless=len(gpuless))

    def _count(self, now: float) -> Fleet:
        """Nodes that go while they are not Ready count as being replaced, whoever began it.

        One whose removal is stuck counts no more, neither so nor as a node: no other must wait for it, and what it
        lacks tells of no outage.
        """
        every = [parse_node(obj) for obj in self._nodes.values()]
        going = {node.pool for node in every if node.owner_kinds and node.deleting and not node.ready}
        self._going_since = {name: self._going_since.get(name, now) for name in going}
        begun = self._repairing | self._going_since
        stuck = begun.keys() - self._in_time(begun, now)
        left = [node for node in every if node.ready or not node.owner_kinds or node.pool not in stuck]
        own = [node for node in left if node.owner_kinds]
        unready, cluster_unready = (sum(not node.ready for node in each) for each in (own, left))
        return Fleet(len(own), unready, len(left), cluster_unready, tuple(sorted(going - stuck)))

    def _in_time(self, begun: dict[str, float], now: float) -> set[str]:
        return {name for name, since in begun.items() if now - since < self._patience}

    def forget(self, name: str) -> None:
        """The claim is gone."""
        for memory in (self._nodeless_since, self._unready_since, self._gpuless_since):
            memory.pop(name, None)
        self._repairing.pop(name, None)


def _since(memory: dict[str, float], name: str, *, lasting: bool) -> float:
    if not lasting:
        memory.pop(name, None)
        return 0.0
    now = asyncio.get_running_loop().time()
    return now - memory.setdefault(name, now)
