"""What follows from a model's published configuration: sizes of weights, KV cache and adapters, in bytes or numbers.

Where a fact is missing the figure is an upper bound, and says so.
"""

import math
from fractions import Fraction
from typing import Final

from controller.catalog import Architecture, KvQuality, Preset
from controller.planning.sizing.terms import BYTES_PER_GIB
from controller.planning.sizing.use import BITS, Precision

VOCABULARY_BOUND: Final = 262_144
"""Words assumed where a vocabulary is unknown: the largest in use. Source: Gemma's configuration."""

_PLAIN_BITS: Final = 12
"""Weights of more bits a parameter are plain numbers, those of fewer are quantised: files hold 16, 8 or 4 bits."""

_DENSEST_BITS: Final = 4


def parameters(preset: Preset) -> int:
    """Parameters of the model; where nobody states them, as many as its files could hold at four bits each."""
    if preset.parameters_b is None:
        return math.ceil(preset.weights_gib * BYTES_PER_GIB) * 8 // _DENSEST_BITS
    return round(preset.parameters_b * 10**9)


def weight_bytes(preset: Preset, precision: Precision) -> int:
    """Bytes of the weights in a number format.

    As published they are their files. Plain weights can be loaded in any format; quantised ones only as they are, or
    unpacked into a wider format.
    """
    files = math.ceil(preset.weights_gib * BYTES_PER_GIB)
    if precision is Precision.AUTO:
        return files
    plain = files * 8 > parameters(preset) * _PLAIN_BITS
    if BITS[precision] < BITS[Precision.FLOAT16]:
        return packed_bytes(preset, precision, rest=Precision.FLOAT16) if plain else files
    unpacked = math.ceil(parameters(preset) * BITS[precision] / 8)
    return math.ceil(files * BITS[precision] / 16) if plain else max(files, unpacked)


def packed_bytes(preset: Preset, precision: Precision, *, rest: Precision) -> int:
    """Bytes of plain weights quantised while they are loaded: the embedding and the head stay in the format `rest`.

    Both count in full, although some models share one matrix for them: an upper bound.
    """
    matrix = vocabulary(preset.architecture) * preset.architecture.hidden_size
    packed = max(parameters(preset) - matrix, 0)
    return math.ceil((packed * BITS[precision] + 2 * matrix * BITS[rest]) / 8)


def vocabulary(architecture: Architecture) -> int:
    """Words of the vocabulary; the largest in use where unknown."""
    return architecture.vocabulary or VOCABULARY_BOUND


def feed_forward(preset: Preset) -> int:
    """Width of the feed-forward layers.

    Where unknown: what remains of the parameters after attention and one embedding matrix, were it all three-matrix
    feed-forward layers. In a mixture of experts all experts count.
    """
    net = preset.architecture
    if net.feed_forward is not None:
        return net.feed_forward
    embedding = (net.vocabulary or 0) * net.hidden_size
    rest = (parameters(preset) - embedding) // net.layers - 2 * net.hidden_size * (query_width(net) + cache_width(net))
    return max(rest, 0) // (3 * net.hidden_size) + 1


def query_width(net: Architecture) -> int:
    """Width of a layer's queries."""
    return net.attention_heads * net.head_dim


def cache_width(net: Architecture) -> int:
    """Width of a layer's keys, which is that of its values."""
    return net.kv_heads * net.head_dim


def cache_heads(net: Architecture) -> int:
    """KV heads that tensor ranks can divide; 1 for MLA, whose latent vector every rank keeps whole."""
    return 1 if net.attention == "MLA" else net.kv_heads


def cache_is_exact(preset: Preset) -> bool:
    """Whether the size of the KV cache is known, rather than bounded from above."""
    return preset.kv_quality is KvQuality.EXACT or preset.architecture.full_attention_layers is not None


def cache_bytes(preset: Preset, tokens: int, precision: Precision) -> int:
    """Bytes of KV cache for one sequence of `tokens`, over all layers."""
    return math.ceil(cache_layer_tokens(preset.architecture, tokens) * bytes_per_layer_token(preset, precision))


def bytes_per_layer_token(preset: Preset, precision: Precision) -> Fraction:
    """Bytes one layer keeps of one token. The catalogue counts two bytes a number."""
    bits = BITS.get(precision, BITS[Precision.FLOAT16])
    return Fraction(preset.kv_bytes_per_token, preset.architecture.layers) * bits / 16


def cache_layer_tokens(net: Architecture, tokens: int) -> int:
    """Tokens kept, summed over layers: a layer of full attention keeps all, one with a window what it sees through it.

    Layers without attention (Mamba, linear attention) keep a state of fixed size, which counts as nothing here: it is
    a few MiB and covered by the runtime's overhead.
    """
    full = _full_layers(net)
    return full * tokens + (net.layers - full) * min(tokens, net.sliding_window or 0)


def tokens_of(net: Architecture, layer_tokens: int, *, limit: int) -> int:
    """The longest sequence whose tokens, summed over layers, are at most `layer_tokens`: the inverse of the above.

    Args:
        net: the network.
        layer_tokens: what may be kept; below 0 counts as 0.
        limit: the answer where no layer keeps everything, so that more tokens take no more room.
    """
    full, window = _full_layers(net), net.sliding_window or 0
    windowed = net.layers - full
    if layer_tokens < net.layers * window:
        return max(layer_tokens, 0) // net.layers
    return (layer_tokens - windowed * window) // full if full else limit


def lora_parameters(preset: Preset, rank: int) -> int:
    """Numbers in an adapter on all seven matrices of every layer: rank x (inputs + outputs) for each matrix."""
    net = preset.architecture
    hidden, query, cache = net.hidden_size, query_width(net), cache_width(net)
    attention = 2 * (hidden + query) + 2 * (hidden + cache)
    return rank * net.layers * (attention + 3 * (hidden + feed_forward(preset)))


def _full_layers(net: Architecture) -> int:
    return net.layers if net.full_attention_layers is None else net.full_attention_layers
