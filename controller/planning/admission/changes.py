"""How a part of a Workspace stays as it is: a block neither comes nor goes, a field keeps its meaning.

Each is judged by a check over both objects and, where that needs no catalogue, by a transition rule in CEL.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from controller.api.messages import Problem, quote
from controller.api.reasons import Reason
from controller.api.workspace import Workspace
from controller.catalog import Catalog
from controller.planning.admission.findings import Cel, Finding, Subject

NEW: Final = "make a new Workspace with the value you want and delete this one"
"""The way to another value of what cannot change."""

_FIXES: Final = ("put the old value back", NEW)


@dataclass(frozen=True, slots=True)
class Block:
    """A part of the manifest that neither comes nor goes.

    Attributes:
        field: its path.
        present: whether it is there.
        why: what was made by it.
        within: whether what surrounds it is there; a change of that is told instead.
    """

    field: str
    present: Callable[[Workspace], bool]
    why: str
    within: Callable[[Workspace], bool] = lambda _: True

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Whether a change brought or took it."""
        old, new = subject.old, subject.workspace
        if old is None or not (self.within(old) and self.within(new)):
            return
        was = self.present(old)
        if was != self.present(new):
            what = f"{self.field} was {'removed' if was else 'added'}"
            yield Problem(Reason.FIELD_IMMUTABLE, self.field, what, self.why, _FIXES)


@dataclass(frozen=True, slots=True)
class Fixed:
    """A field that keeps its meaning.

    Attributes:
        field: its path.
        meaning: what to compare, so that another spelling of the same is no change.
        shown: the value in the user's words; empty where it is not set.
        why: what was made by it.
        settable: whether a value may be given where there was none.
        clearable: whether it may be removed on existing nodes.
        within: whether what surrounds it is there; a change of that is told instead.
    """

    field: str
    meaning: Callable[[Workspace, Catalog], object]
    shown: Callable[[Workspace], str]
    why: str
    settable: bool = False
    clearable: bool = False
    within: Callable[[Workspace], bool] = lambda _: True

    def check(self, subject: Subject) -> Iterator[Finding]:
        """Whether a change altered what it means."""
        old, new, catalog = subject.old, subject.workspace, subject.catalog
        if old is None or not (self.within(old) and self.within(new)):
            return
        was, becomes = self.shown(old), self.shown(new)
        if self.meaning(old, catalog) == self.meaning(new, catalog) or (self.settable and not was):
            return
        if self.clearable and not becomes and not subject.auto_provision:
            return
        what = f"{self.field} changes from {quote(was)} to {quote(becomes)}"
        yield Problem(Reason.FIELD_IMMUTABLE, self.field, what, self.why, _FIXES)


def unchanged(path: str, field: str, value: str = "self.{0}", *, absent: str = "''", settable: bool = False) -> Cel:
    """The transition rule of a field of a block: the same before and after, by what it means."""
    name = field.removeprefix(".")
    sides = ("self", "oldSelf")
    before, after = (
        f"(has({side}.{name}) ? {value.format(name).replace('self.', f'{side}.')} : {absent})" for side in sides
    )
    expression = f"{before} == {after}"
    if settable:
        expression = f"!has(oldSelf.{name}) || {expression}"
    return Cel(path, expression, f"{name} cannot be changed: {NEW} ({Reason.FIELD_IMMUTABLE})", field)


def kept(path: str, name: str) -> Cel:
    """The transition rule of a block that neither comes nor goes."""
    message = f"{name} can neither be added nor removed: {NEW} ({Reason.FIELD_IMMUTABLE})"
    return Cel(path, f"has(self.{name}) == has(oldSelf.{name})", message, f".{name}")
