"""Whether a Workspace can run, and whether it may change the way somebody changes it.

The same rules answer at admission and in the controller, which looks again at what came in while the webhook was away.
"""

from collections.abc import Iterator
from itertools import chain, islice
from typing import Final

from controller.api.json import Json, is_deleting
from controller.api.reasons import Reason
from controller.api.workspace import Workspace, parse_workspace
from controller.planning.admission import (
    adapter_rules,
    allowed_rules,
    annotation_rules,
    change_rules,
    config_rules,
    count_rules,
    data_rules,
    existing_node_rules,
    fit_rules,
    node_rules,
    partition_rules,
    preset_rules,
    rules,
    source_rules,
    template_pod_rules,
    template_rules,
    tuning_rules,
)
from controller.planning.admission.findings import Finding, Findings, Rule, Subject, Trigger, collect
from controller.planning.admission.shape import shape_problems, type_problems
from controller.planning.bypass import SIZE_REASONS, bypass
from controller.planning.site import Site

__all__ = ["RULES", "Findings", "validate", "validate_stored", "validate_update"]

RULES: Final[tuple[Rule, ...]] = (
    *change_rules.RULES,
    *rules.RULES,
    *annotation_rules.RULES,
    *preset_rules.RULES,
    *tuning_rules.RULES,
    *adapter_rules.RULES,
    *template_rules.RULES,
    *template_pod_rules.RULES,
    *data_rules.RULES,
    *config_rules.RULES,
    *count_rules.RULES,
    *node_rules.RULES,
    *allowed_rules.RULES,
    *source_rules.RULES,
    *partition_rules.RULES,
    *fit_rules.RULES,
    *existing_node_rules.RULES,
)
"""The table of all rules, in the order in which their findings are shown."""

_TOLERATED: Final = 1000
"""Findings of a stored object that are remembered; the limits of the CRD keep it far below."""


def validate(obj: Json, site: Site) -> Findings:
    """Everything wrong with a new Workspace, and everything its author should know.

    Total: any decoded JSON gets an answer, nothing is raised.

    Args:
        obj: the manifest, defaults filled in.
        site: the installation it is judged for.
    """
    return collect(_examine(obj, site, Trigger.CREATE))


def validate_stored(obj: Json, site: Site) -> Findings:
    """What keeps a stored Workspace from running, whatever becomes of the cluster around it.

    Rules that belong to the moment of creation are not asked again: the nodes that match come and go, and what an
    update let pass is no reason to stop.
    """
    return collect(_examine(obj, site, Trigger.ALWAYS))


def validate_update(old: Json, new: Json, site: Site) -> Findings:
    """What is wrong with a change.

    What was there before is tolerated: only problems and warnings the change brings are told, so that an object that
    became invalid under newer rules can still be edited elsewhere. An object on its way out may change in any way.
    """
    if is_deleting(new):
        return Findings()
    stored = None if type_problems(old) else parse_workspace(old)
    before = frozenset(islice(_examine(old, site, Trigger.UPDATE, stored), _TOLERATED))
    fresh = (finding for finding in _examine(new, site, Trigger.UPDATE, stored) if finding not in before)
    return collect(_once(fresh))


def _examine(obj: Json, site: Site, event: Trigger, old: Workspace | None = None) -> Iterator[Finding]:
    wrong = shape_problems(obj)
    first = next(wrong, None)
    if first is not None:
        return chain((first,), wrong)
    workspace = parse_workspace(obj)
    subject = Subject(workspace, obj, site.sourced(workspace.node_source), old)
    asked = (rule for rule in RULES if rule.trigger in (Trigger.ALWAYS, event))
    return bypass(chain.from_iterable(rule.check(subject) for rule in asked), subject.workspace)


def _once(findings: Iterator[Finding]) -> Iterator[Finding]:
    """Of what must not change only that is told, not what else is wrong with its new value or what that would need."""
    fixed: set[str] = set()
    for finding in findings:
        if isinstance(finding, str):
            yield finding
        elif finding.reason is Reason.FIELD_IMMUTABLE:
            fixed.add(finding.field)
            yield finding
        elif finding.field not in fixed and not (fixed and finding.reason in SIZE_REASONS):
            yield finding
