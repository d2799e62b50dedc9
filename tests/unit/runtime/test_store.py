"""The store against a naive dictionary: same content, every difference told exactly once, indexes always right."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from controller.api.json import Json, Key, key_of, labels_of
from controller.runtime.store import Change, Store


def make(name: str, version: int, label: str = "", namespace: str = "ns") -> Json:
    metadata: dict[str, Any] = {"name": name, "namespace": namespace, "resourceVersion": str(version)}
    if label:
        metadata["labels"] = {"app": label}
    return {"metadata": metadata}


def by_app(obj: Json) -> Iterable[str]:
    return labels_of(obj).values()


names = st.sampled_from("abcd")
labels = st.sampled_from(["", "x", "y"])


class StoreAgainstDict(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.store = Store({"app": by_app})
        self.model: dict[Key, Json] = {}
        self.told: dict[Key, Json] = {}
        self.version = 0

    def hear(self, changes: Iterable[Change | None]) -> None:
        """Replays what was reported; a difference told twice, or with a wrong past, shows at once."""
        for change in changes:
            assert change is not None
            assert change.old is not None or change.new is not None
            key = key_of(change.new or change.old or {})
            assert self.told.pop(key, None) == change.old, "the past told is not the past told before"
            assert change.old != change.new, "nothing changed, yet a change was told"
            if change.new is not None:
                self.told[key] = change.new

    @rule(name=names, label=labels)
    def write(self, name: str, label: str) -> None:
        self.version += 1
        obj = make(name, self.version, label)
        self.hear([self.store.apply(obj)])
        self.model[key_of(obj)] = obj

    @rule(name=names)
    def delete(self, name: str) -> None:
        self.version += 1
        change = self.store.delete(make(name, self.version))
        if self.model.pop(("ns", name), None) is None:
            assert change is None, "there was nothing to delete"
        else:
            self.hear([change])

    @rule(name=names, label=labels, age=st.integers(1, 50))
    def replay(self, name: str, label: str, age: int) -> None:
        """Old news changes nothing where newer news is known."""
        old = make(name, self.version - age, label)
        if ("ns", name) in self.model and self.version - age >= 0:
            known = int(self.model["ns", name]["metadata"]["resourceVersion"])
            if self.version - age < known:
                assert self.store.apply(old) is None
                assert self.store.delete(old) is None

    @rule(name=names)
    def repeat(self, name: str) -> None:
        if ("ns", name) in self.model:
            assert self.store.apply(dict(self.model["ns", name])) is None, "the same event twice is one change"

    @rule(changed=st.dictionaries(names, labels), kept=st.sets(names), backwards=st.booleans())
    def relist(self, changed: dict[str, str], kept: set[str], *, backwards: bool) -> None:
        listed = {key: obj for key, obj in self.model.items() if key[1] in kept}
        if backwards:  # a restored backup: every object is as old as the server now believes it is
            self.version = 1
            listed = {key: make(key[1], 1, labels_of(obj).get("app", "")) for key, obj in listed.items()}
        self.version += 1
        for name, label in changed.items():
            obj = make(name, self.version, label)
            listed[key_of(obj)] = obj
        self.hear(self.store.replace(listed.values()))
        self.model = listed

    @invariant()
    def same_content(self) -> None:
        assert {key_of(obj): obj for obj in self.store.values()} == self.model
        assert len(self.store) == len(self.model)
        assert self.told == self.model, "what was told does not add up to what is stored"

    @invariant()
    def indexes_agree(self) -> None:
        for value in ("x", "y", "none"):
            found = self.store.by_index("app", value)
            expected = [obj for obj in self.model.values() if value in by_app(obj)]
            assert sorted(map(key_of, found)) == sorted(map(key_of, expected))


TestStoreAgainstDict = StoreAgainstDict.TestCase
TestStoreAgainstDict.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


def test_an_unchanged_object_stays_the_same_one_through_a_relist() -> None:
    store, first = Store({}), make("a", 1)
    store.apply(first)
    assert store.replace([make("a", 1)]) == []
    assert store.get(("ns", "a")) is first, "readers that kept a reference see no second copy"


def test_a_recreated_object_is_one_update_with_both_uids() -> None:
    store = Store({})
    before, after = make("a", 1), make("a", 9)
    before["metadata"]["uid"], after["metadata"]["uid"] = "1", "2"
    store.apply(before)
    assert store.replace([after]) == [Change(before, after)]


def test_the_same_name_in_two_namespaces_is_two_objects() -> None:
    store = Store({})
    store.apply(make("a", 1, namespace="one"))
    store.apply(make("a", 2, namespace="two"))
    store.delete(make("a", 3, namespace="one"))
    assert store.values() == [make("a", 2, namespace="two")]


def test_versions_that_are_no_numbers_are_taken_as_they_come() -> None:
    store = Store({})
    first, second = make("a", 0), make("a", 0)
    first["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"] = "zz", "aa"
    store.apply(first)
    assert store.apply(second) == Change(first, second)


def test_an_unknown_index_is_an_error_not_an_empty_answer() -> None:
    with pytest.raises(KeyError):
        Store({"app": by_app}).by_index("apps", "x")
