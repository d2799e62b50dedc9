"""What a thousand Workspaces cost the operator: from creation to serving, in steady state, and to nothing left."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from controller.api import labels
from controller.api.conditions import is_true
from controller.api.resources import MACHINES, PODS, WORKSPACES
from controller.api.workspace import ConditionType
from hack.bench import audit, fleet
from hack.bench.audit import Call, Span
from hack.bench.figures import Figure
from hack.bench.process import Running, say
from hack.bench.stand import CONTROLLER, Stand
from hack.bench.tally import Tally, exists, tally

_PATIENCE_SECONDS = 240.0
_RECONCILES = "controller_runtime_reconcile_total"
_KEPT = "kaito_informer_objects"


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything.

    Attributes:
        few, many: Workspaces of the two rounds that are compared.
        nodes: nodes in the cluster in the end, those of the Workspaces among them.
        pods: pods of ours in the end, those of the Workspaces among them.
        foreign_pods: pods of others.
        quiet_seconds: how long nothing may be written once all is done.
        settle_seconds: without a write for this long, all is done.
    """

    few: int = 100
    many: int = 1000
    nodes: int = 2000
    pods: int = 5000
    foreign_pods: int = 1000
    quiet_seconds: float = 30.0
    settle_seconds: float = 5.0

    def divided(self, by: int) -> "Sizes":
        """The same in small, for a look at whether it works."""
        names = ("few", "many", "nodes", "pods", "foreign_pods")
        return replace(self, **{name: max(getattr(self, name) // by, 1) for name in names})


@dataclass(frozen=True, slots=True)
class Round:
    """What one round of equal Workspaces took, from creation to serving."""

    count: int
    claims_seconds: float
    """From the first `create` to the last claim."""
    ready_seconds: float
    """From the last node Ready to the last Workspace Ready."""
    lag_seconds: float
    """From the last pod Ready to the last Workspace Ready."""
    cpu_seconds: float
    reconciles: float
    calls: Counter[Call]
    events_lost: float


@dataclass(frozen=True, slots=True)
class _Views:
    """What is counted while Workspaces live."""

    claims: Tally
    pods: Tally
    ready: Tally
    workspaces: Tally


async def measure(stand: Stand, sizes: Sizes) -> list[Figure]:
    """Two rounds, the larger one in a cluster that is full in the end, and the start of a new process in it."""
    say(f"{sizes.nodes - sizes.many} nodes of others")
    await fleet.add_nodes(stand.client, sizes.nodes - sizes.many)
    async with stand.controller() as process, _views(stand, "bench-few") as views:
        few = await _round(stand, process, views, "bench-few", sizes.few)
        gone = await _gone(stand, views, "bench-few", sizes.few)
    async with _views(stand, "bench-many") as views:
        async with stand.controller() as process:
            many = await _round(stand, process, views, "bench-many", sizes.many)
            quiet = await _quiet(stand, sizes)
            peak = process.peak_mib
        await _fill(stand, sizes)
        started = time.time()
        async with stand.controller() as process:
            restart = await _restart(stand, process, sizes, started)
    return [
        *_figures(few, many),
        Figure("controller.round-memory_MiB", "peak memory, the larger round", peak),
        Figure("controller.quiet-writes_count", f"writes in {sizes.quiet_seconds:g} s of steady state", quiet),
        *restart,
        Figure("controller.gone_s", f"{sizes.few} Workspaces deleted, until nothing is left", gone),
    ]


@asynccontextmanager
async def _views(stand: Stand, namespace: str) -> AsyncIterator[_Views]:
    client, ours = stand.client, f"{labels.WORKSPACE_NAMESPACE}={namespace}"
    await fleet.make_namespace(client, namespace)
    async with (
        tally(client, MACHINES, exists, labels=ours) as claims,
        tally(client, PODS, lambda pod: is_true(pod, "Ready"), namespace=namespace) as pods,
        tally(client, WORKSPACES, lambda each: is_true(each, ConditionType.READY), namespace=namespace) as ready,
        tally(client, WORKSPACES, exists, namespace=namespace) as workspaces,
    ):
        yield _Views(claims, pods, ready, workspaces)


async def _round(stand: Stand, process: Running, views: _Views, namespace: str, count: int) -> Round:
    loop, begin = asyncio.get_running_loop(), time.time()
    busy, reconciles = process.cpu_seconds, await process.metric(_RECONCILES)
    created = loop.time()
    say(f"{count} Workspaces")
    await fleet.make_workspaces(stand.client, namespace, count)
    claimed = await views.claims.until(count, _PATIENCE_SECONDS)
    say(f"a node for each, {claimed - created:.1f} s after the first was created")
    await fleet.obey(stand.client, namespace)
    say("serving")
    nodes = loop.time()
    serving = await views.ready.until(count, _PATIENCE_SECONDS)
    running = await views.pods.until(count, _PATIENCE_SECONDS)
    return Round(
        count=count,
        claims_seconds=claimed - created,
        ready_seconds=serving - nodes,
        lag_seconds=serving - running,
        cpu_seconds=process.cpu_seconds - busy,
        reconciles=await process.metric(_RECONCILES) - reconciles,
        calls=audit.calls(stand.layout, CONTROLLER, Span(begin, time.time())),
        events_lost=await process.metric("kaito_events_dropped_total"),
    )


async def _gone(stand: Stand, views: _Views, namespace: str, count: int) -> float:
    """Seconds from the first `delete` until neither a Workspace nor a claim is left; the nodes go with the cloud."""
    say(f"deleting {count} Workspaces")
    begin = asyncio.get_running_loop().time()
    await fleet.delete_workspaces(stand.client, namespace, count)
    moments = [await view.until(0, _PATIENCE_SECONDS) for view in (views.workspaces, views.claims)]
    await fleet.take_nodes_away(stand.client, namespace)
    return max(moments) - begin


async def _quiet(stand: Stand, sizes: Sizes) -> float:
    """Writes of the operator during a stretch that begins once the events of the round are written."""
    await audit.until_silent(stand.layout, CONTROLLER, sizes.settle_seconds, patience=_PATIENCE_SECONDS)
    say(f"{sizes.quiet_seconds:g} s of rest")
    begin = time.time()
    await asyncio.sleep(sizes.quiet_seconds)
    return audit.writes(audit.calls(stand.layout, CONTROLLER, Span(begin, time.time())))


async def _fill(stand: Stand, sizes: Sizes) -> None:
    """The rest of the pods, while no operator runs that could be measured."""
    say(f"{sizes.pods - sizes.many} more pods of ours, {sizes.foreign_pods} of others")
    await fleet.make_namespace(stand.client, "bench-other")
    await fleet.add_pods(stand.client, "bench-other", sizes.pods - sizes.many, ours=True)
    await fleet.add_pods(stand.client, "bench-other", sizes.foreign_pods, ours=False)


async def _restart(stand: Stand, process: Running, sizes: Sizes, started: float) -> list[Figure]:
    """A new process in a full cluster: it looks at everything once, and has nothing to do."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while await process.metric(_RECONCILES, result="success") < sizes.many:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    looked = time.time() - started
    await audit.until_silent(stand.layout, CONTROLLER, sizes.settle_seconds, patience=_PATIENCE_SECONDS)
    written = audit.writes(audit.calls(stand.layout, CONTROLLER, Span(started, time.time())))
    nodes, kept = await process.metric(_KEPT, informer="nodes"), await process.metric(_KEPT, informer="pods")
    words = f"a new process, {nodes:.0f} nodes, {sizes.pods} pods of ours, {sizes.foreign_pods} of others"
    return [
        Figure("controller.restart_s", f"{words}: until it has looked at every Workspace", looked),
        Figure("controller.restart-writes_count", f"{words}: writes", written),
        Figure("controller.restart-cpu_s", f"{words}: CPU", process.cpu_seconds),
        Figure("controller.memory_MiB", f"{words}: peak memory", process.peak_mib),
        Figure("controller.foreign-pods_count", "pods of others it keeps", kept - sizes.pods),
    ]


def _figures(few: Round, many: Round) -> list[Figure]:
    words = f"{many.count} Workspaces at once"
    return [
        Figure("controller.claims_s", f"{words}: until every claim exists", many.claims_seconds),
        Figure(
            "controller.claims-few_s", f"{few.count} Workspaces at once: until every claim exists", few.claims_seconds
        ),
        Figure("controller.ready_s", f"{words}: last node Ready to last status True", many.ready_seconds),
        Figure("controller.lag_s", f"{words}: last pod Ready to last status True", many.lag_seconds),
        *_requests(many),
        Figure("controller.events-lost_count", "events never written", many.events_lost),
        Figure("controller.reconciles_per-Workspace", "reconciliations", many.reconciles / many.count),
        Figure("controller.cpu_s", f"{words}: CPU", many.cpu_seconds),
        Figure("controller.cpu_ms-per-Workspace", "CPU", 1000 * many.cpu_seconds / many.count),
        Figure(
            "controller.growth_ratio",
            f"CPU of one Workspace among {many.count} over that of one among {few.count}",
            (many.cpu_seconds / many.count) / (few.cpu_seconds / few.count),
        ),
    ]


def _requests(many: Round) -> list[Figure]:
    """What was asked of the API server for one Workspace, by verb, and by what it was asked about."""
    verbs, kinds = audit.by_verb(many.calls), audit.by_kind(many.calls)
    words = "requests to the API server"
    return [
        Figure("controller.requests_per-Workspace", words, sum(verbs.values()) / many.count),
        *(
            Figure(f"controller.requests-{key}_per-Workspace", f"{words}: {key}", n / many.count)
            for key, n in verbs.items()
        ),
        *(
            Figure(f"controller.requests-{key.replace(' ', '-')}_per-Workspace", f"… {key}", n / many.count)
            for key, n in kinds.items()
        ),
    ]
