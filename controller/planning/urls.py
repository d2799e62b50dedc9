"""Which addresses of data are fetched: public ones, over http or https.

A training run fetches from inside the cluster and often from a machine with an identity in the cloud, so an address
must not lead there. Addresses are judged as written, names are not resolved; whoever fetches has the last word. Every
spelling of a literal address counts, since the programs that fetch read them all.

Sources: RFC 6890 (special addresses), RFC 6052 and RFC 3056 (addresses that hold others), WHATWG URL Standard
(spellings of IPv4 addresses), the clouds' documentation of their metadata services.
"""

import json
import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, TypeAlias
from urllib.parse import SplitResult, urlsplit

from controller.api.messages import Problem, quote
from controller.api.reasons import Reason

SCHEMES: Final = frozenset({"http", "https"})

_Address: TypeAlias = IPv4Address | IPv6Address

_LOCAL_NAMES: Final = frozenset(
    {"localhost", "localhost.localdomain", "localhost6", "localhost6.localdomain6", "ip6-localhost", "ip6-loopback"}
)
_METADATA_NAMES: Final = frozenset(
    {
        "instance-data",
        "instance-data.ec2.internal",
        "metadata",
        "metadata.azure.internal",
        "metadata.google",
        "metadata.google.internal",
    }
)
_IPV4: Final = tuple(
    (IPv4Network(network), what)
    for network, what in (
        ("0.0.0.0/8", "this machine"),
        ("10.0.0.0/8", "a private network"),
        ("100.64.0.0/10", "a provider's shared network"),
        ("127.0.0.0/8", "this machine"),
        ("168.63.129.16/32", "Azure's host services"),
        ("169.254.0.0/16", "link-local and metadata services"),
        ("172.16.0.0/12", "a private network"),
        ("192.0.0.0/24", "a protocol's reserved addresses"),
        ("192.168.0.0/16", "a private network"),
        ("198.18.0.0/15", "networks under test"),
        ("224.0.0.0/4", "groups of machines"),
        ("240.0.0.0/4", "reserved addresses"),
    )
)
_IPV6: Final = tuple(
    (IPv6Network(network), what)
    for network, what in (
        ("::/128", "this machine"),
        ("::1/128", "this machine"),
        ("64:ff9b:1::/48", "a private network"),
        ("100::/64", "addresses that are dropped"),
        ("fc00::/7", "a private network"),
        ("fe80::/10", "link-local and metadata services"),
        ("fec0::/10", "a private network"),
        ("ff00::/8", "groups of machines"),
    )
)
_HOLDERS: Final = tuple(
    (IPv6Network(network), shift)
    for network, shift in (
        ("::ffff:0:0/96", 0),
        ("::ffff:0:0:0/96", 0),
        ("::/96", 0),
        ("64:ff9b::/96", 0),
        ("2002::/16", 80),
    )
)
"""IPv6 networks whose addresses hold an IPv4 address, and how many bits stand behind it."""

_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+", re.ASCII)
_FORBIDDEN: Final = re.compile(r"[\x00-\x20\x7f\\]")
_HOST: Final = re.compile(r"[A-Za-z0-9_.-]+", re.ASCII)
_PLAIN: Final = re.compile(r"\s*[A-Za-z][-+.A-Za-z0-9]*://(?:[^/@]*@)?[^/@:\\]+(?::[0-9]*)?")
"""The beginning of an address up to its host that leaves no doubt about what is user and what is host."""

_SCHEME: Final = re.compile(r"(?:[A-Za-z]{1,20}:/*)?")
_PARTS: Final = 4
_LONGEST_NUMBER: Final = 32
_FORM: Final = "https://host/path"
_SHOWN: Final = 400


def address_policy() -> str:
    """The tables nothing is fetched from as JSON, for the program that judges an address when it connects.

    `special` holds networks and what they are, `holders` networks whose addresses hold an IPv4 address and how many
    bits stand behind it.
    """
    special = [[str(network), what] for network, what in (*_IPV4, *_IPV6)]
    return json.dumps({"special": special, "holders": [[str(network), shift] for network, shift in _HOLDERS]})


