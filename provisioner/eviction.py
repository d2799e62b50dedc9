"""Evicting the pods of one node through the API server, which keeps the disruption budgets."""

import asyncio
from datetime import datetime
from typing import Final

from controller.api.json import Json
from controller.api.messages import shorten
from controller.api.resources import PODS
from controller.runtime.client import Client
from controller.runtime.errors import ApiError, Conflict, NotFound, Throttled
from provisioner.drain import Pod, parse_pod, plan_drain, seconds_left
from provisioner.metrics import EVICTIONS
from provisioner.steps import Drain
from provisioner.volumes import attached_volumes

_AT_ONCE: Final = 10
_PER_RUN: Final = 250
_TIMEOUT: Final = 5.0
_BUDGET_TEXTS: Final = ("disruption budget", "poddisruptionbudget")
"""How the API server speaks of budgets: when one forbids the eviction, and when a pod has more than one."""

_CAUSE: Final = 120


async def drain_node(client: Client, node: str, now: datetime, end: datetime) -> Drain:
    """Evicts what may leave the node now and says what is still on it, volumes last.

    Args:
        client: the API server.
        node: which.
        now: the present moment.
        end: when the node goes, whatever is on it.

    Raises:
        ApiError: pods or volumes could not be listed.
    """
    found = await client.list(PODS, fields=f"spec.nodeName={node}")
    pods = [parse_pod(obj, now) for obj in found.items]
    plan = plan_drain(pods, now, end)
    if not plan.waiting:
        return Drain(volumes=await attached_volumes(client, node, pods))
    gate = asyncio.Semaphore(_AT_ONCE)
    answers = await asyncio.gather(
        *(_delete(client, pod, gate, seconds_left(pod, now, end)) for pod in plan.overdue[:_PER_RUN]),
        *(_evict(client, pod, gate) for pod in plan.evict[:_PER_RUN]),
    )
    blocked = [answer for answer in answers if answer]
    marked = (pod for pod in plan.waiting if pod.held and not pod.leaving and pod not in plan.overdue)
    blocked += [f"{pod.shown} (marked do-not-disrupt)" for pod in marked]
    return Drain(tuple(pod.shown for pod in plan.waiting), tuple(sorted(blocked)), due=plan.due)


async def _evict(client: Client, pod: Pod, gate: asyncio.Semaphore) -> str:
    """Empty when the pod goes or is gone, else the pod and what holds it."""
    async with gate:
        try:
            await client.create(PODS, eviction(pod), subresource="eviction", name=pod.name, timeout=_TIMEOUT)
        except (NotFound, Conflict):
            EVICTIONS.labels("gone").inc()
        except ApiError as error:
            code, cause = held_by(error)
            EVICTIONS.labels(code).inc()
            return f"{pod.shown} ({cause})"
        else:
            EVICTIONS.labels("accepted").inc()
    return ""


async def _delete(client: Client, pod: Pod, gate: asyncio.Semaphore, seconds: int) -> str:
    """Empty when the pod goes or is gone, else the pod and what holds it."""
    async with gate:
        try:
            await client.delete(
                PODS, pod.name, namespace=pod.namespace, uid=pod.uid, grace_seconds=seconds, timeout=_TIMEOUT
            )
        except (NotFound, Conflict):
            EVICTIONS.labels("gone").inc()
        except ApiError as error:
            EVICTIONS.labels("failed").inc()
            return f"{pod.shown} ({held_by(error)[1]})"
        else:
            EVICTIONS.labels("deleted").inc()
    return ""


def held_by(error: ApiError) -> tuple[str, str]:
    """Outcome, as a label of the metric, and cause of an eviction that was not made; neither stops the others."""
    if any(text in error.message.lower() for text in _BUDGET_TEXTS):
        return "blocked", "disruption budget"
    if isinstance(error, Throttled):
        return "blocked", "disruption budget, or the API server is busy"
    words = error.message if 400 <= error.status < 500 else ""
    return "failed", shorten(words or error.reason or f"HTTP {error.status}", _CAUSE)


def eviction(pod: Pod) -> Json:
    """The request that asks for this very pod to leave, not for one that took its name since."""
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod.name, "namespace": pod.namespace},
        "deleteOptions": {"preconditions": {"uid": pod.uid}},
    }
