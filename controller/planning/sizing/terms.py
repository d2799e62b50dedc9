"""The terms of the sum: what takes GPU memory, how it is shared by the GPUs of one copy, and who says so.

All amounts are whole bytes, so that the sum comes out the same wherever it is done.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

BYTES_PER_GIB: Final = 2**30

WEIGHT_EXPANSION_PERCENT: Final = 102
"""Weights in GPU memory against their files: buffers and padding. Source: kaito-project/kaito node estimator."""

SERVER_OVERHEAD: Final = 2_469_606_195
"""Bytes a model server takes on each GPU beside weights and KV cache: CUDA context, activations, compiled kernels.

2.3 GiB. Source: kaito-project/kaito node estimator.
"""

SERVER_PERCENT: Final = 84
"""Share of usable GPU memory a model server is given; the rest absorbs fragmentation.

Source: kaito-project/kaito's launch command, gpu-memory-utilization 0.84.
"""

A10_PERCENT: Final = 82
"""The same on NVIDIA A10, whose driver keeps more for itself. Source: kaito-project/kaito's launch command."""

LAYERWISE_PERCENT: Final = 95
"""Share of usable GPU memory a server that reserves none can fill, as Transformers: all but fragmentation."""

LAYERWISE_OVERHEAD: Final = 644_245_094
"""Bytes such a server takes on each GPU at the very least: a CUDA context with PyTorch's kernels, and one request.

0.6 GiB; SERVER_OVERHEAD is the upper bound, since a long prompt's activations come on top.
"""

TRAINER_OVERHEAD: Final = 644_245_094
"""Bytes a training program takes on each GPU beside the model: CUDA context, cuBLAS workspace, one dequantised layer.

0.6 GiB. Source: a CUDA context with PyTorch's kernels is 0.3 to 0.5 GiB, cuBLAS takes 8 to 32 MiB, and bitsandbytes
unpacks one weight matrix at a time, 50 MiB for a model of 3.8 billion parameters.
"""

TRAINER_PERCENT: Final = 95
"""Share of usable GPU memory a training program can fill.

Nothing else runs beside it, and PyTorch's expandable segments leave little fragmentation; the rest covers that.
"""


class Share(StrEnum):
    """How the GPUs that hold one copy of a model share a term."""

    SPLIT = "split over tensor ranks and pipeline stages"
    CACHE = "split over pipeline stages and, as far as there are KV heads, over tensor ranks"
    EACH = "whole on each GPU"


@dataclass(frozen=True, slots=True)
class Term:
    """One thing that takes GPU memory.

    Attributes:
        label: a few words for a message, such as `weights`.
        total: bytes of one whole copy of the model.
        share: how the copy's GPUs share them.
        source: where the figure comes from.
    """

    label: str
    total: int
    share: Share
    source: str


@dataclass(frozen=True, slots=True)
class Layout:
    """How a model is spread over GPUs.

    Attributes:
        tensor: GPUs that share each layer.
        pipeline: groups of layers, one after the other.
        data: whole copies side by side.
    """

    tensor: int = 1
    pipeline: int = 1
    data: int = 1

    @property
    def gpus(self) -> int:
        """GPUs that hold one copy."""
        return self.tensor * self.pipeline


@dataclass(frozen=True, slots=True)
class Load:
    """What one copy of a model puts on GPUs.

    Attributes:
        terms: the parts of the sum.
        layers: layers of the network, which pipeline stages divide among themselves.
        cache_heads: KV heads, which tensor ranks divide among themselves; 1 where each rank keeps everything (MLA).
    """

    terms: tuple[Term, ...]
    layers: int
    cache_heads: int

    def on_each(self, term: Term, layout: Layout) -> int:
        """Bytes of a term on the fullest GPU of a layout."""
        top, bottom = self.share(term.share, layout)
        return -(-term.total * top // bottom)

    def share(self, share: Share, layout: Layout) -> tuple[int, int]:
        """The part of a term that the fullest GPU of a layout holds, as numerator and denominator.

        Layers are not divisible, so the largest stage counts; nor are KV heads: with more ranks than heads each rank
        holds one, and some are held twice.
        """
        stage = -(-self.layers // layout.pipeline)
        if share is Share.SPLIT:
            return stage, self.layers * layout.tensor
        if share is Share.CACHE:
            return stage * -(-self.cache_heads // layout.tensor), self.layers * self.cache_heads
        return 1, 1

    def total_on_each(self, layout: Layout) -> int:
        """Bytes of all terms on the fullest GPU of a layout."""
        return sum(self.on_each(term, layout) for term in self.terms)
