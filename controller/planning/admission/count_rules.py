"""Rules about how many nodes there are."""

from collections.abc import Iterator
from typing import Final

from controller.api.messages import Problem
from controller.api.reasons import Reason
from controller.planning.admission.findings import Cel, Finding, Rule, Subject, Trigger
from controller.planning.admission.fit_rules import able
from controller.planning.admission.preset_rules import OLD_VERSION
from controller.planning.admission.proposals import proposals
from controller.planning.bypass import bypasses
from controller.planning.sizing import fit

MAX_COUNT: Final = 1000
"""The largest resource.count; the same limit stands in the CRD."""

_COUNT: Final = "resource.count"


def in_range(subject: Subject) -> Iterator[Finding]:
    """resource.count is a number of nodes."""
    wanted = subject.workspace.resource.count
    if wanted is not None and not 1 <= wanted <= MAX_COUNT:
        why, fixes = f"a Workspace has 1 to {MAX_COUNT} nodes", ("leave it out to have it computed", "set it to 1")
        yield Problem(Reason.COUNT_INVALID, _COUNT, f"{_COUNT} is {wanted}", why, fixes)


def one_to_tune(subject: Subject) -> Iterator[Finding]:
    """A training run has one node."""
    wanted = subject.workspace.resource.count
    if subject.workspace.tuning is not None and wanted is not None and 1 < wanted <= MAX_COUNT:
        what, why = f"{_COUNT} is {wanted}", "tuning runs on 1 node"
        yield Problem(Reason.COUNT_INVALID, _COUNT, what, why, ("set it to 1", "leave it out"))


def enough(subject: Subject) -> Iterator[Finding]:
    """What is written in v1alpha1 must be enough; v1beta1 deprecates the field, so there the need is used instead."""
    told = _too_few(subject)
    if told is not None:
        binding = subject.workspace.version == OLD_VERSION or bypasses(subject.workspace)
        yield told if binding else _raised(told)


def still_enough(subject: Subject) -> Iterator[Finding]:
    """The number is fixed once the Workspace exists; what grows beyond it gets the nodes it needs, in both versions."""
    told = _too_few(subject)
    if told is not None:
        yield told if bypasses(subject.workspace) else _raised(told)


def _too_few(subject: Subject) -> Problem | None:
    preset, sku, written = subject.preset, subject.sku, subject.workspace.resource.count
    if preset is None or sku is None or written is None or written < 1:
        return None
    if not able(subject) and not bypasses(subject.workspace):
        # The size itself is refused: a number for it would be bought of whatever size takes its place.
        return None
    verdict = fit(preset, sku, subject.use, nodes=written)
    if verdict.min_nodes is None or verdict.fits:
        return None
    what = f"{_COUNT} is {written} and {preset.name} takes {verdict.min_nodes} nodes of {sku.name}"
    why = f"on {'this many' if written > 1 else 'one'} it needs {verdict.need_text} and gets {verdict.offer_text}"
    fixes = (f"set it to {verdict.min_nodes}", "leave it out to have it computed", *proposals(subject)[:1])
    return Problem(Reason.COUNT_TOO_SMALL, _COUNT, what, why, fixes)


def _raised(told: Problem) -> str:
    return f"{told.what}: so many are used, status.targetNodeCount tells the number"


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "count-range",
        (_COUNT,),
        f"The number of nodes is 1 to {MAX_COUNT}.",
        (Reason.COUNT_INVALID,),
        in_range,
    ),
    Rule(
        "count-tuning",
        (_COUNT,),
        "Tuning runs on one node.",
        (Reason.COUNT_INVALID,),
        one_to_tune,
        cel=(
            Cel(
                "",
                "!has(self.tuning) || !has(self.resource) || !has(self.resource.count) || self.resource.count <= 1",
                f"resource.count must be 1, tuning runs on one node ({Reason.COUNT_INVALID})",
                ".resource.count",
            ),
        ),
    ),
    Rule(
        "count-enough",
        (_COUNT,),
        "A number of nodes too small for the model is refused in v1alpha1; in v1beta1, where the field is deprecated, "
        "it is kept as written and the number needed is used.",
        (Reason.COUNT_TOO_SMALL,),
        enough,
        Trigger.CREATE,
    ),
    Rule(
        "count-still-enough",
        (_COUNT,),
        "A change that makes the number of nodes too small is warned of, and the number needed is used.",
        (),
        still_enough,
        Trigger.UPDATE,
    ),
)
"""In the order in which their findings are shown."""
