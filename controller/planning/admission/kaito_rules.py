"""KAITO's own three rules of size, kept for comparison only; nothing here decides about a Workspace.

Each takes what KAITO knew in that release, its mistakes included, and gives the answer it gave. Source of all three:
kaito-project/kaito, webhook of v0.3.2, node estimators of v0.10.0 and v0.12.0. Memory is nominal: a vendor's gigabyte
is taken for a GiB.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final

DEFAULT_CONTEXT: Final = 2048
"""Tokens of context the estimators count where the user sets no max-model-len."""

_GIB: Final = 2**30
_UTILISATION: Final = 0.84
_WEIGHT_EXPANSION: Final = 1.02
_OVERHEAD_GIB: Final = 2.3
_OVERHEAD_SHARE: Final = 1.05
_UNCHECKED_PREFIXES: Final = ("standard_n", "standard_d")


class KaitoRule(StrEnum):
    """The three rules, by the release that stands for each."""

    WEBHOOK = "webhook-v0.3.2"
    ESTIMATOR_V10 = "estimator-v0.10"
    ESTIMATOR_V12 = "estimator-v0.12"


@dataclass(frozen=True, slots=True)
class NodeSize:
    """A row of KAITO's table of sizes: GPUs of a node and their memory together, in GiB (whole ones in its tables)."""

    gpus: int
    total_gib: int | Fraction

    @property
    def bytes_per_gpu(self) -> int:
        """Memory of one GPU in bytes, rounded down."""
        return math.floor(self.total_gib * _GIB / Fraction(self.gpus))


@dataclass(frozen=True, slots=True)
class WebhookNeed:
    """What a preset asked for until v0.6: GPUs, memory in GiB in all and per GPU, and whether it spans nodes."""

    gpus: int
    total_gib: Fraction
    per_gpu_gib: Fraction
    distributed: bool


@dataclass(frozen=True, slots=True)
class EstimatorNeed:
    """What the estimators know of a preset: GiB of weights, bytes of KV cache per token, and how it may be split."""

    weights_gib: float
    kv_bytes_per_token: int
    distributed: bool = True
    tensor_parallel: bool = True


@dataclass(frozen=True, slots=True)
class KaitoAnswer:
    """What KAITO answered.

    Attributes:
        fits_one_node: whether one node was enough.
        nodes: the fewest nodes; None when refused.
        gpus: the fewest GPUs; None when the rule came to none.
        reason: the refusal or `ok`.
        tensor, data, pipeline: parallelism, which only the rule of v0.12 states.
    """

    fits_one_node: bool
    nodes: int | None
    gpus: int | None
    reason: str
    tensor: int | None = None
    data: int | None = None
    pipeline: int | None = None


def webhook_rule(need: WebhookNeed, size_name: str, size: NodeSize | None) -> KaitoAnswer:
    """The admission check of v0.3.2 to v0.6.2: GPUs, memory per GPU and memory in all, each on its own.

    Args:
        need: what the preset asks for.
        size_name: the size as written; a name of the N or D series that is in no table passes unchecked.
        size: its row of the table; None when there is none.
    """
    if size is None:
        if not size_name.lower().startswith(_UNCHECKED_PREFIXES):
            return _refused("unknown size: refused")
        why = "unknown N-series size: accepted without resource checks"
        return KaitoAnswer(fits_one_node=True, nodes=1, gpus=None, reason=why)
    per_gpu = math.floor(size.total_gib / Fraction(size.gpus))
    if per_gpu < need.per_gpu_gib:
        why = f"per-GPU memory {per_gpu}Gi < {need.per_gpu_gib}Gi"
        return KaitoAnswer(fits_one_node=False, nodes=None, gpus=need.gpus, reason=why)
    nodes = max(math.ceil(Fraction(need.gpus, size.gpus)), math.ceil(need.total_gib / size.total_gib))
    if nodes <= 1:
        return KaitoAnswer(fits_one_node=True, nodes=1, gpus=need.gpus, reason="ok")
    why = "; ".join(_webhook_shortfalls(need, size, nodes))
    return KaitoAnswer(fits_one_node=False, nodes=nodes if need.distributed else None, gpus=need.gpus, reason=why)


