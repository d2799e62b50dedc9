"""What the audience sees: how far each thing on the way to a served model is."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from controller.api import labels
from controller.api.claims import Claim, parse_claim
from controller.api.conditions import conditions_of
from controller.api.json import Json, name_of
from controller.planning.observed import Node, parse_node
from controller.planning.pods import is_ready

WAITING: Final = "…"
DONE: Final = "✓"


@dataclass(frozen=True, slots=True)
class Phase:
    """One line of the view."""

    name: str
    done: bool
    detail: str

    @property
    def mark(self) -> str:
        """The sign in front of the line."""
        return DONE if self.done else WAITING


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that is looked at, as JSON: the API server's objects and the simulator's pools."""

    workspace: Json
    machines: tuple[Json, ...] = ()
    pools: tuple[Json, ...] = ()
    nodes: tuple[Json, ...] = ()
    pods: tuple[Json, ...] = ()


def phases(scene: Scene) -> list[Phase]:
    """The lines, in the order in which they come true."""
    return [
        _machine([parse_claim(machine) for machine in scene.machines]),
        _pool(scene.pools),
        *_nodes([parse_node(node) for node in scene.nodes]),
        _pods(scene.pods),
        _workspace(scene.workspace),
    ]


def _machine(claims: list[Claim]) -> Phase:
    if not claims:
        return Phase("Machine", done=False, detail="not created yet")
    claim = claims[0]
    holdup = claim.holdup
    detail = f"{claim.name} ready" if claim.ready else f"{claim.name}: {holdup.message if holdup else 'created'}"
    return Phase("Machine", claim.ready, detail)


def _pool(pools: Iterable[Json]) -> Phase:
    found = [f"{pool['name']}: {_state(pool)}" for pool in pools]
    done = bool(found) and all(_state(pool) == "Succeeded" for pool in pools)
    return Phase("Agent pool", done, ", ".join(found) or "not requested yet")


def _state(pool: Json) -> str:
    return str(pool["properties"]["provisioningState"])


def _nodes(nodes: list[Node]) -> list[Phase]:
    if not nodes:
        return [Phase("Node", done=False, detail="not joined yet"), Phase("GPU", done=False, detail="no node yet")]
    node = nodes[0]
    gpus = node.gpus(labels.NVIDIA_GPU)
    return [
        Phase("Node", node.ready, f"{node.name} {'Ready' if node.ready else 'NotReady'}"),
        Phase("GPU", gpus > 0, f"{gpus} {labels.NVIDIA_GPU} advertised"),
    ]


def _pods(pods: tuple[Json, ...]) -> Phase:
    if not pods:
        return Phase("Pod", done=False, detail="waits for its node")
    ready = sum(is_ready(pod) for pod in pods)
    return Phase("Pod", ready == len(pods), f"{name_of(pods[0])} {_pod_word(pods[0])}, {ready} of {len(pods)} ready")


def _pod_word(pod: Json) -> str:
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting")
        if waiting:
            return str(waiting.get("reason") or "Waiting")
    return str(status.get("phase") or "Pending")


def _workspace(workspace: Json) -> Phase:
    ready = conditions_of(workspace).get("WorkspaceReady")
    if ready is None:
        return Phase("Workspace", done=False, detail="accepted")
    return Phase(
        "Workspace", ready.status == "True", f"{ready.reason}: {ready.message}" if ready.message else ready.reason
    )