def url_problem(url: str, field: str) -> Problem | None:
    """Why nothing is fetched from an address; None where it is.

    The address is quoted without what may be secret: user, password, query.

    Args:
        url: the address.
        field: where it stands.
    """
    what = f"{field} is {shown(url)}"
    try:
        parts = urlsplit(url)
        wrong = "" if _FORBIDDEN.search(url) is None else "it holds a blank, a control character or a backslash"
        wrong = wrong or next(_faults(parts), "")
    except ValueError:
        wrong = "host or port cannot be read"
    if wrong:
        return Problem(Reason.URL_INVALID, field, what, wrong, (f"write {_FORM}",))
    why = _leads_inside((parts.hostname or "").rstrip("."))
    if why is None:
        return None
    fixes = (
        "put the data where they have a public address",
        "use a volume of the namespace instead: volumeSource.persistentVolumeClaim",
    )
    return Problem(Reason.URL_NOT_ALLOWED, field, what, why, fixes)


def shown(url: str) -> str:
    """An address for messages, without user, password, query and fragment, which may be secret.

    A password may itself hold the signs that end a host: of an address with a user that can be read in more than one
    way only the scheme is shown.
    """
    plain = re.split(r"[?#]", url[:_SHOWN], maxsplit=1)[0]
    scheme, separator, rest = plain.partition("//")
    host, slash, path = rest.partition("/")
    if "@" in url and _PLAIN.fullmatch(f"{scheme}{separator}{host}") is None:
        known = _SCHEME.match(url.strip())
        return quote(f"{known[0] if known else ''}…")
    return quote(f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}")


def _faults(parts: SplitResult) -> Iterator[str]:
    # What cannot be read at all, brackets around anything but an IPv6 address among it, raises ValueError.
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme.lower() not in SCHEMES:
        yield "it must begin with http:// or https://"
    if not host:
        yield "it names no host"
    if "@" in parts.netloc:
        yield "it holds a user, and whoever may read the manifest would read the password"
    if parts.netloc.startswith("["):
        IPv6Address(host.partition("%")[0])
    elif host and _HOST.fullmatch(host) is None:
        yield "its host holds other signs than a-z, 0-9, -, _ and . (other letters are written xn--...)"
    if ".." in host or host.startswith("."):
        yield "its host has an empty part between two dots"
    if parts.port == 0:
        yield "its port is 0"
    if ":" not in host and _is_numeric(host) and ipv4_of(host) is None:
        yield "its host is neither a name nor an IPv4 address"


def _leads_inside(host: str) -> str | None:
    if host in _LOCAL_NAMES or host.endswith(".localhost"):
        return "its host is this machine itself"
    if host in _METADATA_NAMES:
        return "its host is a metadata service of the cloud"
    address = IPv6Address(host.partition("%")[0]) if ":" in host else ipv4_of(host)
    if address is None:
        return None
    network = _special(address)
    return None if network is None else f"its host is {address}, which belongs to {network}"


def _special(address: _Address) -> str | None:
    if isinstance(address, IPv4Address):
        return next((what for network, what in _IPV4 if address in network), None)
    direct = next((what for network, what in _IPV6 if address in network), None)
    if direct is not None:
        return direct
    held = (IPv4Address(int(address) >> shift & 0xFFFFFFFF) for network, shift in _HOLDERS if address in network)
    return next((what for inner in held if (what := _special(inner)) is not None), None)


def _is_numeric(host: str) -> bool:
    return _NUMBER.fullmatch(host.rpartition(".")[2]) is not None


def ipv4_of(host: str) -> IPv4Address | None:
    """The IPv4 address a host is, in any spelling: one to four numbers, decimal, octal (0…) or hexadecimal (0x…).

    None where it is none. The last number fills all bits the others leave, so `127.1` is 127.0.0.1.
    """
    numbers = [_number(part) for part in host.split(".", _PARTS)]
    if not 1 <= len(numbers) <= _PARTS or None in numbers:
        return None
    values = [number for number in numbers if number is not None]
    *leading, last = values
    if any(number > 255 for number in leading) or last >= 256 ** (_PARTS - len(leading)):
        return None
    high = sum(number << 8 * (_PARTS - 1 - index) for index, number in enumerate(leading))
    return IPv4Address(high + last)


def _number(text: str) -> int | None:
    if len(text) > _LONGEST_NUMBER or _NUMBER.fullmatch(text) is None:
        return None
    if text[:2].lower() == "0x":
        return int(text[2:] or "0", 16)
    try:
        return int(text, 8 if len(text) > 1 and text[0] == "0" else 10)
    except ValueError:
        return None
