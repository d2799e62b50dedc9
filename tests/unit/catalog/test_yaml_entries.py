"""YAML that users write: whatever the text, there are entries and faults with a line, and nothing is raised."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from controller.catalog.yaml_entries import Entry, Fault, document, entries

WORDS = st.sampled_from(
    ["!!bool", "!!int", "!!float", "!!null", "!!timestamp", "!!binary", "!!set", "!!omap", "!x", "!"]
)
SCALARS = st.sampled_from(
    ["", '""', "foo", "+", "0x", "0b_", "1:00", ".inf", "=", "<<", "~", "2026-01-01", "?", "{}", "[]"]
)


@pytest.mark.parametrize(
    "value",
    [
        "!!bool foo",
        '!!int ""',
        '!!float ""',
        "!!timestamp foo",
        "!!binary YQ==",
        "!!set {a}",
        "!!omap [a: 1]",
        "!own a",
    ],
)
def test_a_tag_that_asks_for_another_type_is_a_fault_with_its_line(value: str) -> None:
    found, other = entries(f"list:\n- name: a\n  size: {value}\n- name: b\n", "list")
    tag = value.split(maxsplit=1)[0]
    assert found == Fault(3, f"cannot be read: the tag {tag} is not allowed, write the value plainly")
    assert isinstance(other, Entry), "the rest of the document works"


def test_a_tag_that_says_what_json_has_anyway_may_stay() -> None:
    found = document("!!map {a: !!str 1, b: !!seq [2], c: !!bool true}")
    assert isinstance(found, Entry)
    assert found.value == {"a": "1", "b": [2], "c": True}


@pytest.mark.parametrize("value", ["12:30", "1:00:00.5", "-1" + ":00" * 20_000, "1" + ":00" * 400 + ".5"])
def test_a_number_to_the_base_of_60_is_text_as_kubernetes_reads_it(value: str) -> None:
    found = document(f"a: {value}")
    assert isinstance(found, Entry)
    assert found.value == {"a": value}


@given(tag=WORDS | st.just(""), value=SCALARS | st.text(max_size=12), key=st.booleans())
@example(tag="!!bool", value="foo", key=True)
def test_no_text_is_too_strange(tag: str, value: str, key: bool) -> None:
    text = f"list:\n- {{? {tag} {value} : 1}}" if key else f"list:\n- {{a: {tag} {value}}}"
    for found in entries(text, "list"):
        assert isinstance(found, (Entry, Fault))
        assert found.line >= 1
