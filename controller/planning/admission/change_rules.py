"""Rules about changes: what a Workspace was made by stays as it is.

A change is judged by what it means: another spelling of the same is none, whichever version it is written in.
"""

from collections.abc import Callable
from typing import Final

from controller.api.labels import RESERVED_SELECTOR_KEYS
from controller.api.reasons import Reason
from controller.api.workspace import PresetSpec, TuningSpec, Workspace
from controller.catalog import Catalog
from controller.planning.admission.changes import NEW, Block, Fixed, kept, unchanged
from controller.planning.admission.findings import Cel, Check, Rule, Trigger
from controller.planning.admission.preset_rules import PUBLIC
from controller.planning.claims import selector_labels

_SIZED: Final = "nodes were sized for that model"
_MADE: Final = "the Workspace was made for it"
_WHOSE: Final = "whose image is run was decided by it"


def _inference_preset(workspace: Workspace) -> PresetSpec | None:
    return workspace.inference.preset if workspace.inference is not None else None


def _tuning_preset(workspace: Workspace) -> PresetSpec | None:
    return workspace.tuning.preset if workspace.tuning is not None else None


def _tuning(workspace: Workspace) -> TuningSpec:
    return workspace.tuning or TuningSpec()


def _has_inference(workspace: Workspace) -> bool:
    return workspace.inference is not None


def _has_tuning(workspace: Workspace) -> bool:
    return workspace.tuning is not None


def _model(name: str, catalog: Catalog) -> str:
    known = catalog.preset(name)
    return (known.name if known else name.strip()).lower()


def _count(workspace: Workspace) -> str:
    return "" if workspace.resource.count is None else str(workspace.resource.count)


def _size(workspace: Workspace) -> str:
    return workspace.resource.instance_type.strip().lower()


def _labels(workspace: Workspace) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(selector_labels(workspace).items()))


def _partition(workspace: Workspace) -> str:
    part = workspace.resource.partition
    if part is None:
        return ""
    return " ".join(str(each) for each in (part.mode, part.profile, part.count) if each not in ("", None))


def _input_name(workspace: Workspace) -> str:
    source = _tuning(workspace).input
    return source.name if source is not None else ""


def _method(workspace: Workspace) -> str:
    return _tuning(workspace).method


def _selected() -> tuple[Cel, Cel]:
    """The transition rules of the selector, where both are plain labels: the same in another form is no change."""
    expresses = "(has({0}.matchExpressions) && size({0}.matchExpressions) > 0)"
    lists = "(has({0}.matchLabels) && size({0}.matchLabels) > 0)"
    was = "oldSelf.resource.labelSelector"
    reserved = ", ".join(f"'{key}'" for key in sorted(RESERVED_SELECTOR_KEYS))
    kept_whole = f"has(self.resource) || !has(oldSelf.resource) || !({lists.format(was)} || {expresses.format(was)})"
    same = (
        f"{expresses.format('self')} || {expresses.format('oldSelf')}"
        " || (has(self.matchLabels) && has(oldSelf.matchLabels) ? self.matchLabels == oldSelf.matchLabels"
        f" || oldSelf.matchLabels.exists(key, key in [{reserved}])"
        f" : {lists.format('self')} == {lists.format('oldSelf')})"
    )
    message = f"labelSelector cannot be changed: {NEW} ({Reason.FIELD_IMMUTABLE})"
    return Cel("", kept_whole, message, ".resource.labelSelector"), Cel("resource.labelSelector", same, message)


def _row(field: str, check: Check, *cel: Cel, says: str = "") -> Rule:
    name = f"{field.replace('.', '-').lower()}-fixed"
    text = says or f"{field} stays as it is."
    return Rule(name, (field,), text, (Reason.FIELD_IMMUTABLE,), check, Trigger.UPDATE, cel)


def _preset_rows(block: str, spec: Callable[[Workspace], PresetSpec | None]) -> tuple[Rule, ...]:
    def of(workspace: Workspace) -> PresetSpec:
        return spec(workspace) or PresetSpec("")

    def there(workspace: Workspace) -> bool:
        return spec(workspace) is not None

    def mode(workspace: Workspace) -> str:
        return of(workspace).access_mode or PUBLIC

    name = Fixed(
        f"{block}.name",
        lambda workspace, catalog: _model(of(workspace).name, catalog),
        lambda workspace: of(workspace).name,
        _SIZED,
        within=there,
    )
    access = Fixed(f"{block}.accessMode", lambda workspace, _: mode(workspace), mode, _WHOSE, within=there)
    renewable = f"{block}.accessMode stays as it is; image and Secrets of the preset may be renewed."
    return (
        _row(name.field, name.check, says=f"{block}.name stays the same model, in any of its spellings."),
        _row(access.field, access.check, unchanged(block, ".accessMode", absent=f"'{PUBLIC}'"), says=renewable),
    )


