from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.messages import TEXT_LIMIT, Problem, quote, shorten
from controller.api.reasons import Reason


def test_a_problem_states_what_why_fix_and_code_in_this_order() -> None:
    problem = Problem(
        Reason.COUNT_INVALID,
        "resource.count",
        "resource.count is 0",
        "at least 1 node is needed",
        ("set 1", "leave it out"),
    )
    assert problem.text == (
        "resource.count is 0: at least 1 node is needed. Fix: set 1; or leave it out (CountInvalid)"
    )


@given(st.text(), st.text(), st.lists(st.text(), max_size=5))
def test_a_text_is_short_and_always_ends_with_its_code(what: str, why: str, fixes: list[str]) -> None:
    text = Problem(Reason.PRESET_UNKNOWN, "", what, why, tuple(fixes)).text
    assert len(text) <= TEXT_LIMIT
    assert text.endswith("(PresetUnknown)")
    assert "\n" not in text


def test_a_fix_for_which_there_is_no_room_is_left_out_whole() -> None:
    first, second, third = "a" * 200, "b" * 200, "c" * 200
    assert Problem(Reason.COUNT_INVALID, "", "what", "why", (first, second, third)).text == (
        f"what: why. Fix: {first}; or {second} (CountInvalid)"
    )


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_shortening_keeps_the_limit(text: str, limit: int) -> None:
    assert len(shorten(text, limit)) <= limit


def test_of_a_long_value_only_the_beginning_is_read() -> None:
    class Counted(str):
        __slots__ = ()

        def __iter__(self) -> Iterator[str]:
            raise AssertionError("the whole value is walked through")

        def __str__(self) -> str:
            return self

    assert quote(Counted("x" * 1_000_000)) == '"' + "x" * 79 + '…"'
    assert quote(" " * 1_000 + "x") == '"…"'
    assert quote("x" + " " * 1_000) == '"x …"'


@pytest.mark.parametrize("value", ["\x1b[31mred", "a\x00b", "line\nbreak"])
def test_a_quoted_value_cannot_garble_a_terminal(value: str) -> None:
    assert quote(value).isprintable()
