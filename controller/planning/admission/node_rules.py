"""Rules about a Workspace's nodes: of which size they are, and chosen by which labels."""

import re
from collections.abc import Iterator
from typing import Final

from controller.api import labels
from controller.api.messages import Problem, quote
from controller.api.reasons import Reason
from controller.catalog import Cloud, Lifecycle, Sku
from controller.planning.admission.findings import Cel, Finding, Rule, Subject
from controller.planning.admission.proposals import describe_suggestion, holds_somehow, need, proposals, suggestions
from controller.planning.names import is_label_key, is_label_value, is_subdomain, nearest

_TYPE: Final = "resource.instanceType"
_SELECTOR: Final = "resource.labelSelector"
_PREFERRED: Final = "resource.preferredNodes"
_LABEL_FIX: Final = f"use {_SELECTOR}.matchLabels, for example {{apps: phi-3}}"
_SIZE_FORM: Final = re.compile(r"(?:standard|basic)_(?P<letters>[a-z]{1,4})\d", re.IGNORECASE | re.ASCII)
_PREFIX: Final = re.compile(r"^stand[a-z]*_?", re.IGNORECASE | re.ASCII)
_ACCELERATORS: Final = {"NP": "an FPGA", "PB": "an FPGA", "NM": "a media accelerator"}
_CPU_FAMILIES: Final = frozenset(
    ("A", "B", "D", "DC", "DS", "E", "EC", "F", "FX", "G", "GS", "H", "HB", "HC", "HX", "L", "M"),
)
"""Letters that open the names of Azure sizes without any accelerator. Source: Azure, sizes for virtual machines."""

_TEMPLATE_SIZES: Final = "standard_d"
"""How names of sizes without GPU begin that a pod template may run on. Source: kaito-project/kaito's admission."""


_RESERVED: Final = ", ".join(f"'{key}'" for key in sorted(labels.RESERVED_SELECTOR_KEYS | labels.CONTROL_PLANE_ROLES))


def selector(subject: Subject) -> Iterator[Finding]:
    """The selector must be readable as labels, since provisioned nodes are given exactly those."""
    resource = subject.obj.get("resource")
    if resource is None and not subject.auto_provision:
        yield f"{_SELECTOR} is not set: every node of the cluster may be used"
        return
    if not isinstance(resource, dict) or not isinstance(resource.get("labelSelector"), dict):
        why = "it says which nodes may be used, and provisioned nodes are given its labels"
        yield Problem(Reason.FIELD_REQUIRED, _SELECTOR, f"{_SELECTOR} is missing", why, (_LABEL_FIX,))
        return
    seen = dict(subject.workspace.resource.match_labels)
    for index, expression in enumerate(subject.workspace.resource.match_expressions):
        field = f"{_SELECTOR}.matchExpressions[{index}]"
        if expression.operator != "In" or len(expression.values) != 1:
            what = f"{field} is {quote(expression.operator)} with {len(expression.values)} values"
            why = "only In with exactly 1 value can be turned into a node label"
            yield Problem(Reason.SELECTOR_INVALID, field, what, why, (_LABEL_FIX,))
        elif seen.setdefault(expression.key, expression.values[0]) != expression.values[0]:
            what = f"{field} asks for a second value of {quote(expression.key)}"
            why = "a node has 1 value per label, so no node could match"
            yield Problem(Reason.SELECTOR_INVALID, field, what, why, ("keep one of the values",))
    for key, value in seen.items():
        yield from _label(subject, key, value)
    if not seen and not subject.workspace.resource.match_expressions and not subject.auto_provision:
        yield f"{_SELECTOR} is empty: every node of the cluster may be used"


