"""The whole decision about one Workspace: what is wrong with it, or which nodes and objects it should have."""

from dataclasses import dataclass

from controller.api.json import Json
from controller.api.messages import Problem, quote
from controller.api.reasons import Reason
from controller.api.workspace import DEFAULT_COUNT, ParseError, Workspace
from controller.catalog import Preset, Sku
from controller.planning.machines import render_machine
from controller.planning.nodes import NodeDemand, NodePlan, plan_nodes
from controller.planning.observed import Observed
from controller.planning.runtimes import choose_runtime
from controller.planning.site import Site
from controller.planning.sizing import Use, fit, nodes_needed
from controller.planning.uses import use_for
from controller.planning.validation import validate
from controller.planning.workload import render_deployment, render_service


@dataclass(frozen=True, slots=True)
class Target:
    """A Workspace with every name in it resolved.

    Attributes:
        preset: the model.
        sku: the size of the nodes.
        demand: what is asked of the nodes.
        use: what the model is used for.
    """

    preset: Preset
    sku: Sku
    demand: NodeDemand
    use: Use


@dataclass(frozen=True, slots=True)
class Plan:
    """What should exist for a Workspace that can run.

    Attributes:
        nodes: what to do about nodes and claims.
        service: the Service to have.
        deployment: the Deployment to have.
        start: whether the Deployment is to exist already; it waits for its nodes once, and then stays.
    """

    nodes: NodePlan
    service: Json
    deployment: Json
    start: bool


def resolve(workspace: Workspace, obj: Json, site: Site) -> Target | tuple[Problem, ...]:
    """The Workspace's target, or the reasons why it has none.

    The checks are those of admission, made again because the webhook may have been away when the object came.
    """
    problems = validate(obj, site).problems
    if problems:
        return problems
    wish = workspace.inference.preset if workspace.inference else None
    preset = site.catalog.preset(wish.name) if wish else None
    sku = site.catalog.sku(workspace.resource.instance_type)
    if preset is None or sku is None or not sku.gpu_count:
        return (_unresolvable(workspace),)
    use = use_for(workspace, site)
    demand = NodeDemand(
        count=workspace.resource.count or nodes_needed(preset, sku, use) or DEFAULT_COUNT,
        instance_type=sku.name,
        gpu_resource=sku.gpu_resource,
        gpus=sku.gpu_count,
        provision=site.auto_provision,
    )
    return Target(preset.on(sku, workspace.runtime_wish), sku, demand, use)


def _unresolvable(workspace: Workspace) -> Problem:
    return Problem(
        Reason.INSTANCE_TYPE_REQUIRED,
        "resource.instanceType",
        f"resource.instanceType is {quote(workspace.resource.instance_type)}",
        "the size of the nodes decides how the model is started",
        ("set resource.instanceType to the size of the nodes",),
    )


def unreadable(error: ParseError) -> Problem:
    """The problem of a Workspace whose fields have the wrong types."""
    return Problem(
        Reason.FIELD_TYPE_INVALID,
        error.path,
        f"{error.path} is {quote(error.actual)}",
        f"expected {error.expected}",
        (f"write {error.expected}",),
    )


def make_plan(workspace: Workspace, target: Target, observed: Observed) -> Plan:
    """The plan for what is observed; pure and total."""
    nodes = plan_nodes(workspace, target.demand, observed)
    runtime = choose_runtime(workspace.runtime_wish, target.preset, target.sku)
    layout = fit(target.preset, target.sku, target.use).layout
    deployment = render_deployment(workspace, target.preset, target.sku, runtime, layout, target.demand.count)
    return Plan(
        nodes=nodes,
        service=render_service(workspace, target.preset),
        deployment=deployment,
        start=observed.deployment is not None or len(nodes.usable) >= target.demand.count,
    )


def machines_to_create(workspace: Workspace, target: Target, nodes: NodePlan) -> list[Json]:
    """The Machine objects for the ordinals the node plan asks for."""
    return [
        render_machine(
            workspace,
            ordinal,
            instance_type=target.sku.name,
            arch=target.sku.arch,
            disk_gib=target.preset.disk_gib,
        )
        for ordinal in nodes.create
    ]
