"""Presets for Hugging Face models that are not in the catalogue but bring their own facts.

The rules are those of KAITO v0.12 for models it has no code for: vLLM in the base image, weights fetched at start. Two
are stricter here: the repository keeps its spelling, and code from the repository runs only when that is asked for.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Final

from controller.api.json import Json
from controller.catalog.codec import decode_preset
from controller.catalog.model import Architecture, Preset

GENERIC_ENGINE: Final = "kaito-base-0.5.0"
"""The engine models without code of their own are served with."""

SCRATCH_GIB: Final = 80
"""Disk beside the weights, for image and scratch. Source: kaito-project/kaito v0.12.0."""

REPOSITORY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
"""What a Hugging Face repository is called: owner and name."""

_REVISION: Final = re.compile(r"[0-9a-f]{40}", re.ASCII)
_DTYPES: Final = ("bfloat16", "float16", "auto")
_MAX_DISK_GIB: Final = 4096


class FactsError(ValueError):
    """Facts of a model are missing or contradict themselves.

    Attributes:
        faults: every fault, one clause each.
    """

    def __init__(self, faults: tuple[str, ...]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What must be known of a model to size it; the names are those of its `config.json` where it has the fact.

    Attributes:
        weights_bytes: size of the weight files that are loaded.
        layers: `num_hidden_layers`.
        attention_heads: `num_attention_heads`.
        kv_heads: `num_key_value_heads`; 0 means as many as attention heads.
        max_context: `max_position_embeddings`, in tokens.
        head_dim: `head_dim`; 0 means hidden_size divided by the heads.
        hidden_size: `hidden_size`; 0 means head_dim times the heads.
        kv_lora_rank, qk_rope_head_dim: both or none; with them attention is MLA.
        full_attention_layers: layers that keep the whole context, where the others keep less.
        sliding_window: tokens the others keep.
        model_class: the first of `architectures`.
        dtype: number format to compute in; `auto` with quantised weights.
        quantization: `quant_method`, empty for plain weights.
        parameters_b: parameters in billions; None when unknown.
        license: SPDX-like identifier.
        gated: whether the weights need an access approval; None when unknown.
        revision: commit to load; empty for the main branch.
        remote_code: whether code from the repository may run in the model server.
    """

    weights_bytes: int
    layers: int
    attention_heads: int
    kv_heads: int
    max_context: int
    head_dim: int = 0
    hidden_size: int = 0
    kv_lora_rank: int | None = None
    qk_rope_head_dim: int | None = None
    full_attention_layers: int | None = None
    sliding_window: int | None = None
    model_class: str = "unknown"
    dtype: str = "bfloat16"
    quantization: str = ""
    parameters_b: float | None = None
    license: str = "unknown"
    gated: bool | None = None
    revision: str = ""
    remote_code: bool = False


def generic_preset(repo_id: str, facts: ModelFacts, engines: Mapping[str, Json]) -> Preset:
    """The preset of a Hugging Face repository by its own facts.

    Args:
        repo_id: `owner/name`.
        facts: what is known of the model.
        engines: launch facts by name, `load_engines()`.

    Raises:
        FactsError: the name or the facts cannot be right; all faults are named together.
    """
    faults = tuple(facts_faults(repo_id, facts))
    if faults:
        raise FactsError(faults)
    return decode_preset(generic_entry(repo_id, facts), engines)


def facts_faults(repo_id: str, facts: ModelFacts) -> Iterator[str]:
    """What is wrong with the name or the facts of a model."""
    if not REPOSITORY.fullmatch(repo_id):
        yield f"{repo_id!r} is no Hugging Face repository, which reads owner/name"
    for name in ("weights_bytes", "layers", "attention_heads", "max_context"):
        if getattr(facts, name) < 1:
            yield f"{name} is {getattr(facts, name)}, below 1"
    for name in ("kv_heads", "head_dim", "hidden_size"):
        if getattr(facts, name) < 0:
            yield f"{name} is {getattr(facts, name)}, below 0"
    yield from _attention_faults(facts)
    if facts.dtype not in _DTYPES:
        yield f"dtype is {facts.dtype!r}, not one of {', '.join(_DTYPES)}"
    if facts.revision and not _REVISION.fullmatch(facts.revision):
        yield f"revision {facts.revision!r} is no commit of 40 hexadecimal digits"
    if _weights_gib(facts) + SCRATCH_GIB > _MAX_DISK_GIB:
        yield f"{_weights_gib(facts):.0f} GiB of weights are more than a node's disk of {_MAX_DISK_GIB} GiB holds"


