"""The annotation with which users overrule the sums: what refuses a Workspace for its size becomes a warning."""

from collections.abc import Iterator
from typing import Final

from controller.api.labels import BYPASS_RESOURCE_CHECKS
from controller.api.messages import Problem, quote
from controller.api.reasons import Reason
from controller.api.workspace import Workspace
from controller.planning.admission.findings import Finding

SIZE_REASONS: Final = frozenset({Reason.INSUFFICIENT_GPU_MEMORY, Reason.GPU_NOT_SUPPORTED, Reason.COUNT_TOO_SMALL})
"""Refusals that become warnings: those that rest on sums and tables users may know better."""

_NO: Final = frozenset({"false", "no", "0", "off"})
"""Values with which the annotation is not meant; KAITO bypasses whatever the value."""


def bypasses(workspace: Workspace) -> bool:
    """Whether the user overrules refusals for size."""
    value = workspace.annotations.get(BYPASS_RESOURCE_CHECKS)
    return value is not None and not _means_no(value)


def bypass(findings: Iterator[Finding], workspace: Workspace) -> Iterator[Finding]:
    """The findings, refusals for size turned into warnings where the user asks for it."""
    value = workspace.annotations.get(BYPASS_RESOURCE_CHECKS)
    if value is None:
        yield from findings
        return
    if _means_no(value):
        yield f"{BYPASS_RESOURCE_CHECKS} is {quote(value)} and bypasses nothing here; in KAITO it does with any value"
        yield from findings
        return
    for finding in findings:
        if isinstance(finding, Problem) and finding.reason in SIZE_REASONS:
            yield f"accepted because {BYPASS_RESOURCE_CHECKS} is set: {finding.what} ({finding.reason})"
        else:
            yield finding


def _means_no(value: str) -> bool:
    return value.strip().lower() in _NO
