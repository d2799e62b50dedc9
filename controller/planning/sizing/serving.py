"""The terms of serving a model."""

import math
from typing import Final

from controller.catalog import Preset
from controller.planning.sizing.network import (
    cache_bytes,
    cache_heads,
    cache_is_exact,
    lora_parameters,
    weight_bytes,
)
from controller.planning.sizing.terms import SERVER_OVERHEAD, WEIGHT_EXPANSION_PERCENT, Load, Share, Term
from controller.planning.sizing.use import BITS, DEFAULT_CONTEXT, Precision, Use

_CACHE: Final = "KV cache"


def context_of(preset: Preset, use: Use) -> int:
    """Tokens of context that are counted: what was asked for or the default, at most what the model can do."""
    return min(DEFAULT_CONTEXT if use.context is None else use.context, preset.max_context)


def cache_format(use: Use) -> Precision:
    """Number format of the KV cache: as asked for, else that of the computation, which is two bytes or float32."""
    if use.cache_precision is not Precision.AUTO:
        return use.cache_precision
    return Precision.FLOAT32 if use.precision is Precision.FLOAT32 else Precision.FLOAT16


def serving_load(preset: Preset, use: Use) -> Load:
    """What one served copy puts on GPUs: weights, KV cache, adapters, and the model server on each GPU."""
    net = preset.architecture
    files = weight_bytes(preset, use.precision)
    bound = "" if cache_is_exact(preset) else "; an upper bound, since not every layer keeps all of it"
    terms = [
        Term(
            "weights",
            -(-files * WEIGHT_EXPANSION_PERCENT // 100),
            Share.SPLIT,
            f"files of {preset.weights_gib} GiB, + {WEIGHT_EXPANSION_PERCENT - 100} % buffers and padding",
        ),
        Term(
            f"{_CACHE} of {context_of(preset, use)} tokens",
            cache_bytes(preset, context_of(preset, use), cache_format(use)),
            Share.CACHE,
            f"{net.attention}: {net.kv_derivation} a token{bound}",
        ),
        Term("runtime", SERVER_OVERHEAD, Share.EACH, "CUDA context, activations and compiled kernels"),
    ]
    if use.adapters:
        terms.insert(2, _adapters(preset, use))
    return Load(tuple(terms), net.layers, cache_heads(net))


def _adapters(preset: Preset, use: Use) -> Term:
    numbers = use.adapters * lora_parameters(preset, use.adapter_rank)
    label = "adapter" if use.adapters == 1 else f"{use.adapters} adapters"
    bits = BITS[Precision.FLOAT16]
    return Term(label, math.ceil(numbers * bits / 8), Share.EACH, f"LoRA of rank {use.adapter_rank} on every matrix")
