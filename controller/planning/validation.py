"""Whether a Workspace can run, and whether it may change the way somebody changes it.

The same functions answer at admission and in the controller, which looks again at what came in while the webhook was
away.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any, Final

from controller.api.json import Json, is_deleting
from controller.api.labels import BYPASS_RESOURCE_CHECKS
from controller.api.messages import Problem, quote
from controller.api.reasons import Reason
from controller.api.workspace import PresetSpec, Workspace, parse_workspace
from controller.catalog import Catalog
from controller.planning import node_rules, rules
from controller.planning.findings import Finding, Findings, Subject, collect
from controller.planning.machines import selector_labels
from controller.planning.shape import type_problems

__all__ = ["Findings", "validate", "validate_update"]

PUBLIC: Final = "public"
"""The access mode that is meant where none is written."""

_RULES: Final = (*rules.RULES, *node_rules.RULES)

_NEW: Final = "make a new Workspace with the value you want and delete this one"


def validate(obj: Json, catalog: Catalog, *, auto_provision: bool = True) -> Findings:
    """Everything wrong with a Workspace, and everything its author should know.

    Total: any decoded JSON gets an answer, nothing is raised.

    Args:
        obj: the manifest, defaults filled in.
        catalog: models and sizes to judge it by.
        auto_provision: whether nodes are made for Workspaces; otherwise existing nodes are used.
    """
    wrong_types = type_problems(obj)
    if wrong_types:
        return Findings(wrong_types)
    subject = Subject(parse_workspace(obj), obj, catalog, auto_provision)
    found = chain.from_iterable(rule(subject) for rule in _RULES)
    return collect(_bypass(found) if BYPASS_RESOURCE_CHECKS in subject.workspace.annotations else found)


def validate_update(old: Json, new: Json, catalog: Catalog, *, auto_provision: bool = True) -> Findings:
    """What is wrong with a change.

    What was there before is tolerated: only problems and warnings the change brings are told, so that an object that
    became invalid under newer rules can still be edited elsewhere. An object on its way out may change in any way.
    """
    if is_deleting(new):
        return Findings()
    before = validate(old, catalog, auto_provision=auto_provision)
    after = validate(new, catalog, auto_provision=auto_provision)
    fresh = tuple(problem for problem in after.problems if problem not in before.problems)
    changed = tuple(_forbidden_changes(old, new))
    return Findings(
        problems=(*changed, *(problem for problem in fresh if not _told(problem, changed))),
        warnings=tuple(warning for warning in after.warnings if warning not in before.warnings),
    )


def _bypass(findings: Iterator[Finding]) -> Iterator[Finding]:
    for finding in findings:
        if isinstance(finding, Problem) and finding.reason in node_rules.SIZE_REASONS:
            yield f"accepted because {BYPASS_RESOURCE_CHECKS} is set: {finding.what} ({finding.reason})"
        else:
            yield finding


def _told(problem: Problem, changes: tuple[Problem, ...]) -> bool:
    return any(problem.field == change.field for change in changes)


def _comparable(preset: PresetSpec | None) -> PresetSpec | None:
    """The preset with the access mode that is meant where none is written."""
    return preset and replace(preset, access_mode=preset.access_mode or PUBLIC)


_IMMUTABLE: Final[tuple[tuple[str, Callable[[Workspace], Any], str], ...]] = (
    ("resource.count", lambda workspace: workspace.resource.count, "nodes were made by that number"),
    ("resource.instanceType", lambda workspace: workspace.resource.instance_type, "nodes of that size exist"),
    ("resource.labelSelector", selector_labels, "nodes were chosen and labelled by it"),
    ("inference", lambda workspace: workspace.inference is not None, "the Workspace was made for it"),
    ("tuning", lambda workspace: workspace.tuning is not None, "the Workspace was made for it"),
    (
        "inference.preset",
        lambda workspace: workspace.inference and _comparable(workspace.inference.preset),
        "nodes were sized for that model",
    ),
    (
        "inference.template",
        lambda workspace: bool(workspace.inference and workspace.inference.template is not None),
        "the Workspace was made for it",
    ),
)
"""Fields that stay as they are: path, what to compare, and why."""

_MAY_BE_SET_LATER: Final = frozenset({"resource.count", "resource.instanceType"})


def _forbidden_changes(old: Json, new: Json) -> Iterator[Problem]:
    if type_problems(old) or type_problems(new):
        return
    before, after = parse_workspace(old), parse_workspace(new)
    toggled = (before.inference is None) != (after.inference is None)
    for field, read, why in _IMMUTABLE:
        was, now = read(before), read(after)
        if _same(was, now) or (field in _MAY_BE_SET_LATER and not was) or (toggled and field.startswith("inference.")):
            continue
        yield Problem(Reason.FIELD_IMMUTABLE, field, _change(field, was, now), why, ("put the old value back", _NEW))


def _same(was: object, now: object) -> bool:
    # Of the fields compared, only the name of a size is text, and letter case means nothing in it.
    return was.lower() == now.lower() if isinstance(was, str) and isinstance(now, str) else was == now


def _change(field: str, was: object, now: object) -> str:
    if isinstance(was, bool):
        return f"{field} was {'removed' if was else 'added'}"
    if isinstance(was, (str, int)) and isinstance(now, (str, int)):
        return f"{field} changes from {quote(was)} to {quote(now)}"
    return f"{field} changes"
