"""What is shared is equal to what was given, and the same for all that hold it."""

import json

from hypothesis import given
from hypothesis import strategies as st

from controller.api.json import Json
from controller.runtime.sharing import shared

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(), VALUES, max_size=5)


@given(OBJECTS)
def test_sharing_changes_nothing(obj: Json) -> None:
    before = json.dumps(obj)
    made = shared(obj)
    assert json.dumps(made) == before, "an equal object, in the same order"
    assert made is not obj
    assert json.dumps(obj) == before, "the one given is left as it is"


def test_two_answers_hold_each_word_once() -> None:
    text = json.dumps({"metadata": {"labels": {"kaito.sh/workspace": "phi three"}}, "words": ["Always on"]})
    one, other = shared(json.loads(text)), shared(json.loads(text))
    words = [word for obj in (one, other) for pair in obj["metadata"]["labels"].items() for word in pair]
    assert words[0] is words[2]
    assert words[1] is words[3]
    assert one["words"][0] is other["words"][0]


def test_long_texts_are_left_alone() -> None:
    """They are seldom equal, and looking for an equal one would cost more than it saves."""
    text = "a message that only this object has " * 3
    assert shared({"message": text})["message"] is text
