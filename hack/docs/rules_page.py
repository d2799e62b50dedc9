"""The page of admission rules: every row of the table, and what its reason codes mean."""

from collections.abc import Iterator, Mapping
from typing import Final

from controller.api.reasons import MEANINGS, Actor, Reason
from controller.planning.admission.findings import Rule, Trigger
from controller.planning.admission.validation import RULES
from hack.docs.api_page import constraints
from hack.docs.markdown import page, table

_INTRO: Final = """# Admission rules

What a Workspace is checked for when it is applied, also with `--dry-run=server`. The webhook and the controller go by
this table; all findings of a manifest are told together, each with its field.

- *when*: at creation, at updates, or at both. An update is not refused for what the stored object broke already, only
  for what the change brings. Objects that are being deleted are never refused.
- *API server*: what holds even while the webhook is away. *CEL* are rules in the CustomResourceDefinition; *schema* are
  choices, ranges and required fields there, beside the type and size of every field. A dash marks rules that need the
  catalogue, the user's ConfigMaps or the installation.
- A rule without a reason only warns. The annotation `kaito.sh/bypass-resource-checks` turns refusals for the size of a
  model into warnings."""

_WHEN: Final = {Trigger.ALWAYS: "both", Trigger.CREATE: "creation", Trigger.UPDATE: "update"}
_WHO: Final = {Actor.USER: "you", Actor.ADMINISTRATOR: "administrator", Actor.CLOUD: "cloud"}

IN_SCHEMA: Final[Mapping[str, tuple[str, ...]]] = {
    "preset-known": ("inference.preset.name",),
    "preset-access": ("inference.preset.accessMode",),
    "tuning-input": ("tuning.input",),
    "tuning-output": ("tuning.output",),
    "count-range": ("resource.count",),
    "label-selector": ("resource.labelSelector",),
    "partition-form": ("resource.partition.mode",),
}
"""Rules part of which is said by the schema of a field, with the field."""


def rules_page() -> str:
    """The text of docs/reference/admission-rules.md."""
    used = {Reason.FIELD_TYPE_INVALID, *(reason for rule in RULES for reason in rule.reasons)}
    return page(
        _INTRO,
        "## Rules",
        f"What has a wrong type or is too large is refused with the reason `{Reason.FIELD_TYPE_INVALID}`; the other\n"
        "rules are asked once all fields can be read.",
        table(("rule", "fields", "what must hold", "reasons", "when", "API server"), map(_row, RULES)),
        "## Reasons",
        table(("reason", "meaning", "who can act", "what to do"), (_meaning(each) for each in Reason if each in used)),
    )


def _row(rule: Rule) -> tuple[str, ...]:
    return (
        f"`{rule.name}`",
        ", ".join(f"`{field}`" for field in rule.fields),
        rule.says,
        ", ".join(f"`{reason}`" for reason in rule.reasons) or "warns",
        _WHEN[rule.trigger],
        ", ".join(_held(rule)) or "-",
    )


def _held(rule: Rule) -> Iterator[str]:
    if rule.cel:
        yield "CEL"
    for path in IN_SCHEMA.get(rule.name, ()):
        yield f"schema: `{path.rpartition('.')[2]}` {constraints(path)}"


def _meaning(reason: Reason) -> tuple[str, ...]:
    meaning = MEANINGS[reason]
    return f"`{reason}`", meaning.meaning, _WHO.get(meaning.actor, "-"), meaning.fix or "-"