def _label(subject: Subject, key: str, value: str) -> Iterator[Finding]:
    field = f"{_SELECTOR}.matchLabels[{quote(key)}]"
    if key in labels.RESERVED_SELECTOR_KEYS:
        why = "the label states which Workspace owns a node and is set by the controller"
        yield Problem(Reason.LABEL_RESERVED, field, f"{field} is reserved", why, ("remove it", _LABEL_FIX))
    elif key in labels.CONTROL_PLANE_ROLES:
        why = "nodes of the control plane serve the whole cluster, not a Workspace"
        yield Problem(Reason.LABEL_RESERVED, field, f"{field} is reserved", why, ("remove it", _LABEL_FIX))
    elif subject.auto_provision and labels.is_cloud_label(key):
        why = "AKS refuses labels of the domains kubernetes.io, k8s.io and kubernetes.azure.com on new nodes"
        yield Problem(Reason.LABEL_RESERVED, field, f"{field} is reserved", why, ("use a prefix of your own",))
    elif not (is_label_key(key) and is_label_value(value)):
        what = f"{field} with value {quote(value)} is no node label"
        why = "key and value are up to 63 letters, digits, -, _ and ., the key may have a DNS prefix before a /"
        yield Problem(Reason.SELECTOR_INVALID, field, what, why, ("correct the label",))


def preferred(subject: Subject) -> Iterator[Finding]:
    """Preferred nodes go by the names nodes can have; a name that is none is passed over."""
    for index, name in enumerate(subject.workspace.resource.preferred_nodes):
        if not is_subdomain(name):
            yield f"{_PREFERRED}[{index}] {quote(name)} cannot be the name of a node and is passed over"


def instance_type(subject: Subject) -> Iterator[Finding]:
    """Where nodes are to be made, the size must exist and have a GPU; on existing nodes it narrows the choice."""
    wanted = subject.workspace.resource.instance_type
    known = subject.catalog.sku(wanted)
    if not wanted:
        if subject.auto_provision:
            yield _missing(subject)
    elif known is not None and known.alias_of and known.cloud is subject.catalog.cloud:
        what = f"{_TYPE} {quote(wanted)} cannot be deployed"
        why = f"Azure calls the size {known.alias_of}"
        yield Problem(Reason.INSTANCE_TYPE_UNKNOWN, _TYPE, what, why, (f"use {known.alias_of}",))
    elif subject.auto_provision:
        yield from _deployable(subject, wanted, known)
    elif known is None:
        yield from _labelled(subject, wanted)


def _deployable(subject: Subject, wanted: str, known: Sku | None) -> Iterator[Finding]:
    if known is None or known.cloud is not subject.catalog.cloud:
        if subject.workspace.preset is None and wanted.lower().startswith(_TEMPLATE_SIZES):
            yield f"{_TYPE} {quote(wanted)} has no GPU: only a template that needs none runs on it"
        else:
            yield _no_gpu(subject, wanted) or _unknown(subject, wanted)
    elif not known.gpu_count:
        what, why = f"{_TYPE} {known.name} cannot be used", "its number of GPUs is not known, and a pod asks for all"
        yield Problem(Reason.INSTANCE_TYPE_UNKNOWN, _TYPE, what, why, proposals(subject))
    else:
        yield from _cautions(subject, known)


def _labelled(subject: Subject, wanted: str) -> Iterator[Finding]:
    """A size nobody listed, on nodes somebody else made: their own labels say what they have."""
    without = None if subject.workspace.preset is None else _no_gpu(subject, wanted)
    if without is not None:
        yield without
    elif subject.sku is None:
        yield f"{_TYPE} {quote(wanted)} is in no table of GPU sizes: whether the model fits is not checked"


RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "instance-type",
        (_TYPE,),
        "Where nodes are made the size exists, can be deployed and has GPUs, except for pod templates on sizes of "
        "family D; on existing nodes it may be left out.",
        (Reason.INSTANCE_TYPE_REQUIRED, Reason.INSTANCE_TYPE_UNKNOWN, Reason.INSTANCE_TYPE_HAS_NO_GPU),
        instance_type,
    ),
    Rule(
        "label-selector",
        (_SELECTOR,),
        "The selector is readable as labels of nodes; none of them states ownership, names the control plane or, where "
        "nodes are made, belongs to Kubernetes or the cloud.",
        (Reason.FIELD_REQUIRED, Reason.SELECTOR_INVALID, Reason.LABEL_RESERVED),
        selector,
        cel=(
            Cel(
                _SELECTOR,
                "!has(self.matchExpressions) || self.matchExpressions.all(each,"
                " each.operator == 'In' && has(each.values) && size(each.values) == 1)",
                f"matchExpressions must each be In with one value ({Reason.SELECTOR_INVALID})",
                ".matchExpressions",
            ),
            Cel(
                _SELECTOR,
                f"!has(self.matchLabels) || !self.matchLabels.exists(key, key in [{_RESERVED}])",
                f"matchLabels must not state which Workspace owns a node ({Reason.LABEL_RESERVED})",
                ".matchLabels",
            ),
            Cel(
                _SELECTOR,
                f"!has(self.matchExpressions) || !self.matchExpressions.exists(each, each.key in [{_RESERVED}])",
                f"matchExpressions must not state which Workspace owns a node ({Reason.LABEL_RESERVED})",
                ".matchExpressions",
            ),
        ),
    ),
    Rule(
        "preferred-nodes",
        (_PREFERRED,),
        "Preferred nodes that no node can be called are warned of and passed over.",
        (),
        preferred,
    ),
)
"""In the order in which their findings are shown."""


