"""The listener's certificate: real handshakes, before, between and after replacements."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from webhook.certificates.issuing import Names, Pair, new_authority, new_leaf
from webhook.certificates.serving import Serving

NAME = "kaito-webhook.kaito-system.svc"
HANDSHAKE_FAILED = r"^$|(?i:ssl|connection)"
HOUR = timedelta(hours=1)


def issue() -> tuple[Pair, Pair]:
    now = datetime.now(UTC)
    authority = new_authority(now, 24 * HOUR)
    return authority, new_leaf(authority, Names((NAME,)), now, HOUR)


def trusting(authority: Pair) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=authority.certificate.decode())


@pytest.fixture
def serving() -> Serving:
    return Serving()


@pytest.fixture
async def port(serving: Serving) -> AsyncIterator[int]:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0, ssl=serving.context)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def greeting(port: int, context: ssl.SSLContext, name: str | None = NAME) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name or "")
    try:
        return await reader.read()
    finally:
        writer.close()


async def test_without_a_certificate_no_handshake_succeeds(serving: Serving, port: int) -> None:
    authority, _ = issue()
    assert not serving.ready
    with pytest.raises(OSError, match=HANDSHAKE_FAILED):
        await greeting(port, trusting(authority))


async def test_a_new_certificate_is_used_from_the_next_handshake_on(serving: Serving, port: int) -> None:
    for _ in range(3):
        authority, leaf = issue()
        serving.install(leaf, authority.certificate)
        assert await greeting(port, trusting(authority)) == b"hello"
        assert serving.issuer == authority.certificate


async def test_an_open_connection_survives_a_replacement(serving: Serving) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await writer.drain()
        writer.close()

    authority, leaf = issue()
    serving.install(leaf, authority.certificate)
    async with await asyncio.start_server(echo, "127.0.0.1", 0, ssl=serving.context) as server:
        address = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", address, ssl=trusting(authority), server_hostname=NAME
        )
        serving.install(issue()[1], b"")
        writer.write(b"still here\n")
        assert await reader.readline() == b"still here\n"
        writer.close()


async def test_a_client_that_sends_no_name_is_served_too(serving: Serving, port: int) -> None:
    authority, leaf = issue()
    serving.install(leaf, authority.certificate)
    context = trusting(authority)
    context.check_hostname = False
    assert await greeting(port, context, None) == b"hello"


async def test_a_torn_pair_is_refused_and_the_old_one_goes_on(serving: Serving, port: int) -> None:
    authority, leaf = issue()
    serving.install(leaf, authority.certificate)
    with pytest.raises(ssl.SSLError):
        serving.install(Pair(leaf.certificate, issue()[1].key), b"other")
    assert serving.issuer == authority.certificate
    assert await greeting(port, trusting(authority)) == b"hello"


async def test_older_protocols_are_refused(serving: Serving, port: int) -> None:
    authority, leaf = issue()
    serving.install(leaf, authority.certificate)
    context = trusting(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(OSError, match=HANDSHAKE_FAILED):
        await greeting(port, context)


def test_its_end_and_its_renewal_are_known(serving: Serving) -> None:
    authority, leaf = issue()
    serving.install(leaf, authority.certificate)
    times = serving.validity
    assert times is not None
    assert timedelta(0) < times.ends - times.renewal < HOUR / 2


def test_without_a_certificate_it_has_no_validity(serving: Serving) -> None:
    assert serving.validity is None
