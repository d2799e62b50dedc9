"""What a model is to be used for: the part of the question of size that the user decides."""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from controller.api.workspace import Runtime
from controller.catalog import Sku

DEFAULT_CONTEXT: Final = 2048
"""Tokens of context that must fit where nobody asked for more. Source: kaito-project/kaito node estimator."""

TUNING_CONTEXT: Final = 1024
"""Tokens of a training example where nobody said otherwise: longer ones are cut. Source: TRL's SFTTrainer."""

ADAPTER_RANK: Final = 16
"""Rank of an adapter that is served: the highest vLLM takes unasked. Source: vLLM engine argument max-lora-rank."""

TUNING_RANK: Final = 8
"""Rank of an adapter that is trained. Source: kaito-project/kaito's training templates."""


class Precision(StrEnum):
    """Number format of weights, or of the KV cache."""

    AUTO = "auto"
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"
    FLOAT16 = "float16"
    FP8 = "fp8"
    NF4 = "nf4"


BITS: Final = MappingProxyType(
    {
        Precision.FLOAT32: Fraction(32),
        Precision.BFLOAT16: Fraction(16),
        Precision.FLOAT16: Fraction(16),
        Precision.FP8: Fraction(8),
        Precision.NF4: 4 + Fraction(8, 64) + Fraction(32, 64 * 256),
    }
)
"""Bits of one number.

NF4 adds to its four bits an 8-bit scale for each block of 64 numbers, and a 32-bit scale for each 256 of those scales.
Source: Dettmers et al., QLoRA (2023), section 3, double quantisation.
"""

_MIN_CAPABILITY: Final = MappingProxyType({Precision.BFLOAT16: 8.0, Precision.FP8: 8.0, Precision.NF4: 7.0})
"""CUDA capability from which a GPU has kernels for a format. Source: vLLM's table of quantisation hardware."""


class TuningMethod(StrEnum):
    """How a model is tuned: an adapter beside the weights as they are, or beside the weights in 4 bits."""

    LORA = "lora"
    QLORA = "qlora"


@dataclass(frozen=True, slots=True)
class TuningUse:
    """A training run.

    Attributes:
        method: LoRA or QLoRA.
        context: tokens of the longest example.
        batch: examples per GPU and step.
        rank: rank of the adapter.
        base: number format of the frozen weights; AUTO for that of the method, two bytes or NF4.
    """

    method: TuningMethod
    context: int = TUNING_CONTEXT
    batch: int = 1
    rank: int = TUNING_RANK
    base: Precision = Precision.AUTO


@dataclass(frozen=True, slots=True)
class Use:
    """What a model is to be used for.

    Attributes:
        context: tokens that must fit, cut to what the model can do; None for the default.
        runtime: the model server; None for the one that would be chosen.
        precision: number format of the weights; AUTO as published.
        cache_precision: number format of the KV cache; AUTO for that of the computation.
        adapters: LoRA adapters to serve.
        adapter_rank: highest rank among them.
        percent: share of GPU memory vLLM is given; None for the default.
        tensor: GPUs that are to share each layer under vLLM; None for what fits best, and where so many cannot.
        tuning: the training run; None to serve.
    """

    context: int | None = None
    runtime: Runtime | None = None
    precision: Precision = Precision.AUTO
    cache_precision: Precision = Precision.AUTO
    adapters: int = 0
    adapter_rank: int = ADAPTER_RANK
    percent: int | None = None
    tensor: int | None = None
    tuning: TuningUse | None = None


SERVE: Final = Use()
"""Serving with nothing special asked for."""


def computes(sku: Sku, precision: Precision) -> bool:
    """Whether the GPU has kernels for a number format; True where its capability is unknown."""
    least = _MIN_CAPABILITY.get(precision, 0.0)
    return sku.compute_capability is None or sku.compute_capability >= least
