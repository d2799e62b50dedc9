from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.planning.drift import covers

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=15,
)


@given(st.dictionaries(st.text(max_size=5), json_values, max_size=4), json_values)
def test_fields_of_others_are_no_difference(wanted: dict[str, Any], other: Any) -> None:
    assert covers({**wanted, "defaulted-by-the-server": other}, wanted)


@given(st.dictionaries(st.text(max_size=5), json_values, min_size=1, max_size=4))
def test_a_missing_field_is_a_difference(wanted: dict[str, Any]) -> None:
    for key in wanted:
        assert not covers({name: value for name, value in wanted.items() if name != key}, wanted)


@pytest.mark.parametrize(
    ("live", "wanted", "same"),
    [
        ([{"name": "b"}, {"name": "a", "x": 1}], [{"name": "a"}], True),
        ([{"name": "b"}], [{"name": "a"}], False),
        (["--b", "--a"], ["--a"], False),
        (["--a"], ["--a"], True),
        ({"replicas": 2}, {"replicas": 1}, False),
        ([{"port": 80}, {"port": 29500}], [{"port": 29500}, {"port": 80}], True),
        ("text", {"a": 1}, False),
        ({"tolerations": [{"key": "a"}, {"key": "b"}]}, {"tolerations": [{"key": "a"}]}, False),
        ({"matchExpressions": [{"key": "a"}, {"key": "b"}]}, {"matchExpressions": [{"key": "b"}]}, False),
    ],
)
def test_lists_of_named_entries_may_hold_others_and_plain_lists_may_not(live: Any, wanted: Any, same: bool) -> None:
    assert covers(live, wanted) is same


@pytest.mark.parametrize(
    ("field", "stated", "added"),
    [
        ("selector", {"app": "phi"}, {"app": "phi", "v": "2"}),
        ("nodeSelector", {}, {"v": "2"}),
        ("nodeSelectorTerms", [{"matchExpressions": []}], [{"matchExpressions": [], "matchFields": [{"key": "v"}]}]),
        ("args", [], ["--port=1"]),
        ("paused", False, True),
    ],
)
def test_what_is_stated_whole_holds_nothing_else_and_is_not_stored_where_it_is_empty(
    field: str, stated: Any, added: Any
) -> None:
    assert not covers({field: added}, {field: stated}), "an entry somebody added would stay for ever"
    assert covers({field: stated} if stated else {}, {field: stated}), "it would be written again and again"
    if stated:
        assert not covers({}, {field: stated})
