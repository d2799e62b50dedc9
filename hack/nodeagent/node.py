"""The Node itself: registered, kept alive by its Lease, removed in the end."""

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Final

from controller.api.json import Json
from controller.api.resources import LEASES, NODES
from controller.runtime.client import Client
from controller.runtime.errors import ApiError, NotFound
from controller.runtime.lease import microtime

LEASE_NAMESPACE: Final = "kube-node-lease"
_LEASE_SECONDS: Final = 40
_RENEW_SECONDS: Final = 10.0
_MANAGER: Final = "nodeagent"
_RESOURCES: Final = {"cpu": "8", "memory": "16Gi", "pods": "110", "ephemeral-storage": "50Gi"}


def node(name: str, now: datetime) -> Json:
    """A Linux node that is Ready from the start."""
    time = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "KubeletReady",
        "message": "the node agent runs",
        "lastHeartbeatTime": time,
        "lastTransitionTime": time,
    }
    return {
        "apiVersion": NODES.api_version,
        "kind": NODES.kind,
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
        "status": {
            "capacity": _RESOURCES,
            "allocatable": _RESOURCES,
            "conditions": [ready],
            "addresses": [{"type": "Hostname", "address": name}],
        },
    }


async def register(client: Client, name: str) -> None:
    """Makes the Node.

    Raises:
        AlreadyExists: another agent has that name, or one was killed.
    """
    await client.create(NODES, node(name, datetime.now(UTC)))


async def keep_alive(client: Client, name: str) -> None:
    """Renews the Node's Lease until cancelled; the control plane gives a silent node up after 40 s."""
    while True:
        spec = {
            "holderIdentity": name,
            "leaseDurationSeconds": _LEASE_SECONDS,
            "renewTime": microtime(datetime.now(UTC)),
        }
        lease = {"metadata": {"name": name, "namespace": LEASE_NAMESPACE}, "spec": spec}
        with contextlib.suppress(ApiError):
            await client.apply(LEASES, lease, manager=_MANAGER)
        await asyncio.sleep(_RENEW_SECONDS)


async def remove(client: Client, name: str) -> None:
    """Takes Node and Lease away."""
    for resource, namespace in ((NODES, ""), (LEASES, LEASE_NAMESPACE)):
        with contextlib.suppress(NotFound):
            await client.delete(resource, name, namespace=namespace)
