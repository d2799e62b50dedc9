"""The pure half of a cache: objects by key, indexes over them, and the changes that every update amounts to."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from controller.api.json import Json, Key, is_older, key_of

Index = Callable[[Json], Iterable[str]]
"""A pure function from an object to the values it is to be found under."""


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one object: `old` is None for an addition, `new` for a deletion, never both."""

    old: Json | None
    new: Json | None


class Store:
    """Objects and indexes, always consistent with each other; every difference is reported exactly once.

    Objects must carry metadata with name and resourceVersion and are not to be modified by anyone.
    """

    def __init__(self, indexes: Mapping[str, Index]) -> None:
        self._objects: dict[Key, Json] = {}
        self._functions = dict(indexes)
        self._found: dict[str, dict[str, dict[Key, None]]] = {name: {} for name in indexes}

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: Key) -> Json | None:
        """The object of that key."""
        return self._objects.get(key)

    def values(self) -> list[Json]:
        """All objects, in the order in which their keys appeared."""
        return list(self._objects.values())

    def by_index(self, index: str, value: str) -> list[Json]:
        """The objects that `index` gives `value` for. KeyError when there is no such index."""
        return [self._objects[key] for key in self._found[index].get(value, ())]

    def apply(self, obj: Json) -> Change | None:
        """Takes an added or modified object; None when it is what is stored, or older."""
        old = self._objects.get(key_of(obj))
        if old is not None and (old == obj or is_older(obj, old)):
            return None
        return self._set(key_of(obj), old, obj)

    def delete(self, obj: Json) -> Change | None:
        """Takes a deletion; None when there was nothing, or a later namesake is stored already (a replayed event)."""
        old = self._objects.get(key_of(obj))
        if old is None or is_older(obj, old):
            return None
        return self._set(key_of(obj), old, None)

    def replace(self, objects: Iterable[Json]) -> list[Change]:
        """Takes a complete state: additions and modifications in its order, then the deletions that were missed.

        Versions are compared for equality only: after the restore of a backup they run backwards.
        """
        present = {key_of(obj): obj for obj in objects}
        changes = []
        for key, obj in present.items():
            old = self._objects.get(key)
            if old != obj:
                changes.append(self._set(key, old, obj))
        missed = [key for key in self._objects if key not in present]
        return changes + [self._set(key, self._objects[key], None) for key in missed]

    def _set(self, key: Key, old: Json | None, new: Json | None) -> Change:
        before = self._indexed(old)
        after = self._indexed(new)
        if new is None:
            del self._objects[key]
        else:
            self._objects[key] = new
        for name, found in self._found.items():
            for value in before[name] - after[name]:
                del found[value][key]
                if not found[value]:
                    del found[value]
            for value in after[name] - before[name]:
                found.setdefault(value, {})[key] = None
        return Change(old, new)

    def _indexed(self, obj: Json | None) -> dict[str, set[str]]:
        return {name: set() if obj is None else set(function(obj)) for name, function in self._functions.items()}
