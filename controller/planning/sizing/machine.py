"""What a machine size offers one copy of a model: memory per GPU, and the layouts its GPUs can form."""

from dataclasses import dataclass

from controller.api.workspace import Runtime
from controller.catalog import Preset, Sku
from controller.planning.runtimes import choose_runtime
from controller.planning.sizing.terms import (
    A10_PERCENT,
    BYTES_PER_GIB,
    LAYERWISE_OVERHEAD,
    LAYERWISE_PERCENT,
    SERVER_OVERHEAD,
    SERVER_PERCENT,
    TRAINER_PERCENT,
    Layout,
)
from controller.planning.sizing.use import Use


@dataclass(frozen=True, slots=True)
class Machine:
    """A machine size as one copy of a model sees it.

    Attributes:
        usable: bytes of one GPU a program can count on; None when unknown.
        percent: share of them the program is given.
        devices: GPUs of a node.
        per_node: GPUs of a node one copy can be split over; 0 when their number is unknown.
        tensors: numbers of GPUs that can share a layer, widest first.
        spreads: whether a copy can be split over nodes.
        pieces: the number of GPUs a copy is cut for beforehand; None where it is free.
        copies: whether one program runs several copies side by side where they fit.
        leeway: bytes of each GPU by which the sum may be too strict, since its figures are another program's.
    """

    usable: int | None
    percent: int
    devices: int
    per_node: int
    tensors: tuple[int, ...]
    spreads: bool
    pieces: int | None
    copies: bool
    leeway: int = 0

    @property
    def known(self) -> bool:
        """Whether its GPUs and their memory are known; without that nothing can be said."""
        return self.usable is not None and self.per_node > 0

    @property
    def offered(self) -> int:
        """Bytes of one GPU a program is given; 0 when unknown."""
        return (self.usable or 0) * self.percent // 100

    def nodes_of(self, layout: Layout) -> int:
        """Nodes one copy of a layout takes. The GPUs that share a layer sit in one node, unless cut for beforehand."""
        if self.pieces is not None:
            return -(-layout.gpus // self.per_node)
        return -(-layout.pipeline // (self.per_node // layout.tensor))

    def gpus_on(self, nodes: int) -> int:
        """GPUs of a number of nodes that one copy can be split over."""
        return self.per_node * (nodes if self.spreads else 1)

    def longest_pipeline(self, tensor: int, nodes: int) -> int:
        """The most pipeline stages on a number of nodes; 0 where the copy's pieces do not fit on so many."""
        if self.pieces is not None:
            return 1 if self.pieces <= self.gpus_on(nodes) else 0
        return self.per_node // tensor * (nodes if self.spreads else 1)


def machine_of(preset: Preset, sku: Sku, use: Use) -> Machine:
    """A size as a copy of the preset sees it.

    vLLM splits layers over GPUs that divide the attention heads, where the model can be split so, and stages over
    nodes. Transformers places whole layers of any model on the GPUs of one node, one after the other. Training runs one
    whole copy on each GPU of one node.
    """
    usable = None if sku.gpu_memory_usable_gib is None else int(sku.gpu_memory_usable_gib * BYTES_PER_GIB)
    if use.tuning is not None:
        whole = min(sku.gpu_count, 1)
        return Machine(usable, TRAINER_PERCENT, sku.gpu_count, whole, (1,), spreads=False, pieces=None, copies=True)
    served = preset.on(sku, use.runtime)
    runtime = choose_runtime(use.runtime, served, sku).runtime if served.runtimes else None
    layerwise = runtime is Runtime.TRANSFORMERS
    pieces = served.fixed_gpus
    splits = served.tensor_parallel or layerwise or pieces is not None
    per_node = sku.gpu_count if splits else min(sku.gpu_count, 1)
    return Machine(
        usable=usable,
        percent=_server_percent(sku) if layerwise or use.percent is None else use.percent,
        devices=sku.gpu_count,
        per_node=per_node,
        tensors=(pieces,) if pieces else (1,) if layerwise else _wished(use.tensor, tensor_sizes(served, per_node)),
        spreads=served.distributed and not (layerwise and Runtime.VLLM in served.runtimes),
        pieces=pieces,
        copies=not layerwise and pieces is None,
        leeway=_leeway(usable or 0) if layerwise else 0,
    )


def _server_percent(sku: Sku) -> int:
    """The share of GPU memory a server is given; vendors' labels write a model with dashes."""
    return A10_PERCENT if "A10" in sku.gpu_model.replace("-", " ").split() else SERVER_PERCENT


def _leeway(usable: int) -> int:
    """What a server that reserves nothing may do with less, and have more of, than the sum for it says.

    Overhead and share are counted as vLLM's, which KAITO uses for every server: upper bounds for Transformers.
    """
    return SERVER_OVERHEAD - LAYERWISE_OVERHEAD + usable * (LAYERWISE_PERCENT - SERVER_PERCENT) // 100


def _wished(tensor: int | None, possible: tuple[int, ...]) -> tuple[int, ...]:
    return possible if tensor not in possible else (tensor,)


def tensor_sizes(preset: Preset, gpus: int) -> tuple[int, ...]:
    """Numbers of GPUs, at most `gpus`, that can share the model's layers, widest first.

    Each must hold as many attention heads as the others, and whole KV heads or copies of one. Source: vLLM.
    """
    net = preset.architecture
    heads = net.attention_heads
    kv_heads = heads if net.attention == "MLA" else net.kv_heads
    return tuple(
        ranks for ranks in range(gpus, 0, -1) if heads % ranks == 0 and (kv_heads % ranks == 0 or ranks % kv_heads == 0)
    )