def generic_entry(repo_id: str, facts: ModelFacts) -> Json:
    """The entry such a preset has in the file of presets."""
    architecture = _architecture(facts)
    gib = _weights_gib(facts)
    partial = facts.full_attention_layers is not None and facts.full_attention_layers < facts.layers
    run_params = {"dtype": "auto" if facts.quantization else facts.dtype}
    if facts.remote_code:
        run_params["trust-remote-code"] = ""
    return {
        "name": repo_id,
        "aliases": [],
        "family": repo_id.partition("/")[0].lower(),
        "status": "active",
        "runnable": True,
        "hf_repo": repo_id,
        "hf_revision": facts.revision,
        "license": facts.license,
        "gated": facts.gated,
        "parameters_b": facts.parameters_b,
        "weights_gib": gib,
        "kv_bytes_per_token": architecture.kv_bytes_per_token,
        "kv_quality": "upper-bound" if partial else "exact",
        "max_context": facts.max_context,
        "architecture": {key: value for key, value in asdict(architecture).items() if value is not None},
        "dtype": run_params["dtype"],
        **({"quantization": facts.quantization} if facts.quantization else {}),
        "disk_gib": math.ceil(gib + SCRATCH_GIB),
        "readiness_timeout_minutes": readiness_minutes(gib),
        "tensor_parallel": True,
        "editions": [{"engine": GENERIC_ENGINE, "distributed": True, "runtimes": {"vllm": {"run_params": run_params}}}],
    }


def readiness_minutes(weights_gib: float) -> int:
    """How long loading may take: 15 minutes and 18 seconds per GiB, within 30 and 180 minutes.

    Source: kaito-project/kaito v0.12.0.
    """
    return min(180, max(30, math.ceil(15 + 0.3 * weights_gib)))


def _attention_faults(facts: ModelFacts) -> Iterator[str]:
    heads, kv_heads = facts.attention_heads, facts.kv_heads or facts.attention_heads
    if heads > 0 and kv_heads > 0 and heads % kv_heads:
        yield f"{heads} attention_heads cannot share {kv_heads} kv_heads evenly"
    if not facts.head_dim and not facts.hidden_size:
        yield "neither head_dim nor hidden_size is given"
    elif not facts.head_dim and heads > 0 and facts.hidden_size % heads:
        yield f"hidden_size {facts.hidden_size} does not divide into {heads} heads; give head_dim"
    if (facts.kv_lora_rank is None) != (facts.qk_rope_head_dim is None):
        yield "kv_lora_rank and qk_rope_head_dim go together"
    for name in ("kv_lora_rank", "qk_rope_head_dim", "full_attention_layers", "sliding_window"):
        value = getattr(facts, name)
        if value is not None and value < 1:
            yield f"{name} is {value}, below 1"
    if facts.full_attention_layers is not None and facts.full_attention_layers > facts.layers:
        yield f"full_attention_layers {facts.full_attention_layers} is more than the {facts.layers} layers"
    if facts.sliding_window is not None and facts.full_attention_layers is None:
        yield "sliding_window needs full_attention_layers beside it"


def _architecture(facts: ModelFacts) -> Architecture:
    heads = facts.attention_heads
    kv_heads = facts.kv_heads or heads
    return Architecture(
        model_class=facts.model_class,
        attention=_attention(facts, kv_heads),
        layers=facts.layers,
        hidden_size=facts.hidden_size or facts.head_dim * heads,
        attention_heads=heads,
        kv_heads=kv_heads,
        head_dim=facts.head_dim or facts.hidden_size // heads,
        kv_lora_rank=facts.kv_lora_rank,
        qk_rope_head_dim=facts.qk_rope_head_dim,
        full_attention_layers=facts.full_attention_layers,
        sliding_window=facts.sliding_window,
    )


def _attention(facts: ModelFacts, kv_heads: int) -> str:
    if facts.kv_lora_rank is not None:
        return "MLA"
    if kv_heads == facts.attention_heads:
        return "MHA"
    return "MQA" if kv_heads == 1 else "GQA"


def _weights_gib(facts: ModelFacts) -> float:
    return facts.weights_bytes / 2**30