def _missing(subject: Subject) -> Problem:
    what, why = f"{_TYPE} is missing", "nodes are to be made and their size cannot be derived"
    return Problem(Reason.INSTANCE_TYPE_REQUIRED, _TYPE, what, why, proposals(subject))


def _no_gpu(subject: Subject, wanted: str) -> Problem | None:
    form = _SIZE_FORM.match(wanted)
    if form is None:
        return None
    letters = form["letters"].upper()
    has = _ACCELERATORS.get(letters[:2])
    if has is None and letters not in _CPU_FAMILIES:
        return None
    what = f"{_TYPE} {quote(wanted)} has {f'{has} but ' if has else ''}no GPU"
    fixes = proposals(subject) if subject.auto_provision else (f"remove it, {_SELECTOR} chooses the nodes",)
    return Problem(Reason.INSTANCE_TYPE_HAS_NO_GPU, _TYPE, what, need(subject), fixes)


def _unknown(subject: Subject, wanted: str) -> Problem:
    elsewhere = subject.catalog.sku(wanted)
    if elsewhere is not None:
        what = f"{_TYPE} {quote(wanted)} is a size of {elsewhere.cloud}"
        return Problem(
            Reason.INSTANCE_TYPE_UNKNOWN, _TYPE, what, f"nodes are made in {subject.catalog.cloud}", proposals(subject)
        )
    usable = [sku.name for sku in subject.catalog.skus.values() if not sku.alias_of and _is_documented(sku)]
    # What all names begin with is no likeness.
    tails = {_PREFIX.sub("", name): name for name in usable}
    close = [tails[each] for each in nearest(_PREFIX.sub("", wanted), tails, limit=1, cutoff=0.7)]
    what = f"{_TYPE} {quote(wanted)} is in no table of GPU sizes"
    cloud = subject.catalog.cloud
    why = f"{len(usable)} {'Azure' if cloud is Cloud.AZURE else cloud.upper()} sizes with a GPU are known"
    like = subject.catalog.skus[close[0].lower()] if close else None
    if like is None or not holds_somehow(subject, like):
        why += f"; the one most like it, {like.name}, does not do for the model" if like is not None else ""
        return Problem(Reason.INSTANCE_TYPE_UNKNOWN, _TYPE, what, why, proposals(subject))
    others = tuple(f"use {describe_suggestion(found)}" for found in suggestions(subject) if found.sku is not like)
    return Problem(Reason.INSTANCE_TYPE_UNKNOWN, _TYPE, what, why, (f"use {like.name}", *others))


def _cautions(subject: Subject, sku: Sku) -> Iterator[str]:
    if sku.retiring:
        verb = "was retired by Azure" if sku.lifecycle is Lifecycle.RETIRED else "retires at Azure"
        others = [other.sku.name for other in suggestions(subject) if other.sku.name != sku.name]
        instead = f"; {others[0]} fits too" if others else ""
        yield f"{sku.name} {verb} on {sku.retirement_date}, new nodes may be refused{instead}"
    elif sku.lifecycle in (Lifecycle.PREVIEW_NAME, Lifecycle.UNDOCUMENTED):
        yield f"{sku.name} is not a documented size: Azure may not offer it"
    if not sku.driver_installed:
        yield f"AKS installs no GPU driver on {sku.name}: its GPUs stay invisible until you install one"


def _is_documented(sku: Sku) -> bool:
    return sku.lifecycle not in (Lifecycle.UNDOCUMENTED, Lifecycle.PREVIEW_NAME)
