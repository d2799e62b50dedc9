"""The control loop: takes keys from a queue, runs the reconciler, and decides what its outcome means.

The reconciler gets a key, never an event, and must leave the world in a state that its next run understands.
"""

import asyncio
import contextlib
import random
import secrets
from collections.abc import Awaitable, Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Final, Generic, NoReturn, TypeVar

from controller.runtime import logs, metrics
from controller.runtime.errors import ApiError, Conflict, Terminal, Throttled, Unavailable
from controller.runtime.limiter import RateLimiter
from controller.runtime.queue import LOW, NORMAL, QueueShutDown, WorkQueue

K = TypeVar("K", bound=Hashable)

log = logs.get_logger(__name__)

RESYNC_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Result:
    """What a reconciler wants next.

    Attributes:
        requeue_after: seconds until the next run without any change; None for no such run, 0 for soon, paced like a
            failure.
    """

    requeue_after: float | None = None


DONE: Final = Result()
"""Nothing to do until something changes."""


class Controller(Generic[K]):
    """Workers that reconcile keys, each key at most once at a time.

    Args:
        name: label of metrics and logs; one of a fixed set.
        reconcile: brings the world nearer to what the object of the key asks for.
        workers: runs at the same time.
        deadline: seconds after which a run is cut off and counted as failed.
        limiter: paces retries.
    """

    def __init__(
        self,
        name: str,
        reconcile: Callable[[K], Awaitable[Result]],
        *,
        workers: int = 4,
        deadline: float = 60.0,
        limiter: RateLimiter[K] | None = None,
    ) -> None:
        self.name = name
        self.queue: WorkQueue[K] = WorkQueue(name=name, limiter=limiter)
        self._reconcile = reconcile
        self._workers = workers
        self._deadline = deadline
        self._metrics = metrics.reconcile_metrics(name, workers)

    def enqueue(self, key: K) -> None:
        """Reconciles `key` as soon as a worker is free."""
        self.queue.add(key)

    async def lead(self, connect: Callable[[Callable[[K], None]], None]) -> None:
        """Runs as the leader: hands `connect` the function that takes keys, then works like `run`.

        Handlers are connected no earlier, for the queue of a standby would fill and nobody empty it. The keys of the
        objects present, which informers report to every new handler, wait while real changes are due.
        """
        priority = LOW

        def take(key: K) -> None:
            self.queue.add(key, priority)

        connect(take)
        priority = NORMAL
        await self.run()

    async def resync(self, keys: Callable[[], Iterable[K]], *, period: float = RESYNC_SECONDS) -> NoReturn:
        """Adds all `keys` about every `period` seconds, from the local copy: what a failing handler lost is found."""
        while True:
            await asyncio.sleep(period * random.uniform(1.0, 1.2))  # noqa: S311 - spreads load, guards nothing
            for key in keys():
                self.queue.add(key, LOW)

    async def run(self) -> None:
        """Works until cancelled: then takes no more keys and lets running reconciles finish.

        A second cancellation cuts off what is still running, by name; when that is due is the caller's decision.
        """
        workers = [asyncio.create_task(self._work(), name=f"{self.name}-{n}") for n in range(self._workers)]
        try:
            done, _ = await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
            for worker in done:
                worker.result()
        except asyncio.CancelledError:
            self.queue.shut_down()
            await self._finish(workers)
            raise
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)

    async def _finish(self, workers: list[asyncio.Task[None]]) -> None:
        try:
            await asyncio.wait(workers)
        except asyncio.CancelledError:
            keys = ", ".join(map(shown, self.queue.running()))
            log.warning("cut off while running: %s", keys, extra=logs.fields(controller=self.name))

    async def _work(self) -> None:
        with contextlib.suppress(QueueShutDown):
            while True:
                # A run that waits for nothing ends within its turn: a thousand of them must not be one turn, in which
                # no lease is renewed and no probe answered.
                await asyncio.sleep(0)
                key = await self.queue.get()
                self._metrics.active_workers.inc()
                try:
                    with logs.bind(controller=self.name, key=shown(key), run=secrets.token_hex(4)):
                        await self._run_once(key)
                finally:
                    self._metrics.active_workers.dec()
                    self.queue.done(key)

    async def _run_once(self, key: K) -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        scope = asyncio.timeout(self._deadline)
        try:
            async with scope:
                result = await self._reconcile(key)
        except asyncio.CancelledError as error:
            if _cancelled_from_outside():
                raise
            self._unexpected(key, error)
        except Terminal as error:
            self._terminal(key, error)
        except Conflict as error:
            self._conflict(key, error)
        except ApiError as error:
            self._failed(key, str(error), at_least=_asked_delay(error))
        except Exception as error:  # noqa: BLE001 - one object's defect must not stop the others
            if scope.expired() and isinstance(error, TimeoutError):
                self._metrics.timeouts.inc()
                self._failed(key, f"cut off after the deadline of {self._deadline:g} s")
            else:
                self._unexpected(key, error)
        else:
            self._succeeded(key, result)
        self._metrics.duration.observe(loop.time() - started)

    def _succeeded(self, key: K, result: Result) -> None:
        after = result.requeue_after
        if after is not None and after <= 0:
            self._metrics.results["requeue"].inc()
            self.queue.add_rate_limited(key)
            return
        self.queue.forget(key)
        self._metrics.results["success" if after is None else "requeue_after"].inc()
        if after is not None:
            self.queue.add_after(key, after)

    def _conflict(self, key: K, error: Conflict) -> None:
        log.debug("another writer was faster, trying again: %s", error)
        self._metrics.results["requeue"].inc()
        self.queue.add_rate_limited(key)

    def _terminal(self, key: K, error: Terminal) -> None:
        log.error("given up until something changes: %s", error)
        self._metrics.terminal_errors.inc()
        self._metrics.errors.inc()
        self._metrics.results["error"].inc()
        self.queue.forget(key)

    def _unexpected(self, key: K, error: BaseException) -> None:
        self._metrics.panics.inc()
        self._failed(key, f"unexpected {type(error).__name__}: {error}", error)

    def _failed(self, key: K, reason: str, error: BaseException | None = None, at_least: float = 0.0) -> None:
        failures = self.queue.failures(key) + 1
        log.error("reconcile failed: %s", reason, exc_info=error, extra=logs.fields(failures=failures))
        self._metrics.errors.inc()
        self._metrics.results["error"].inc()
        self.queue.add_rate_limited(key, at_least=at_least)


def shown(key: Hashable) -> str:
    """A key as people write it: `namespace/name`, or the bare name of a cluster-scoped object."""
    return "/".join(str(part) for part in key if part != "") if isinstance(key, tuple) else str(key)


def _asked_delay(error: ApiError) -> float:
    """The seconds a busy server asked for, 0 when it asked for none."""
    return (error.retry_after or 0.0) if isinstance(error, Throttled | Unavailable) else 0.0


def _cancelled_from_outside() -> bool:
    """Whether this task itself is being cancelled, as opposed to something it awaited."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
