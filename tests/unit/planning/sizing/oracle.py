"""The same question answered by brute force, for comparison: every layout is laid out GPU by GPU in whole bytes.

Nothing of the sizing package is used. Layers and heads are dealt out as lists, each GPU's bytes are added up, the
groups of GPUs are put into nodes one after the other, and the best of all layouts is the answer.
"""

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import ceil, floor

from controller.api.workspace import Runtime
from controller.catalog import Preset, Sku
from controller.planning.runtimes import choose_runtime

GIB = 2**30
TOKENS = 2048


@dataclass(frozen=True)
class Answer:
    nodes: int | None
    gpus: int | None


NEVER = Answer(None, None)


def rank_heads(preset: Preset, ranks: int) -> list[set[int]] | None:
    """The KV heads each tensor rank holds when query heads are dealt out in order; None when it cannot be done."""
    net = preset.architecture
    queries = list(range(net.attention_heads))
    if len(queries) % ranks:
        return None
    if net.attention == "MLA":
        return [{0}] * ranks
    each = len(queries) // ranks
    held = [
        {query * net.kv_heads // len(queries) for query in queries[at : at + each]}
        for at in range(0, len(queries), each)
    ]
    disjoint = sum(map(len, held)) == len(set().union(*held))
    return held if disjoint or all(len(heads) == 1 for heads in held) else None


@cache
def heaviest_gpu(name: str, ranks: int, stages: int) -> int | None:
    """Bytes on the fullest GPU when a copy is dealt out to `ranks` x `stages` GPUs."""
    preset = MODELS[name]
    held = rank_heads(preset, ranks)
    if held is None:
        return None
    net = preset.architecture
    layers = [list(range(net.layers))[stage::stages] for stage in range(stages)]
    most_layers, most_heads = max(map(len, layers)), max(map(len, held))
    weights = ceil(Fraction(ceil(Fraction(str(preset.weights_gib)) * GIB) * 102, 100))
    weights_here = ceil(Fraction(weights * most_layers, net.layers * ranks))
    if net.attention == "MLA":
        per_token = 2 * ((net.kv_lora_rank or 0) + (net.qk_rope_head_dim or 0))
    else:
        per_token = 2 * 2 * net.head_dim * most_heads
    tokens = min(TOKENS, preset.max_context)
    whole = net.layers if net.full_attention_layers is None else net.full_attention_layers
    kept = [tokens] * whole + [min(tokens, net.sliding_window or 0)] * (net.layers - whole)
    cache_here = ceil(Fraction(sum(kept) * per_token * most_layers, net.layers))
    return weights_here + cache_here + floor(Fraction(23, 10) * GIB)


MODELS: dict[str, Preset] = {}


def ask(preset: Preset, sku: Sku, *, percent: int | None = None, tensor: int | None = None) -> Answer:
    """The fewest nodes and the fewest GPUs that hold one copy of a preset on machines of one size.

    Args:
        preset: the model.
        sku: the size.
        percent: share of the memory vLLM is given, in whole percent; None for what it is given unasked.
        tensor: GPUs that are to share each layer under vLLM, where so many can.
    """
    MODELS[preset.name] = preset
    served = preset.on(sku)
    memory = sku.gpu_memory_usable_gib
    if memory is None or not sku.gpu_count:
        return NEVER
    transformers = bool(served.runtimes) and choose_runtime(None, served, sku).runtime is Runtime.TRANSFORMERS
    unasked = 82 if sku.gpu_model.startswith("NVIDIA A10 ") else 84
    budget = floor(memory * GIB) * (unasked if transformers or percent is None else percent) // 100
    several = served.distributed and not (transformers and Runtime.VLLM in served.runtimes)
    if served.fixed_gpus:
        return _cut_beforehand(preset, sku, budget, several=several)
    per_node = sku.gpu_count if served.tensor_parallel or transformers else 1
    counts = range(1, 2 if transformers else per_node + 1)
    if tensor is not None and tensor in counts and rank_heads(preset, tensor) is not None:
        counts = range(tensor, tensor + 1)
    found = [
        (_nodes_for(ranks, stages, per_node), ranks * stages)
        for ranks in counts
        for stages in range(1, preset.architecture.layers + 1)
        if (here := heaviest_gpu(preset.name, ranks, stages)) is not None and here <= budget
    ]
    allowed = [answer for answer in found if several or answer[0] == 1]
    return Answer(min(nodes for nodes, _ in allowed), min(gpus for _, gpus in allowed)) if allowed else NEVER


def _nodes_for(ranks: int, stages: int, per_node: int) -> int:
    nodes, free = 1, per_node
    for _ in range(stages):
        if free < ranks:
            nodes, free = nodes + 1, per_node
        free -= ranks
    return nodes


def _cut_beforehand(preset: Preset, sku: Sku, budget: int, *, several: bool) -> Answer:
    pieces = preset.fixed_gpus or 1
    here = heaviest_gpu(preset.name, pieces, 1)
    nodes = ceil(Fraction(pieces, sku.gpu_count))
    if here is None or here > budget or (nodes > 1 and not several):
        return NEVER
    return Answer(nodes, pieces)
