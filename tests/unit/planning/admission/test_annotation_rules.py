"""Annotations: what they may say, and what is said where they change nothing."""

import pytest

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.catalog import load_catalog
from controller.planning.admission.findings import Findings
from controller.planning.admission.validation import validate, validate_update
from controller.planning.site import Site
from tests.unit.planning.manifests import changed, example

SITE = Site(load_catalog())
PLAIN = example(resource__instanceType="Standard_NC24ads_A100_v4")


def annotated(**annotations: str) -> Json:
    """The example with annotations of kaito.sh; `performance_mode` stands for `kaito.sh/performance-mode`."""
    given = {f"kaito.sh/{key.replace('_', '-')}": value for key, value in annotations.items()}
    return changed(PLAIN, "metadata.annotations", given)


SILENT: list[dict[str, str]] = [
    {"runtime": "vllm"},
    {"runtime": "transformers"},
    {"enablelb": "True"},
    {"enablelb": "False"},
    {"node_image_family": "ubuntu"},
    {"node_image_family": " AzureLinux "},
    {"use_local_weights": "false"},
    {"model_streaming": "disabled"},
    {"disable_benchmark": "true"},
    {"run_benchmark": "false"},
    {"node_class_name": ""},
    {"release_nodes": "when-done"},
    {"paused": "true"},
    {"paused": "false"},
]


@pytest.mark.parametrize("annotations", SILENT, ids=str)
def test_words_that_are_known_or_ask_for_what_is_done_anyway_draw_no_comment(annotations: dict[str, str]) -> None:
    assert validate(annotated(**annotations), SITE) == Findings()


@pytest.mark.parametrize(
    ("annotations", "key"),
    [
        ({"node_image_family": "windows"}, "kaito.sh/node-image-family"),
        ({"node_image_family": ""}, "kaito.sh/node-image-family"),
        ({"performance_mode": "fast"}, "kaito.sh/performance-mode"),
        ({"performance_mode": "Balanced"}, "kaito.sh/performance-mode"),
        ({"performance_mode": ""}, "kaito.sh/performance-mode"),
        ({"use_local_weights": "True"}, "kaito.sh/use-local-weights"),
        ({"paused": "True"}, "kaito.sh/paused"),
        ({"paused": ""}, "kaito.sh/paused"),
    ],
)
def test_a_word_that_is_not_on_the_list_is_refused_with_the_list(annotations: dict[str, str], key: str) -> None:
    (problem,) = validate(annotated(**annotations), SITE).problems
    assert (problem.reason, problem.field) == (Reason.ANNOTATION_INVALID, f"metadata.annotations[{key}]")
    assert "words: " in problem.why


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("performance_mode", "throughput"),
        ("use_local_weights", "true"),
        ("node_class_name", "image-family-ubuntu"),
        ("run_benchmark", "true"),
        ("model_mirror_storage_class", "fast"),
    ],
)
def test_what_nothing_acts_on_is_accepted_and_told(key: str, value: str) -> None:
    told = f"the annotation kaito.sh/{key.replace('_', '-')} has no effect here"
    assert validate(annotated(**{key: value}), SITE) == Findings(warnings=(told,))


@pytest.mark.parametrize(
    ("key", "hint"),
    [("runtme", "; did you mean kaito.sh/runtime?"), ("my-own-note", "")],
)
def test_an_annotation_of_ours_that_nobody_knows_is_told_with_what_was_meant(key: str, hint: str) -> None:
    told = f'the annotation "kaito.sh/{key}" is not known and has no effect{hint}'
    assert validate(changed(PLAIN, "metadata.annotations", {f"kaito.sh/{key}": "x"}), SITE).warnings == (told,)


def test_annotations_of_others_are_their_business() -> None:
    assert validate(changed(PLAIN, "metadata.annotations", {"example.com/kaito.sh": "x"}), SITE) == Findings()


def test_updates_let_words_pass_that_change_nothing_here() -> None:
    assert validate_update(PLAIN, annotated(performance_mode="nonsense"), SITE).problems == ()


def test_updates_are_held_to_words_that_are_acted_on() -> None:
    (problem,) = validate_update(PLAIN, annotated(node_image_family="windows"), SITE).problems
    assert problem.reason is Reason.ANNOTATION_INVALID


def test_of_many_annotations_nobody_knows_the_first_are_told_and_the_rest_counted() -> None:
    warnings = validate(annotated(**{f"x{number:04}": "" for number in range(2000)}), SITE).warnings
    assert len(warnings) == 6
    assert warnings[-1] == "of the annotations under kaito.sh, 1995 more are not known and have no effect"
