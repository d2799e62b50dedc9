"""The objects a Workspace should have, as plain JSON; pure functions of the Workspace and its target.

Names, ports and labels are those clients of KAITO know: workload and Service carry the Workspace's name, port 80 leads
to the server.
"""

from dataclasses import dataclass
from typing import Final

from controller.api.json import Json
from controller.api.resources import DEPLOYMENTS, JOBS, SERVICES, STATEFUL_SETS, Resource
from controller.api.workspace import Workspace
from controller.planning.rendering.images import relocated
from controller.planning.rendering.names import headless_name, spread_name
from controller.planning.rendering.objects import APPLIED_HASH
from controller.planning.rendering.parts import own_image
from controller.planning.rendering.services import render_services
from controller.planning.rendering.serving import render_deployment
from controller.planning.rendering.spread import render_stateful_set
from controller.planning.rendering.template import render_template
from controller.planning.rendering.training import INTENT, render_training
from controller.planning.target import Serving, Target, Training

__all__ = ["APPLIED_HASH", "INTENT", "OWNED", "WORKLOADS", "Rendering", "object_names", "render"]

WORKLOADS: Final = (DEPLOYMENTS, STATEFUL_SETS, JOBS)
"""Kinds that make a Workspace's pods; at any time one of them does."""

OWNED: Final = (*WORKLOADS, SERVICES)
"""Every kind of object that is rendered."""


def object_names(workspace: Workspace) -> tuple[tuple[Resource, str], ...]:
    """Kind and name of every object a Workspace can have."""
    return (
        *((resource, workspace.name) for resource in (DEPLOYMENTS, JOBS, SERVICES)),
        (STATEFUL_SETS, spread_name(workspace)),
        (SERVICES, headless_name(workspace)),
    )


@dataclass(frozen=True, slots=True)
class Rendering:
    """The objects of one Workspace.

    Attributes:
        workload: what makes the pods.
        services: the Services in front of them; there before the pods are.
    """

    workload: Json
    services: tuple[Json, ...]


def render(workspace: Workspace, target: Target) -> Rendering:
    """The objects for a target."""
    work = target.work
    if isinstance(work, Serving) and work.nodes > 1:
        workload = render_stateful_set(workspace, work, target.demand)
    elif isinstance(work, Serving):
        workload = render_deployment(workspace, work, target.demand)
    elif isinstance(work, Training):
        workload = render_training(workspace, work, target.demand)
    else:
        return Rendering(render_template(workspace, work, target.demand), render_services(workspace, work))
    workload = relocated(workload, target.registries, own_image(workspace.preset))
    return Rendering(workload, render_services(workspace, work))
