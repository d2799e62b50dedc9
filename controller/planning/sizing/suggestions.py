"""Which machine sizes to offer for a model: all of them fit, the best first, and not all of one kind."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from controller.api.workspace import Runtime
from controller.catalog import Catalog, Lifecycle, Preset, RuntimeSpec, Sku
from controller.catalog.prices import Price
from controller.planning.sizing.fitting import fit, fits, loads_of
from controller.planning.sizing.machine import machine_of
from controller.planning.sizing.terms import Load
from controller.planning.sizing.use import SERVE, Use, computes
from controller.planning.sizing.verdict import Fit

SUGGESTIONS: Final = 3

PriceOf: TypeAlias = Callable[[Sku], Price | None]
"""The list price of one machine of a size; None where nobody knows it."""

Rank: TypeAlias = tuple[float, float, int, float, str]
"""What suggestions are ordered by: price, GPU memory, vCPUs and memory of all nodes, then the name."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A size that fits.

    Attributes:
        sku: the size.
        fit: the sum on the fewest nodes that hold the model.
        price: list price of one node; None when unknown.
    """

    sku: Sku
    fit: Fit
    price: Price | None

    @property
    def nodes(self) -> int:
        """Nodes it takes."""
        return self.fit.nodes

    @property
    def rank(self) -> Rank:
        """What it is ordered by, best first."""
        return rank(self.sku, self.nodes, self.price)

    @property
    def usd_per_hour(self) -> float | None:
        """What all its nodes cost together, to be shown only with the price's date; None when unknown."""
        return None if self.price is None else self.price.usd_per_hour * self.nodes


def rank(sku: Sku, nodes: int, price: Price | None) -> Rank:
    """The order of sizes: what costs less; without prices what has less GPU memory, then vCPUs, then memory.

    Args:
        sku: the size.
        nodes: how many of it.
        price: price of one; a size of unknown price comes after all others.
    """
    total = math.inf if sku.gpu_memory_total_gib is None else sku.gpu_memory_total_gib * nodes
    cost = math.inf if price is None else price.usd_per_hour * nodes
    return cost, total, (sku.vcpu or 0) * nodes, (sku.memory_gib or 0) * nodes, sku.name


def suggest(
    preset: Preset,
    catalog: Catalog,
    use: Use = SERVE,
    *,
    limit: int = SUGGESTIONS,
    allowed: Callable[[Sku], bool] = lambda _: True,
    price: PriceOf = lambda _: None,
) -> tuple[Suggestion, ...]:
    """The sizes to offer for a preset, best first.

    Only current sizes of the installation's cloud, whose driver comes with the node, that the preset's image has code
    for (to tune it: its training image), and that hold the model. One node is preferred to several, because networks
    are slow: sizes that need several are offered only where none holds the model alone. The best size of each GPU model
    comes before the second of any, since what is sold out or over quota tends to be so for a whole family.

    Args:
        preset: the model.
        catalog: the sizes; those of its own cloud count.
        use: what the model is to be used for.
        limit: the most suggestions.
        allowed: what the installation may use.
        price: list price per machine and hour.
    """
    offered = [sku for sku in catalog.skus.values() if is_offered(sku) and allowed(sku)]
    offered.sort(key=lambda sku: rank(sku, 1, price(sku)))
    usable = [sku for sku in offered if computes(sku, use.precision)]
    loads = loads_of(preset, use)
    found = _diverse(((sku, 1) for sku in usable if _holds(preset, sku, use, loads)), limit)
    if not found:
        found = _diverse(_on_several(preset, usable, use, price), limit)
    return tuple(Suggestion(sku, fit(preset, sku, use, nodes=nodes), price(sku)) for sku, nodes in found)


def is_offered(sku: Sku) -> bool:
    """Whether new work should be placed on the size at all."""
    return sku.lifecycle is Lifecycle.CURRENT and sku.driver_installed


def runs_on(preset: Preset, sku: Sku, runtime: Runtime | None = None) -> bool:
    """Whether the preset's images have code for the size's CPU and GPUs.

    Args:
        preset: the model.
        sku: the size.
        runtime: the model server that must be the one with code, where the preset has it; None for any.
    """
    if sku.vendor != preset.gpu_vendor or sku.arch != preset.arch:
        return False
    specs = preset.on(sku, runtime).runtimes
    held = runtime is not None and any(runtime in held for held in (specs, *_all_runtimes(preset)))
    return any(spec.supports(sku.compute_capability) for name, spec in specs.items() if not held or name is runtime)


def _all_runtimes(preset: Preset) -> Iterable[Mapping[Runtime, RuntimeSpec]]:
    return (preset.runtimes, *(edition.runtimes for edition in preset.alternatives))


def trains_on(preset: Preset, sku: Sku) -> bool:
    """Whether the preset can be tuned and its training image has code for the size's CPU and GPUs."""
    here = sku.vendor == preset.gpu_vendor and sku.arch == preset.arch
    return here and preset.tuning is not None and preset.tuning.spec.supports(sku.compute_capability)


def _has_code(preset: Preset, sku: Sku, use: Use) -> bool:
    return runs_on(preset, sku, use.runtime) if use.tuning is None else trains_on(preset, sku)


def _holds(preset: Preset, sku: Sku, use: Use, loads: tuple[Load, ...]) -> bool:
    if not _has_code(preset, sku, use):
        return False
    machine = machine_of(preset, sku, use)
    return any(fits(load, machine) for load in loads)


def _on_several(preset: Preset, skus: Iterable[Sku], use: Use, price: PriceOf) -> list[tuple[Sku, int]]:
    needs = ((sku, fit(preset, sku, use).min_nodes) for sku in skus if _has_code(preset, sku, use))
    found = [(sku, nodes) for sku, nodes in needs if nodes is not None]
    return sorted(found, key=lambda pair: rank(pair[0], pair[1], price(pair[0])))


def _diverse(ordered: Iterable[tuple[Sku, int]], limit: int) -> list[tuple[Sku, int]]:
    """The first of each GPU model, filled up with the next best, in the order given; looks no further than needed."""
    firsts: dict[str, int] = {}
    others: list[int] = []
    seen: list[tuple[Sku, int]] = []
    for place, pair in enumerate(ordered):
        seen.append(pair)
        if firsts.setdefault(pair[0].gpu_model, place) != place:
            others.append(place)
        if len(firsts) == limit:
            break
    return [seen[place] for place in sorted([*firsts.values(), *others][:limit])]
