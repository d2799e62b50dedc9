"""The Services in front of a workload."""

from collections.abc import Mapping
from typing import Final

from controller.api.json import Json
from controller.api.resources import SERVICES
from controller.api.workspace import Runtime, Workspace
from controller.planning.rendering.names import headless_name, leader_pod
from controller.planning.rendering.objects import make_object, owned_labels
from controller.planning.rendering.pieces import RENDEZVOUS_PORT
from controller.planning.rendering.spread import RAY_PORT
from controller.planning.target import Serving, Templated, Training, Work

SERVICE_PORT: Final = 80
DASHBOARD_PORT: Final = 8265

POD_NAME: Final = "statefulset.kubernetes.io/pod-name"
"""Label by which one pod of a StatefulSet is told from the others."""

DEFAULT_PORT: Final = 5000
"""Port of KAITO's own servers, for a template that declares none."""


def render_services(workspace: Workspace, work: Work) -> tuple[Json, ...]:
    """The Services of a workload; nobody speaks to a training run."""
    if isinstance(work, Training):
        return ()
    ports = [_port("http", SERVICE_PORT, _server_port(work))]
    serving = work if isinstance(work, Serving) else None
    on_ray = serving is not None and serving.nodes > 1 and serving.runtime.runtime is Runtime.VLLM
    if serving is not None and not on_ray and not workspace.wants_load_balancer:
        ports.append(_RENDEZVOUS)
    if serving is None or serving.nodes == 1:
        return (_clients(workspace, ports, {}),)
    leader = {POD_NAME: leader_pod(workspace)}
    return _clients(workspace, ports, leader), _headless(workspace, _RAY if on_ray else [_RENDEZVOUS])


def _clients(workspace: Workspace, ports: list[Json], narrower: Mapping[str, str]) -> Json:
    """The Service clients talk to. Only the model server's own port ever leaves the cluster."""
    kind = "LoadBalancer" if workspace.wants_load_balancer else "ClusterIP"
    selector = {**owned_labels(workspace), **narrower}
    return make_object(SERVICES, workspace, {"type": kind, "selector": selector, "ports": ports})


def _headless(workspace: Workspace, ports: list[Json]) -> Json:
    """The Service that gives each pod a host name, from before it is ready: that is when they look for one another."""
    return make_object(
        SERVICES,
        workspace,
        {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": owned_labels(workspace),
            "ports": ports,
        },
        name=headless_name(workspace),
    )


def _server_port(work: Serving | Templated) -> int:
    """The port the pod serves at: of a template the first TCP port it declares."""
    if isinstance(work, Serving):
        return work.preset.port
    containers = (work.template.get("spec") or {}).get("containers") or []
    declared = (port for container in containers for port in container.get("ports") or [])
    return next((int(port["containerPort"]) for port in declared if port.get("protocol", "TCP") == "TCP"), DEFAULT_PORT)


def _port(name: str, port: int, target: int) -> Json:
    return {"name": name, "port": port, "targetPort": target, "protocol": "TCP"}


_RENDEZVOUS: Final = _port("torch", RENDEZVOUS_PORT, RENDEZVOUS_PORT)
_RAY: Final = [_port("ray", RAY_PORT, RAY_PORT), _port("dashboard", DASHBOARD_PORT, DASHBOARD_PORT)]
"""Ports by which the pods of several nodes speak with one another."""
