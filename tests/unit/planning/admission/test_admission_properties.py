"""What holds of admission whatever the manifest: filling in twice is filling in once, and order means nothing."""

import re
from collections import Counter
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.planning.admission.defaults import apply_defaults, defaults
from controller.planning.admission.findings import MAX_PROBLEMS, Findings
from controller.planning.admission.validation import validate, validate_update
from controller.planning.site import Site
from tests.reference import ROWS
from tests.unit.planning.manifests import changed, manifests

CONFIG_MAPS = {name: data for row in ROWS for name, data in row.config_maps.items()}
SITE = Site(config_maps=lambda _, name: CONFIG_MAPS.get(name))
OBJECTS = [row.obj for row in ROWS]
ABSENT = object()


def blocks(name: str) -> st.SearchStrategy[Any]:
    """One of the values a top-level field has in the reference lists, or none."""
    found = [obj.get(name, ABSENT) for obj in OBJECTS]
    return st.sampled_from(found)


@st.composite
def recombined(draw: st.DrawFn) -> Json:
    """A manifest whose blocks come from several others, with what somebody might also have written."""
    obj: Json = {"kind": "Workspace"}
    for name in ("apiVersion", "metadata", "resource", "inference", "tuning"):
        value = draw(blocks(name))
        if value is not ABSENT:
            obj[name] = value
    for path, values in CHANGES.items():
        value = draw(st.just(ABSENT) | st.sampled_from(values))
        if value is not ABSENT:
            obj = changed(obj, path, value)
    return obj


CHANGES: dict[str, list[Any]] = {
    "resource.count": [None, 0, 1, 3, 1001],
    "resource.instanceType": [None, "Standard_NC6s_v3", "Standard_D4s_v5", "Standard_NV6ads_A10_v5", "x"],
    "metadata.annotations": [{"kaito.sh/bypass-resource-checks": ""}, {"kaito.sh/runtime": "transformers"}],
}
ANY = recombined() | manifests()


def filled(obj: Json) -> Json:
    operations, _ = defaults(obj, SITE)
    return apply_defaults(obj, operations)


def outcome(found: Findings) -> Counter[tuple[str, str]]:
    """Reasons by field, places in lists left out: what does not depend on the order of a list."""
    return Counter((str(each.reason), re.sub(r"\[\d+\]", "[]", each.field)) for each in found.problems)


@given(ANY)
def test_filling_in_twice_is_filling_in_once(obj: Json) -> None:
    once = filled(obj)
    assert defaults(once, SITE)[0] == []
    assert filled(once) == once


@given(ANY)
def test_filling_in_changes_nothing_that_was_written(obj: Json) -> None:
    once = filled(obj)
    assert {**once, "resource": None} == {**obj, "resource": None} or "resource" not in obj
    if isinstance(obj.get("resource"), dict):
        # Clients written in Go send an empty string for what was not written.
        kept = {key: value for key, value in obj["resource"].items() if value not in (None, "")}
        assert {key: once["resource"][key] for key in kept} == kept


@given(ANY)
def test_judging_twice_gives_the_same_answer(obj: Json) -> None:
    assert validate(obj, SITE) == validate(obj, SITE)


ACCEPTED = [obj for obj in OBJECTS if not validate(filled(obj), SITE).problems]
LIKELY = st.sampled_from(ACCEPTED) | ANY
"""Half of them are accepted for certain: of the others too few are to learn much from."""


@given(LIKELY)
def test_what_was_accepted_stays_accepted_as_it_is(obj: Json) -> None:
    once = filled(obj)
    assume(not validate(once, SITE).problems)
    assert validate(filled(once), SITE).problems == ()
    assert validate_update(once, once, SITE) == Findings()


@given(LIKELY)
def test_a_replacement_by_the_manifest_it_was_made_from_changes_nothing(obj: Json) -> None:
    stored = filled(obj)
    assume(not validate(stored, SITE).problems)
    operations, _ = defaults(obj, SITE, old=stored)
    assert apply_defaults(obj, operations) == stored
    assert validate_update(stored, apply_defaults(obj, operations), SITE).problems == ()


