"""The page of differences to KAITO: manifests that are answered otherwise, and models that are sized otherwise."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from controller.catalog import load_catalog
from controller.planning.admission.kaito_rules import KaitoRule
from controller.planning.sizing import DEFAULT_CONTEXT
from hack.docs.differences import WHY, Difference, differences
from hack.docs.markdown import page, table
from tests.reference import ROWS
from tests.reference.rows import Row, Where

_INTRO: Final = """# Differences from KAITO

Manifests written for KAITO apply unchanged. Where the answer is another one, it is listed here with its reason: first
the manifests KAITO v0.12 accepts or refuses and this project does not, then the models that get another number of
nodes. Both lists are made from the tests: a difference without a reason fails them."""

_MANIFESTS: Final = """## Manifests

{total} manifests whose answer by KAITO v0.12 is known are applied to a real API server
(`tests/cluster/test_reference_lists.py`); {same} get KAITO's answer. What is only worded otherwise is no difference: a
refusal here names the numbers, up to three ways out and a reason code."""

_SIZES: Final = """## Numbers of nodes

Every preset a release of KAITO knew, on each of the {sizes} Azure sizes with a GPU, served with the default context of
{context} tokens. The rules are KAITO's own, with its own figures, and reproduce its answers
(`tests/unit/planning/test_kaito_rules.py`). Each pair stands under the smallest set of corrections that turns KAITO's
answer into ours. “no” means that no number of nodes will do, or that nothing is said of any; “doubtful” that only
upper bounds speak against the size, which is admitted with a warning then."""

_RULES: Final = {
    KaitoRule.ESTIMATOR_V12: "### The estimator of v0.11 and v0.12",
    KaitoRule.ESTIMATOR_V10: "### The estimator of v0.7 to v0.10",
    KaitoRule.WEBHOOK: "### The admission check of v0.3",
}
_WHERE: Final = {Where.MACHINE: "", Where.EXISTING: " (existing nodes)", Where.AWS: " (on AWS)"}


def differences_page() -> str:
    """The text of docs/reference/differences-from-kaito.md."""
    catalog = load_catalog()
    found = {rule: list(differences(catalog, rule)) for rule in _RULES}
    sizes = len({each.sku for each in found[KaitoRule.ESTIMATOR_V12]})
    return page(
        _INTRO,
        _MANIFESTS.format(total=len(ROWS), same=sum(not row.differs for row in ROWS)),
        "### KAITO refuses, accepted here",
        _rows(row for row in ROWS if row.differs and row.accepted),
        "### KAITO accepts, refused here",
        _rows(row for row in ROWS if row.differs and not row.accepted),
        _SIZES.format(sizes=sizes, context=DEFAULT_CONTEXT),
        *(part for rule, pairs in found.items() for part in _rule(rule, pairs)),
    )


def _rows(rows: Iterable[Row]) -> str:
    cells = ((row.id, f"A Workspace that {row.does}{_WHERE[row.where]}", row.differs) for row in rows)
    return table(("row", "manifest", "why"), cells)


def _rule(rule: KaitoRule, pairs: Sequence[Difference]) -> list[str]:
    """The parts about one rule: counts by cause, then every pair in compact form."""
    by_reason: dict[tuple[str, ...], list[Difference]] = defaultdict(list)
    for pair in pairs:
        if pair.differs:
            by_reason[pair.reasons].append(pair)
    ordered = sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0]))
    counts = Counter({_why(reasons): len(found) for reasons, found in ordered})
    total = counts.total()
    return [
        f"{_RULES[rule]}\n\nOf {len(pairs):,} pairs, {total:,} get another answer.",
        table(("pairs", "cause"), ((f"{number:,}", why) for why, number in counts.most_common())),
        *(f"**{_why(reasons)}.**\n\n{_pairs(found)}" for reasons, found in ordered),
    ]


def _why(reasons: tuple[str, ...]) -> str:
    return "; ".join(WHY[reason] for reason in reasons)


def _pairs(found: Sequence[Difference]) -> str:
    """Pairs with the same two answers together; in each line, every preset belongs to every size."""
    by_answers: dict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for pair in found:
        ours = "doubtful" if pair.doubtful else _nodes(pair.ours)
        by_answers[_nodes(pair.kaito), ours].append((pair.preset, pair.sku.removeprefix("Standard_")))
    rows = (
        (", ".join(presets), ", ".join(sizes), *answers)
        for answers, pairs in sorted(by_answers.items(), key=lambda item: [_number(each) for each in item[0]])
        for presets, sizes in _blocks(pairs)
    )
    return table(("presets", "sizes (Standard_…)", "KAITO", "here"), rows)


def _blocks(pairs: Sequence[tuple[str, str]]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """The pairs as products of presets and sizes: by presets with the same sizes or the reverse, what is shorter."""
    by_sizes = _merged(pairs)
    by_presets = _merged([(size, preset) for preset, size in pairs])
    if len(by_sizes) <= len(by_presets):
        return by_sizes
    return [(presets, sizes) for sizes, presets in by_presets]


def _merged(pairs: Sequence[tuple[str, str]]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    seconds: dict[str, dict[str, None]] = defaultdict(dict)
    for first, second in pairs:
        seconds[first][second] = None
    firsts: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for first, found in seconds.items():
        firsts[tuple(found)].append(first)
    return [(tuple(names), found) for found, names in firsts.items()]


def _number(shown: str) -> int:
    return int(shown) if shown.isdigit() else 0


def _nodes(number: int | None) -> str:
    return "no" if number is None else str(number)
