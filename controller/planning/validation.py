"""Whether a Workspace can run, and whether it may change the way somebody changes it.

The same functions answer at admission and in the controller, which looks again at what came in while the webhook was
away.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from controller.api.json import Json, is_deleting
from controller.api.labels import BYPASS_RESOURCE_CHECKS
from controller.api.messages import Problem, quote
from controller.api.reasons import Reason
from controller.api.workspace import PresetSpec, Workspace, parse_workspace
from controller.catalog import Catalog
from controller.planning import node_rules, rules
from controller.planning.findings import Finding, Findings, Rule, Subject, Trigger, collect
from controller.planning.machines import selector_labels
from controller.planning.shape import shape_problems, type_problems
from controller.planning.site import Site

__all__ = ["RULES", "Findings", "validate", "validate_update"]

PUBLIC: Final = "public"
"""The access mode that is meant where none is written."""

RULES: Final[tuple[Rule, ...]] = (*rules.RULES, *node_rules.RULES)
"""The table of rules about what a Workspace is, in the order in which their findings are shown."""

_NO: Final = frozenset({"false", "no", "0", "off"})
"""Values with which the bypass annotation is not meant; KAITO bypasses whatever the value."""

_TOLERATED: Final = 1000
"""Findings of a stored object that are remembered; the limits of the CRD keep it far below."""

_NEW: Final = "make a new Workspace with the value you want and delete this one"


def validate(obj: Json, site: Site) -> Findings:
    """Everything wrong with a Workspace, and everything its author should know.

    Total: any decoded JSON gets an answer, nothing is raised.

    Args:
        obj: the manifest, defaults filled in.
        site: the installation it is judged for.
    """
    return collect(_examine(obj, site, Trigger.CREATE))


def validate_update(old: Json, new: Json, site: Site) -> Findings:
    """What is wrong with a change.

    What was there before is tolerated: only problems and warnings the change brings are told, so that an object that
    became invalid under newer rules can still be edited elsewhere. An object on its way out may change in any way.
    """
    if is_deleting(new):
        return Findings()
    before = frozenset(islice(_examine(old, site, Trigger.UPDATE), _TOLERATED))
    changes = tuple(_forbidden_changes(old, new, site.catalog))
    told = {change.field for change in changes}
    fresh = (finding for finding in _examine(new, site, Trigger.UPDATE) if finding not in before)
    return collect(chain(changes, (each for each in fresh if isinstance(each, str) or each.field not in told)))


def _examine(obj: Json, site: Site, event: Trigger) -> Iterator[Finding]:
    wrong = shape_problems(obj)
    first = next(wrong, None)
    if first is not None:
        return chain((first,), wrong)
    subject = Subject(parse_workspace(obj), obj, site)
    asked = (rule for rule in RULES if rule.trigger in (Trigger.ALWAYS, event))
    return _bypass(chain.from_iterable(rule.check(subject) for rule in asked), subject.workspace)


def _bypass(findings: Iterator[Finding], workspace: Workspace) -> Iterator[Finding]:
    value = workspace.annotations.get(BYPASS_RESOURCE_CHECKS)
    if value is None:
        yield from findings
        return
    if value.strip().lower() in _NO:
        yield f"{BYPASS_RESOURCE_CHECKS} is {quote(value)} and bypasses nothing here; in KAITO it does with any value"
        yield from findings
        return
    for finding in findings:
        if isinstance(finding, Problem) and finding.reason in node_rules.SIZE_REASONS:
            yield f"accepted because {BYPASS_RESOURCE_CHECKS} is set: {finding.what} ({finding.reason})"
        else:
            yield finding


@dataclass(frozen=True, slots=True)
class _Fixed:
    """A field that stays as it is.

    Attributes:
        field: its path.
        meaning: what to compare, so that another spelling of the same is no change.
        shown: the value in the user's words.
        why: what was made by it.
        settable: whether a value may be given where there was none.
    """

    field: str
    meaning: Callable[[Workspace, Catalog], object]
    shown: Callable[[Workspace], str]
    why: str
    settable: bool = False


_SIZED: Final = "nodes were sized for that model"
_MADE: Final = "the Workspace was made for it"


def _preset(workspace: Workspace) -> PresetSpec:
    return (workspace.inference and workspace.inference.preset) or PresetSpec("")


def _access(workspace: Workspace) -> str:
    return _preset(workspace).access_mode or PUBLIC


def _model(workspace: Workspace, catalog: Catalog) -> str:
    known = catalog.preset(_preset(workspace).name)
    return (known.name if known else _preset(workspace).name.strip()).lower()


def _size(workspace: Workspace, _: Catalog) -> str:
    return workspace.resource.instance_type.strip().lower()


def _labels(workspace: Workspace) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(selector_labels(workspace).items()))


_BLOCKS: Final[tuple[tuple[str, Callable[[Workspace], bool], str], ...]] = (
    ("inference", lambda workspace: workspace.inference is not None, _MADE),
    ("tuning", lambda workspace: workspace.tuning is not None, _MADE),
    ("inference.preset", lambda workspace: bool(workspace.inference and workspace.inference.preset), _SIZED),
    (
        "inference.template",
        lambda workspace: bool(workspace.inference and workspace.inference.template is not None),
        _MADE,
    ),
)
"""Blocks that neither come nor go: path, whether it is there, and why."""

_FIELDS: Final = (
    _Fixed(
        "resource.count",
        lambda workspace, _: workspace.resource.count,
        lambda workspace: "" if workspace.resource.count is None else str(workspace.resource.count),
        "nodes were made by that number",
        settable=True,
    ),
    _Fixed(
        "resource.instanceType",
        _size,
        lambda workspace: workspace.resource.instance_type,
        "nodes of that size exist",
        settable=True,
    ),
    _Fixed(
        "resource.labelSelector",
        lambda workspace, _: selector_labels(workspace),
        _labels,
        "nodes were chosen and labelled by it",
    ),
    _Fixed("inference.preset.name", _model, lambda workspace: _preset(workspace).name, _SIZED),
    _Fixed(
        "inference.preset.accessMode",
        lambda workspace, _: _access(workspace),
        _access,
        "whose image is run was decided by it",
    ),
)
"""Fields that keep their meaning. Image and Secrets of a preset are not among them: they may be renewed."""


def _forbidden_changes(old: Json, new: Json, catalog: Catalog) -> Iterator[Problem]:
    if type_problems(old) or type_problems(new):
        return
    before, after = parse_workspace(old), parse_workspace(new)
    moved: list[str] = []
    for field, present, why in _BLOCKS:
        was = present(before)
        if was != present(after) and not _within(field, moved):
            moved.append(field)
            yield _immutable(field, f"{field} was {'removed' if was else 'added'}", why)
    for each in _FIELDS:
        same = each.meaning(before, catalog) == each.meaning(after, catalog)
        if same or (each.settable and not each.shown(before)) or _within(each.field, moved):
            continue
        what = f"{each.field} changes from {quote(each.shown(before))} to {quote(each.shown(after))}"
        yield _immutable(each.field, what, each.why)


def _within(field: str, blocks: list[str]) -> bool:
    return any(field.startswith(f"{block}.") for block in blocks)


def _immutable(field: str, what: str, why: str) -> Problem:
    return Problem(Reason.FIELD_IMMUTABLE, field, what, why, ("put the old value back", _NEW))
