"""Rules about the share of a node's GPUs a Workspace uses."""

from collections.abc import Iterator
from typing import Final

from controller.api.messages import Problem, quote
from controller.api.reasons import Reason
from controller.api.workspace import Partition
from controller.catalog.mig import MIG_PROFILES, slices_of
from controller.planning.admission.findings import Cel, Finding, Rule, Subject, Trigger
from controller.planning.existing_nodes import ACCELERATOR, MIG
from controller.planning.names import nearest
from controller.planning.node_facts import Unknown, sizes_of

_FIELD: Final = "resource.partition"
_MODES: Final = (MIG, ACCELERATOR)


def where(subject: Subject) -> Iterator[Finding]:
    """Only existing nodes are shared out, and not for training."""
    if subject.workspace.resource.partition is None:
        return
    if subject.auto_provision:
        why, fixes = "nodes made for a Workspace are its own, all their GPUs are", ("remove it", "use a smaller size")
        yield Problem(Reason.PARTITION_INVALID, _FIELD, f"{_FIELD} is set where nodes are made", why, fixes)
    elif subject.workspace.tuning is not None:
        why = "a training run uses 1 node as a whole"
        yield Problem(Reason.PARTITION_INVALID, _FIELD, f"{_FIELD} is set beside tuning", why, ("remove it",))


def form(subject: Subject) -> Iterator[Finding]:
    """Mode mig takes a profile and nothing else, mode accelerator takes a count and nothing else."""
    part = subject.workspace.resource.partition
    if part is None:
        return
    if part.mode == MIG:
        yield from _slice(part)
    elif part.mode == ACCELERATOR:
        yield from _devices(part)
    else:
        what, why = f"{_FIELD}.mode is {quote(part.mode)}", f"it is 1 of {len(_MODES)} words: {', '.join(_MODES)}"
        yield _problem("mode", what, why, *(f"use {mode}" for mode in _MODES))


def _slice(part: Partition) -> Iterator[Finding]:
    if part.count is not None:
        what = f"{_FIELD}.count is {part.count} with mode {MIG}"
        yield _problem("count", what, "a Workspace uses 1 slice of each GPU it is given", "remove it")
    if part.profile not in MIG_PROFILES:
        close = nearest(part.profile, MIG_PROFILES, limit=2) or ["1g.10gb"]
        what = f"{_FIELD}.profile is {quote(part.profile)}" if part.profile else f"{_FIELD}.profile is missing"
        yield _problem("profile", what, f"{len(MIG_PROFILES)} profiles are known", *(f"use {each}" for each in close))


def _devices(part: Partition) -> Iterator[Finding]:
    if part.profile:
        what = f"{_FIELD}.profile is {quote(part.profile)} with mode {ACCELERATOR}"
        yield _problem("profile", what, "whole GPUs have no profile", "remove it", f"use mode {MIG}")
    if part.count is None:
        yield _problem("count", f"{_FIELD}.count is missing", "it is the number of GPUs to use", "set it to 1")
    elif part.count < 1:
        yield _problem("count", f"{_FIELD}.count is {part.count}", "at least 1 GPU is used", "set it to 1")


def on_nodes(subject: Subject) -> Iterator[Finding]:
    """The share is one the matching nodes can give."""
    part = subject.workspace.resource.partition
    if part is None or subject.auto_provision:
        return
    profile = MIG_PROFILES.get(part.profile) if part.mode == MIG else None
    for node, size in sizes_of(subject.nodes or (), subject.catalog):
        if isinstance(size, Unknown):
            continue
        if part.mode == ACCELERATOR and part.count is not None and part.count > size.gpu_count:
            what = f"{_FIELD}.count is {part.count}"
            why = f"node {quote(node.name, 63)} has {size.gpu_count}"
            yield _problem("count", what, why, f"set it to {size.gpu_count}", "remove it to use all")
            return
        card = size.gpu_memory_gib
        if profile is not None and card is not None and profile not in slices_of(card):
            yield f"{size.gpu_model} on node {quote(node.name, 63)} has no slices {profile.name}: no pod would start"
            return


def _problem(field: str, what: str, why: str, *fixes: str) -> Problem:
    return Problem(Reason.PARTITION_INVALID, f"{_FIELD}.{field}", what, why, fixes)


_REASONS: Final = (Reason.PARTITION_INVALID,)

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "partition-place",
        (_FIELD,),
        "Only existing nodes are shared out, and only for inference.",
        _REASONS,
        where,
        cel=(
            Cel(
                "",
                "!has(self.tuning) || !has(self.resource) || !has(self.resource.partition)",
                f"resource.partition must not be set beside tuning ({Reason.PARTITION_INVALID})",
                ".resource.partition",
            ),
        ),
    ),
    Rule(
        "partition-form",
        tuple(f"{_FIELD}.{field}" for field in ("mode", "profile", "count")),
        f"Mode {MIG} takes a known profile and no count, mode {ACCELERATOR} takes a count and no profile.",
        _REASONS,
        form,
        cel=(
            Cel(
                _FIELD,
                f"self.mode != '{MIG}' || !has(self.count)",
                f"count must not be set with mode {MIG} ({Reason.PARTITION_INVALID})",
                ".count",
            ),
            Cel(
                _FIELD,
                f"self.mode != '{MIG}' || (has(self.profile)"
                f" && self.profile in [{', '.join(repr(name) for name in MIG_PROFILES)}])",
                f"profile must be one NVIDIA knows with mode {MIG} ({Reason.PARTITION_INVALID})",
                ".profile",
            ),
            Cel(
                _FIELD,
                f"self.mode != '{ACCELERATOR}' || !has(self.profile) || self.profile == ''",
                f"profile must not be set with mode {ACCELERATOR} ({Reason.PARTITION_INVALID})",
                ".profile",
            ),
            Cel(
                _FIELD,
                f"self.mode != '{ACCELERATOR}' || has(self.count)",
                f"count must be set with mode {ACCELERATOR} ({Reason.PARTITION_INVALID})",
                ".count",
            ),
        ),
    ),
    Rule(
        "partition-nodes",
        (_FIELD,),
        "The matching nodes have as many GPUs as the share; slices their GPUs do not have are warned of.",
        _REASONS,
        on_nodes,
        Trigger.CREATE,
    ),
)
"""In the order in which their findings are shown."""
