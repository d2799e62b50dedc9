"""What may change, what may not, and what was wrong before and is tolerated."""

from typing import Any

import pytest
from hypothesis import given

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.catalog import load_catalog
from controller.planning.admission.findings import MAX_PROBLEMS
from controller.planning.admission.validation import Findings, validate_update
from controller.planning.site import Site
from tests.unit.planning.manifests import changed, example, manifests

CATALOG = load_catalog()
STORED = example(resource__count=1)


def judge(new: Json, old: Json = STORED) -> Findings:
    return validate_update(old, new, Site(CATALOG))


MUTABLE: list[tuple[str, dict[str, Any]]] = [
    ("a label", {"metadata__labels": {"team": "a"}}),
    ("an annotation", {"metadata__annotations": {"kaito.sh/enablelb": "True"}}),
    ("a finalizer", {"metadata__finalizers": ["workspace.finalizer.kaito.sh"]}),
    ("preferred nodes", {"resource__preferredNodes": ["n1"]}),
    ("the same size in other letter case", {"resource__instanceType": "standard_nc6S_v3"}),
    ("the same size with blanks", {"resource__instanceType": "Standard_NC6s_v3 "}),
    ("the same preset in other letter case", {"inference__preset__name": "Phi-3-Mini-4k-Instruct"}),
    ("the same preset by its long name", {"inference__preset__name": "microsoft/Phi-3-mini-4k-instruct"}),
    ("the access mode that was meant", {"inference__preset__accessMode": "public"}),
    (
        "the same selector in the other form",
        {"resource__labelSelector": {"matchExpressions": [{"key": "apps", "operator": "In", "values": ["phi-3"]}]}},
    ),
]

PRIVATE = example(
    resource__count=1,
    inference__preset__accessMode="private",
    inference__preset__presetOptions={"image": "r.io/a:1", "imagePullSecrets": ["a"]},
)
RENEWED: list[tuple[str, Json]] = [
    ("image", {"image": "r.io/a:2", "imagePullSecrets": ["a"]}),
    ("pull secrets", {"image": "r.io/a:1", "imagePullSecrets": ["b", "c"]}),
    ("access secret", {"image": "r.io/a:1", "imagePullSecrets": ["a"], "modelAccessSecret": "hf"}),
]

IMMUTABLE: list[tuple[str, dict[str, Any], str]] = [
    ("count", {"resource__count": 2}, 'resource.count changes from "1" to "2"'),
    (
        "size",
        {"resource__instanceType": "Standard_NC24ads_A100_v4"},
        'resource.instanceType changes from "Standard_NC6s_v3" to "Standard_NC24ads_A100_v4"',
    ),
    (
        "selector",
        {"resource__labelSelector__matchLabels": {"apps": "other"}},
        'resource.labelSelector changes from "apps=phi-3" to "apps=other"',
    ),
    (
        "preset",
        {"inference__preset__name": "phi-3-mini-128k-instruct"},
        'inference.preset.name changes from "phi-3-mini-4k-instruct" to "phi-3-mini-128k-instruct"',
    ),
    (
        "access mode",
        {"inference__preset__accessMode": "private"},
        'inference.preset.accessMode changes from "public" to "private"',
    ),
    ("preset and all", {"inference__preset": None}, "inference.preset was removed"),
    ("template", {"inference__template": {}}, "inference.template was added"),
    ("tuning", {"tuning": {}}, "tuning was added"),
    ("inference", {"inference": None}, "inference was removed"),
]


@pytest.mark.parametrize(("title", "changes"), MUTABLE, ids=[row[0] for row in MUTABLE])
def test_may_change(title: str, changes: dict[str, Any]) -> None:
    assert judge(example(**{"resource__count": 1, **changes})) == Findings(), title


@pytest.mark.parametrize(("title", "changes", "what"), IMMUTABLE, ids=[row[0] for row in IMMUTABLE])
def test_may_not_change(title: str, changes: dict[str, Any], what: str) -> None:
    found = judge(example(**{"resource__count": 1, **changes}))
    told = {problem.what: problem for problem in found.problems}
    assert what in told, f"{title}: {[problem.text for problem in found.problems]}"
    assert told[what].reason is Reason.FIELD_IMMUTABLE
    assert len(told[what].fixes) == 2


