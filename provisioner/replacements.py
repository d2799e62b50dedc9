"""Nodes replaced in a row because their GPUs did not appear, counted by the Workspace they were for.

The row is written on each claim that is given up, before it is, and on the next one before its pool is asked for, so
that neither a restart nor another replica begins to count anew.
"""

from dataclasses import dataclass
from typing import Final, TypeVar

from controller.api.claims import Claim
from controller.api.labels import (
    GPU_REPLACEMENTS,
    RAG_ENGINE,
    RAG_ENGINE_NAMESPACE,
    WORKSPACE,
    WORKSPACE_NAMESPACE,
)
from provisioner.times import parse_time

T = TypeVar("T")

MOST_REPLACEMENTS: Final = 20
"""Claims in a row that are remembered, and so the most that may be replaced."""

_MOST_OWNERS: Final = 1000
_LONGEST_UID: Final = 64


@dataclass(frozen=True, slots=True)
class Row:
    """Claims in a row that were given up for one owner.

    Attributes:
        claims: their UIDs.
        latest: when the latest of them was created, RFC 3339.
    """

    claims: frozenset[str] = frozenset()
    latest: str = ""

    @property
    def text(self) -> str:
        """The value of the annotation; empty for no row."""
        return " ".join((self.latest, *sorted(self.claims)[:MOST_REPLACEMENTS])) if self.claims else ""

    def __or__(self, other: "Row") -> "Row":
        return Row(self.claims | other.claims, max(self.latest, other.latest))

    def without(self, uid: str) -> "Row":
        """The row as it counts against the claim of that UID, which does not count against itself."""
        left = self.claims - {uid}
        return Row(left, self.latest) if left else Row()


def noted_row(claim: Claim) -> Row:
    """The row a claim carries; none for an annotation that cannot be read."""
    latest, *uids = claim.annotations.get(GPU_REPLACEMENTS, "").split()[: MOST_REPLACEMENTS + 1] or [""]
    if parse_time(latest) is None or not uids or any(len(uid) > _LONGEST_UID for uid in uids):
        return Row()
    return Row(frozenset(uids), latest)


def with_claim(row: Row, claim: Claim) -> Row:
    """The row with one claim more."""
    return row | Row(frozenset({claim.uid}), claim.creation_time)


class Replacements:
    """What this process knows of the rows; a new process learns it from the claims that stand."""

    def __init__(self) -> None:
        self._rows: dict[str, Row] = {}
        self._good: dict[str, str] = {}

    def learn(self, claim: Claim) -> None:
        """Takes in what a claim carries, and that it is good.

        A good one ends the row if it came after the bad ones: those that stood beside them prove nothing.
        """
        owner, row = _owner(claim), noted_row(claim)
        if claim.is_true(claim.kind.initialized):
            row = row.without(claim.uid)
            _remember(self._good, owner, max(self._good.get(owner, ""), claim.creation_time))
        known = self._rows.get(owner, Row()) | row
        if known.latest < self._good.get(owner, ""):
            self._rows.pop(owner, None)
        elif known.claims:
            _remember(self._rows, owner, known)

    def give_up(self, claim: Claim) -> None:
        """The claim is about to be deleted for want of its GPUs."""
        owner = _owner(claim)
        _remember(self._rows, owner, with_claim(self._rows.get(owner, Row()), claim))

    def against(self, claim: Claim) -> Row:
        """The others of the row, which count against the claim."""
        return self._rows.get(_owner(claim), Row()).without(claim.uid)


def _remember(memory: dict[str, T], owner: str, value: T) -> None:
    """Notes something of an owner, who is then the last to be forgotten."""
    memory.pop(owner, None)
    memory[owner] = value
    if len(memory) > _MOST_OWNERS:
        del memory[next(iter(memory))]


def _owner(claim: Claim) -> str:
    """Whom the claim serves; a claim without an owner stands for itself."""
    for key, namespace in ((WORKSPACE, WORKSPACE_NAMESPACE), (RAG_ENGINE, RAG_ENGINE_NAMESPACE)):
        if key in claim.labels:
            return f"{key} {claim.labels.get(namespace, '')}/{claim.labels[key]}"
    return claim.name
