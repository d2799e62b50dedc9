"""Does a model fit a machine size, on how many nodes, and which sizes fit best.

The rule weighs the GPUs that share one copy of the model as a whole:

    weights + KV cache + runtime overhead of each GPU  <=  usable memory of each GPU * utilisation

All figures are GiB. Each term is named, so that the sum can be shown to whoever is refused.
"""

import math
from dataclasses import dataclass
from typing import Final

from controller.catalog import Catalog, Lifecycle, Preset, Sku

WEIGHT_EXPANSION: Final = 1.02
"""Weights in GPU memory against their files: buffers and padding. Source: kaito-project/kaito node estimator."""

RUNTIME_OVERHEAD_GIB: Final = 2.3
"""CUDA context, activations and compiled kernels of a model server on each GPU. Source: the same estimator."""

UTILISATION: Final = 0.84
"""Share of GPU memory a model server is given; the rest absorbs fragmentation. Source: kaito-project/kaito."""

DEFAULT_CONTEXT: Final = 2048
"""Tokens of context that must fit where nobody asked for more. Source: the same estimator."""

BYTES_PER_GIB: Final = 2**30

SUGGESTIONS: Final = 3


@dataclass(frozen=True, slots=True)
class Fit:
    """The sum for one preset on one machine size.

    Attributes:
        gpus: devices that share one copy of the model, over all nodes.
        context: tokens of context counted.
        weights_gib: the weights as loaded.
        kv_cache_gib: the KV cache for the context.
        overhead_gib: what the runtime takes on all these devices.
        usable_gib: memory a program can count on, per device; None when nobody knows.
    """

    gpus: int
    context: int
    weights_gib: float
    kv_cache_gib: float
    overhead_gib: float
    usable_gib: float | None

    @property
    def needed_gib(self) -> float:
        """All terms together."""
        return self.weights_gib + self.kv_cache_gib + self.overhead_gib

    @property
    def offered_gib(self) -> float:
        """What the devices give to a model server; 0 when their number or memory is unknown."""
        return (self.usable_gib or 0.0) * self.gpus * UTILISATION

    @property
    def known(self) -> bool:
        """Whether the size's GPUs and their memory are known; without that nothing can be said."""
        return self.usable_gib is not None and self.gpus > 0

    @property
    def fits(self) -> bool:
        """Whether the model fits; False when the size's memory is unknown."""
        return self.known and self.needed_gib <= self.offered_gib

    @property
    def need_text(self) -> str:
        """The left side of the sum, such as `10.3 GiB of GPU memory (7.3 weights + 0.8 KV cache ...)`."""
        terms = (
            f"{self.weights_gib:.1f} weights + {self.kv_cache_gib:.1f} KV cache of {self.context} tokens "
            f"+ {self.overhead_gib:.1f} runtime"
        )
        return f"{self.needed_gib:.1f} GiB of GPU memory ({terms})"

    @property
    def offer_text(self) -> str:
        """The right side, such as `12.5 GiB (1 GPU x 14.9 usable x 84 %)`."""
        if not self.known:
            return "an unknown amount"
        devices = f"{self.gpus} GPU{'s' if self.gpus > 1 else ''}"
        return f"{self.offered_gib:.1f} GiB ({devices} x {self.usable_gib:.1f} usable x {UTILISATION:.0%})"


def fit(preset: Preset, sku: Sku, *, nodes: int = 1, context: int | None = None) -> Fit:
    """The sum for a preset on `nodes` machines of a size.

    Args:
        preset: the model.
        sku: the machine size.
        nodes: how many machines; more than one helps only models that can be split over nodes.
        context: tokens that must fit, cut to what the model can do; None for the default.
    """
    tokens = min(DEFAULT_CONTEXT if context is None else context, preset.max_context)
    gpus = _sharing_gpus(preset, sku, nodes)
    return Fit(
        gpus=gpus,
        context=tokens,
        weights_gib=preset.weights_gib * WEIGHT_EXPANSION,
        kv_cache_gib=tokens * preset.kv_bytes_per_token / BYTES_PER_GIB,
        overhead_gib=RUNTIME_OVERHEAD_GIB * max(gpus, 1),
        usable_gib=sku.gpu_memory_usable_gib,
    )


def nodes_needed(preset: Preset, sku: Sku, *, context: int | None = None) -> int | None:
    """The fewest nodes of a size that hold the model; None when no number of them does."""
    one = fit(preset, sku, context=context)
    if one.fits:
        return 1
    room = (one.usable_gib or 0.0) * UTILISATION - RUNTIME_OVERHEAD_GIB
    if not (preset.distributed and one.known and room > 0):
        return None
    return math.ceil(math.ceil((one.weights_gib + one.kv_cache_gib) / room) / one.gpus)


def suggest(
    preset: Preset, catalog: Catalog, *, limit: int = SUGGESTIONS, context: int | None = None
) -> tuple[Sku, ...]:
    """The sizes to offer for a preset, best first: least GPU memory, then vCPUs, then memory.

    Only sizes that are current, that the model fits on one node of, that its image runs on, and whose GPU driver AKS
    installs.
    """
    fitting = [sku for sku in catalog.skus.values() if is_offered(sku) and runs_on(preset, sku)]
    best = sorted((sku for sku in fitting if fit(preset, sku, context=context).fits), key=_rank)
    return tuple(best[:limit])


def is_offered(sku: Sku) -> bool:
    """Whether new work should be placed on the size at all."""
    return sku.lifecycle is Lifecycle.CURRENT and sku.driver_installed


def runs_on(preset: Preset, sku: Sku) -> bool:
    """Whether some model server of the preset's image has code for the size's CPU and GPUs."""
    if sku.vendor != preset.gpu_vendor or sku.arch != preset.arch:
        return False
    capability = sku.compute_capability
    return capability is None or any(
        spec.min_capability <= capability <= spec.max_capability for spec in preset.runtimes.values()
    )


def _sharing_gpus(preset: Preset, sku: Sku, nodes: int) -> int:
    per_node = sku.gpu_count if preset.tensor_parallel else min(sku.gpu_count, 1)
    return per_node * (max(nodes, 1) if preset.distributed else 1)


def _rank(sku: Sku) -> tuple[float, int, float, str]:
    return sku.gpu_memory_total_gib or math.inf, sku.vcpu or 0, sku.memory_gib or 0, sku.name
