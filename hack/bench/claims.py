"""What claims cost the provisioner: calls to Azure, writes to the API server, and time beyond that of the cloud."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

import aiohttp

from controller.api import labels
from controller.api.claims import MACHINE, READY
from controller.api.conditions import is_true
from controller.api.json import Json
from controller.api.resources import MACHINES
from hack.aks_simulator.scenario import Timing
from hack.aks_simulator.server import NEXT_PAGE
from hack.bench import audit
from hack.bench.audit import Span
from hack.bench.figures import Figure
from hack.bench.fleet import SIZE
from hack.bench.process import Running, running, say
from hack.bench.stand import PROVISIONER, Stand, cloud_url
from hack.bench.tally import Tally, exists, in_parallel, tally

PREDECESSOR_CALLS = 9
"""Calls of gpu-provisioner v0.4 about the pool of one claim, at the least: a PUT, two looks at its operation and one at
the pool made; a GET, a DELETE and two looks at its operation, and a GET that finds nothing. Each further 30 s of either
operation costs one more, and its two collectors list all pools every two minutes."""

_PATIENCE_SECONDS = 300.0
_SELECTED = "bench.kaito.sh/claims"


@dataclass(frozen=True, slots=True)
class Plan:
    """One run.

    Attributes:
        claims: how many at once.
        limit: agent pools the cloud allows, and the provisioner is told of.
        speed: what the cloud's times are divided by.
        poll, idle: seconds between two readings of the pools, while something is awaited and while nothing is.
        quiet_seconds: how long the claims are left alone once all are Ready.
    """

    claims: int
    limit: int
    speed: float = 1.0
    poll: float = 5.0
    idle: float = 300.0
    quiet_seconds: float = 0.0

    def divided(self, by: int) -> "Plan":
        """The same in small, for a look at whether it works."""
        return replace(self, claims=max(self.claims // by, 1), quiet_seconds=self.quiet_seconds / by)

    @property
    def boot_seconds(self) -> float:
        """From the request for a pool to its GPUs in the cluster: what the cloud takes, whoever asks."""
        timing = Timing().faster(self.speed)
        return timing.boot_seconds + timing.register_seconds + timing.node_ready_seconds + timing.gpu_seconds

    @property
    def name(self) -> str:
        """The claims' namespace among the figures, and the value of their label."""
        return f"claims{self.claims}"


@dataclass(frozen=True, slots=True)
class Cloud:
    """The simulator while it runs."""

    url: str
    session: aiohttp.ClientSession

    async def requests(self) -> dict[str, int]:
        """How often each operation was asked for, whatever the answer."""
        async with self.session.get(f"{self.url}/_sim/state") as reply:
            counted: Json = (await reply.json())["requests"]
        return {operation: sum(answers.values()) for operation, answers in counted.items()}


async def measure(stand: Stand, plan: Plan) -> list[Figure]:
    """Claims at once until all are Ready, a stretch of rest where the plan wants one, and their deletion."""
    async with _cloud(stand, plan) as cloud, _provisioner(stand, cloud.url, plan) as process:
        selector = f"{_SELECTED}={plan.name}"
        async with (
            tally(stand.client, MACHINES, lambda each: is_true(each, READY), labels=selector) as ready,
            tally(stand.client, MACHINES, exists, labels=selector) as present,
        ):
            begin = time.time()
            taken = await _create(stand, plan, ready)
            made = await _figures(stand, plan, process, taken, begin)
            rest = await _rest(stand, plan, cloud) if plan.quiet_seconds else []
            gone = await _delete(stand, plan, present)
            span = Span(begin, time.time())
        asked = await cloud.requests()
        peak = process.peak_mib
    return [
        *made,
        *rest,
        Figure(f"{plan.name}.gone_s", f"{plan.claims} claims deleted, until none is left", gone),
        *_calls(plan, asked),
        Figure(f"{plan.name}.memory_MiB", "peak memory", peak),
        *_writes(stand, plan, span, "over their whole lives", "life-writes"),
    ]


@asynccontextmanager
async def _cloud(stand: Stand, plan: Plan) -> AsyncIterator[Cloud]:
    component = stand.cloud(plan.speed)
    tls = ssl.create_default_context(cafile=stand.layout.certificate("ca"))
    async with (
        running(component, stand.layout, (f"--pool-limit={plan.limit}",)),
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session,
    ):
        yield Cloud(cloud_url(component), session)


@asynccontextmanager
async def _provisioner(stand: Stand, cloud: str, plan: Plan) -> AsyncIterator[Running]:
    flags = (
        f"--pool-limit={plan.limit}",
        f"--arm-poll-interval={plan.poll:g}s",
        f"--arm-idle-interval={plan.idle:g}s",
    )
    async with running(stand.program(PROVISIONER, cloud=cloud), stand.layout, flags) as process:
        yield process


