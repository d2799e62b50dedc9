"""Grammars of names, and the nearest name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.planning import names


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("a", True),
        ("a-1", True),
        ("1a", True),
        ("a1", True),
        ("a" * 63, True),
        ("a" * 64, False),
        ("", False),
        ("A", False),
        ("a.b", False),
        ("-a", False),
        ("a-", False),
        ("a\n", False),
        ("ä", False),
    ],
)
def test_dns_label(text: str, valid: bool) -> None:
    assert names.is_dns_label(text) is valid


@pytest.mark.parametrize(
    ("text", "valid"),
    [("a.b-c", True), ("a" * 253, True), ("a" * 254, False), ("a..b", False), (".a", False), ("a/b", False)],
)
def test_subdomain(text: str, valid: bool) -> None:
    assert names.is_subdomain(text) is valid


@pytest.mark.parametrize(
    ("key", "valid"),
    [
        ("apps", True),
        ("Apps_1.x", True),
        ("example.com/apps", True),
        ("", False),
        ("/apps", False),
        ("a/", False),
        ("a/b/c", False),
        ("Example.com/apps", False),
        ("a b", False),
        ("-a", False),
        ("x" * 64, False),
    ],
)
def test_label_key(key: str, valid: bool) -> None:
    assert names.is_label_key(key) is valid


@pytest.mark.parametrize(
    ("value", "valid"), [("", True), ("phi-3", True), ("x" * 63, True), ("x" * 64, False), ("a/b", False)]
)
def test_label_value(value: str, valid: bool) -> None:
    assert names.is_label_value(value) is valid


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("phi", True),
        ("r.example.com/models/phi-3:1", True),
        ("localhost:5000/phi", True),
        ("a__b/c--d", True),
        (f"r.io/phi@sha256:{'0' * 64}", True),
        ("", False),
        ("r.io/Phi", False),
        ("r.io/phi:", False),
        ("r.io//phi", False),
        ("https://r.io/phi", False),
        ("IMAGE_NAME_HERE", False),
        ("a" * 513, False),
    ],
)
def test_image(text: str, valid: bool) -> None:
    assert names.is_image(text) is valid


@given(st.text(max_size=300))
def test_a_proposed_name_is_always_a_valid_one(text: str) -> None:
    assert names.is_dns_label(names.as_dns_label(text))


def test_a_proposed_name_keeps_what_it_can() -> None:
    assert names.as_dns_label("Base_Inf") == "base-inf"
    assert names.as_dns_label("3-phi") == "ws-3-phi"
    assert names.as_dns_label("--") == "workspace"


def test_the_nearest_name_comes_first_whatever_the_letter_case() -> None:
    assert names.nearest("KITEN", ["Mitten", "Kitten", "Dog"], limit=2) == ["Kitten", "Mitten"]
    assert names.nearest("zzz", ["Mitten"], limit=2) == []


def test_a_name_that_goes_on_is_nearer_than_one_that_is_like_it() -> None:
    known = ["phi-3.5-mini", "phi-3-mini-128k-instruct", "phi-3-mini-4k-instruct"]
    assert names.nearest("phi-3-mini", known, limit=2) == ["phi-3-mini-4k-instruct", "phi-3-mini-128k-instruct"]
