"""The annotation with which users overrule the sums."""

import pytest

from controller.api.messages import Problem
from controller.api.reasons import Reason
from controller.planning.bypass import SIZE_REASONS, bypass, bypasses
from tests.unit.planning.builders import workspace

KEY = "kaito.sh/bypass-resource-checks"


def found(value: str | None, reason: Reason) -> list[object]:
    annotations = {} if value is None else {KEY: value}
    owner = workspace(metadata={"name": "phi", "annotations": annotations})
    return list(bypass(iter([Problem(reason, "resource.count", "it is too small")]), owner))


@pytest.mark.parametrize("value", ["", "true", "True", "anything"])
@pytest.mark.parametrize("reason", sorted(SIZE_REASONS))
def test_any_word_turns_a_refusal_for_size_into_a_warning(value: str, reason: Reason) -> None:
    assert found(value, reason) == [f"accepted because {KEY} is set: it is too small ({reason})"]


@pytest.mark.parametrize("reason", sorted(set(Reason) - SIZE_REASONS))
def test_other_refusals_stay(reason: Reason) -> None:
    assert found("", reason) == [Problem(reason, "resource.count", "it is too small")]


@pytest.mark.parametrize("value", ["false", "No", " off ", "0"])
def test_a_word_that_says_no_is_taken_at_its_word_and_told(value: str) -> None:
    told, problem = found(value, Reason.INSUFFICIENT_GPU_MEMORY)
    assert "bypasses nothing here" in str(told)
    assert isinstance(problem, Problem)


@pytest.mark.parametrize(("value", "expected"), [(None, False), ("", True), ("yes", True), ("false", False)])
def test_who_asks(value: str | None, expected: bool) -> None:
    annotations = {} if value is None else {KEY: value}
    assert bypasses(workspace(metadata={"name": "phi", "annotations": annotations})) is expected
