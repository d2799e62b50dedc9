"""The page on sizing is current, whole, and every difference to KAITO on it has a reason that holds."""

import json
from collections import Counter

from controller.catalog import load_catalog
from controller.planning.sizing import fit
from hack.docs.pages import REPOSITORY
from hack.docs.sizing_page import INPUTS, differences, sizing_page

CATALOG = load_catalog()
FOUND = list(differences(CATALOG))


def test_the_page_is_current() -> None:
    written = (REPOSITORY / "docs/reference/sizing.md").read_text(encoding="utf-8")
    assert written == sizing_page(), "run python -m hack.docs"


def test_every_pair_of_the_matrix_is_compared_once() -> None:
    golden = json.loads((INPUTS.parent / "fit_matrix.json").read_text())["rules"]["estimator-v0.12"]
    theirs = Counter((preset, size) for preset in golden["presets"] for size in golden["sizes"])
    assert Counter((each.preset, each.sku) for each in FOUND) == theirs


def test_kaitos_answer_is_the_one_of_the_matrix() -> None:
    golden = json.loads((INPUTS.parent / "fit_matrix.json").read_text())["rules"]["estimator-v0.12"]
    for each in FOUND:
        nodes = golden["presets"][each.preset][golden["sizes"].index(each.sku)].split()[1]
        assert nodes == ("-" if each.kaito is None else str(each.kaito)), each


def test_every_difference_is_on_the_page_with_its_reason() -> None:
    page = sizing_page()
    for each in FOUND:
        if each.kaito != each.ours:
            section = page.partition(f"\n{each.reason}.\n")[2].partition("\n### ")[0]
            rows = [line for line in section.splitlines() if line.startswith(f"| {each.preset} |")]
            assert any(each.sku.removeprefix("Standard_") in row for row in rows), each


def test_a_reason_of_doubled_weights_is_given_only_where_weights_are_doubled() -> None:
    facts = json.loads(INPUTS.read_text())["rules"]["estimator-v0.12"]["presets"]
    blamed = {each.preset for each in FOUND if each.kaito != each.ours and "same weights twice" in each.reason}
    doubled = {
        name for name, (weights, _) in facts.items() if float(weights) > 1.9 * CATALOG.presets[name.lower()].weights_gib
    }
    assert blamed == doubled == {"gpt-oss-20b", "gpt-oss-120b"}


def test_our_side_is_the_verdict_of_the_planner() -> None:
    for each in FOUND:
        if each.ours is not None:
            preset, sku = CATALOG.preset(each.preset), CATALOG.sku(each.sku)
            assert preset is not None
            assert sku is not None
            assert fit(preset, sku, nodes=each.ours).fits
