"""Does a model fit a machine size, on how many GPUs and nodes, and in which layout.

On the fullest GPU of a layout:

    its part of the weights and of the KV cache + adapters + runtime  <=  usable memory x utilisation

A copy of the model takes the fewest nodes it can. On these it is spread so far that weights take at most half of what
its GPUs offer, and what is left of the node holds further copies; where no spread leaves that much room for the KV
cache, all GPUs share one copy.
"""

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from controller.catalog import Preset, Sku
from controller.planning.sizing.machine import Machine, machine_of
from controller.planning.sizing.network import bytes_per_layer_token, cache_is_exact, tokens_of
from controller.planning.sizing.serving import cache_format, context_of, serving_load
from controller.planning.sizing.terms import Layout, Load, Share
from controller.planning.sizing.training import training_load
from controller.planning.sizing.use import SERVE, Use
from controller.planning.sizing.verdict import Fit

REMEMBERED: Final = 1024
"""Sums that are remembered: several rules ask for the same one, and most Workspaces for what others asked before."""

_sums: Final[dict[tuple[int, int, Use, int], tuple[Preset, Sku, Fit]]] = {}
"""By identity of preset and size, which are kept along, so that no other object can have their place in memory."""


def fit(preset: Preset, sku: Sku, use: Use = SERVE, *, nodes: int = 1) -> Fit:
    """The sum for a use of a preset on `nodes` machines of a size; total, an unknown size is a verdict too."""
    key = id(preset), id(sku), use, nodes
    known = _sums.get(key)
    if known is None:
        if len(_sums) >= REMEMBERED:
            _sums.clear()
        known = _sums[key] = preset, sku, _fit(preset, sku, use, nodes)
    return known[2]


def _fit(preset: Preset, sku: Sku, use: Use, nodes: int) -> Fit:
    machine = machine_of(preset, sku, use)
    loads = loads_of(preset, use)
    load = next((load for load in loads if fits(load, machine)), loads[-1])
    smallest = list(_smallest_layouts(load, machine))
    least_nodes = min((machine.nodes_of(layout) for layout in smallest), default=None)
    if least_nodes is not None and least_nodes <= nodes:
        layout = _spread(load, machine, smallest, least_nodes, nodes)
    else:
        layout = _nearest(load, machine, nodes)
    short = not machine.known or layout.gpus > machine.gpus_on(nodes)
    return Fit(
        preset=preset.name,
        sku=sku.name,
        load=load,
        layout=layout,
        nodes=nodes,
        min_gpus=min((layout.gpus for layout in smallest), default=None),
        min_nodes=least_nodes,
        context=min(use.tuning.context, preset.max_context) if use.tuning else context_of(preset, use),
        cache_tokens=0 if use.tuning or short else _cache_tokens(preset, use, machine, load, layout),
        max_context=preset.max_context,
        nominal_gib=sku.gpu_memory_gib,
        measured=sku.gpu_memory_reported_mib is not None,
        usable=machine.usable,
        percent=machine.percent,
        available=machine.gpus_on(nodes),
        exact=cache_is_exact(preset),
        leeway=machine.leeway,
        checkpointing=load is not loads[0],
    )


def nodes_needed(preset: Preset, sku: Sku, use: Use = SERVE) -> int | None:
    """The fewest nodes of a size that hold the model; None when no number of them does."""
    return fit(preset, sku, use).min_nodes


def fits(load: Load, machine: Machine, *, nodes: int = 1) -> bool:
    """Whether a load fits `nodes` machines; the quick form of the question, for looking through many sizes."""
    if not machine.known:
        return False
    longest = ((tensor, machine.longest_pipeline(tensor, nodes)) for tensor in machine.tensors)
    return any(
        load.total_on_each(Layout(tensor, min(stages, load.layers))) <= machine.offered
        for tensor, stages in longest
        if stages
    )


def loads_of(preset: Preset, use: Use) -> tuple[Load, ...]:
    """What a copy may put on GPUs, the faster way first: training can do without gradient checkpointing, or with it."""
    if use.tuning is None:
        return (serving_load(preset, use),)
    return tuple(training_load(preset, use.tuning, checkpointing=checkpointing) for checkpointing in (False, True))


def _smallest_layouts(load: Load, machine: Machine) -> Iterator[Layout]:
    """For every number of tensor ranks the layout of the fewest stages that fits, on however many nodes."""
    for tensor in machine.tensors if machine.known else ():
        stages = _fewest_stages(load, tensor, machine.offered, _most_stages(load, machine, tensor))
        if stages is not None:
            yield Layout(tensor, stages)


def _most_stages(load: Load, machine: Machine, tensor: int) -> int:
    if machine.pieces is not None:
        return 1 if machine.spreads or machine.pieces <= machine.per_node else 0
    return load.layers if machine.spreads else min(load.layers, machine.longest_pipeline(tensor, 1))


def _fewest_stages(load: Load, tensor: int, budget: int, most: int) -> int | None:
    # More stages never put more on a GPU, so the first that fits can be looked up like a word in a dictionary.
    stages = range(1, most + 1)
    index = bisect_left(stages, 1, key=lambda count: int(load.total_on_each(Layout(tensor, count)) <= budget))
    return stages[index] if index < len(stages) else None


def _spread(load: Load, machine: Machine, smallest: list[Layout], least_nodes: int, nodes: int) -> Layout:
    """The layout to run, on the fewest nodes a copy needs, with the copies the nodes hold."""
    here = [layout for layout in smallest if machine.nodes_of(layout) <= least_nodes]
    chosen = _roomiest(load, machine, here[0].tensor, least_nodes)
    if machine.copies:
        roomy = [found for layout in here if (found := _roomy(load, machine, layout, least_nodes)) is not None]
        chosen = min(roomy, key=lambda layout: (layout.gpus, -layout.tensor), default=chosen)
    groups = machine.devices if machine.per_node == 1 else machine.per_node // chosen.tensor
    per_node = max(groups // chosen.pipeline, 1) if machine.copies and least_nodes == 1 else 1
    return Layout(chosen.tensor, chosen.pipeline, per_node * (nodes // least_nodes))


def _roomiest(load: Load, machine: Machine, tensor: int, nodes: int) -> Layout:
    return Layout(tensor, max(min(machine.longest_pipeline(tensor, nodes), load.layers), 1))


def _roomy(load: Load, machine: Machine, least: Layout, nodes: int) -> Layout | None:
    """The layout of the fewest stages, not below `least`, in which weights take at most half of what a GPU offers."""
    for stages in range(least.pipeline, _roomiest(load, machine, least.tensor, nodes).pipeline + 1):
        layout = Layout(least.tensor, stages)
        if 2 * sum(load.on_each(term, layout) for term in load.terms if term.share is Share.SPLIT) <= machine.offered:
            return layout
    return None


def _nearest(load: Load, machine: Machine, nodes: int) -> Layout:
    """Of the layouts that fit not, the one with the least on a GPU."""
    layouts = [_roomiest(load, machine, tensor, nodes) for tensor in machine.tensors if machine.per_node]
    return min(layouts, key=load.total_on_each, default=Layout())


def _cache_tokens(preset: Preset, use: Use, machine: Machine, load: Load, layout: Layout) -> int:
    """Tokens that fit into what the other terms leave on the fullest GPU."""
    others = sum(load.on_each(term, layout) for term in load.terms if term.share is not Share.CACHE)
    top, bottom = load.share(Share.CACHE, layout)
    each = bytes_per_layer_token(preset, cache_format(use)) * top / bottom
    room = max(machine.offered - others, 0)
    return tokens_of(preset.architecture, int(room / each), limit=preset.max_context)
