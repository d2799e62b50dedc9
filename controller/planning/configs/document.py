"""Reads a configuration file that users write: YAML of bounded size, without tricks, every finding with its line."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from controller.api.json import Json
from controller.api.messages import quote, shorten
from controller.catalog.yaml_entries import Entry, Fault, document
from controller.planning.configs.remarks import Remark
from controller.planning.configs.schema import Key
from controller.planning.names import nearest

MAX_CHARACTERS: Final = 32_768
"""Characters of the longest file that is read; real ones have a few hundred."""

MAX_ENTRIES: Final = 2_000
"""Lines and commas of a file: there are no more entries than that, and so many are read in milliseconds."""

MAX_KEYS: Final = 500
"""Keys of one section that are looked at."""

_VALUE_SHOWN: Final = 60
_PROPOSALS: Final = 3


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a document with keys of its own.

    Attributes:
        entry: the document it is part of.
        steps: the keys that lead to it.
        values: what stands in it.
    """

    entry: Entry
    steps: tuple[str, ...]
    values: Json

    def path(self, *more: str) -> str:
        """The path of the section, or of something in it, as users write it."""
        return ".".join((*self.steps, *more))

    def line(self, *more: str) -> int:
        """The line of the section, or of something in it."""
        return self.entry.line_of((*self.steps, *more))

    def remark(self, name: str, what: str, why: str = "", fixes: tuple[str, ...] = ()) -> Remark:
        """A remark on one key of the section; on the section itself where the name is empty."""
        more = (name,) if name else ()
        return Remark(self.line(*more), self.path(*more), what, why, fixes)


def read(text: str) -> Section | Remark | None:
    """The document, or what keeps it from being read; None where there is nothing in it."""
    if len(text) > MAX_CHARACTERS:
        what = f"it has {len(text)} characters"
        return Remark(1, "", what, f"at most {MAX_CHARACTERS} are read", ("remove what is not configuration",))
    entries = text.count("\n") + text.count(",")
    if entries > MAX_ENTRIES:
        why, fix = f"at most {MAX_ENTRIES} entries are read", "remove what is not configuration"
        return Remark(1, "", f"it has {entries} lines and commas", why, (fix,))
    found = document(text)
    if isinstance(found, Fault):
        return Remark(found.line, "", found.message, "it is a YAML document with one map", ("correct the line",))
    return None if found is None else Section(found, (), found.value)


def section(parent: Section, name: str, keys: str) -> Section | Remark:
    """A section of a section. Nothing in it counts as an empty one.

    Args:
        parent: where it stands.
        name: its key.
        keys: what stands in it, in words, such as `flags`.
    """
    values = parent.values.get(name)
    if values is None:
        values = {}
    if not isinstance(values, dict):
        return parent.remark(name, f"is {shown(values)}", f"it is a map of {keys}", (f"write {keys} below it",))
    if len(values) > MAX_KEYS:
        return parent.remark(name, f"has {len(values)} keys", f"at most {MAX_KEYS} are read", ("remove keys",))
    return Section(parent.entry, (*parent.steps, name), values)


def unknown(where: Section, name: str, known: Iterable[str], program: str, *, release: bool = True) -> Remark:
    """A key nobody knows, with the nearest that are known.

    Args:
        where: the section it stands in.
        name: the key.
        known: the keys of the section.
        program: whose keys they are.
        release: whether other releases of the program may know it.
    """
    close = nearest(name, known, limit=_PROPOSALS)
    fixes = tuple(f"use {each}" for each in close) or ("remove it",)
    remark = where.remark(name, f"is no key of {program}", "it ends at start over a key it does not know", fixes)
    return replace(remark, path=where.path(shorten(name, _VALUE_SHOWN)), release=release)


def misfit(where: Section, name: str, value: Any, key: Key) -> Remark:
    """A value that is not what its key asks for, with the nearest word where words are asked for."""
    words = [str(word) for word in key.schema.get("enum", ())]
    close = nearest(str(value), words, limit=_PROPOSALS) if isinstance(value, str) else []
    fixes = tuple(f"use {word}" for word in close) or (f"write {key.expected}",)
    return where.remark(name, f"is {shown(value)}", f"it must be {key.expected}", fixes)


def standing(where: Section, name: str, key: Key) -> Iterator[tuple[bool, Remark]]:
    """What becomes of a key whatever its value; True marks a fault."""
    if key.refused:
        yield True, where.remark(name, "cannot be used", key.refused, ("remove it",))
    elif key.owned:
        yield False, where.remark(name, "is not used", key.owned)
    elif key.caution:
        yield False, where.remark(name, key.caution)


def shown(value: Any) -> str:
    """A value in few characters: of lists and maps only that they are, so that nothing long is repeated."""
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "empty"
    return str(value).lower() if isinstance(value, bool) else quote(value, _VALUE_SHOWN)


def ignored_keys(where: Section, known: Mapping[str, Key]) -> Iterator[Remark]:
    """Keys beside the known ones at the top of a document, which KAITO ignores too."""
    for name in where.values:
        if name not in known:
            remark = where.remark(name, "is not used", f"known keys are {', '.join(known)}")
            yield replace(remark, path=where.path(shorten(name, _VALUE_SHOWN)))
