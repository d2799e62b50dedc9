"""Addresses data are fetched from: public ones only, however they are spelled."""

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.messages import TEXT_LIMIT
from controller.api.reasons import Reason
from controller.planning.urls import ipv4_of, shown, url_problem

FETCHED = [
    "https://example.com/data.parquet",
    "HTTP://Example.COM:8080/data?version=1#part",
    "https://huggingface.co/datasets/a/b/resolve/main/c.parquet?download=true",
    "https://under_score.example.com/x",
    "https://xn--bcher-kva.example/x",
    "https://8.8.8.8/x",
    "https://134744072/x",
    "https://[2606:4700:4700::1111]:443/x",
    "https://[::ffff:8.8.8.8]/x",
    "https://metadata.example.com/x",
    "https://localhost.example.com/x",
    "https://11.0.0.1/x",
    "https://172.32.0.1/x",
]

MALFORMED = [
    ("http://example..com/x", "an empty part"),
    ("http://.example.com/x", "an empty part"),
    ("", "it must begin with http:// or https://"),
    ("example.com/x", "it must begin with http:// or https://"),
    ("//example.com/x", "it must begin with http:// or https://"),
    ("ftp://example.com/x", "it must begin with http:// or https://"),
    ("file:///etc/passwd", "it must begin with http:// or https://"),
    ("https://", "it names no host"),
    ("https:///x", "it names no host"),
    ("https://./x", "it names no host"),
    ("https://user:word@example.com/x", "it holds a user"),
    ("https://127.0.0.1@example.com/x", "it holds a user"),
    ("https://exam ple.com/x", "a blank, a control character or a backslash"),
    ("https://example.com/\n", "a blank, a control character or a backslash"),
    ("https://example.com\\@127.0.0.1/", "a blank, a control character or a backslash"),
    ("https://%31%32%37.0.0.1/x", "its host holds other signs"),
    ("https://\uff11\uff12\uff17.0.0.1/x", "its host holds other signs"),
    ("https://a[::1]/x", "its host holds other signs"),
    ("https://a:0/x", "its port is 0"),
    ("https://a:66000/x", "host or port cannot be read"),
    ("https://[::1/x", "host or port cannot be read"),
    ("https://[v1.a:b]/x", "host or port cannot be read"),
    ("https://256.1.1.1/x", "neither a name nor an IPv4 address"),
    ("https://1.2.3.4.5/x", "neither a name nor an IPv4 address"),
    ("https://1.2.3.08/x", "neither a name nor an IPv4 address"),
]

INSIDE = [
    ("http://localhost/x", "this machine itself"),
    ("http://LOCALHOST./x", "this machine itself"),
    ("http://a.localhost/x", "this machine itself"),
    ("http://ip6-localhost/x", "this machine itself"),
    ("http://metadata.google.internal/x", "a metadata service"),
    ("http://metadata.google./x", "a metadata service"),
    ("http://instance-data.ec2.internal/x", "a metadata service"),
    ("http://169.254.169.254/metadata", "link-local and metadata services"),
    ("http://168.63.129.16/x", "Azure's host services"),
    ("http://10.0.0.1/x", "a private network"),
    ("http://172.31.255.255/x", "a private network"),
    ("http://192.168.1.1/x", "a private network"),
    ("http://100.64.0.1/x", "a provider's shared network"),
    ("http://0.0.0.0/x", "this machine"),
    ("http://0/x", "this machine"),
    ("http://127.1/x", "127.0.0.1"),
    ("http://2130706433/x", "127.0.0.1"),
    ("http://0x7f000001/x", "127.0.0.1"),
    ("http://0177.0.0.1/x", "127.0.0.1"),
    ("http://127.0.0.1./x", "127.0.0.1"),
    ("http://0xA9.0xFE.0xA9.0xFE/x", "169.254.169.254"),
    ("http://224.0.0.1/x", "groups of machines"),
    ("http://255.255.255.255/x", "reserved addresses"),
    ("http://[::]/x", "this machine"),
    ("http://[::1]/x", "this machine"),
    ("http://[fe80::1%25eth0]/x", "link-local"),
    ("http://[fd00:ec2::254]/x", "a private network"),
    ("http://[ff02::1]/x", "groups of machines"),
    ("http://[::ffff:10.0.0.1]/x", "a private network"),
    ("http://[::7f00:1]/x", "this machine"),
    ("http://[::ffff:0:127.0.0.1]/x", "this machine"),
    ("http://[64:ff9b::a9fe:a9fe]/x", "link-local and metadata services"),
    ("http://[2002:a00:1::]/x", "a private network"),
]


