"""From a Workspace to its target: every name looked up, every number worked out, or the reasons why that cannot be."""

from dataclasses import replace
from typing import Final

from controller.api.json import Json
from controller.api.messages import Problem, quote
from controller.api.reasons import Reason
from controller.api.workspace import DEFAULT_COUNT, ParseError, Workspace
from controller.catalog import Preset, Sku
from controller.catalog.mig import MIG_PROFILES, MIG_RESOURCE_PREFIX
from controller.planning.admission.config_rules import missing_config
from controller.planning.admission.validation import validate_stored
from controller.planning.configs import completed, reading, render_training, user_flags
from controller.planning.configs.lookup import inference_config, named_config, training_config, tuning_method
from controller.planning.counts import nodes_least, nodes_wanted
from controller.planning.existing_nodes import MIG, kinds, narrowed, sku_for
from controller.planning.nodes import NodeDemand
from controller.planning.rendering.data import common_path
from controller.planning.rendering.objects import stated
from controller.planning.runtimes import HALF, choose_runtime
from controller.planning.site import Site
from controller.planning.sizing import Fit, Layout, Use, fit
from controller.planning.target import Serving, Target, Templated, Training, Work
from controller.planning.uses import use_for
from controller.planning.wishes import sizes_wanted, wished

TEMPLATE_DISK_GIB: Final = 128
"""Disk of a node made for a pod of the user's, in GiB: what AKS gives by default to machines with a GPU."""

CONTEXT_STEP: Final = 256
"""Tokens a context is a multiple of where the GPUs limit it: whole blocks of vLLM's KV cache."""

_BFLOAT: Final = "bfloat16"


def resolve(workspace: Workspace, obj: Json, site: Site) -> Target | tuple[Problem, ...]:
    """The Workspace's target, or the reasons why it has none.

    The checks are those of admission, made again because the webhook may have been away when the object came. Where the
    nodes to choose from have different GPUs it is for the first that will do: nodes come and go after admission.
    """
    site = site.sourced(workspace.node_source)
    refusals: list[tuple[Problem, ...]] = []
    for nodes in kinds(workspace, site):
        names = frozenset(node.name for node in nodes)
        found = _resolve(workspace, obj, narrowed(site, names))
        if isinstance(found, Target):
            return replace(found, demand=replace(found.demand, among=names))
        refusals.append(found)
    return refusals[0] if refusals else _resolve(workspace, obj, site)


def _resolve(workspace: Workspace, obj: Json, site: Site) -> Target | tuple[Problem, ...]:
    problems = validate_stored(obj, site).problems
    if problems:
        return problems
    missing = missing_config(workspace, site)
    if missing is not None:
        return (missing,)
    sku = sku_for(workspace, site)
    if sku is None or not sku.gpu_count:
        return (_unresolvable(workspace) if site.auto_provision else _no_nodes(),)
    if workspace.inference is not None and workspace.inference.template is not None:
        work = Templated(workspace.inference.template)
        return _target(workspace, site, work, sku, nodes_wanted(workspace, None, sku, Use()), TEMPLATE_DISK_GIB)
    preset = site.catalog.preset(workspace.preset.name) if workspace.preset is not None else None
    if preset is None or (workspace.tuning is not None and preset.tuning is None):
        return (_unresolvable(workspace),)
    if workspace.tuning is not None:
        return _target(workspace, site, _training(workspace, preset, sku, site), sku, DEFAULT_COUNT, preset.disk_gib)
    use = use_for(workspace, site)
    count = nodes_wanted(workspace, preset, sku, use)
    return _target(workspace, site, _serving(workspace, preset, sku, use, count, site), sku, count, preset.disk_gib)


def unreadable(error: ParseError) -> Problem:
    """The problem of a Workspace whose fields have the wrong types."""
    return Problem(
        Reason.FIELD_TYPE_INVALID,
        error.path,
        f"{error.path} is {quote(error.actual)}",
        f"expected {error.expected}",
        (f"write {error.expected}",),
    )