def _block_rows() -> tuple[Rule, ...]:
    inference = Block("inference", _has_inference, _MADE)
    tuning = Block("tuning", _has_tuning, _MADE)
    preset = Block("inference.preset", lambda each: _inference_preset(each) is not None, _SIZED, _has_inference)
    template = Block(
        "inference.template",
        lambda each: each.inference is not None and each.inference.template is not None,
        _MADE,
        _has_inference,
    )
    tuned = Block("tuning.preset", lambda each: _tuning_preset(each) is not None, _SIZED, _has_tuning)
    return tuple(
        _row(block.field, block.check, kept(path, name), says=f"{block.field} neither comes nor goes.")
        for block, path, name in (
            (inference, "", "inference"),
            (tuning, "", "tuning"),
            (preset, "inference", "preset"),
            (template, "inference", "template"),
            (tuned, "tuning", "preset"),
        )
    )


def _resource_rows() -> tuple[Rule, ...]:
    return _count_row(), _size_row(), _selector_row(), _partition_row()


def _count_row() -> Rule:
    count = Fixed(
        "resource.count",
        lambda each, _: each.resource.count,
        _count,
        "nodes were made by that number",
        settable=True,
    )
    same = unchanged("resource", ".count", absent="0", settable=True)
    return _row(count.field, count.check, same, says="resource.count is set once.")


def _size_row() -> Rule:
    size = Fixed(
        "resource.instanceType",
        lambda each, _: _size(each),
        lambda each: each.resource.instance_type,
        "nodes of that size exist",
        settable=True,
        clearable=True,
    )
    same_size = "{0}.lowerAscii().trim()"
    return _row(
        size.field,
        size.check,
        Cel(
            "resource",
            "!has(self.instanceType) || self.instanceType == '' || !has(oldSelf.instanceType)"
            " || oldSelf.instanceType == ''"
            f" || {same_size.format('self.instanceType')} == {same_size.format('oldSelf.instanceType')}",
            f"instanceType cannot be changed: {NEW} ({Reason.FIELD_IMMUTABLE})",
            ".instanceType",
        ),
        says="resource.instanceType is set once, in any letter case; on existing nodes it may be removed.",
    )


def _selector_row() -> Rule:
    chosen = Fixed(
        "resource.labelSelector",
        lambda each, _: selector_labels(each),
        _labels,
        "nodes were chosen and labelled by it",
    )
    says = "resource.labelSelector asks for the same labels, in either of its forms."
    return _row(chosen.field, chosen.check, *_selected(), says=says)


def _partition_row() -> Rule:
    part = Fixed("resource.partition", lambda each, _: each.resource.partition, _partition, "pods ask for that share")
    return _row(
        part.field,
        part.check,
        Cel(
            "resource",
            "has(self.partition) == has(oldSelf.partition)"
            " && (!has(self.partition) || self.partition == oldSelf.partition)",
            f"partition cannot be changed: {NEW} ({Reason.FIELD_IMMUTABLE})",
            ".partition",
        ),
    )


def _tuning_rows() -> tuple[Rule, ...]:
    method = Fixed(
        "tuning.method",
        lambda each, _: _method(each).strip().lower(),
        _method,
        "the training run was made by it",
        within=_has_tuning,
    )
    name = Fixed(
        "tuning.input.name",
        lambda each, _: _input_name(each),
        _input_name,
        "the training run was made with these data",
        within=_has_tuning,
    )
    return (
        _row(
            method.field,
            method.check,
            unchanged("tuning", ".method", "self.{0}.lowerAscii().trim()"),
            says="tuning.method stays the same, in any letter case.",
        ),
        _row(name.field, name.check, unchanged("tuning.input", ".name")),
    )


RULES: Final[tuple[Rule, ...]] = (
    *_block_rows(),
    *_resource_rows(),
    *_preset_rows("inference.preset", _inference_preset),
    *_preset_rows("tuning.preset", _tuning_preset),
    *_tuning_rows(),
)
"""Every field that cannot change, in the order of the manifest. All others may, and are followed."""
