"""Fetches training data into a folder: python3 -c TEXT FOLDER POLICY [NAME URL]...

Names are resolved here, so it is here that an address has the last word: every connection, after every redirect too,
goes to an address that was judged before, and none inside the cluster or the cloud's own networks is ever spoken to.
What breaks off is continued; nothing empty or shorter than announced counts as data.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
import ssl
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

TRIES = 6
REDIRECTS = 5
SILENCE_SECONDS = 120
BLOCK = 1 << 20
AGAIN = (408, 425, 429)
LEGAL = "!#$%&'()*+,/:;=?@[]~"
"""What stands in an address as it is, beside letters, digits and "-._"."""


class RefusedError(Exception):
    """Nothing is to be had there, now or later."""


class BrokenError(Exception):
    """It may work at the next try."""


def judge(address: str, policy: dict[str, Any]) -> str | None:
    """What an address belongs to, where nothing may be fetched from it; None where it may."""
    found = ipaddress.ip_address(address.partition("%")[0])
    for network, what in policy["special"]:
        if found in ipaddress.ip_network(network):
            return str(what)
    for network, shift in policy["holders"]:
        if found in ipaddress.ip_network(network):
            return judge(str(ipaddress.IPv4Address(int(found) >> shift & 0xFFFFFFFF)), policy)
    return None


def dial(host: str, port: int, policy: dict[str, Any]) -> socket.socket:
    """A connection to a host; one inside address among the host's own is enough to refuse it."""
    try:
        known = [(each[0], each[4]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except OSError as error:
        raise BrokenError(f"{host} cannot be resolved: {error.strerror or error}") from None
    for _, where in known:
        what = judge(str(where[0]), policy)
        if what is not None:
            raise RefusedError(f"{host} is {where[0]}, which belongs to {what}")
    failure = "it has no address"
    for family, where in known:
        connection = socket.socket(family, socket.SOCK_STREAM)
        connection.settimeout(SILENCE_SECONDS)
        try:
            connection.connect(where)
        except OSError as error:
            connection.close()
            failure = error.strerror or str(error)
        else:
            return connection
    raise BrokenError(f"{host} cannot be reached: {failure}")


def encrypt(connection: socket.socket, host: str) -> ssl.SSLSocket:
    """The connection under TLS with a certificate that is the host's."""
    try:
        return ssl.create_default_context().wrap_socket(connection, server_hostname=host)
    except ssl.SSLCertVerificationError as error:
        raise RefusedError(f"{host} has no valid certificate: {error.verify_message}") from None


def ask(url: str, headers: dict[str, str], policy: dict[str, Any]) -> http.client.HTTPConnection:
    """A connection on which an address has been asked for."""
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    connection = http.client.HTTPConnection(host, parts.port or (443 if secure else 80))
    connection.sock = dial(host, connection.port, policy)
    if secure:
        connection.sock = encrypt(connection.sock, host)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fixed = {"Host": parts.netloc.rpartition("@")[2], "Accept-Encoding": "identity", "Connection": "close"}
    connection.request("GET", path, headers={**fixed, **headers})
    return connection


def next_url(url: str, answer: http.client.HTTPResponse) -> str:
    """Where an answer leads to; empty where it is the answer."""
    target = answer.getheader("Location")
    if answer.status not in (301, 302, 303, 307, 308) or not target:
        return ""
    # Servers put names of files in as they are, blanks and letters of all alphabets; bytes come in as Latin-1.
    scheme, found = urlsplit(url).scheme, urljoin(url, quote(target.encode("latin-1"), safe=LEGAL))
    if urlsplit(found).scheme not in (("https",) if scheme == "https" else ("http", "https")):
        raise RefusedError(f"{urlsplit(url).hostname} leads from {scheme} to something else")
    return found


def fetch(url: str, part: Path, mark: dict[str, str], policy: dict[str, Any]) -> None:
    """One try: continues a part that is known to be of the same data, or begins anew."""
    size = part.stat().st_size if part.exists() else 0
    wish = {"Range": f"bytes={size}-", "If-Range": mark["tag"]} if size and mark.get("tag") else {}
    for _ in range(REDIRECTS + 1):
        with closing(ask(url, wish, policy)) as connection, closing(connection.getresponse()) as answer:
            found = next_url(url, answer)
            if not found:
                return store(connection.host, answer, part, size if wish else None, mark)
        url = found
    raise RefusedError(f"there are more than {REDIRECTS} redirects")


def store(host: str, answer: http.client.HTTPResponse, part: Path, begin: int | None, mark: dict[str, str]) -> None:
    """Writes an answer down; `begin` is the byte that was asked to begin with, None where it was all."""
    if answer.status >= 500 or answer.status in AGAIN:
        raise BrokenError(f"{host} answers {answer.status} {answer.reason}")
    if begin is not None and answer.status == 416:
        mark["tag"] = ""  # All of it, or more, is there already, and nobody said that it is: once more from the start.
        raise BrokenError(f"{host} has nothing behind byte {begin}")
    place = answer.getheader("Content-Range") or ""
    continued = answer.status == 206 and place.startswith(f"bytes {begin}-")
    if answer.status != 200 and not continued:
        raise RefusedError(f"{host} answers {answer.status} {answer.reason}")
    encoding = answer.getheader("Content-Encoding") or "identity"
    if encoding.lower() != "identity":
        raise RefusedError(f"{host} sends its data encoded as {encoding[:20]!r}, which was not asked for")
    tag = answer.getheader("ETag") or ""
    mark["tag"] = "" if tag.startswith("W/") else tag
    length, got = answer.getheader("Content-Length"), 0
    with part.open("ab" if continued else "wb") as file:
        while True:
            block = answer.read(BLOCK)
            if not block:
                break
            got += file.write(block)
    if length is not None and got != int(length):
        raise BrokenError(f"{host} sent {got} of {length} bytes")
    size, whole = part.stat().st_size, place.rpartition("/")[2]
    if continued and whole.isdecimal() and size != int(whole):
        raise BrokenError(f"{host} sent {size} of {whole} bytes")
    if not size:
        raise RefusedError(f"{host} sends nothing")


def persist(url: str, part: Path, policy: dict[str, Any], pause: float) -> None:
    """As many tries as it takes, up to a limit, each after a longer pause."""
    mark: dict[str, str] = {}
    reason = ""
    for attempt in range(1, TRIES + 1):
        try:
            return fetch(url, part, mark, policy)
        except BrokenError as error:
            reason = str(error)
        except (OSError, ValueError, http.client.HTTPException) as error:
            # The text of such errors may hold the address with its secret query.
            reason = getattr(error, "strerror", None) or type(error).__name__
        if attempt < TRIES:
            say(f"try {attempt} of {TRIES}: {reason}")
            time.sleep(pause * 2**attempt)
    raise RefusedError(f"{reason}, {TRIES} times")


def say(text: str) -> None:
    """One line for the log."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(arguments: list[str], pause: float = 1.0) -> int:
    """The exit code: 0 once every file is there, else 1."""
    folder, policy, *pairs = arguments
    for index, (name, url) in enumerate(zip(pairs[::2], pairs[1::2], strict=True), 1):
        part = Path(folder, f".{name}.part")
        try:
            persist(url, part, json.loads(policy), pause)
        except RefusedError as refused:
            say(f"url {index}, {name}: {refused}")
            return 1
        part.replace(Path(folder, name))
        say(f"url {index}: {name} is there")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
