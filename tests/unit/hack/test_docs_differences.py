"""Every difference of size to KAITO is on the page, each with a reason that holds."""

import json
from collections import Counter
from fractions import Fraction

import pytest

from controller.catalog import load_catalog
from controller.planning.admission.kaito_rules import KaitoRule
from controller.planning.sizing import fit
from hack.docs.differences import INPUTS, WHY, Difference, differences, sizes_of
from hack.docs.differences_page import differences_page

CATALOG = load_catalog()
FOUND: dict[KaitoRule, list[Difference]] = {rule: list(differences(CATALOG, rule)) for rule in KaitoRule}
PAGE = differences_page()
EACH_RULE = pytest.mark.parametrize("rule", list(KaitoRule))


@EACH_RULE
def test_every_pair_is_compared_once_and_the_matrix_is_among_them(rule: KaitoRule) -> None:
    golden = json.loads((INPUTS.parent / "fit_matrix.json").read_text())["rules"][rule]
    counts = Counter((each.preset, each.sku) for each in FOUND[rule])
    assert set(counts.values()) == {1}
    assert counts.keys() >= {(preset, size) for preset in golden["presets"] for size in golden["sizes"]}


@EACH_RULE
def test_kaitos_answer_is_the_one_of_the_matrix(rule: KaitoRule) -> None:
    golden = json.loads((INPUTS.parent / "fit_matrix.json").read_text())["rules"][rule]
    for each in FOUND[rule]:
        if each.sku in golden["sizes"]:
            nodes = golden["presets"][each.preset][golden["sizes"].index(each.sku)].split()[1]
            assert nodes == ("-" if each.kaito is None else str(each.kaito)), each


@EACH_RULE
def test_the_table_of_sizes_holds_what_the_matrix_was_made_with(rule: KaitoRule) -> None:
    given = json.loads(INPUTS.read_text())["rules"][rule]["sizes"]
    known = {name: [size.gpus, Fraction(size.total_gib)] for name, size in sizes_of(rule).items()}
    assert {name: known[name] for name in given} == given


@EACH_RULE
def test_a_difference_has_reasons_and_nothing_else_has(rule: KaitoRule) -> None:
    for each in FOUND[rule]:
        assert bool(each.reasons) is each.differs, each
        assert set(each.reasons) <= WHY.keys(), each


def _ours(each: Difference) -> str:
    return "doubtful" if each.doubtful else _nodes(each.ours)


def test_every_difference_is_on_the_page_under_its_reason() -> None:
    parts = PAGE.split("\n### ")
    for rule, title in (
        (KaitoRule.ESTIMATOR_V12, "The estimator of v0.11"),
        (KaitoRule.ESTIMATOR_V10, "The estimator of v0.7"),
        (KaitoRule.WEBHOOK, "The admission check"),
    ):
        part = next(each for each in parts if each.startswith(title))
        sections = dict(each.split(".**\n\n", 1) for each in part.split("\n**")[1:])
        shown = {(why, *pair) for why, text in sections.items() for pair in _pairs(text)}
        expected = {
            ("; ".join(WHY[key] for key in each.reasons), each.preset, each.sku, _nodes(each.kaito), _ours(each))
            for each in FOUND[rule]
            if each.differs
        }
        assert shown == expected


def _pairs(text: str) -> list[tuple[str, str, str, str]]:
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")][2:]
    return [
        (preset, f"Standard_{size}", kaito, ours)
        for presets, sizes, kaito, ours in rows
        for preset in presets.split(", ")
        for size in sizes.split(", ")
    ]


def _nodes(number: int | None) -> str:
    return "no" if number is None else str(number)


def test_a_reason_of_doubled_weights_is_given_only_where_weights_are_doubled() -> None:
    facts = json.loads(INPUTS.read_text())["rules"][KaitoRule.ESTIMATOR_V12]["presets"]
    blamed = {each.preset for each in FOUND[KaitoRule.ESTIMATOR_V12] if "weights" in each.reasons}
    doubled = {
        name for name, (weights, _) in facts.items() if float(weights) > 1.9 * CATALOG.presets[name.lower()].weights_gib
    }
    assert blamed == doubled == {"gpt-oss-20b", "gpt-oss-120b"}


@EACH_RULE
def test_our_side_is_the_verdict_of_the_planner(rule: KaitoRule) -> None:
    for each in FOUND[rule]:
        if each.ours is not None:
            preset, sku = CATALOG.preset(each.preset), CATALOG.sku(each.sku)
            assert preset is not None
            assert sku is not None
            assert fit(preset, sku, nodes=each.ours).fits
