"""Makes and reads X.509 certificates: EC P-256, the only module that knows cryptography."""

import ipaddress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

SKEW: Final = timedelta(hours=1)
"""How far a certificate's validity reaches back, so that clocks that run slow accept it."""

AUTHORITY_NAME: Final = "kaito-webhook-ca"

_COMMON_NAME_LENGTH: Final = 64


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its private key, both PEM. The key stays out of every text form."""

    certificate: bytes
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Names:
    """What a serving certificate is valid for.

    Attributes:
        dns: DNS names, at least one.
        ips: IP addresses.
    """

    dns: tuple[str, ...]
    ips: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Validity:
    """From when to when a certificate is meant to be used; its beginning leaves SKEW out."""

    begins: datetime
    ends: datetime

    @property
    def accepted_from(self) -> datetime:
        """From when a caller with a right clock accepts it."""
        return self.begins - SKEW

    @property
    def renewal(self) -> datetime:
        """Two thirds of the way: time to replace it, with a third left to fail in."""
        return self.begins + (self.ends - self.begins) * 2 / 3


def new_authority(now: datetime, lifetime: timedelta) -> Pair:
    """A fresh self-signed authority that may sign leaves only."""
    key = ec.generate_private_key(ec.SECP256R1())
    # A serial in the name keeps two generations apart for clients that look authorities up by name.
    common_name = f"{AUTHORITY_NAME}-{x509.random_serial_number():x}"[:_COMMON_NAME_LENGTH]
    builder = (
        _builder(common_name, common_name, now, lifetime)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return _pair(builder.sign(key, hashes.SHA256()), key)


def new_leaf(authority: Pair, names: Names, now: datetime, lifetime: timedelta) -> Pair:
    """A serving certificate for the names; it never outlives its authority."""
    issuer = x509.load_pem_x509_certificate(authority.certificate)
    signer = _load_key(authority.key)
    key = ec.generate_private_key(ec.SECP256R1())
    lifetime = min(lifetime, issuer.not_valid_after_utc - now)
    alternatives = [
        *(x509.DNSName(name) for name in names.dns),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in names.ips),
    ]
    builder = (
        _builder(names.dns[0], issuer.subject, now, lifetime)
        .public_key(key.public_key())
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
    )
    return _pair(builder.sign(signer, hashes.SHA256()), key)


def validity(certificate: bytes) -> Validity:
    """When a certificate in PEM is meant to be used.

    Raises:
        ValueError: no certificate.
    """
    parsed = x509.load_pem_x509_certificate(certificate)
    return Validity(parsed.not_valid_before_utc + SKEW, parsed.not_valid_after_utc)


def is_sound(authority: Pair) -> bool:
    """Whether the certificate can be read, is its own authority's, and belongs to the key."""
    try:
        certificate = x509.load_pem_x509_certificate(authority.certificate)
        certificate.verify_directly_issued_by(certificate)
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        return constraints.ca and certificate.public_key() == _load_key(authority.key).public_key()
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.ExtensionNotFound):
        return False


def _builder(common_name: str, issuer: str | x509.Name, now: datetime, lifetime: timedelta) -> x509.CertificateBuilder:
    issuer_name = issuer if isinstance(issuer, x509.Name) else _name(issuer)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(common_name))
        .issuer_name(issuer_name)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + lifetime)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:_COMMON_NAME_LENGTH])])


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _load_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    key = serialization.load_pem_private_key(pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"expected an elliptic-curve key, got {type(key).__name__}")
    return key


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    return Pair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )
