"""The wire form of a watch, cut and damaged in every way a network can."""

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.runtime import watch
from controller.runtime.errors import BROKEN, ApiError, Gone, Throttled, Unavailable
from controller.runtime.watch import LineSplitter, WatchEvent, decode_event


@given(lines=st.lists(st.binary(max_size=20).map(lambda raw: raw.replace(b"\n", b""))), cuts=st.lists(st.integers(0)))
def test_lines_survive_any_cutting(lines: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(line + b"\n" for line in lines)
    edges = sorted({0, len(whole), *(cut % (len(whole) + 1) for cut in cuts)})
    splitter, got = LineSplitter(), list[bytes]()
    for start, end in itertools.pairwise(edges):
        got += splitter.feed(whole[start:end])
    assert got == [line for line in lines if line.strip()], "blank lines carry nothing, all others arrive whole"
    assert splitter.rest == 0


@given(torn=st.binary(min_size=1, max_size=20).map(lambda raw: raw.replace(b"\n", b"x")))
def test_a_torn_last_line_is_known(torn: bytes) -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"whole\n" + torn) == [b"whole"]
    assert splitter.rest == len(torn)


def test_a_line_longer_than_any_stream_limit_arrives() -> None:
    splitter = LineSplitter()
    chunk = b"x" * (1 << 20)
    for _ in range(8):
        assert splitter.feed(chunk) == []
    assert splitter.feed(b"\n") == [chunk * 8]


def test_a_stream_without_line_ends_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_LINE_LIMIT", 1000)
    splitter = LineSplitter()
    splitter.feed(b"x" * 600)
    with pytest.raises(ValueError, match="1200 bytes without a line end"):
        splitter.feed(b"x" * 600)


@pytest.mark.parametrize("kind", ["ADDED", "MODIFIED", "DELETED", "BOOKMARK"])
def test_an_event_is_its_type_and_object(kind: str) -> None:
    line = json.dumps({"type": kind, "object": {"metadata": {"name": "a"}}}).encode()
    assert decode_event(line) == WatchEvent(kind, {"metadata": {"name": "a"}})


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"code": 410, "reason": "Expired"}, Gone),
        ({"code": 500}, Unavailable),
        ({}, Unavailable),
        ({"code": 504, "details": {"retryAfterSeconds": 1}}, Throttled),
    ],
)
def test_an_error_event_is_raised_as_the_error_it_states(body: dict[str, Any], expected: type[Exception]) -> None:
    with pytest.raises(expected) as caught:
        decode_event(json.dumps({"type": "ERROR", "object": body}).encode())
    assert isinstance(caught.value, ApiError)
    assert caught.value.in_stream


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"ADDED","object":{"metadata":',
        b"<html><body>Bad gateway</body></html>",
        b'{"type":"RENAMED","object":{}}',
        b'{"type":"ADDED","object":null}',
        b'{"type":"ERROR"}',
        b"[]",
        b"\xff\xfe",
        b"[" * 100_000,
    ],
    ids=["torn", "page", "unknown type", "no object", "empty error", "list", "not text", "nested"],
)
def test_anything_else_is_a_broken_stream(line: bytes) -> None:
    with pytest.raises(Unavailable) as caught:
        decode_event(line, request="GET /api/v1/pods")
    assert caught.value.reason == BROKEN
    assert len(str(caught.value)) < 250
