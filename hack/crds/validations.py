"""The rules the API server checks itself, as `x-kubernetes-validations`.

They hold while the webhook is away. Like the table they never refuse an update for what the stored object broke
already. The API server passes over a node that has not changed; where it has changed in another of its fields, the
expression asks for the former state too. It can do so where it only asks what is there: what walks a list or reads a
text of a former state that may be missing is too expensive for the API server. Such a rule stands at the very list or
text it is about; at the Workspace itself, which changes with every label, it is asked at creation only, and the one
text there, the name, never changes.
Source: Kubernetes, "Extend the Kubernetes API with CustomResourceDefinitions", validation rules and ratcheting.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Final

from controller.api.reasons import Reason
from controller.planning.admission.findings import Cel, Rule

_SELF: Final = re.compile(r"\bself\b")
_OPTIONAL: Final = re.compile(r"\boldSelf\s*\.\s*(?:hasValue|value|orValue|optMap|\?)")
_EXPENSIVE: Final = re.compile(
    r"\.(?:all|exists|exists_one|map|filter|matches|contains|startsWith|endsWith|find|split)\("
)
_CODE: Final = re.compile(r"\((?P<code>[A-Za-z]+)\)$")
_KINDS: Final = {
    Reason.FIELD_REQUIRED: "FieldValueRequired",
    Reason.INSTANCE_TYPE_REQUIRED: "FieldValueRequired",
    Reason.FIELD_IMMUTABLE: "FieldValueForbidden",
}
"""How the API server calls a refusal; all others are invalid values."""


def validations(rules: Iterable[Rule]) -> Mapping[str, tuple[Mapping[str, Any], ...]]:
    """The entries of `x-kubernetes-validations` by the path of their node, in the order of the table.

    Raises:
        ValueError: a message does not end with a reason code of its rule.
    """
    found: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for rule in rules:
        for cel in rule.cel:
            found[cel.path].append(_validation(cel, _reason(rule, cel)))
    return {path: tuple(entries) for path, entries in found.items()}


def _validation(cel: Cel, reason: Reason) -> Mapping[str, Any]:
    tolerant = _ratcheted(cel)
    return {
        "rule": tolerant,
        "message": cel.message,
        **({"fieldPath": cel.field} if cel.field else {}),
        "reason": _KINDS.get(reason, "FieldValueInvalid"),
        **({"optionalOldSelf": True} if _OPTIONAL.search(tolerant) else {}),
    }


def _reason(rule: Rule, cel: Cel) -> Reason:
    code = _CODE.search(cel.message)
    if code is None or code["code"] not in rule.reasons:
        raise ValueError(f"rule {rule.name}: {cel.message!r} has to end with one of {', '.join(rule.reasons)}")
    return Reason(code["code"])


def _ratcheted(cel: Cel) -> str:
    expression = " ".join(cel.expression.split())
    if "oldSelf" in expression or "[]" in cel.path:
        return expression
    if _EXPENSIVE.search(expression):
        return expression if cel.path else f"oldSelf.hasValue() || ({expression})"
    before = _SELF.sub("oldSelf.value()", expression)
    return f"({expression}) || (oldSelf.hasValue() && !({before}))"
