"""KAITO's rules give KAITO's answers: every row of the fit matrix, and the estimator's published examples."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

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

GOLDEN = Path(__file__).parents[3] / "golden"
MATRIX = json.loads((GOLDEN / "fit_matrix.json").read_text())["rules"]
INPUTS = json.loads((GOLDEN / "fit_matrix_inputs.json").read_text())["rules"]


def by_webhook(facts: list[Any], name: str, size: NodeSize | None) -> KaitoAnswer:
    gpus, total, per_gpu, distributed = facts
    return webhook_rule(WebhookNeed(gpus, Fraction(total), Fraction(per_gpu), distributed), name, size)


def by_estimator_v10(facts: list[Any], _: str, size: NodeSize | None) -> KaitoAnswer:
    weights, kv_bytes, distributed, no_tensor_parallel = facts
    return estimator_v10(EstimatorNeed(float(weights), kv_bytes, distributed, not no_tensor_parallel), size)


def by_estimator_v12(facts: list[Any], _: str, size: NodeSize | None) -> KaitoAnswer:
    return estimator_v12(EstimatorNeed(float(facts[0]), facts[1]), size)


RULES: dict[KaitoRule, Callable[[list[Any], str, NodeSize | None], KaitoAnswer]] = {
    KaitoRule.WEBHOOK: by_webhook,
    KaitoRule.ESTIMATOR_V10: by_estimator_v10,
    KaitoRule.ESTIMATOR_V12: by_estimator_v12,
}


def cell(answer: KaitoAnswer, reasons: list[str]) -> str:
    """An answer in the words of the golden file; a reason it does not know stands for itself."""
    index = reasons.index(answer.reason) if answer.reason in reasons else answer.reason
    numbers = (answer.nodes, answer.gpus, answer.tensor, answer.data, answer.pipeline)
    shown = ("-" if number is None else str(number) for number in numbers)
    return " ".join(("yes" if answer.fits_one_node else "no", *shown, str(index)))


def size_of(rule: KaitoRule, name: str) -> NodeSize | None:
    row = INPUTS[rule]["sizes"].get(name)
    return NodeSize(*row) if row else None


ROWS = [(rule, preset) for rule in KaitoRule for preset in MATRIX[rule]["presets"]]


@pytest.mark.parametrize(("rule", "preset"), ROWS)
def test_a_row_of_the_fit_matrix_is_reproduced(rule: KaitoRule, preset: str) -> None:
    golden, facts = MATRIX[rule], INPUTS[rule]["presets"][preset]
    answers = {name: RULES[rule](facts, name, size_of(rule, name)) for name in golden["sizes"]}
    ours = {name: cell(answer, golden["reasons"]) for name, answer in answers.items()}
    assert ours == dict(zip(golden["sizes"], golden["presets"][preset], strict=True))


def test_the_matrix_is_whole() -> None:
    cells = [cell for rule in KaitoRule for row in MATRIX[rule]["presets"].values() for cell in row]
    assert len(cells) == 1484


PHI_4_MINI = EstimatorNeed(7.15, 131072)
LLAMA_70B = EstimatorNeed(131.42, 327680)
A10, TWO_A10 = NodeSize(1, 24), NodeSize(2, 48)
A100, FOUR_A100 = NodeSize(1, 80), NodeSize(4, 320)


@pytest.mark.parametrize(
    ("need", "size", "context", "nodes"),
    [
        (PHI_4_MINI, A10, 65536, 1),
        (PHI_4_MINI, A10, 131072, 5),
        (PHI_4_MINI, TWO_A10, 131072, 1),
        (EstimatorNeed(13.5, 131072), A10, 32768, 2),
        (EstimatorNeed(14.96, 131072), A10, 131072, 9),
        (LLAMA_70B, A100, 131072, 6),
        (LLAMA_70B, FOUR_A100, 131072, 1),
        (EstimatorNeed(62.5, 163840), A100, 2048, 2),
        (EstimatorNeed(7.12, 393216), A10, 131072, None),
    ],
)
def test_the_estimator_at_other_contexts(need: EstimatorNeed, size: NodeSize, context: int, nodes: int | None) -> None:
    assert estimator_v12(need, size, context=context).nodes == nodes


@pytest.mark.parametrize(("context", "nodes"), [(131072, 4), (10**6, None)])
def test_the_older_estimator_at_other_contexts(context: int, nodes: int | None) -> None:
    assert estimator_v10(PHI_4_MINI, A10, context=context).nodes == nodes


def test_a_size_in_no_table_passed_unchecked_by_its_first_letter_only() -> None:
    need = WebhookNeed(1, Fraction(9), Fraction(0), distributed=False)
    assert webhook_rule(need, "standard_ND1_of_tomorrow", None).fits_one_node
    assert webhook_rule(need, "Standard_E4s_v5", None) == KaitoAnswer(
        fits_one_node=False, nodes=None, gpus=None, reason="unknown size: refused"
    )