@pytest.mark.parametrize("url", FETCHED)
def test_public_addresses_are_fetched_from(url: str) -> None:
    assert url_problem(url, "tuning.input.urls[0]") is None


@pytest.mark.parametrize(("url", "why"), MALFORMED)
def test_what_is_no_address_is_refused(url: str, why: str) -> None:
    problem = url_problem(url, "tuning.input.urls[3]")
    assert problem is not None, url
    assert problem.reason is Reason.URL_INVALID
    assert problem.field == "tuning.input.urls[3]"
    assert why in problem.why


@pytest.mark.parametrize(("url", "why"), INSIDE)
def test_what_leads_inside_is_refused_in_every_spelling(url: str, why: str) -> None:
    problem = url_problem(url, "f")
    assert problem is not None, f"{url} would be fetched"
    assert problem.reason is Reason.URL_NOT_ALLOWED
    assert why in problem.why


def test_the_text_says_what_to_do_instead() -> None:
    problem = url_problem("http://10.0.0.1/data", "tuning.input.urls[0]")
    assert problem is not None
    assert problem.text == (
        'tuning.input.urls[0] is "http://10.0.0.1/data": its host is 10.0.0.1, which belongs to a private network. '
        "Fix: put the data where they have a public address; or use a volume of the namespace instead: "
        "volumeSource.persistentVolumeClaim (UrlNotAllowed)"
    )


def test_passwords_and_signatures_are_not_repeated() -> None:
    assert shown("https://user:word@example.com/a?sig=abc#def") == '"https://example.com/a"'


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://example.com/a@main", "https://example.com/a@main"),
        ("https://example.com:8443/a", "https://example.com:8443/a"),
        ("http://u:SECRET/with@127.0.0.1/", "http://…"),
        ("http://u:SEC?RET@127.0.0.1/", "http://…"),
        ("http://u:SEC#RET@127.0.0.1/", "http://…"),
        ("http://u:SEC@RET@127.0.0.1/", "http://…"),
        ("https:u:SECRET@example.com/", "https:…"),
        ("http:/u:SECRET@127.0.0.1/", "http:/…"),
        ("https:////u:SECRET@127.0.0.1/x", "https:////…"),
        ("u:SECRET@127.0.0.1/x", "u:…"),
        ("https://example.com\\@u:SECRET@h/", "https://…"),
        (" https://u:SECRET@127.0.0.1/", "https://127.0.0.1/"),
    ],
)
def test_an_address_is_shown_without_anything_that_may_be_a_password(url: str, text: str) -> None:
    assert shown(url) == f'"{text}"'
    problem = url_problem(url, "u")
    assert problem is None or "SECRET" not in problem.text


OCTETS = st.lists(st.integers(0, 255), min_size=4, max_size=4)
SPELLINGS = st.sampled_from([str, hex, lambda number: f"0{number:o}"])


@given(OCTETS, st.lists(SPELLINGS, min_size=4, max_size=4), st.integers(1, 4))
def test_every_spelling_of_an_address_is_that_address(octets: list[int], spellings: list[object], parts: int) -> None:
    last = int.from_bytes(bytes(octets[parts - 1 :]), "big")
    numbers = [*octets[: parts - 1], last]
    text = ".".join(spell(number) for spell, number in zip(spellings, numbers, strict=False) if callable(spell))
    assert ipv4_of(text) == IPv4Address(bytes(octets))


@given(
    st.text() | st.builds("http://{}/x".format, st.text()) | st.builds("http://[{}]/".format, st.text("0123:abf.%v"))
)
def test_any_text_gets_an_answer_people_can_read(url: str) -> None:
    problem = url_problem(url, "f")
    if problem is not None:
        assert len(problem.text) <= TEXT_LIMIT
        assert problem.text.isprintable(), repr(problem.text)
