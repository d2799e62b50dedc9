"""Certificates: what they say, how long they last, and that verifiers accept them."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from webhook.certificates.issuing import SKEW, Names, Pair, is_sound, new_authority, new_leaf, validity

NOW = datetime(2026, 1, 1, tzinfo=UTC)
YEAR, DAY = timedelta(days=365), timedelta(days=1)
NAMES = Names(("kaito-webhook.kaito-system.svc", "kaito-webhook"), ("127.0.0.1", "::1"))


def verify(leaf: Pair, authority: Pair, name: str, at: datetime) -> None:
    store = Store([x509.load_pem_x509_certificate(authority.certificate)])
    verifier = PolicyBuilder().store(store).time(at).build_server_verifier(x509.DNSName(name))
    verifier.verify(x509.load_pem_x509_certificate(leaf.certificate), [])


@pytest.mark.parametrize("name", NAMES.dns)
@pytest.mark.parametrize("at", [NOW - SKEW, NOW, NOW + DAY])
def test_a_leaf_is_accepted_for_its_names_even_by_clocks_that_run_slow(name: str, at: datetime) -> None:
    authority = new_authority(NOW, YEAR)
    verify(new_leaf(authority, NAMES, NOW, DAY), authority, name, at)


@pytest.mark.parametrize(
    ("name", "at"),
    [("other", NOW), (NAMES.dns[0], NOW + DAY + timedelta(seconds=1)), (NAMES.dns[0], NOW - 2 * SKEW)],
    ids=["another name", "after its end", "before its beginning"],
)
def test_a_leaf_is_refused_otherwise(name: str, at: datetime) -> None:
    authority = new_authority(NOW, YEAR)
    with pytest.raises(VerificationError):
        verify(new_leaf(authority, NAMES, NOW, DAY), authority, name, at)


def test_a_leaf_of_another_authority_is_refused() -> None:
    with pytest.raises(VerificationError):
        verify(new_leaf(new_authority(NOW, YEAR), NAMES, NOW, DAY), new_authority(NOW, YEAR), NAMES.dns[0], NOW)


def test_a_leaf_can_serve_and_nothing_else() -> None:
    leaf = x509.load_pem_x509_certificate(new_leaf(new_authority(NOW, YEAR), NAMES, NOW, DAY).certificate)
    assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH
    ]
    assert leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    alternatives = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(address) for address in alternatives.get_values_for_type(x509.IPAddress)] == list(NAMES.ips)


def test_an_authority_may_sign_leaves_but_no_further_authority() -> None:
    authority = x509.load_pem_x509_certificate(new_authority(NOW, YEAR).certificate)
    constraints = authority.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (constraints.ca, constraints.path_length) == (True, 0)


def test_a_leaf_never_outlives_its_authority() -> None:
    authority = new_authority(NOW, timedelta(hours=2))
    assert validity(new_leaf(authority, NAMES, NOW, DAY).certificate).ends == NOW + timedelta(hours=2)


def test_renewal_is_due_after_two_thirds() -> None:
    assert validity(new_authority(NOW, timedelta(days=3)).certificate).renewal == NOW + timedelta(days=2)


def test_a_long_name_is_still_a_certificate() -> None:
    name = f"{'x' * 60}.{'y' * 60}.svc"
    authority = new_authority(NOW, YEAR)
    verify(new_leaf(authority, Names((name,)), NOW, DAY), authority, name, NOW)


def test_a_key_is_not_part_of_any_text() -> None:
    assert "PRIVATE" not in repr(new_authority(NOW, YEAR))


GOOD = new_authority(NOW, YEAR)


@pytest.mark.parametrize(
    "pair",
    [
        Pair(b"", b""),
        Pair(GOOD.certificate, b"nonsense"),
        Pair(b"nonsense", GOOD.key),
        Pair(GOOD.certificate, new_authority(NOW, YEAR).key),
        new_leaf(GOOD, NAMES, NOW, DAY),
    ],
    ids=["empty", "no key", "no certificate", "another key", "a leaf"],
)
def test_what_is_no_authority_is_noticed(pair: Pair) -> None:
    assert not is_sound(pair)
    assert is_sound(GOOD)
