"""Which volumes are still attached to a node that is to go.

A volume is detached by Kubernetes once the pods that used it are gone; a node that goes before it leaves the volume
locked to a dead machine for minutes (kubernetes-sigs/karpenter core v1, node termination).
"""

from collections.abc import Iterable

from controller.api.json import Json
from controller.api.resources import PERSISTENT_VOLUME_CLAIMS, VOLUME_ATTACHMENTS
from controller.runtime.client import Client
from controller.runtime.errors import NotFound
from provisioner.drain import Pod


async def attached_volumes(client: Client, node: str, pods: Iterable[Pod]) -> tuple[str, ...]:
    """Names of the volumes attached to the node, those of pods that stay on it to its end left out.

    Raises:
        ApiError: they could not be listed.
    """
    found = (await client.list(VOLUME_ATTACHMENTS)).items
    volumes = {_volume(each) for each in found if (each.get("spec") or {}).get("nodeName") == node}
    if not volumes:
        return ()
    kept = {await _bound_to(client, pod.namespace, name) for pod in pods if pod.stays for name in pod.volumes}
    return tuple(sorted(volumes - kept))


def _volume(attachment: Json) -> str:
    """The persistent volume, or the attachment itself for one that is written into a pod."""
    source = (attachment.get("spec") or {}).get("source") or {}
    return str(source.get("persistentVolumeName") or attachment["metadata"]["name"])


async def _bound_to(client: Client, namespace: str, claim: str) -> str:
    try:
        found = await client.get(PERSISTENT_VOLUME_CLAIMS, claim, namespace=namespace)
    except NotFound:
        return ""
    return str((found.get("spec") or {}).get("volumeName") or "")
