"""The rule of the installation's own list of machine sizes."""

from collections.abc import Iterator
from typing import Final

from controller.api.json import metadata_of
from controller.api.messages import Problem
from controller.api.reasons import Reason
from controller.planning.admission.findings import Finding, Rule, Subject, Trigger
from controller.planning.admission.proposals import proposals
from controller.planning.sizing.verdict import count

_TYPE: Final = "resource.instanceType"


def at_birth(subject: Subject) -> Iterator[Finding]:
    """Only what is new is held against the list: what was let in under a longer one keeps its nodes.

    An object that is stored has a version; the API server takes no new one that claims to have it.
    """
    if not metadata_of(subject.obj).get("resourceVersion"):
        yield from on_list(subject)


def on_list(subject: Subject) -> Iterator[Finding]:
    """Nodes are made of the sizes the installation allows."""
    sku = subject.sku
    if subject.auto_provision and sku is not None and not subject.site.allows(sku):
        why = f"this installation makes nodes of {count(len(subject.site.allowed), 'size')} and it is none of them"
        what = f"{_TYPE} {sku.name} is not allowed"
        yield Problem(Reason.INSTANCE_TYPE_NOT_ALLOWED, _TYPE, what, why, proposals(subject))


_SAYS: Final = "The size is one the installation allows nodes to be made of."

RULES: Final[tuple[Rule, ...]] = (
    Rule("allowed-size", (_TYPE,), _SAYS, (Reason.INSTANCE_TYPE_NOT_ALLOWED,), at_birth, Trigger.CREATE),
    Rule("allowed-size-change", (_TYPE,), _SAYS, (Reason.INSTANCE_TYPE_NOT_ALLOWED,), on_list, Trigger.UPDATE),
)
"""In the order in which their findings are shown."""