@given(ANY, st.randoms(use_true_random=False))
def test_the_order_of_keys_means_nothing(obj: Json, random: Any) -> None:
    other = reordered(obj, random)
    first, second = validate(obj, SITE), validate(other, SITE)
    assume(len(first.problems) < MAX_PROBLEMS)
    assert set(second.problems) == set(first.problems)
    assert set(second.warnings) == set(first.warnings)
    assert defaults(other, SITE) == defaults(obj, SITE)


def reordered(value: Any, random: Any) -> Any:
    """The same JSON with the keys of every object in another order."""
    if isinstance(value, dict):
        keys = list(value)
        random.shuffle(keys)
        return {key: reordered(value[key], random) for key in keys}
    return [reordered(each, random) for each in value] if isinstance(value, list) else value


LISTS = (
    "inference.adapters",
    "resource.labelSelector.matchExpressions",
    "resource.preferredNodes",
    "tuning.input.urls",
    "inference.preset.presetOptions.imagePullSecrets",
)


@given(ANY, st.data())
def test_the_order_of_a_list_means_nothing(obj: Json, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(LISTS))
    found = at(obj, path)
    entries = data.draw(st.lists(st.sampled_from(ENTRIES[path]), min_size=2, max_size=5))
    assume(found is not None)
    before = changed(obj, path, entries)
    after = changed(obj, path, data.draw(st.permutations(entries)))
    first, second = validate(before, SITE), validate(after, SITE)
    assume(max(len(first.problems), len(second.problems)) < MAX_PROBLEMS)
    assert outcome(first) == outcome(second)


ENTRIES: dict[str, list[Any]] = {
    "inference.adapters": [
        {"source": {"name": "a", "image": "r.io/a:1"}},
        {"source": {"name": "b", "image": "r.io/b:1"}, "strength": "0.5"},
        {"source": {"name": "b", "image": "IMAGE_HERE"}},
        {"source": {"name": "C_c", "urls": ["https://example.com/c"]}, "strength": "2"},
        {"strength": "x"},
    ],
    "resource.labelSelector.matchExpressions": [
        {"key": "a", "operator": "In", "values": ["b"]},
        {"key": "kaito.sh/workspace", "operator": "In", "values": ["b"]},
        {"key": "c", "operator": "Exists"},
    ],
    "resource.preferredNodes": ["a", "b", "A b"],
    "tuning.input.urls": ["https://example.com/a", "http://10.0.0.1/", "ftp://example.com/"],
    "inference.preset.presetOptions.imagePullSecrets": ["a", "b", "A b"],
}
"""Good and bad entries of each list."""


def at(obj: Json, path: str) -> Any:
    """What holds the field of a path; None where nothing does."""
    value: Any = obj
    for key in path.split(".")[:-1]:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else None


VERSION_POLICY = {
    (Reason.COUNT_TOO_SMALL, "resource.count"),
    (Reason.FIELD_REQUIRED, "inference.preset.presetOptions.image"),
    (Reason.FIELD_REQUIRED, "tuning.preset.presetOptions.image"),
}
"""What only v1alpha1 refuses.

In v1beta1 `count` is deprecated, so the number needed is used instead, and KAITO reads no `accessMode`, so that without
an image of the user's own the published one is run. Both are told in a warning.
"""


@given(ANY)
def test_both_versions_are_judged_alike_but_for_what_is_named(obj: Json) -> None:
    found = [validate({**obj, "apiVersion": f"kaito.sh/{version}"}, SITE) for version in ("v1alpha1", "v1beta1")]
    assume(len(found[0].problems) < MAX_PROBLEMS)
    old, new = (one.problems for one in found)
    assert set(new) <= set(old)
    assert {(each.reason, each.field) for each in set(old) - set(new)} <= VERSION_POLICY


def test_too_few_nodes_are_refused_in_one_version_and_told_in_the_other() -> None:
    row = next(row.obj for row in ROWS if row.id == "A-01")
    large = changed(changed(row, "inference.preset.name", "llama-3.3-70b-instruct"), "resource.count", 1)
    old, new = (validate({**large, "apiVersion": f"kaito.sh/{version}"}, SITE) for version in ("v1alpha1", "v1beta1"))
    assert [each.reason for each in old.problems] == [Reason.COUNT_TOO_SMALL]
    assert new.problems == ()
    assert any("status.targetNodeCount" in warning for warning in new.warnings)
