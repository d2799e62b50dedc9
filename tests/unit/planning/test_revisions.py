"""The history of a Workspace: what makes a revision, what it says, and how many there are."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api import labels
from controller.api.json import Json, annotations_of, name_of
from controller.api.workspace import parse_workspace
from controller.catalog import load_catalog
from controller.planning.configs import INFERENCE_KEY, TRAINING_KEY
from controller.planning.revisions import (
    CAUSE,
    CONFIG_HASH,
    LIMIT,
    Wish,
    appliable,
    next_revision,
    number_of,
    render_revision,
    revision_name,
    surplus,
    wish_of,
)
from controller.planning.site import Site
from tests.unit.planning.rendering.kit import served, target_of, tuned

CATALOG = load_catalog()
CONFIGURED = served("phi-3-mini-4k-instruct", config="mine")


def wish(obj: Json, config: str | None = None) -> Wish:
    """The wish of a manifest, whose ConfigMap, where it names one, holds a text."""
    data = None if config is None else {INFERENCE_KEY: config, TRAINING_KEY: config}
    site = Site(CATALOG, config_maps=lambda namespace, name: data)
    return wish_of(parse_workspace(obj), obj, target_of(obj, config), site)


def revision(obj: Json, number: int = 0, *, applied: str = "a", config: str | None = None) -> Json:
    """The revision of a manifest as stored, or as it would be stored while it has no number."""
    workspace, asked = parse_workspace(obj), wish(obj, config)
    made = render_revision(workspace, obj, asked, revision_name(workspace, asked, applied))
    return {**made, "revision": number} if number else made


def edited(obj: Json, **blocks: Any) -> Json:
    """The manifest with fields of its blocks, or its annotations, changed."""
    newer = deepcopy(obj)
    for block, fields in blocks.items():
        if block == "annotations":
            newer["metadata"].setdefault(block, {}).update(fields)
        else:
            newer[block].update(fields)
    return newer


PLAIN = served("phi-3-mini-4k-instruct")
ADAPTER = {"source": {"name": "poet", "image": "registry.example.com/poet:1"}}
ADAPTED = edited(PLAIN, inference={"adapters": [ADAPTER]})


@pytest.mark.parametrize(
    ("changes", "pods", "whole"),
    [
        ({"inference": {"adapters": [ADAPTER]}}, True, True),
        ({"annotations": {labels.RUNTIME: "transformers"}}, True, True),
        ({"resource": {"preferredNodes": ["n"]}}, False, True),
        ({"annotations": {labels.ENABLE_LOAD_BALANCER: "True"}}, False, True),
        ({"annotations": {labels.PAUSED: "true"}}, False, False),
        ({"annotations": {labels.LAST_APPLIED: "{}"}}, False, False),
        ({"annotations": {labels.KAITO_REVISION: "7"}}, False, False),
        ({"annotations": {"team": "a"}}, False, False),
    ],
    ids=str,
)
def test_what_is_carried_out_is_part_of_the_wish_and_notes_are_not(changes: Any, pods: bool, whole: bool) -> None:
    before, after = wish(PLAIN), wish(edited(PLAIN, **changes))
    assert ((before.pods != after.pods), (before.whole != after.whole)) == (pods, whole)


def test_the_text_of_the_config_map_is_part_of_the_wish_and_only_its_digest_is_kept() -> None:
    one, other = "vllm: {max-model-len: 1024}", "vllm: {max-model-len: 2048}"
    assert wish(CONFIGURED, one).pods != wish(CONFIGURED, other).pods
    stored = revision(CONFIGURED, config=one)
    assert annotations_of(stored)[CONFIG_HASH] == wish(CONFIGURED, one).config
    assert "1024" not in json.dumps(stored)


def test_a_training_run_is_named_by_its_own_wish_alone() -> None:
    workspace, plain = parse_workspace(tuned()), wish(tuned())
    notes = {labels.ENABLE_LOAD_BALANCER: "True"}
    elsewhere = wish(edited(tuned(), resource={"preferredNodes": ["n"]}, annotations=notes))
    name = revision_name(workspace, plain, "a")
    assert name == revision_name(workspace, elsewhere, "b"), "the run would be taken for another one, and repeated"
    assert name != revision_name(workspace, wish(tuned(method="lora")), "a")


def test_a_workload_that_is_made_otherwise_is_another_revision_and_so_is_a_successors() -> None:
    workspace = parse_workspace(PLAIN)
    heir = parse_workspace({**PLAIN, "metadata": {**PLAIN["metadata"], "uid": "heir"}})
    asked = wish(PLAIN)
    names = {revision_name(whose, asked, applied) for whose in (workspace, heir) for applied in ("a", "b")}
    assert len(names) == 4


def test_a_revision_holds_the_workspace_as_its_author_would_write_it() -> None:
    notes = {labels.LAST_APPLIED: "{}", labels.PAUSED: "false", labels.KAITO_REVISION: "3", "team": "a"}
    obj = edited(PLAIN, annotations=notes)
    obj["metadata"] |= {"finalizers": [labels.WORKSPACE_FINALIZER], "labels": {"app": "x"}}
    assert appliable({**obj, "status": {"state": "Ready"}}) == {
        "apiVersion": "kaito.sh/v1beta1",
        "kind": "Workspace",
        "metadata": {"name": "phi", "namespace": "default", "labels": {"app": "x"}, "annotations": {"team": "a"}},
        "resource": PLAIN["resource"],
        "inference": PLAIN["inference"],
    }


@pytest.mark.parametrize(
    ("before", "after", "cause"),
    [
        (None, revision(PLAIN), "first applied"),
        (revision(PLAIN, 1), revision(ADAPTED), "inference.adapters added"),
        (revision(ADAPTED, 1), revision(PLAIN), "inference.adapters removed"),
        (revision(PLAIN, 1), revision(PLAIN, applied="b"), "the operator or its catalogue changed"),
        (
            revision(CONFIGURED, 1, config="vllm: {max-model-len: 1}"),
            revision(CONFIGURED, config="vllm: {max-model-len: 2}"),
            "the contents of the ConfigMap changed",
        ),
        (
            revision(PLAIN, 1),
            revision(edited(PLAIN, annotations={labels.ENABLE_LOAD_BALANCER: "True"})),
            "metadata.annotations[kaito.sh/enablelb] added",
        ),
        (
            {"revision": 4, "data": {"resource": PLAIN["resource"], "inference": PLAIN["inference"], "tuning": None}},
            revision(ADAPTED),
            "inference.adapters added",
        ),
    ],
    ids=["first", "added", "removed", "operator", "configuration", "annotation", "after KAITO's"],
)
def test_a_revision_says_what_was_changed(before: Json | None, after: Json, cause: str) -> None:
    found = next_revision(after, [before] if before else [])
    assert found is not None
    assert (annotations_of(found)[CAUSE], found["revision"]) == (cause, number_of(before or {}) + 1)


def test_a_cause_holds_no_value_of_the_users_and_is_bounded() -> None:
    def pod(secret: str) -> Json:
        env = [{"name": "KEY", "value": secret}]
        container = {"name": "a", "image": "a:1", "env": env, "resources": {"limits": {"nvidia.com/gpu": "1"}}}
        return edited(PLAIN, annotations={f"kaito.sh/{number}": secret for number in range(9)}) | {
            "inference": {"template": {"spec": {"containers": [container]}}}
        }

    found = next_revision(revision(pod("hush")), [revision(pod("tell"), 1)])
    assert found is not None
    cause = annotations_of(found)[CAUSE]
    assert "hush" not in cause
    assert "tell" not in cause
    assert cause.endswith(" and 5 more")


def test_an_older_revision_that_is_wanted_again_gets_the_next_number() -> None:
    history = [revision(PLAIN, 1), revision(ADAPTED, 2)]
    again = next_revision(revision(PLAIN), history)
    assert again is not None
    assert (name_of(again), again["revision"]) == (name_of(history[0]), 3)
    assert annotations_of(again)[CAUSE] == "back to revision 1: inference.adapters removed"


def test_the_newest_is_not_written_again() -> None:
    assert next_revision(revision(ADAPTED), [revision(ADAPTED, 2), revision(PLAIN, 1)]) is None


@given(st.lists(st.integers(0, 14), max_size=40))
def test_numbers_only_grow_and_the_newest_revisions_are_kept(wishes: list[int]) -> None:
    history: list[Json] = []
    for asked in wishes:
        body = {"metadata": {"name": f"phi-{asked}"}, "data": {"inference": {"config": str(asked)}}}
        written = next_revision(body, history)
        newest = max(map(number_of, history), default=0)
        if written is not None:
            assert number_of(written) == newest + 1
            history = [written, *(each for each in history if name_of(each) != name_of(written))]
        gone = [name_of(each) for each in surplus(history)]
        history = [each for each in history if name_of(each) not in gone]
        assert len(history) <= LIMIT
        assert name_of(max(history, key=number_of)) == f"phi-{asked}", "what is carried out must be in the history"
