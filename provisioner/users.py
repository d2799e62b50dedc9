"""Who works with the devices of a node: what a node no longer offers to new pods, those that have it may still use."""

from controller.api.json import Json, name_of, namespace_of
from controller.api.resources import PODS
from controller.runtime.client import Client


async def users_of(client: Client, node: str) -> tuple[str, ...]:
    """namespace/name of the pods on a node that hold devices of it and are Ready.

    Raises:
        ApiError: the pods could not be listed.
    """
    found = await client.list(PODS, fields=f"spec.nodeName={node}")
    return tuple(sorted(f"{namespace_of(pod)}/{name_of(pod)}" for pod in found.items if works_with_devices(pod)))


def works_with_devices(pod: Json) -> bool:
    """Whether a pod is Ready and was given GPUs or other devices, by a device plugin or a resource claim."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    ready = any(each.get("type") == "Ready" and each.get("status") == "True" for each in status.get("conditions") or ())
    return ready and (bool(spec.get("resourceClaims")) or any(map(_asks_for_devices, spec.get("containers") or ())))


def _asks_for_devices(container: Json) -> bool:
    """Only the names of extended resources have a domain (Kubernetes documentation, extended resources)."""
    return any("/" in name for name in (container.get("resources") or {}).get("limits") or {})
