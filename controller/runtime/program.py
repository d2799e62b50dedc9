"""The life of one process: start order, health, and a stop that leaves nothing half done.

    async def build() -> int:
        async with Program("kaito-controller", options) as program:
            nodes = program.informer(Informer(program.client, NODES))
            program.lead("workspaces", controller.run)
            return await program.run()

    run_program(build)

Start: probes and metrics, then informers, then tasks, then the election, then the work that needs it. Stop: readiness
fails first, leader work and tasks end within the grace (the lease is released as soon as the work is over), then
informers, events, probes and connections.
"""

import asyncio
import os
import signal
import sys
from collections import deque
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Final, NoReturn, Self

from controller.runtime import access, logs, metrics, tasks
from controller.runtime.cache import Informer
from controller.runtime.client import Client
from controller.runtime.election import Elector, LeadershipLost
from controller.runtime.errors import SetupError
from controller.runtime.events import Recorder
from controller.runtime.gate import Gate
from controller.runtime.metrics_certificate import MetricsCertificate
from controller.runtime.metrics_server import PATH, MetricsServer
from controller.runtime.options import CommonOptions
from controller.runtime.probes import Check, ProbeServer
from controller.runtime.reflector import RESTART_CAUSES
from controller.runtime.tasks import Loop, TaskDied

log = logs.get_logger(__name__)

FLUSH_SECONDS: Final = 3.0
LAG_PERIOD: Final = 1.0
LAG_SAMPLES: Final = 60


