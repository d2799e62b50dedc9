"""The subscription's vCPU quota, looked at before a pool is asked for.

Compute's usage list is read at most once per `FRESH` seconds for all claims together, and only when something is to be
launched. Where the identity may not read it, or it does not answer, launches go ahead and Azure itself refuses. The
list shows a node minutes after it was asked for; until then it is counted here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from provisioner.errors import CloudError, ErrorKind, Fault
from provisioner.offerings import RESERVED, SPOT, Offering
from provisioner.sizes import Size

FRESH: Final = 15.0
"""Seconds for which a reading counts."""

LAG: Final = 600.0
"""Seconds after which the list is taken to show every node that was asked for before."""

_SILENT: Final = 600.0
_REGION: Final = "cores"
_SPOT: Final = "lowPriorityCores"
_NAMES: Final = {_REGION: "Total Regional", _SPOT: "LowPriority"}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Usage:
    """One line of the usage list, in vCPUs."""

    used: int
    limit: int


Usages: TypeAlias = Mapping[str, Usage]
"""Lines by lower-case name: quota families, `cores` for the region, `lowprioritycores` for spot."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A node the list need not show yet.

    Attributes:
        buckets: the lines it will count in, the narrowest first.
        vcpu: how much it will count for.
        since: when it was asked for, by the loop's clock.
    """

    buckets: tuple[str, ...]
    vcpu: int
    since: float


class Quotas:
    """Answers whether the quota has room.

    Args:
        read: reads the usage list; raises `CloudError`.
    """

    def __init__(self, read: Callable[[], Awaitable[Usages]]) -> None:
        self._read = read
        self._usages: Usages = {}
        self._asked: dict[str, _Asked] = {}
        self._until = float("-inf")
        self._reading = asyncio.Lock()

    async def take(self, name: str, offering: Offering, size: Size, settled: Callable[[str], bool]) -> Fault | None:
        """Takes room for a claim's node, which counts from now on; the quota that has none, if any.

        Args:
            name: of the claim.
            offering: what is to be asked for.
            size: what is known of its size.
            settled: whether the pool of a claim that took room is made, failed or gone.
        """
        buckets = _buckets(offering, size)
        if not size.vcpu or not buckets:
            return None
        async with self._reading:
            await self._refresh()
        self._forget(name, settled)
        for bucket in buckets:
            usage, coming = self._usages.get(bucket.lower()), self._coming(bucket)
            if usage is not None and usage.used + coming + size.vcpu > usage.limit:
                return _refusal(bucket, usage.used + coming, usage.limit, size.vcpu)
        self._asked[name] = _Asked(buckets, size.vcpu, asyncio.get_running_loop().time())
        return None

    def _coming(self, bucket: str) -> int:
        """How many vCPUs were asked for that are not in the list yet."""
        return sum(asked.vcpu for asked in self._asked.values() if bucket in asked.buckets)

    def _forget(self, name: str, settled: Callable[[str], bool]) -> None:
        """Forgets what the claim asked for before, and what the list shows by now or never will."""
        since = asyncio.get_running_loop().time() - LAG
        self._asked = {
            each: asked
            for each, asked in self._asked.items()
            if each != name and asked.since > since and not settled(each)
        }

    async def _refresh(self) -> None:
        loop, before = asyncio.get_running_loop(), self._usages
        if loop.time() < self._until:
            return
        try:
            self._usages = await self._read()
            self._until = loop.time() + FRESH
        except CloudError as error:
            log.info("quota cannot be read, launches go ahead without: %s", error)
            self._usages = {}
            self._until = loop.time() + (_SILENT if error.kind is ErrorKind.PERMISSION else error.retry_after or FRESH)
        self._appear(before)

    def _appear(self, before: Usages) -> None:
        """Forgets the oldest of what was asked for as far as a line has risen, so that none of it counts twice."""
        risen = {line: usage.used - before[line].used for line, usage in self._usages.items() if line in before}
        for name, asked in list(self._asked.items()):
            line = next((each.lower() for each in asked.buckets if each.lower() in risen), "")
            if risen.get(line, 0) >= asked.vcpu:
                risen[line] -= asked.vcpu
                del self._asked[name]


def _buckets(offering: Offering, size: Size) -> tuple[str, ...]:
    """Spot VMs have a quota of their own, a reservation has counted already (Microsoft Learn, Azure quotas)."""
    if offering.capacity_type == RESERVED:
        return ()
    if offering.capacity_type == SPOT:
        return (_SPOT,)
    return (size.family, _REGION) if size.family else (_REGION,)


def _refusal(bucket: str, used: int, limit: int, needed: int) -> Fault:
    """Worded as Azure words it, so that it is read and shown alike."""
    text = (
        f"The launch would be exceeding approved {_NAMES.get(bucket, bucket)} Cores quota: Current Limit: {limit}, "
        f"Current Usage: {used}, Additional Required: {needed}; found before anything was asked for."
    )
    return Fault(ErrorKind.QUOTA, "", text)
