"""The subscription's vCPU quota, looked at before a pool is asked for.

Compute's usage list is read at most once per `FRESH` seconds for all claims together, and only when something is to be
launched. Where the identity may not read it, or it does not answer, launches go ahead and Azure itself refuses.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from provisioner.errors import CloudError, ErrorKind, Fault
from provisioner.offerings import RESERVED, SPOT, Offering
from provisioner.sizes import Size

FRESH: Final = 15.0
"""Seconds for which a reading counts."""

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


class Quotas:
    """Answers whether the quota has room.

    Args:
        read: reads the usage list; raises `CloudError`.
    """

    def __init__(self, read: Callable[[], Awaitable[Usages]]) -> None:
        self._read = read
        self._usages: Usages = {}
        self._spent: Counter[str] = Counter()
        self._until = float("-inf")
        self._reading = asyncio.Lock()

    async def shortage(self, offering: Offering, size: Size) -> Fault | None:
        """The quota that has no room for one more node of the offering; None when all have, or nothing is known."""
        buckets = _buckets(offering, size)
        if not size.vcpu or not buckets:
            return None
        async with self._reading:
            await self._refresh()
        for bucket in buckets:
            usage = self._usages.get(bucket.lower())
            if usage is not None and usage.used + self._spent[bucket] + size.vcpu > usage.limit:
                return _refusal(bucket, usage.used + self._spent[bucket], usage.limit, size.vcpu)
        return None

    def spend(self, offering: Offering, size: Size) -> None:
        """A node was asked for, which the last reading cannot show yet."""
        for bucket in _buckets(offering, size):
            self._spent[bucket] += size.vcpu

    async def _refresh(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._until:
            return
        try:
            self._usages = await self._read()
            self._until = loop.time() + FRESH
        except CloudError as error:
            log.info("quota cannot be read, launches go ahead without: %s", error)
            self._usages = {}
            self._until = loop.time() + (_SILENT if error.kind is ErrorKind.PERMISSION else error.retry_after or FRESH)
        self._spent.clear()


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
