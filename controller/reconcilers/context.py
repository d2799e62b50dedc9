"""What every step of the workspace operator works with."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from controller.api.json import Json, Key, is_older, version_of
from controller.planning.nodes import NodeDemand
from controller.planning.observed import Ref
from controller.planning.site import Site
from controller.reconcilers.informers import Informers
from controller.runtime.client import Client
from controller.runtime.events import Recorder

Applied: TypeAlias = tuple[str, int, str]
"""UID and generation an object had after it was written, and the digest of what was written."""


AVOIDED_SECONDS: Final = 60.0
"""How long a node whose GPUs pods of others hold is not looked at again."""


@dataclass(frozen=True, slots=True)
class Context:
    """The operator's connections and settings.

    Attributes:
        site: gives the installation as it is known now; it may change while the program runs.
        written: per Workspace, the version the cache showed when its status was last written, and what the API server
            answered. It spares a second write while the cache lags; losing it costs one redundant request.
        applied: per Workspace, what its objects were when they were last written. Losing it costs one more write.
        avoided: nodes whose GPUs pods of others hold, by name and resource: how many were asked for in vain, and until
            when, on the loop's clock, they are not looked at again.
    """

    client: Client
    recorder: Recorder
    informers: Informers
    site: Callable[[], Site]
    written: dict[Key, tuple[str, Json]] = field(default_factory=dict)
    applied: dict[Key, dict[Ref, Applied]] = field(default_factory=dict)
    avoided: dict[tuple[str, str], tuple[int, float]] = field(default_factory=dict)

    def latest(self, key: Key) -> Json | None:
        """The Workspace as known now: from the cache, or our own newer status write."""
        namespace, name = key
        cached = self.informers.workspaces.get(name, namespace)
        if cached is None:
            self.written.pop(key, None)
            self.applied.pop(key, None)
            return None
        seen, answer = self.written.get(key, ("", cached))
        if seen == version_of(cached):
            return answer
        self.written.pop(key, None)
        return cached

    def remember(self, key: Key, answer: Json) -> None:
        """Notes what a status write returned, unless the cache already shows that state or a later one.

        A change by somebody else can reach the cache before the answer reaches us; the answer would hide it then.
        """
        cached = self.informers.workspaces.get(key[1], key[0])
        if cached is not None and is_older(cached, answer):
            self.written[key] = (version_of(cached), answer)

    def avoid(self, node: str, demand: NodeDemand) -> None:
        """Notes that pods of others leave a node too few GPUs for the demand."""
        until = asyncio.get_running_loop().time() + AVOIDED_SECONDS
        self.avoided[node, demand.gpu_resource] = demand.gpus, until

    def occupied(self, demand: NodeDemand) -> frozenset[str]:
        """The nodes of which that was noted lately, for as many GPUs or fewer."""
        now = asyncio.get_running_loop().time()
        for key in [key for key, (_, until) in self.avoided.items() if until <= now]:
            del self.avoided[key]
        return frozenset(
            node
            for (node, resource), (gpus, _) in self.avoided.items()
            if resource == demand.gpu_resource and gpus <= demand.gpus
        )
