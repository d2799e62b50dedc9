"""The page on sizing: how the sum is made, and where its verdict differs from that of KAITO v0.12, with the reason."""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from pathlib import Path
from typing import Final

from controller.catalog import Catalog, Preset, Sku, load_catalog
from controller.planning.kaito_rules import EstimatorNeed, KaitoAnswer, KaitoRule, NodeSize, estimator_v12
from controller.planning.sizing import DEFAULT_CONTEXT, TuningMethod, TuningUse, Use, fit, runs_on
from controller.planning.sizing.network import cache_bytes
from controller.planning.sizing.use import Precision
from hack.docs.markdown import page, table

INPUTS: Final = Path(__file__).parents[2] / "tests" / "golden" / "fit_matrix_inputs.json"
"""What KAITO v0.12 was given: its figures of presets and its table of sizes."""

_INTRO: Final = """# Does it fit

Memory of the fullest GPU decides: its part of the weights and of the KV cache, adapters, and what the runtime takes,
against the usable memory and the share of it the program is given. Everything is counted in whole bytes. Weights are
split over tensor ranks and pipeline stages, the KV cache over stages and as far as there are KV heads over ranks; the
latent cache of MLA is held by every rank. Layers and heads are not divisible, so the largest part counts.

Where a fact is unknown the figure is an upper bound: a model refused by that alone is let through with a warning."""

_DIFFERENCES: Final = """## Where the verdict differs from KAITO v0.12

Every preset of its catalogue on every size of the fit matrix, served with the default context of {context} tokens.
Of {pairs} pairs, {different} get another number of nodes. Each pair stands under the smallest set of differences that
turns KAITO's answer into ours. “no” means that no number of nodes will do."""

_WHY: Final = {
    "weights": "KAITO counts every file of the repository, some of which hold the same weights twice",
    "cache": "KAITO counts every layer as full attention",
    "memory": "KAITO takes the nominal memory for what a program can use",
    "share": "KAITO sets aside another 5 % of the weights",
}

_TABLE: Final = "The size is not in KAITO's table, which drops CUDA capabilities below 8.0; KAITO cannot size it"
_IMAGE: Final = "The preset's image has no code for the GPU"
_LAYOUT: Final = (
    "KAITO divides weights and cache by any number of GPUs, shares the cache by the GPUs of a node even where each "
    "rank holds all of it, and asks for one GPU more than a whole quotient; layers and heads are dealt out whole here"
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One pair with two answers, as numbers of nodes; None where no number will do."""

    preset: str
    sku: str
    kaito: int | None
    ours: int | None
    reason: str


def sizing_page() -> str:
    """The whole page."""
    catalog = load_catalog()
    found = list(differences(catalog))
    by_reason: dict[str, list[Difference]] = defaultdict(list)
    for difference in (each for each in found if each.kaito != each.ours):
        by_reason[difference.reason].append(difference)
    total = sum(map(len, by_reason.values()))
    heading = _DIFFERENCES.format(context=DEFAULT_CONTEXT, pairs=len(found), different=total)
    sections = (_section(reason, rows) for reason, rows in sorted(by_reason.items(), key=lambda item: len(item[1])))
    return page(_INTRO, _example(catalog), heading, *sections)


def differences(catalog: Catalog) -> Iterator[Difference]:
    """Both answers for every pair of the matrix of KAITO v0.12, and why they differ where they do."""
    given = json.loads(INPUTS.read_text())["rules"]
    facts, table_of_sizes = given[KaitoRule.ESTIMATOR_V12]["presets"], given[KaitoRule.ESTIMATOR_V12]["sizes"]
    names = dict.fromkeys(name for rule in given.values() for name in (*rule["sizes"], *table_of_sizes))
    for model_name, (weights, kv_bytes) in facts.items():
        preset = catalog.preset(model_name)
        for size_name in names:
            sku = catalog.sku(size_name)
            if preset is not None and sku is not None:
                need = EstimatorNeed(float(weights), kv_bytes)
                size = NodeSize(*table_of_sizes[size_name]) if size_name in table_of_sizes else None
                yield _difference(preset, sku, need, size)


def _difference(preset: Preset, sku: Sku, need: EstimatorNeed, size: NodeSize | None) -> Difference:
    theirs = estimator_v12(need, size).nodes
    usable = runs_on(preset, sku)
    ours = fit(preset, sku).min_nodes if usable else None
    if size is None:
        reason = _TABLE
    elif not usable:
        reason = _IMAGE
    else:
        reason = _reason(preset, sku, need, size, ours)
    return Difference(preset.name, sku.name, theirs, ours, reason)


def _reason(preset: Preset, sku: Sku, need: EstimatorNeed, size: NodeSize, ours: int | None) -> str:
    """The smallest set of corrections after which KAITO's rule gives our answer."""
    for number in range(1, len(_WHY) + 1):
        for corrections in combinations(_WHY, number):
            if _corrected(preset, sku, need, size, frozenset(corrections)).nodes == ours:
                return "; ".join(_WHY[correction] for correction in corrections)
    return _LAYOUT


def _corrected(
    preset: Preset, sku: Sku, need: EstimatorNeed, size: NodeSize, corrections: frozenset[str]
) -> KaitoAnswer:
    weights = preset.weights_gib if "weights" in corrections else need.weights_gib
    if "share" in corrections:
        # Dividing the weights is the same as not dividing the room they have to fit in.
        weights /= 1.05
    kv_bytes = need.kv_bytes_per_token
    if "cache" in corrections:
        kv_bytes = cache_bytes(preset, DEFAULT_CONTEXT, Precision.FLOAT16) // DEFAULT_CONTEXT
    usable = sku.gpu_memory_usable_gib
    if "memory" in corrections and usable is not None:
        size = NodeSize(size.gpus, Fraction(usable) * size.gpus)
    return estimator_v12(EstimatorNeed(weights, kv_bytes), size)


def _section(reason: str, rows: list[Difference]) -> str:
    """The pairs of one reason, those of a preset with the same two answers in one line."""
    lines: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    for row in rows:
        lines[row.preset, _nodes(row.kaito), _nodes(row.ours)].append(row.sku.removeprefix("Standard_"))
    body = ((preset, ", ".join(sizes), theirs, ours) for (preset, theirs, ours), sizes in lines.items())
    heading = f"### {len(rows)} pairs" if len(rows) > 1 else "### 1 pair"
    return "\n\n".join((heading, f"{reason}.", table(("preset", "sizes (Standard_…)", "KAITO", "here"), body)))


def _nodes(number: int | None) -> str:
    return "no" if number is None else str(number)


def _example(catalog: Catalog) -> str:
    preset, sku = catalog.preset("phi-3-mini-4k-instruct"), catalog.sku("Standard_NC6s_v3")
    if preset is None or sku is None:
        return ""
    uses = (Use(), Use(tuning=TuningUse(TuningMethod.QLORA)))
    sums = (f"```text\n{fit(preset, sku, use).explain()}\n```" for use in uses)
    return "\n\n".join(("## Two sums: served, and tuned with QLoRA", *sums))