def _serving(workspace: Workspace, preset: Preset, sku: Sku, use: Use, count: int, site: Site) -> Serving:
    served = preset.on(sku, workspace.runtime_wish)
    runtime = choose_runtime(workspace.runtime_wish, served, sku)
    nodes = _nodes_of_copy(served, count) if nodes_least(preset, sku, use) > 1 else 1
    sums = fit(served, sku, use, nodes=nodes)
    layout = sums.layout
    if nodes > 1 and served.fixed_gpus is None:
        # One copy over all nodes, as the Workspace asks for them: more stages, never a part of a second copy.
        stages = sku.gpu_count // layout.tensor * nodes
        layout = Layout(layout.tensor, min(stages, preset.architecture.layers))
    flags = user_flags(inference_config(workspace, site), served.runtimes[runtime.runtime])
    partition = workspace.resource.partition
    return Serving(
        preset=served,
        runtime=runtime,
        layout=layout,
        nodes=nodes,
        flags=flags,
        percent=sums.percent,
        context=_limit(sums),
        sliced=partition is not None and partition.mode == MIG,
        disks=site.local_disks if sku.local_nvme else "",
    )


def _nodes_of_copy(preset: Preset, count: int) -> int:
    """Nodes one copy is spread over: all there are, or as many as pieces cut beforehand can be shared out evenly to."""
    pieces = preset.fixed_gpus
    return count if pieces is None else max(n for n in range(1, min(count, pieces) + 1) if pieces % n == 0)


def _addresses(workspace: Workspace) -> tuple[str, ...]:
    tuning = workspace.tuning
    return tuning.input.urls if tuning is not None and tuning.input is not None else ()


def _limit(sums: Fit) -> int:
    """The longest context the KV cache has room for; 0 where that is the model's own, or not known."""
    return 0 if sums.cache_tokens >= sums.max_context else sums.cache_tokens // CONTEXT_STEP * CONTEXT_STEP


def _training(workspace: Workspace, preset: Preset, sku: Sku, site: Site) -> Training:
    half = _BFLOAT if sku.bf16 else HALF
    tight = fit(preset, sku, use_for(workspace, site)).checkpointing
    asked_for = training_config(workspace, site, half=half)
    config = completed(asked_for, tuning_method(workspace), half=half, checkpointing=tight)
    config = reading(config, common_path(_addresses(workspace)))
    named = named_config(workspace, site)
    return Training(
        preset=preset,
        document=render_training(config),
        output_dir=config.output_dir,
        arch=sku.arch,
        intent={"tuning": stated(workspace.tuning), "config": None if named is None else named.text},
    )


def _target(workspace: Workspace, site: Site, work: Work, sku: Sku, count: int, disk_gib: int) -> Target:
    demand = NodeDemand(
        count=count,
        instance_type=sku.name if site.auto_provision else workspace.resource.instance_type.strip(),
        gpu_resource=sku.gpu_resource,
        gpus=sku.gpu_count,
        provision=site.auto_provision,
        kind=site.claims,
        patience=site.patience,
    )
    partition = workspace.resource.partition
    if partition is not None and partition.mode == MIG and partition.profile in MIG_PROFILES:
        demand = replace(demand, gpu_resource=f"{MIG_RESOURCE_PREFIX}{partition.profile}")
    if not site.auto_provision:
        return Target(work, sku, demand, disk_gib, registries=site.registries)
    sizes = tuple(each.name for each in sizes_wanted(workspace, sku, site.catalog))
    demand = replace(demand, also=tuple(name for name in sizes if name != sku.name), wishes=wished(workspace, sizes))
    return Target(work, sku, demand, disk_gib, sizes, site.node_class, site.registries)


def _unresolvable(workspace: Workspace) -> Problem:
    return Problem(
        Reason.INSTANCE_TYPE_REQUIRED,
        "resource.instanceType",
        f"resource.instanceType is {quote(workspace.resource.instance_type)}",
        "the size of the nodes decides how the model is started",
        ("set resource.instanceType to the size of the nodes",),
    )


def _no_nodes() -> Problem:
    return Problem(
        Reason.NO_NODES_MATCH,
        "resource.labelSelector",
        "no node that says which GPUs it has matches resource.labelSelector",
        "this installation makes no nodes, and the GPUs decide how the model is started",
        ("label a GPU node so that the selector accepts it", "install GPU feature discovery on the nodes"),
    )
