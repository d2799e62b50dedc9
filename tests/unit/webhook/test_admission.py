"""The two webhooks: what they judge, what they let pass unread, and what they fill in."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.catalog import load_catalog
from controller.planning.site import Site
from tests.unit.planning.manifests import ANY_JSON, changed, example, manifests
from tests.unit.webhook.reviews import encoded, review
from webhook.admission import ALLOWED, Judge
from webhook.review import Decide, Verdict, parse_review, render_answer

JUDGE = Judge(lambda: Site(load_catalog()))
BOTH = pytest.mark.parametrize("decide", [JUDGE.mutate, JUDGE.validate], ids=["mutate", "validate"])
BAD = example(resource__count=0, inference__preset__name="nope")


def ask(decide: Decide, *arguments: Any, **fields: Any) -> Verdict:
    return decide(parse_review(encoded(review(*arguments, **fields))))


@BOTH
def test_a_good_workspace_is_allowed(decide: Decide) -> None:
    assert ask(decide, example()).allowed


@BOTH
def test_a_bad_workspace_is_refused_with_everything_at_once(decide: Decide) -> None:
    assert [problem.reason for problem in ask(decide, BAD).problems] == [Reason.PRESET_UNKNOWN, Reason.COUNT_INVALID]


@BOTH
@pytest.mark.parametrize(
    "fields",
    [
        {"operation": "DELETE", "old": BAD},
        {"operation": "CONNECT", "obj": BAD},
        {"operation": "UPDATE", "obj": BAD, "old": BAD, "subResource": "status"},
        {"obj": changed(BAD, "metadata.deletionTimestamp", "2026-01-01T00:00:00Z")},
    ],
    ids=["delete", "connect", "status", "on its way out"],
)
def test_what_is_never_judged(decide: Decide, fields: Json) -> None:
    assert ask(decide, **fields) == ALLOWED


@BOTH
@pytest.mark.parametrize(
    "kind", [{"group": "", "version": "v1", "kind": "Pod"}, {}, {"group": "kaito.sh", "kind": "X"}]
)
def test_another_kind_passes_with_a_warning(decide: Decide, kind: Json) -> None:
    verdict = ask(decide, BAD, kind=kind)
    assert verdict.allowed
    assert verdict.warnings == ("the webhook of KAITO judges Workspace objects only",)


@BOTH
def test_a_review_without_its_object_is_unreadable(decide: Decide) -> None:
    assert ask(decide).unreadable == "the AdmissionReview of a CREATE has no object"
    assert ask(decide, example(), operation="UPDATE").unreadable == "the AdmissionReview of an UPDATE has no oldObject"


def test_what_is_filled_in_is_judged_and_patched() -> None:
    verdict = ask(JUDGE.mutate, example(resource__instanceType=None))
    assert verdict.allowed
    assert [operation["path"] for operation in verdict.operations] == ["/resource/instanceType", "/resource/count"]
    assert verdict.warnings[0].startswith("resource.instanceType set to Standard_NC4as_T4_v3")


def test_the_validating_webhook_fills_in_nothing() -> None:
    verdict = ask(JUDGE.validate, example(resource__instanceType=None))
    assert [problem.reason for problem in verdict.problems] == [Reason.INSTANCE_TYPE_REQUIRED]


def test_replacing_a_stored_object_by_its_manifest_is_allowed() -> None:
    stored = example(resource__instanceType="Standard_NC4as_T4_v3", resource__count=1)
    verdict = ask(JUDGE.mutate, example(resource__instanceType=None), stored, operation="UPDATE")
    assert verdict.allowed
    assert len(verdict.operations) == 2


@BOTH
def test_an_update_is_judged_by_what_it_changes(decide: Decide) -> None:
    assert ask(decide, changed(BAD, "metadata.labels", {"a": "b"}), BAD, operation="UPDATE").allowed
    changed_preset = changed(BAD, "inference.preset.name", "phi-3-mini-4k-instruct")
    verdict = ask(decide, changed_preset, BAD, operation="UPDATE")
    assert [problem.reason for problem in verdict.problems] == [Reason.FIELD_IMMUTABLE]


@BOTH
@given(
    obj=manifests() | ANY_JSON,
    old=manifests() | ANY_JSON,
    operation=st.sampled_from(["CREATE", "UPDATE", "DELETE", "PATCH", ""]),
)
def test_any_review_gets_an_answer(decide: Decide, obj: Any, old: Any, operation: str) -> None:
    question = parse_review(encoded(review(obj, old, operation=operation)))
    assert render_answer(question, decide(question))
