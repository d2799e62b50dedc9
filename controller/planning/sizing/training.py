"""The terms of tuning a model.

Every GPU trains a whole copy of its own, so nothing is shared. What a step holds, for `s` tokens, hidden size `h`,
queries `q` and keys `k` wide, feed-forward layers `f` wide, `r` the adapter's rank:

- The base model. LoRA: its plain weights, 2 bytes a parameter. QLoRA: 4.13 bits a parameter in NF4, while embedding and
  head become float32, because PEFT's preparation for k-bit training casts what is not quantised. A configuration can
  ask for 4 bytes in LoRA, which doubles what is said of half precision below, and for 8 bits in QLoRA.
- The adapter: float32 numbers (4 bytes), their gradients (4) and AdamW's two moments (8).
- Activations kept for the backward pass. Frozen matrices need no input; kept are, per layer and token, the input of
  both norms in float32 (8h), the inputs of the adapters in float32 (8h + 4q + 4f), queries, keys, values and output of
  fused attention (4q + 4k), and gate, activation and product of the feed-forward layer in half precision (6f):
  16h + 8q + 4k + 10f bytes. Scores of attention are never stored: PyTorch's fused kernels serve every GPU of
  capability 5.0 and newer in float16. With gradient checkpointing only a layer's input stays (4h), and one layer at a
  time is computed again.
- Logits: half and float32 copies, the softmax kept for the loss, and both gradients, 2 + 4 + 4 + 4 + 2 bytes a word.

phi-3-mini (3.82 billion parameters, 1,024 tokens) in QLoRA: 2.5 GiB of base model, 0.2 of adapter and optimizer, 5.1 of
activations, 0.5 of logits and 0.6 of runtime: 9.0 GiB, well inside a V100 of 16 GB. In LoRA the base model takes 7.3
and all of it 13.7, which fits too.

Sources: Dettmers et al., QLoRA (2023); Korthikanti et al., Reducing Activation Recomputation (2022), whose method is
applied to a three-matrix feed-forward layer and frozen weights; PEFT, TRL and PyTorch documentation.
"""

from typing import Final

from controller.catalog import Preset
from controller.planning.sizing.network import (
    cache_width,
    feed_forward,
    lora_parameters,
    packed_bytes,
    query_width,
    vocabulary,
    weight_bytes,
)
from controller.planning.sizing.terms import TRAINER_OVERHEAD, WEIGHT_EXPANSION_PERCENT, Load, Share, Term
from controller.planning.sizing.use import Precision, TuningMethod, TuningUse

_OPTIMIZER_BYTES: Final = 8
_FLOAT32_BYTES: Final = 4
_LOGIT_BYTES: Final = 16


def training_load(preset: Preset, tuning: TuningUse, *, checkpointing: bool) -> Load:
    """What a training run puts on each GPU.

    Args:
        preset: the model.
        tuning: the run.
        checkpointing: whether activations are computed again in the backward pass instead of being kept.
    """
    net = preset.architecture
    tokens = tuning.batch * min(tuning.context, preset.max_context)
    numbers = lora_parameters(preset, tuning.rank)
    full = tuning.base is Precision.FLOAT32
    activations = tokens * activation_bytes(preset, checkpointing=checkpointing, full=full)
    how = "one layer kept, the others recomputed" if checkpointing else "kept for the backward pass"
    terms = (
        _base(preset, tuning),
        _each("adapter", numbers * _FLOAT32_BYTES, f"LoRA of rank {tuning.rank} on every matrix, float32"),
        _each("gradients", numbers * _FLOAT32_BYTES, "of the adapter, float32"),
        _each("optimizer", numbers * _OPTIMIZER_BYTES, "AdamW's two moments of the adapter, float32"),
        _each(f"activations of {tokens} tokens", activations, how),
        _each("logits", tokens * vocabulary(net) * _LOGIT_BYTES, "in both precisions, with softmax and gradients"),
        _each("runtime", TRAINER_OVERHEAD, "CUDA context, cuBLAS workspace and one dequantised matrix"),
    )
    return Load(terms, net.layers, cache_heads=1)


def activation_bytes(preset: Preset, *, checkpointing: bool, full: bool = False) -> int:
    """Bytes kept per token for the backward pass, over all layers; `full` where float32 is computed with."""
    net = preset.architecture
    layer = 16 * net.hidden_size + 8 * query_width(net) + 4 * cache_width(net) + 10 * feed_forward(preset)
    if full:
        layer += 4 * query_width(net) + 4 * cache_width(net) + 6 * feed_forward(preset)
    return net.layers * 4 * net.hidden_size + layer if checkpointing else net.layers * layer


def _base(preset: Preset, tuning: TuningUse) -> Term:
    if tuning.method is TuningMethod.QLORA:
        eight = tuning.base is Precision.FP8
        packed = packed_bytes(preset, Precision.FP8 if eight else Precision.NF4, rest=Precision.FLOAT32)
        how = "eight bits a parameter" if eight else "NF4 with double quantisation"
        return _each("base model", packed, f"{how}; embedding and head float32")
    full = tuning.base is Precision.FLOAT32
    weights = weight_bytes(preset, Precision.FLOAT32 if full else Precision.FLOAT16)
    plain = -(-weights * WEIGHT_EXPANSION_PERCENT // 100)
    bytes_each = "four" if full else "two"
    return _each("base model", plain, f"{bytes_each} bytes a parameter, + {WEIGHT_EXPANSION_PERCENT - 100} %")


def _each(label: str, total: int, source: str) -> Term:
    return Term(label, total, Share.EACH, source)