def _webhook_shortfalls(need: WebhookNeed, size: NodeSize, nodes: int) -> list[str]:
    found = []
    if size.gpus < need.gpus:
        found.append(f"GPU count {size.gpus} < {need.gpus}")
    if size.total_gib < need.total_gib:
        found.append(f"total memory {size.total_gib}Gi < {need.total_gib}Gi")
    if not need.distributed:
        found.append(f"admission would pass at count {nodes} but the preset is not distributed")
    return found


def estimator_v10(need: EstimatorNeed, size: NodeSize | None, *, context: int = DEFAULT_CONTEXT) -> KaitoAnswer:
    """The node estimator of v0.7.0 to v0.10.0.

    Args:
        need: the preset.
        size: the row of the size; None when the table has none.
        context: tokens of context to hold.
    """
    if size is None:
        return _refused("sku not in the v0.10 table")
    if not need.tensor_parallel:
        weights, room = _weights(need), _room(need, size, context)
        if weights > room:
            return _refused("tp-disabled: model and overhead exceed one GPU")
    gpus = _gpus(need, size, context, share=1.0)
    if gpus is None:
        return _refused("context and overhead exceed one GPU")
    nodes = math.ceil(gpus / size.gpus)
    if nodes > 1 and not need.distributed:
        return KaitoAnswer(
            fits_one_node=False, nodes=None, gpus=gpus, reason=f"needs {gpus} GPUs but the preset is not distributed"
        )
    return KaitoAnswer(fits_one_node=nodes == 1, nodes=nodes, gpus=gpus, reason=_needs(gpus, nodes))


def estimator_v12(need: EstimatorNeed, size: NodeSize | None, *, context: int = DEFAULT_CONTEXT) -> KaitoAnswer:
    """The node estimator of v0.11.0 and v0.12.0, with the parallelism v0.12.0 starts vLLM with.

    Args:
        need: the preset; every one counts as distributed and tensor parallel.
        size: the row of the size; None when the table has none.
        context: tokens of context to hold.
    """
    if size is None:
        return _refused("sku not in the v0.12 table (CUDA capability < 8.0 dropped)")
    gpus = _gpus(need, size, context, share=_OVERHEAD_SHARE)
    if gpus is None:
        return _refused("context and overhead exceed one GPU")
    nodes = math.ceil(gpus / size.gpus)
    copies = nodes == 1 and size.gpus > 1 and need.weights_gib * size.gpus * 2 < size.total_gib
    return KaitoAnswer(
        fits_one_node=nodes == 1,
        nodes=nodes,
        gpus=gpus,
        reason=_needs(gpus, nodes),
        tensor=1 if copies else size.gpus,
        data=size.gpus if copies else 1,
        pipeline=nodes,
    )


def _weights(need: EstimatorNeed) -> float:
    return need.weights_gib * _GIB * _WEIGHT_EXPANSION


def _room(need: EstimatorNeed, size: NodeSize, context: int) -> float:
    reserve = _OVERHEAD_GIB * _GIB + context * need.kv_bytes_per_token / size.gpus
    return size.bytes_per_gpu * _UTILISATION - reserve


def _gpus(need: EstimatorNeed, size: NodeSize, context: int, *, share: float) -> int | None:
    room = _room(need, size, context) / share
    # One more than the whole part, also where nothing remains: KAITO asks for a GPU too many there.
    return math.floor(_weights(need) / room) + 1 if room > 0 else None


def _refused(reason: str) -> KaitoAnswer:
    return KaitoAnswer(fits_one_node=False, nodes=None, gpus=None, reason=reason)


def _needs(gpus: int, nodes: int) -> str:
    return "ok" if nodes == 1 else f"needs {gpus} GPUs"