async def _create(stand: Stand, plan: Plan, ready: Tally) -> float:
    say(f"{plan.claims} claims")
    begin = asyncio.get_running_loop().time()
    await in_parallel(partial(stand.client.create, MACHINES, claim(plan.name, index)) for index in range(plan.claims))
    return await ready.until(plan.claims, _PATIENCE_SECONDS) - begin


async def _delete(stand: Stand, plan: Plan, present: Tally) -> float:
    say(f"deleting {plan.claims} claims")
    begin = asyncio.get_running_loop().time()
    await in_parallel(partial(stand.client.delete, MACHINES, _name(index)) for index in range(plan.claims))
    return await present.until(0, _PATIENCE_SECONDS) - begin


async def _rest(stand: Stand, plan: Plan, cloud: Cloud) -> list[Figure]:
    """What a stretch costs in which nothing is to do: the events of the launches are written, no pool is watched."""
    ready = time.time()
    await audit.until_silent(stand.layout, PROVISIONER, 2 * plan.poll, patience=_PATIENCE_SECONDS)
    settled = max(time.time() - ready - 2 * plan.poll, 0.0)
    say(f"{plan.quiet_seconds:g} s of rest")
    begin, before = time.time(), await cloud.requests()
    await asyncio.sleep(plan.quiet_seconds)
    after, found = await cloud.requests(), audit.calls(stand.layout, PROVISIONER, Span(begin, time.time()))
    asked = {operation: after[operation] - before.get(operation, 0) for operation in after}
    intervals = plan.quiet_seconds / plan.idle
    words = f"{plan.claims} idle claims"
    since = "from the last one's Ready to the last write of their launches, at most"
    pages = asked.get(NEXT_PAGE, 0)
    others = sum(asked.values()) - asked.get("list_pools", 0) - pages
    return [
        Figure(f"{plan.name}.settled_s", f"{plan.claims} claims: {since}", settled),
        Figure(
            f"{plan.name}.idle-lists_per-interval",
            f"{words}: lists of the pools in each {plan.idle:g} s",
            asked.get("list_pools", 0) / intervals,
        ),
        Figure(
            f"{plan.name}.idle-pages_per-interval",
            f"{words}: further pages of these lists, of 100 pools each",
            pages / intervals,
        ),
        Figure(f"{plan.name}.idle-calls_count", f"{words}: other calls to Azure", others),
        Figure(f"{plan.name}.idle-writes_count", f"{words}: writes to the API server", audit.writes(found)),
    ]


async def _figures(stand: Stand, plan: Plan, process: Running, taken: float, begin: float) -> list[Figure]:
    words = f"{plan.claims} claims at once"
    return [
        Figure(f"{plan.name}.ready_s", f"{words}: until all are Ready", taken),
        Figure(
            f"{plan.name}.beyond_s", f"{words}: beyond the cloud's {plan.boot_seconds:g} s", taken - plan.boot_seconds
        ),
        Figure(f"{plan.name}.cpu_ms-per-claim", "CPU until Ready", 1000 * process.cpu_seconds / plan.claims),
        *_writes(stand, plan, Span(begin, time.time()), "until Ready", "writes"),
    ]


def _writes(stand: Stand, plan: Plan, span: Span, words: str, key: str) -> list[Figure]:
    number = audit.writes(audit.calls(stand.layout, PROVISIONER, span))
    return [Figure(f"{plan.name}.{key}_per-claim", f"writes to the API server, {words}", number / plan.claims)]


def _calls(plan: Plan, asked: dict[str, int]) -> list[Figure]:
    total = sum(asked.values())
    each = [
        Figure(f"{plan.name}.{operation.replace('_', '-')}_per-claim", f"calls to Azure: {operation}", n / plan.claims)
        for operation, n in sorted(asked.items())
    ]
    share = 100 * total / plan.claims / PREDECESSOR_CALLS
    return [
        *each,
        Figure(f"{plan.name}.calls_per-claim", "calls to Azure, all", total / plan.claims),
        Figure(f"{plan.name}.predecessor_percent", f"of the {PREDECESSOR_CALLS} gpu-provisioner needs at least", share),
    ]


def claim(group: str, index: int) -> Json:
    """One of many equal claims; no Workspace, and so no operator, knows of it."""
    name = _name(index)
    requirement = {"key": labels.INSTANCE_TYPE, "operator": "In", "values": [SIZE]}
    found = {labels.WORKSPACE: name, labels.WORKSPACE_NAMESPACE: "bench", _SELECTED: group}
    return {
        "apiVersion": MACHINES.api_version,
        "kind": MACHINE.resource.kind,
        "metadata": {"name": name, "labels": {labels.PROVISIONER_NAME: "default", **found}},
        "spec": {
            "requirements": [requirement],
            "taints": [{"key": "sku", "value": "gpu", "effect": "NoSchedule"}],
            "resources": {"requests": {"storage": "80Gi"}},
            "machineTemplateRef": {"name": name},
        },
    }


def _name(index: int) -> str:
    return f"wsbench{index:04d}"
