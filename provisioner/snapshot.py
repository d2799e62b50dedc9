"""One shared picture of all agent pools, read at one interval for all claims together.

Azure counts every reading of a pool against one budget per subscription (60 at once, then 1 per second), so the
number of readings must not depend on the number of claims.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final, Protocol

from controller.api.json import Json
from provisioner.errors import CloudError, Fault
from provisioner.metrics import POOLS_AGE
from provisioner.policy import fault_delay
from provisioner.pools import Pool

OVERDUE_INTERVAL: Final = 30.0
"""Seconds between readings while all that is waited for is late already."""

_HICCUP: Final = 3.0

log = logging.getLogger(__name__)


class PoolApi(Protocol):
    """The calls about pools; each raises `CloudError`."""

    async def list(self) -> "list[Pool]":
        """Every pool of the cluster."""
        ...

    async def get(self, name: str) -> Pool:
        """One pool."""
        ...

    async def create(self, name: str, body: Json) -> Pool:
        """Begins to make a pool if there is none of that name."""
        ...

    async def delete(self, name: str, *, etag: str = "", ignore_disruption_budgets: bool = False) -> None:
        """Begins to remove a pool; with an eTag only while the pool still has it, else raises kind EXISTS."""
        ...

    async def abort(self, name: str) -> None:
        """Begins to stop the operation that runs on a pool."""
        ...


class PoolStore:
    """Pools by name. What was learned about one pool alone outlives a list that was asked for before."""

    def __init__(self) -> None:
        self._pools: dict[str, Pool] = {}
        self._learned: dict[str, float] = {}

    def get(self, name: str) -> Pool | None:
        """The pool as last seen; None when none is known."""
        return self._pools.get(name)

    def values(self) -> "list[Pool]":
        """Every pool, as last seen."""
        return list(self._pools.values())

    def learn(self, name: str, pool: Pool | None, at: float) -> bool:
        """Takes in one pool's state, None for gone; says whether that is news."""
        changed = self._pools.get(name) != pool
        self._learned[name] = at
        self._put(name, pool)
        return changed

    def replace(self, pools: Iterable[Pool], asked_at: float) -> set[str]:
        """Takes in a complete list; returns the names of pools that changed, came or went."""
        listed = {pool.name: pool for pool in pools}
        self._learned = {name: at for name, at in self._learned.items() if at > asked_at}
        names = (listed.keys() | self._pools.keys()) - self._learned.keys()
        changed = {name for name in names if self._pools.get(name) != listed.get(name)}
        for name in names:
            self._put(name, listed.get(name))
        return changed

    def _put(self, name: str, pool: Pool | None) -> None:
        if pool is None:
            self._pools.pop(name, None)
        else:
            self._pools[name] = pool


class Snapshot:
    """Keeps a `PoolStore` fresh, and tells which pools changed.

    Args:
        api: where pools are read.
        busy: seconds between readings while a pool is watched.
        idle: the same while none is.
        on_change: told the names of changed pools, and those watched when a reading fails or succeeds again.
    """

    def __init__(self, api: PoolApi, *, busy: float, idle: float, on_change: Callable[[Iterable[str]], None]) -> None:
        self._api = api
        self._busy, self._idle = busy, idle
        self._on_change = on_change
        self._store = PoolStore()
        self._watched: dict[str, bool] = {}
        self._awake = asyncio.Event()
        self._reading = asyncio.Lock()
        self._last: tuple[float, CloudError | None] = (float("-inf"), None)
        self._faults = 0
        self.synced = False
        self.fault: Fault | None = None

    def get(self, name: str) -> Pool | None:
        """The pool as last seen."""
        return self._store.get(name)

    def count(self) -> int:
        """Number of pools of the cluster, whoever made them."""
        return len(self._store.values())

    def made_for(self) -> "list[str]":
        """Kinds of the claims this provisioner made pools for, once for each pool."""
        return [pool.claim_kind for pool in self._store.values() if pool.claim_uid]

    def learn(self, name: str, pool: Pool | None) -> None:
        """Takes in what a call about one pool brought to light."""
        self._store.learn(name, pool, asyncio.get_running_loop().time())

    def mark(self, name: str, state: str) -> None:
        """Notes the state a pool is known to enter, until the next reading shows it."""
        pool = self._store.get(name)
        if pool is not None:
            self.learn(name, replace(pool, state=state))

    def watch(self, name: str, *, wanted: bool, overdue: bool = False) -> None:
        """Begins or ends to expect changes of a pool; one that is overdue does not ask for the shortest interval."""
        if not wanted:
            self._watched.pop(name, None)
        elif self._watched.get(name) != overdue:
            self._watched[name] = overdue
            self._awake.set()

    async def fresh(self, name: str) -> Pool | None:
        """The pool as a list shows it that was asked for no earlier than now; None when it shows none.

        Whoever asks while one list is under way shares the next: the removal of many pools at once is confirmed by a
        few lists, where a look at each would use up the subscription's budget.

        Raises:
            CloudError: the pools cannot be read.
        """
        loop = asyncio.get_running_loop()
        now = loop.time()
        async with self._reading:
            asked_at, error = self._last
            if asked_at < now:
                await self._list(loop.time())
            elif error is not None:
                raise error.with_traceback(None)
        return self.get(name)

    async def run(self) -> None:
        """Reads until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            async with self._reading:
                started = loop.time()
                least = await self._read(started)
            await self._rest(started, least)

    async def _rest(self, started: float, least: float) -> None:
        """Sleeps until the next reading is due; a pool newly watched shortens the idle interval at once."""
        loop = asyncio.get_running_loop()
        while True:
            self._awake.clear()
            rest = started + max(self._interval(), least) - loop.time()
            if rest <= 0:
                return
            try:
                async with asyncio.timeout(rest):
                    await self._awake.wait()
            except TimeoutError:
                return

    def _interval(self) -> float:
        if not self.synced or not all(self._watched.values()):
            return self._busy
        return min(self._idle, max(self._busy, OVERDUE_INTERVAL)) if self._watched else self._idle

    async def _read(self, started: float) -> float:
        """One reading; returns the seconds that must pass before the next."""
        try:
            await self._list(started)
        except CloudError as error:
            return self._failed(error)
        return 0.0

    async def _list(self, asked_at: float) -> None:
        """Takes in a complete list, and tells what is news in it."""
        try:
            pools = await self._api.list()
        except CloudError as error:
            self._last = (asked_at, error)
            raise
        self._last = (asked_at, None)
        changed = self._store.replace(pools, asked_at)
        if self.fault is not None or not self.synced:
            changed |= self._watched.keys() | {pool.name for pool in pools}
        self.synced, self.fault, self._faults = True, None, 0
        POOLS_AGE.set(time.time())
        if changed:
            self._on_change(changed)

    def _failed(self, error: CloudError) -> float:
        """Seconds to leave the cloud alone. A hiccup that the next reading may well disprove is not told of yet."""
        self._faults += 1
        log.warning("agent pools cannot be read: %s", error)
        delay, fault = fault_delay(self._faults, error.retry_after), error.fault.steady
        hiccup = self.synced and fault.transient and self._faults == 1 and delay <= _HICCUP
        if self.fault != fault and not hiccup:
            self.fault = fault
            self._on_change(set(self._watched))
        return delay
