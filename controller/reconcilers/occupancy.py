"""Free nodes whose GPUs pods of others hold: no label tells of them, and pods of others are in no cache.

The nodes about to be taken are looked at live. Those in use are remembered for a while, for all Workspaces, so that
many of them cost one look each and not one in every reconciliation; losing the memory costs one more look.
"""

from collections.abc import Collection
from typing import Final

from controller.api.json import Json
from controller.api.quantity import count_of
from controller.api.resources import PODS
from controller.api.workspace import Workspace
from controller.planning.nodes import NodeDemand
from controller.planning.observed import Node, has_ended
from controller.reconcilers.context import Context
from controller.reconcilers.informers import named_by

MOST_LOOKED_AT: Final = 50
"""Nodes that are looked at in one reconciliation; what is left is looked at in the next."""


async def find_occupied(
    context: Context, workspace: Workspace, demand: NodeDemand, nodes: Collection[Node]
) -> frozenset[str]:
    """Those of the nodes that have fewer GPUs left than are asked for, by name.

    Args:
        context: the operator's connections, which remember them.
        workspace: who wants the nodes; its own pods are in nobody's way.
        demand: what it asks of each.
        nodes: the nodes, a request each.
    """
    found = set[str]()
    for node in nodes:
        listed = await context.client.list(PODS, fields=f"spec.nodeName={node.name}")
        living = [pod for pod in listed.items if not (has_ended(pod) or _is_own(pod, workspace))]
        holders = [pod for pod in living if devices_of(pod, demand.gpu_resource)]
        held = sum(devices_of(pod, demand.gpu_resource) for pod in holders)
        if holders and node.gpus(demand.gpu_resource) - held < demand.gpus:
            found.add(node.name)
            if not all(map(_is_watched, holders)):
                context.avoid(node.name, demand)
    return frozenset(found)


def devices_of(pod: Json, resource: str) -> int:
    """Devices of an extended resource that a pod holds, as the scheduler counts: what starts it may need the most."""
    spec = pod.get("spec") or {}
    starting = spec.get("initContainers") or []
    staying = [each for each in starting if each.get("restartPolicy") == "Always"]
    held = sum(_asked(each, resource) for each in (*(spec.get("containers") or []), *staying))
    return max([held, *(_asked(each, resource) for each in starting if each not in staying)])


def _asked(container: Json, resource: str) -> int:
    return count_of((container.get("resources") or {}).get("requests") or {}, resource)


def _is_watched(pod: Json) -> bool:
    """Whether a watch tells when the pod ends, as it does of pods of Workspaces, also of those that are gone."""
    return any(named_by(pod))


def _is_own(pod: Json, workspace: Workspace) -> bool:
    return f"{workspace.namespace}/{workspace.name}" in named_by(pod)
