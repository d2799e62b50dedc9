"""Where KAITO's rules of size and ours give different answers, and the smallest set of corrections that explains it."""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any, Final, TypeAlias

from controller.catalog import Catalog, Cloud, Preset, Sku
from controller.planning.admission.kaito_rules import (
    EstimatorNeed,
    KaitoAnswer,
    KaitoRule,
    NodeSize,
    WebhookNeed,
    estimator_v10,
    estimator_v12,
    webhook_rule,
)
from controller.planning.sizing import DEFAULT_CONTEXT, SERVE, Layout, fit, runs_on
from controller.planning.sizing.machine import machine_of
from controller.planning.sizing.network import cache_bytes
from controller.planning.sizing.terms import BYTES_PER_GIB
from controller.planning.sizing.use import Precision

INPUTS: Final = Path(__file__).parents[2] / "tests" / "golden" / "fit_matrix_inputs.json"
"""What each release of KAITO knew of its presets, and of the sizes of the fit matrix."""

SIZES: Final = Path(__file__).with_name("kaito_sizes.json")
"""The Azure sizes of each release, with GPUs and their memory together in GiB. Source: kaito-project/kaito."""

NO_SIZE: Final = "size"
NO_CODE: Final = "image"
WHOLE: Final = "whole"
PIECES: Final = "pieces"
LAYOUT: Final = "layout"

WHY: Final[Mapping[str, str]] = {
    "weights": "KAITO counts every file of the repository, some of which hold the same weights twice",
    "cache": "KAITO counts every layer as full attention",
    "memory": "KAITO takes the nominal memory for what a program can use",
    "share": "KAITO sets aside another 5 % of the weights",
    "stated": "KAITO compares a stated figure per model, not a sum",
    "per-gpu": "KAITO asks for a stated memory of each GPU, however many share the model",
    "gpus": "KAITO asks for a stated number of GPUs, whatever their size",
    "split": "KAITO's table says that the model cannot be split over GPUs or nodes",
    NO_SIZE: "The size is not in KAITO's table, so KAITO does not judge it",
    NO_CODE: "No image of the preset has code for the GPU",
    WHOLE: "The server that runs the preset on this GPU splits it over no more GPUs or nodes than that",
    PIECES: "The weights in the preset's image are cut for a number of GPUs, and each has to be there",
    LAYOUT: (
        "Layers and heads are dealt out whole here, the latent cache of MLA is held by every rank and the runtime by "
        "every GPU; KAITO divides by any number of GPUs"
    ),
}
"""Reasons by their keys, in the order in which they are tried."""

_CORRECTIONS: Final[Mapping[KaitoRule, tuple[str, ...]]] = {
    KaitoRule.ESTIMATOR_V12: ("weights", "cache", "memory", "share"),
    KaitoRule.ESTIMATOR_V10: ("weights", "cache", "memory", "split"),
    KaitoRule.WEBHOOK: ("stated", "per-gpu", "gpus", "memory", "split"),
}

_Facts: TypeAlias = list[Any]
_Rule: TypeAlias = Callable[[Preset, Sku, NodeSize | None, _Facts, Collection[str]], KaitoAnswer]


@dataclass(frozen=True, slots=True)
class Difference:
    """One pair with both answers, as numbers of nodes; None where no number will do.

    Attributes:
        preset, sku: the pair.
        kaito, ours: the answers.
        sized: whether KAITO's table has the size.
        doubtful: whether admission lets the pair through with a warning, since only upper bounds speak against it.
        reasons: keys of `WHY` that explain it together; empty where the answers are the same.
    """

    preset: str
    sku: str
    kaito: int | None
    ours: int | None
    sized: bool
    doubtful: bool
    reasons: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Whether the answers are not the same."""
        return self.kaito != self.ours


def differences(catalog: Catalog, rule: KaitoRule) -> Iterator[Difference]:
    """Both answers of a rule of KAITO's for each preset it knew on each Azure size that has a GPU."""
    sizes = sizes_of(rule)
    for name, facts in _given(rule)["presets"].items():
        preset = catalog.preset(name)
        assert preset is not None, f"{name} is not in the catalogue"
        for sku in catalog.listing(Cloud.AZURE):
            if sku.gpu_count and not sku.alias_of:
                yield _difference(rule, preset, sku, sizes.get(sku.name), facts)


@cache
def sizes_of(rule: KaitoRule) -> Mapping[str, NodeSize]:
    """The Azure sizes a release of KAITO knew."""
    return {name: NodeSize(*row) for name, row in json.loads(SIZES.read_text(encoding="utf-8"))[rule].items()}


