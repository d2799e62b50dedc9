"""The work queue: each key runs at most once at a time, and no change is lost while it runs.

Semantics of client-go's `util/workqueue` on one event loop: a key is *dirty* when it must run and *processing* while
it runs; one that becomes dirty during its run is queued again when the run ends. Duplicates collapse.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

from controller.runtime import metrics
from controller.runtime.limiter import RateLimiter

K = TypeVar("K", bound=Hashable)

NORMAL: Final = 0
"""Priority of changes and retries."""

LOW: Final = -100
"""Priority of the first list and of periodic resyncs: they wait while real changes are due."""

PRIORITIES: Final = (NORMAL, LOW)


class QueueShutDown(Exception):  # noqa: N818 - a state, the name asyncio gives its own
    """The queue hands out no more keys."""


class WorkQueue(Generic[K]):
    """Keys to be worked on, by priority and then first in, first out.

    Args:
        name: label of the queue's metrics; one of a fixed set, never a key.
        limiter: paces retries; client-go's defaults when absent.
    """

    def __init__(self, *, name: str, limiter: RateLimiter[K] | None = None) -> None:
        self.name = name
        self._limiter: RateLimiter[K] = limiter or RateLimiter()
        self._ready: dict[int, OrderedDict[K, float]] = {priority: OrderedDict() for priority in PRIORITIES}
        self._dirty: dict[K, int] = {}
        self._processing: dict[K, float] = {}
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._idle: asyncio.Event = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._metrics = metrics.queue_metrics(name, self)

    @property
    def depth(self) -> int:
        """Keys ready to run now; neither running nor delayed ones."""
        return sum(len(lane) for lane in self._ready.values())

    def depths(self) -> dict[int, int]:
        """Keys ready to run now, by priority."""
        return {priority: len(lane) for priority, lane in self._ready.items()}

    def running(self) -> list[K]:
        """The keys handed out and not done."""
        return list(self._processing)

    def running_since(self) -> list[float]:
        """When each running key was handed out, in loop time."""
        return list(self._processing.values())

    def add(self, key: K, priority: int = NORMAL) -> None:
        """Makes sure `key` runs (again); a second add before that run can only raise its priority.

        Raises:
            ValueError: a priority not in PRIORITIES (each is a value of a metric's label).
        """
        if priority not in self._ready:
            raise ValueError(f"priority {priority} of queue {self.name!r} is none of {PRIORITIES}")
        if self._closed:
            return
        known = self._dirty.get(key)
        if known is None:
            self._metrics.adds.inc()
        elif known >= priority:
            return
        self._dirty[key] = priority
        if key not in self._processing:
            self._enqueue(key, priority, known)

    def add_after(self, key: K, seconds: float) -> None:
        """Adds `key` in `seconds`; of several pending delays of a key the earliest counts."""
        if self._closed:
            return
        self._metrics.retries.inc()
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        pending = self._timers.get(key)
        if pending is not None:
            if pending.when() <= due:
                return
            pending.cancel()
        self._timers[key] = loop.call_at(due, self._due, key)

    def add_rate_limited(self, key: K, *, at_least: float = 0.0) -> None:
        """Counts a failure of `key` and adds it when the limiter lets it, not before `at_least` seconds."""
        self.add_after(key, max(at_least, self._limiter.delay(key, asyncio.get_running_loop().time())))

    def forget(self, key: K) -> None:
        """Resets the failure count of `key`, nothing else."""
        self._limiter.forget(key)

    def failures(self, key: K) -> int:
        """Failures in a row of `key`."""
        return self._limiter.failures(key)

    async def get(self) -> K:
        """Waits for a key and hands it out; the caller owes a `done`.

        Raises:
            QueueShutDown: the queue was shut down; keys still waiting in it are left to the next process.
        """
        loop = asyncio.get_running_loop()
        while not self._closed:
            for lane in self._ready.values():
                if lane:
                    key, added = lane.popitem(last=False)
                    return self._hand_out(key, added, loop.time())
            await self._wait(loop)
        raise QueueShutDown(self.name)

    def done(self, key: K) -> None:
        """The run of `key` ended; it is queued again if it became dirty meanwhile."""
        now = asyncio.get_running_loop().time()
        self._metrics.work_duration.observe(now - self._processing.pop(key))
        if not self._processing:
            self._idle.set()
        if not self._closed and key in self._dirty:
            self._enqueue(key, self._dirty[key], None)

    def shut_down(self) -> None:
        """Refuses new keys, drops waiting and delayed ones, and wakes every `get` with QueueShutDown."""
        self._closed = True
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._dirty.clear()
        for lane in self._ready.values():
            lane.clear()
        while self._waiters:
            self._wake_one()

    async def drain(self) -> None:
        """Waits until no key is running."""
        await self._idle.wait()

    def _enqueue(self, key: K, priority: int, previous: int | None) -> None:
        added = asyncio.get_running_loop().time()
        if previous is not None:
            added = self._ready[previous].pop(key)
        self._ready[priority][key] = added
        self._wake_one()

    def _hand_out(self, key: K, added: float, now: float) -> K:
        self._metrics.queue_duration.observe(now - added)
        del self._dirty[key]
        self._processing[key] = now
        self._idle.clear()
        return key

    def _due(self, key: K) -> None:
        del self._timers[key]
        self.add(key)

    def _wake_one(self) -> None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    async def _wait(self, loop: asyncio.AbstractEventLoop) -> None:
        waiter = loop.create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._wake_one()
            elif waiter in self._waiters:
                self._waiters.remove(waiter)
            raise
