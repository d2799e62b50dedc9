"""The simulated cloud, shared by rows that each concern a size of machine of their own."""

import asyncio
from dataclasses import dataclass, field

import aiohttp

from controller.api.json import Json


@dataclass(slots=True)
class Cloud:
    """The scenario of the simulator, of which every row owns a part.

    Attributes:
        session: connections to the simulator.
        url: where it is.
    """

    session: aiohttp.ClientSession
    url: str
    _rules: dict[str, Json] = field(default_factory=dict)
    _families: dict[str, int] = field(default_factory=dict)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def rule(self, name: str, size: str, effect: Json) -> None:
        """Adds a rule that concerns machines of a size."""
        self._rules[name] = {"name": name, "match": {"vm_size": size, "operation": "put_pool"}, **effect}
        await self._play()

    async def lift(self, name: str) -> None:
        """Takes a rule away."""
        del self._rules[name]
        await self._play()

    async def limit(self, family: str, vcpus: int | None) -> None:
        """Sets the quota of a family, in vCPUs; None is the simulator's own, which is generous."""
        self._families.pop(family, None)
        if vcpus is not None:
            self._families[family] = vcpus
        await self._play()

    async def _play(self) -> None:
        async with self._turn:
            document: Json = {"rules": list(self._rules.values()), "quota": {"families": dict(self._families)}}
            async with self.session.put(f"{self.url}/_sim/scenario", json=document) as reply:
                assert reply.status == 200, f"the scenario was refused: {await reply.text()}"