def _difference(rule: KaitoRule, preset: Preset, sku: Sku, size: NodeSize | None, facts: _Facts) -> Difference:
    answer = _RULES[rule](preset, sku, size, facts, ())
    usable = runs_on(preset, sku)
    verdict = fit(preset, sku)
    ours = verdict.min_nodes if usable else None
    if answer.nodes == ours:
        reasons: tuple[str, ...] = ()
    elif not usable:
        reasons = (NO_CODE,)
    elif size is None:
        reasons = (NO_SIZE,)
    else:
        reasons = _reasons(rule, preset, sku, size, facts, ours)
    doubtful = usable and ours is None and not verdict.certain
    return Difference(preset.name, sku.name, answer.nodes, ours, size is not None, doubtful, reasons)


def _reasons(
    rule: KaitoRule, preset: Preset, sku: Sku, size: NodeSize, facts: _Facts, ours: int | None
) -> tuple[str, ...]:
    """The smallest set of corrections after which KAITO's rule gives our answer."""
    for number in range(1, len(_CORRECTIONS[rule]) + 1):
        for corrections in combinations(_CORRECTIONS[rule], number):
            if _RULES[rule](preset, sku, size, facts, corrections).nodes == ours:
                return corrections
    machine = machine_of(preset, sku, SERVE)
    if machine.pieces is not None:
        return (PIECES,)
    return (WHOLE,) if ours is None and not machine.spreads else (LAYOUT,)


def _by_webhook(
    preset: Preset, sku: Sku, size: NodeSize | None, facts: _Facts, corrections: Collection[str]
) -> KaitoAnswer:
    gpus, total, per_gpu, distributed = facts
    need = WebhookNeed(gpus, Fraction(total), Fraction(per_gpu), distributed)
    if "stated" in corrections:
        need = replace(need, total_gib=_sum(preset, sku))
    if "per-gpu" in corrections:
        need = replace(need, per_gpu_gib=Fraction(0))
    if "gpus" in corrections:
        need = replace(need, gpus=1)
    if "split" in corrections:
        need = replace(need, distributed=True)
    return webhook_rule(need, sku.name, _usable(sku, size, corrections))


def _by_estimator_v10(
    preset: Preset, sku: Sku, size: NodeSize | None, facts: _Facts, corrections: Collection[str]
) -> KaitoAnswer:
    weights, kv_bytes, distributed, whole = facts
    need = _estimated(preset, float(weights), kv_bytes, corrections)
    can_split = "split" in corrections
    need = replace(need, distributed=can_split or distributed, tensor_parallel=can_split or not whole)
    return estimator_v10(need, _usable(sku, size, corrections))


def _by_estimator_v12(
    preset: Preset, sku: Sku, size: NodeSize | None, facts: _Facts, corrections: Collection[str]
) -> KaitoAnswer:
    need = _estimated(preset, float(facts[0]), facts[1], corrections)
    return estimator_v12(need, _usable(sku, size, corrections))


def _estimated(preset: Preset, weights: float, kv_bytes: int, corrections: Collection[str]) -> EstimatorNeed:
    if "weights" in corrections:
        weights = preset.weights_gib
    if "share" in corrections:
        # Dividing the weights is the same as not dividing the room they have to fit in.
        weights /= 1.05
    if "cache" in corrections:
        kv_bytes = cache_bytes(preset, DEFAULT_CONTEXT, Precision.FLOAT16) // DEFAULT_CONTEXT
    return EstimatorNeed(weights, kv_bytes)


def _usable(sku: Sku, size: NodeSize | None, corrections: Collection[str]) -> NodeSize | None:
    usable = sku.gpu_memory_usable_gib
    if size is None or usable is None or "memory" not in corrections:
        return size
    return NodeSize(size.gpus, Fraction(usable) * size.gpus)


def _sum(preset: Preset, sku: Sku) -> Fraction:
    """Memory of a single GPU into which our own sum just fits, in GiB."""
    found = fit(preset, sku)
    return Fraction(found.load.total_on_each(Layout()) * 100, found.percent * BYTES_PER_GIB)


_RULES: Final[Mapping[KaitoRule, _Rule]] = {
    KaitoRule.WEBHOOK: _by_webhook,
    KaitoRule.ESTIMATOR_V10: _by_estimator_v10,
    KaitoRule.ESTIMATOR_V12: _by_estimator_v12,
}


@cache
def _given(rule: KaitoRule) -> dict[str, dict[str, Any]]:
    given: dict[str, dict[str, Any]] = json.loads(INPUTS.read_text(encoding="utf-8"))["rules"][rule]
    return given
