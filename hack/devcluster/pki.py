"""The certificates of one cluster: authorities and leaves, made fresh at every start."""

import datetime
import ipaddress
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hack.devcluster.layout import Layout, write_private

_LIFETIME = datetime.timedelta(days=365)
_CLOCK_SKEW = datetime.timedelta(minutes=5)

SERVICE_HOST = "127.96.0.1"
"""The address of the `kubernetes` Service: the first of the service range."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority that signs leaves."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate in PEM form."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)


@dataclass(frozen=True, slots=True)
class Leaf:
    """What a certificate is for: its subject, and for a server the names it answers to."""

    common_name: str
    organization: str = ""
    names: tuple[str, ...] = ()
    server: bool = False


def new_authority(name: str) -> Authority:
    """A self-signed authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(name, "")
    usage = x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        _dated(subject, subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    return Authority(builder.sign(key, hashes.SHA256()), key)


def issue(authority: Authority, leaf: Leaf) -> tuple[bytes, bytes]:
    """Sign a leaf; returns certificate and key in PEM form."""
    key = ec.generate_private_key(ec.SECP256R1())
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH, *([ExtendedKeyUsageOID.SERVER_AUTH] if leaf.server else [])]
    builder = (
        _dated(_subject(leaf.common_name, leaf.organization), authority.certificate.subject, key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key()),
            critical=False,
        )
    )
    if leaf.names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in leaf.names]), critical=False
        )
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), private_pem(key)


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A private key in PEM form, unencrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load_authority(layout: Layout, name: str = "ca") -> Authority:
    """Read an authority back from a cluster's files; tests sign the certificates of their proxies with it."""
    certificate = x509.load_pem_x509_certificate(layout.certificate(name).read_bytes())
    key = serialization.load_pem_private_key(layout.key(name).read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{layout.key(name)} holds a {type(key).__name__}, expected an elliptic curve key")
    return Authority(certificate, key)


_CLUSTER_LEAVES = {
    "kube-apiserver": Leaf(
        "kube-apiserver",
        names=(
            "localhost",
            "127.0.0.1",
            SERVICE_HOST,
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            "kubernetes.default.svc.cluster.local",
        ),
        server=True,
    ),
    "admin": Leaf("devcluster-admin", organization="system:masters"),
    "kube-controller-manager": Leaf("system:kube-controller-manager", names=("127.0.0.1",), server=True),
    "kube-scheduler": Leaf("system:kube-scheduler", names=("127.0.0.1",), server=True),
    "kwok": Leaf("devcluster:kwok"),
    "aks-simulator": Leaf("devcluster:aks-simulator", names=("localhost", "127.0.0.1"), server=True),
}
_ETCD_LEAVES = {
    "etcd": Leaf("etcd", names=("localhost", "127.0.0.1"), server=True),
    "etcd-client": Leaf("kube-apiserver-etcd-client"),
}
_FRONT_PROXY_LEAVES = {"front-proxy-client": Leaf("front-proxy-client")}


def write_cluster_pki(layout: Layout) -> None:
    """Make every authority, certificate and key of a cluster; the three authorities do not trust each other."""
    for name, leaves in (
        ("ca", _CLUSTER_LEAVES),
        ("etcd-ca", _ETCD_LEAVES),
        ("front-proxy-ca", _FRONT_PROXY_LEAVES),
    ):
        authority = new_authority(f"devcluster-{name}")
        write_private(layout.certificate(name), authority.pem)
        write_private(layout.key(name), private_pem(authority.key))
        for leaf_name, leaf in leaves.items():
            certificate, key = issue(authority, leaf)
            write_private(layout.certificate(leaf_name), certificate)
            write_private(layout.key(leaf_name), key)
    signer = ec.generate_private_key(ec.SECP256R1())
    write_private(layout.key("service-account"), private_pem(signer))
    write_private(layout.certificate("service-account"), _public_pem(signer))


def _public_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def _subject(common_name: str, organization: str) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _dated(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + _LIFETIME)
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