@pytest.mark.parametrize(("title", "options"), RENEWED, ids=[row[0] for row in RENEWED])
def test_what_opens_and_holds_the_model_may_be_renewed(title: str, options: Json) -> None:
    assert judge(changed(PRIVATE, "inference.preset.presetOptions", options), PRIVATE).problems == (), title


def test_a_preset_that_goes_is_told_once_not_field_by_field() -> None:
    found = judge(changed(STORED, "inference.preset", None))
    assert [problem.field for problem in found.problems] == ["inference.preset"]


def test_a_name_that_was_taken_under_older_rules_is_kept() -> None:
    old = example(resource__count=1, metadata__name="3-phi")
    assert judge(changed(old, "metadata.labels", {"team": "a"}), old) == Findings()


def test_more_old_problems_than_are_ever_shown_are_all_tolerated() -> None:
    """Mending one of many mistakes brings none of the others to light as if it were new."""
    bad = {f"-bad{number:02}": "x" for number in range(MAX_PROBLEMS + 10)}
    wrong = {"kaito.sh/node-image-family": "foo"}
    old = example(resource__count=1, resource__labelSelector__matchLabels=bad, metadata__annotations=wrong)
    assert judge(changed(old, "metadata.annotations", None), old) == Findings()


def test_what_was_never_set_may_be_set_later() -> None:
    stored = example(resource__instanceType=None)
    sized = example(resource__count=1, resource__instanceType="Standard_NC24ads_A100_v4")
    assert judge(sized, stored).problems == ()


def test_a_change_of_size_is_told_once_even_if_the_new_size_is_unknown() -> None:
    found = judge(example(resource__count=1, resource__instanceType="Standard_D4s_v5"))
    assert [problem.reason for problem in found.problems] == [Reason.FIELD_IMMUTABLE]


INVALID = example(resource__instanceType="Standard_NV6ads_A10_v5", resource__count=1)


def test_what_was_invalid_before_is_tolerated_while_it_stays_as_it_is() -> None:
    assert judge(changed(INVALID, "metadata.labels", {"team": "a"}), INVALID) == Findings()


def test_a_new_problem_beside_an_old_one_is_refused() -> None:
    found = judge(changed(INVALID, "metadata.annotations", {"kaito.sh/node-image-family": "windows"}), INVALID)
    assert [problem.reason for problem in found.problems] == [Reason.ANNOTATION_INVALID]


def test_a_warning_already_given_is_not_repeated() -> None:
    assert judge(changed(STORED, "metadata.labels", {"team": "a"})).warnings == ()


@pytest.mark.parametrize("field", ["resource", "inference", "metadata.annotations"])
def test_an_object_on_its_way_out_may_change_in_any_way(field: str) -> None:
    leaving = changed(changed(STORED, "metadata.deletionTimestamp", "2026-01-01T00:00:00Z"), field, 7)
    assert judge(leaving, INVALID) == Findings()


@given(manifests())
def test_no_change_is_never_refused(obj: Json) -> None:
    assert judge(obj, obj) == Findings()


@given(manifests(), manifests())
def test_any_change_gets_an_answer(old: Json, new: Json) -> None:
    judge(new, old)


@given(manifests())
def test_finalizers_can_always_be_removed(obj: Json) -> None:
    held = changed(obj, "metadata.finalizers", ["workspace.finalizer.kaito.sh"])
    assert judge(changed(held, "metadata.finalizers", []), held) == Findings()


def test_a_change_that_needs_more_is_not_answered_by_a_size_that_cannot_change() -> None:
    old = example(inference__preset__name="llama-3.3-70b-instruct", resource__instanceType="Standard_NC24ads_A100_v4")
    new = changed(old, "metadata.annotations", {"kaito.sh/runtime": "transformers"})
    (problem,) = validate_update(old, new, Site(CATALOG)).problems
    assert not [fix for fix in problem.fixes if fix.startswith("use ")], problem.fixes


def test_of_another_model_it_is_told_that_it_cannot_be_and_not_what_it_would_need() -> None:
    new = changed(example(), "inference.preset.name", "phi-4")
    found = validate_update(example(), new, Site(CATALOG)).problems
    assert [problem.reason for problem in found] == [Reason.FIELD_IMMUTABLE]