class Program:
    """Start order, health, and graceful stop of one process.

    Used as an async context manager: entering connects the client and makes the recorder, leaving closes both.

    Args:
        name: of the program: user agent, Lease, reporter of events.
        options: what it was told at its start.
    """

    client: Client
    recorder: Recorder

    def __init__(self, name: str, options: CommonOptions) -> None:
        self.name = name
        self.options = options
        self._informers: list[Informer] = []
        self._needed: list[Informer] = []
        self._tasks: dict[str, Loop] = {}
        self._leads: dict[str, Loop] = {}
        self._live: dict[str, Check] = {}
        self._ready: dict[str, Check] = {"shutdown": self._check_stopping}
        self._stopping = asyncio.Event()
        self._elector: Elector | None = None
        self.secure_metrics: MetricsServer | None = None
        plain = None if options.metrics_secure else options.metrics
        self.probes = ProbeServer(metrics=plain, health=options.health, live=self._live, ready=self._ready)

    async def __aenter__(self) -> Self:
        self.client = await Client.connect(
            user_agent=f"{self.name}/{version('kaito')}",
            kubeconfig=self.options.kubeconfig,
            observer=metrics.observe_request,
        )
        self.recorder = Recorder(self.client, controller=self.name, instance=self.options.identity)
        if self.options.metrics is not None and self.options.metrics_secure:
            certificate = MetricsCertificate(self.name, self.options.metrics_certificate_dir)
            gate = Gate(access.asking(self.client, PATH))
            self.secure_metrics = MetricsServer(self.options.metrics, certificate, gate)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.client.close()

    @property
    def leading(self) -> bool:
        """Whether this process holds the lease; without election every process leads."""
        return self._elector.leading if self._elector else not self.options.leader_elect

    def informer(self, informer: Informer, *, needed: bool = True) -> Informer:
        """Runs the informer before anything else.

        Args:
            informer: the cache to fill.
            needed: whether the program is of no use before it has synced: nothing starts until then, and the program
                is not ready. Otherwise both go on without it.
        """
        if any(informer.name == other.name for other in self._informers):
            raise ValueError(f"two informers are called {informer.name!r}: metrics and readiness need distinct names")
        informer.observer = metrics.InformerMetrics(informer.name, RESTART_CAUSES)
        self._informers.append(informer)
        if needed:
            self._needed.append(informer)
            self._ready[f"informer {informer.name}"] = lambda: _unsynced(informer)
        return informer

    def task(self, name: str, run: Loop) -> None:
        """Runs on every replica, from when the informers it needs have synced until the stop; ending is a failure."""
        self._tasks[name] = run

    def lead(self, name: str, run: Loop) -> None:
        """Runs only while this replica leads; ending earlier is a failure."""
        self._leads[name] = run

    def check_ready(self, name: str, check: Check) -> None:
        """Adds a readiness check."""
        self._ready[name] = check

    def stop(self) -> None:
        """Asks for the orderly stop, as SIGTERM does."""
        self._stopping.set()

    async def run(self) -> int:
        """Runs until stopped, or until a part dies; the process's exit code: 0 clean, 1 otherwise.

        Raises:
            OSError: a probe address that cannot be bound.
        """
        self._handle_signals()
        self._elector = self._candidate()
        await self.probes.start()
        base = tasks.start(
            {"events": self.recorder.run, "event loop lag": watch_lag}
            | await self._serve_metrics()
            | {f"informer {informer.name}": informer.run for informer in self._informers}
        )
        work: list[asyncio.Task[None]] = []
        try:
            log.info("started", extra=logs.fields(program=self.name, identity=self.options.identity))
            return await self._shut_down(work, await self._until_stopped(base, work))
        finally:
            await self._end(base, work)

    async def _serve_metrics(self) -> dict[str, Loop]:
        """Starts the guarded listener if it is asked for, and gives what has to run beside it."""
        if self.secure_metrics is None:
            return {}
        try:
            await self.secure_metrics.start()
        except BaseException:
            await self.probes.stop()
            raise
        return {"metrics certificate": self.secure_metrics.certificate.run}

    async def _until_stopped(self, base: list[asyncio.Task[None]], work: list[asyncio.Task[None]]) -> TaskDied | None:
        """Starts `work` once the informers have synced; returns on the stop, or with the first death."""
        stopped = asyncio.create_task(_wait(self._stopping), name="stop")
        synced = asyncio.create_task(self._synced(), name="sync")
        try:
            await asyncio.wait([stopped, synced, *base], return_when=asyncio.FIRST_COMPLETED)
            if synced.done() and not stopped.done():
                synced.result()
                work += tasks.start(self._work())
                await asyncio.wait([stopped, *base, *work], return_when=asyncio.FIRST_COMPLETED)
            return tasks.death_among([*work, *base])
        finally:
            synced.cancel()
            stopped.cancel()

    async def _synced(self) -> None:
        for informer in self._needed:
            await informer.wait_synced()
        log.info("informers synced", extra=logs.fields(informers=len(self._needed)))

    def _candidate(self) -> Elector | None:
        if not self._leads or not self.options.leader_elect:
            return None
        elector = Elector(
            self.client,
            name=self.name,
            namespace=self.options.namespace,
            identity=self.options.identity,
            timing=self.options.lease,
        )
        self._live["leader election"] = lambda: "" if elector.healthy() else "overdue in renewing the lease"
        return elector

    def _work(self) -> dict[str, Loop]:
        """The tasks and the leader work, the latter behind the election if there is one."""
        elector = self._elector
        if elector is None:
            return self._tasks | self._leads
        return self._tasks | {"leader election": lambda: self._lead(elector)}

    async def _lead(self, elector: Elector) -> None:
        """Leads when it may; when leader work ignores its end the process ends here and now, whatever else it does.

        Another process may lead any moment: no step of an orderly stop is worth two of them at work.
        """
        try:
            await elector.run(lambda: tasks.run_together(self._leads))
        except (LeadershipLost, TaskDied) as end:
            if end.still_working:
                what = "leadership lost: " if isinstance(end, LeadershipLost) else ""
                log.critical("ending at once, leader work goes on: %s%s", what, end)
                os._exit(1)
            raise

    async def _shut_down(self, work: list[asyncio.Task[None]], death: TaskDied | None) -> int:
        self._stopping.set()
        grace = self.options.shutdown_grace
        if death is None:
            log.info("stopping", extra=logs.fields(grace_seconds=grace))
        else:
            grace = min(tasks.DEATH_GRACE_SECONDS, grace)
            self._report(death)
        late = await tasks.stop(work, grace)
        if late:
            log.error("cut off after the grace of %g s: %s", grace, ", ".join(late))
        failed = {task.get_name(): task.exception() for task in work if task.done() and not task.cancelled()}
        for name, error in failed.items():
            if error and death is None:
                log.error("%s failed while stopping: %s", name, error, exc_info=error)
        return 1 if death or late or any(failed.values()) else 0

    def _report(self, death: TaskDied) -> None:
        """One line on why the process ends; a death brings its traceback along, lost leadership needs none."""
        cause = death.__cause__
        if isinstance(cause, LeadershipLost):
            log.critical("ending, leadership lost: %s", cause)
        else:
            log.critical("ending: %s", death, exc_info=cause)

    async def _end(self, base: list[asyncio.Task[None]], work: list[asyncio.Task[None]]) -> None:
        await tasks.stop([*work, *(task for task in base if task.get_name() != "events")], tasks.DEATH_GRACE_SECONDS)
        await self.recorder.flush(FLUSH_SECONDS)
        await tasks.stop(base, tasks.DEATH_GRACE_SECONDS)
        await self.probes.stop()
        if self.secure_metrics is not None:
            await self.secure_metrics.stop()
        log.info("stopped", extra=logs.fields(program=self.name))

    def _check_stopping(self) -> str:
        return "shutting down" if self._stopping.is_set() else ""

    def _handle_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal, number)

    def _on_signal(self, number: int) -> None:
        if self._stopping.is_set():
            log.error("second signal while stopping: exiting at once")
            os._exit(128 + number)
        self.stop()


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


def _unsynced(informer: Informer) -> str:
    if informer.synced:
        return ""
    return "waiting for the first list" if informer.served else "the API server does not serve this kind"


async def watch_lag() -> None:
    """Measures how late timers fire, for the metric: blocking work on the loop shows here first."""
    loop = asyncio.get_running_loop()
    recent: deque[float] = deque(maxlen=LAG_SAMPLES)
    while True:
        due = loop.time() + LAG_PERIOD
        await asyncio.sleep(LAG_PERIOD)
        recent.append(max(0.0, loop.time() - due))
        metrics.LOOP_LAG.set(max(recent))


def run_program(build: Callable[[], Awaitable[int]]) -> NoReturn:
    """Runs `build` on a fresh loop and exits with its code; an error at the start is one line and code 1."""
    try:
        code = asyncio.run(_bounded(build))
    except (SetupError, OSError) as error:
        log.critical("cannot start: %s", error)
        code = 1
    except KeyboardInterrupt:
        code = 128 + signal.SIGINT
    except Exception:
        log.critical("ended by a defect", exc_info=True)
        code = 1
    sys.exit(code)


async def _bounded(build: Callable[[], Awaitable[int]]) -> int:
    """Like `build`, but a task that ignores its cancellation cannot keep the process from ending."""
    code = await build()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others and (await asyncio.wait(others, timeout=tasks.LAST_WORDS_SECONDS))[1]:
        os._exit(code or 1)
    return code
