"""Adapters: which are refused, and what their authors are told."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.reasons import Reason
from controller.api.workspace import AdapterSpec
from controller.planning.admission.adapter_rules import RULES, strength_of
from controller.planning.admission.validation import validate, validate_update
from controller.planning.site import Site
from tests.unit.planning.admission.findings_kit import A100, IMAGE, V100, adapted, find, refusals
from tests.unit.planning.manifests import changed, example

ONE: dict[str, Any] = {"source": {"name": "tone", "image": IMAGE}}
CLAIM = {"persistentVolumeClaim": {"claimName": "adapters"}}
FIRST = "inference.adapters[0]"


def one(**changes: Any) -> dict[str, Any]:
    obj = ONE
    for path, value in changes.items():
        obj = changed(obj, path.replace("__", "."), value)
    return obj


ACCEPTED: list[tuple[str, list[Any]]] = [
    ("no adapter", []),
    ("an image", [ONE]),
    ("a volume", [one(source__image=None, source__volumeSource=CLAIM)]),
    ("the whole adapter", [one(strength="1.0")]),
    ("a quarter of it", [one(strength=".25")]),
    ("nothing of it", [one(strength="0")]),
    ("a power of ten", [one(strength="5e-1")]),
    ("no addresses", [one(source__urls=[])]),
    ("two names", [ONE, one(source__name="tone.v2")]),
]
REFUSED: list[tuple[str, list[Any], list[tuple[Reason, str]]]] = [
    ("no source", [{"strength": "1"}], [(Reason.FIELD_REQUIRED, f"{FIRST}.source")]),
    ("a source that is nothing", [{"source": {"name": "a"}}], [(Reason.EXACTLY_ONE_OF, f"{FIRST}.source")]),
    ("image and volume", [one(source__volumeSource=CLAIM)], [(Reason.EXACTLY_ONE_OF, f"{FIRST}.source")]),
    ("an address", [one(source__urls=["https://example.com/a"])], [(Reason.FIELD_NOT_ALLOWED, f"{FIRST}.source.urls")]),
    ("no name", [one(source__name=None)], [(Reason.FIELD_REQUIRED, f"{FIRST}.source.name")]),
    ("capitals in the name", [one(source__name="Bad_Name")], [(Reason.NAME_INVALID, f"{FIRST}.source.name")]),
    ("a name of two", [ONE, ONE], [(Reason.NAME_DUPLICATE, "inference.adapters[1].source.name")]),
    ("too strong", [one(strength="2")], [(Reason.STRENGTH_INVALID, f"{FIRST}.strength")]),
    ("negative", [one(strength="-0.1")], [(Reason.STRENGTH_INVALID, f"{FIRST}.strength")]),
    ("a word", [one(strength="half")], [(Reason.STRENGTH_INVALID, f"{FIRST}.strength")]),
    ("no number", [one(strength="nan")], [(Reason.STRENGTH_INVALID, f"{FIRST}.strength")]),
    ("a number for programmers", [one(strength="1_0e-1")], [(Reason.STRENGTH_INVALID, f"{FIRST}.strength")]),
    ("blanks", [one(strength=" 1")], [(Reason.STRENGTH_INVALID, f"{FIRST}.strength")]),
]  # fmt: skip


@pytest.mark.parametrize(("title", "adapters"), ACCEPTED, ids=[row[0] for row in ACCEPTED])
def test_accepted(title: str, adapters: list[Any]) -> None:
    assert find(RULES, adapted(*adapters)) == ([], []), title


@pytest.mark.parametrize(("title", "adapters", "expected"), REFUSED, ids=[row[0] for row in REFUSED])
def test_refused(title: str, adapters: list[Any], expected: list[tuple[Reason, str]]) -> None:
    assert refusals(RULES, adapted(*adapters)) == expected, title


def test_the_adapter_form_of_the_missions_example_is_accepted() -> None:
    assert validate(adapted(one(strength="1.0")), Site()).problems == ()


def test_vllm_adds_every_adapter_in_full_and_says_so() -> None:
    problems, warnings = find(RULES, adapted(one(strength="0.5"), size=A100))
    assert problems == []
    told = "vLLM adds every adapter in full; set the annotation kaito.sh/runtime to transformers to have it weighted"
    assert warnings == [f'{FIRST}.strength is "0.5", but {told}']
    assert find(RULES, adapted(one(strength="1.0"), size=A100)) == ([], []), "in full is what is asked for"
    weighted = adapted(one(strength="0.5"), size=A100, runtime="transformers")
    assert find(RULES, weighted) == ([], []), "Transformers weighs adapters"


def test_a_model_server_that_loads_no_adapters_is_refused_with_the_one_that_does() -> None:
    ((problem,), _) = find(RULES, adapted(ONE, preset="falcon-7b", size=A100))
    assert (problem.reason, problem.field) == (Reason.ADAPTERS_NOT_SUPPORTED, "inference.adapters")
    assert problem.fixes == (
        "set the annotation kaito.sh/runtime to transformers",
        "remove inference.adapters",
    )
    assert find(RULES, adapted(ONE, preset="falcon-7b", size=V100))[0] == [], "V100s are served by Transformers"


def test_of_an_image_of_the_users_nothing_is_known() -> None:
    obj = changed(adapted(ONE), "inference.preset.accessMode", "private")
    assert find(RULES, obj) == (
        [],
        ["whether your image of phi-3-mini-128k-instruct loads adapters is not known"],
    )


def test_a_pod_template_gets_no_adapters() -> None:
    obj = example(inference={"template": {"spec": {}}, "adapters": [ONE]})
    assert find(RULES, obj)[1] == ["inference.adapters is not used: inference.template starts a program of your own"]


def test_adapters_that_came_in_unjudged_do_not_imprison_the_workspace() -> None:
    """KAITO judges adapters on update only, and then refuses the removal of its own finalizer."""
    stored = adapted(one(source__name="Bad_Name"))
    labelled = changed(stored, "metadata.labels", {"team": "a"})
    assert validate_update(stored, labelled, Site()).problems == ()
    worse = changed(stored, "inference.adapters", [one(source__name="Worse_Name")])
    assert [problem.reason for problem in validate_update(stored, worse, Site()).problems] == [Reason.NAME_INVALID]


@given(st.floats(0, 1))
def test_every_number_from_0_to_1_is_understood(number: float) -> None:
    assert strength_of(AdapterSpec(strength=str(number))) == number


@given(st.text(max_size=32))
def test_whatever_is_understood_is_from_0_to_1(text: str) -> None:
    strength = strength_of(AdapterSpec(strength=text))
    assert strength is None or 0 <= strength <= 1
