"""What this process has seen of the nodes' health, and for how long.

A new process begins anew, which only delays what follows from it.
"""

import asyncio
from collections.abc import Sequence
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
    """

    def __init__(self, nodes: Informer) -> None:
        self._nodes = nodes
        self._nodeless_since: dict[str, float] = {}
        self._unready_since: dict[str, float] = {}
        self._repairing: set[str] = set()
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
        if not silent:
            self._repairing.discard(name)
        return _since(self._unready_since, name, lasting=silent)

    def deletes(self, claim: Claim, reason: Reason) -> None:
        """The claim is about to be deleted for that reason."""
        if reason is Reason.NODE_UNHEALTHY:
            self._repairing.add(claim.name)

    def fleet(self) -> Fleet:
        """How all nodes are doing, counted at most once per second."""
        now = asyncio.get_running_loop().time()
        if self._counted is None or now - self._counted[0] > _FRESH:
            self._counted = (now, self._count())
        count = self._counted[1]
        return Fleet(
            count.nodes,
            count.unready,
            count.cluster_nodes,
            count.cluster_unready,
            tuple(sorted({*count.repairing, *self._repairing})),
        )

    def _count(self) -> Fleet:
        """Nodes that go while they are not Ready count as being replaced, whoever began it."""
        every = [parse_node(obj) for obj in self._nodes.values()]
        own = [node for node in every if node.owner_kinds]
        going = tuple(node.pool for node in own if node.deleting and not node.ready)
        unready, cluster_unready = (sum(not node.ready for node in each) for each in (own, every))
        return Fleet(len(own), unready, len(every), cluster_unready, going)

    def forget(self, name: str) -> None:
        """The claim is gone."""
        for memory in (self._nodeless_since, self._unready_since):
            memory.pop(name, None)
        self._repairing.discard(name)


def _since(memory: dict[str, float], name: str, *, lasting: bool) -> float:
    if not lasting:
        memory.pop(name, None)
        return 0.0
    now = asyncio.get_running_loop().time()
    return now - memory.setdefault(name, now)
