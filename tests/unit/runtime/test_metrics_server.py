"""Metrics over TLS: what callers are told, and what the listener serves with."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from prometheus_client.parser import text_string_to_metric_families

from controller.runtime.gate import Ask, Decision, Gate
from controller.runtime.metrics_certificate import CERTIFICATE_FILE, KEY_FILE, MetricsCertificate
from controller.runtime.metrics_server import CONNECTIONS_SHARE, MetricsServer
from controller.runtime.options import Address
from controller.runtime.self_signed import LIFETIME, SelfSigned, issue

LOCAL = Address("127.0.0.1", 0)
NAME = "kaito-test"
NOW = datetime.now(UTC)
ANSWERS = {
    "good": Decision(HTTPStatus.OK),
    "poor": Decision(HTTPStatus.FORBIDDEN, "poor may not get /metrics"),
    "away": Decision(HTTPStatus.SERVICE_UNAVAILABLE, "come back later"),
}


async def answer(token: str) -> Decision:
    return ANSWERS.get(token, Decision(HTTPStatus.UNAUTHORIZED, "whose token is this?"))


@asynccontextmanager
async def serving(ask: Ask = answer, directory: Path | None = None) -> AsyncIterator[MetricsServer]:
    certificate = MetricsCertificate(NAME, directory)
    certificate.look(NOW)
    server = MetricsServer(LOCAL, certificate, Gate(ask))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def get(server: MetricsServer, path: str = "/metrics", token: str = "") -> tuple[int, str, dict[str, str]]:
    """Status, body and headers."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"https://{server.address}{path}"
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers, ssl=False) as reply:
        return reply.status, await reply.text(), dict(reply.headers)


def trusting(pair: SelfSigned) -> ssl.SSLContext:
    return ssl.create_default_context(cadata=pair.certificate.decode())


async def is_trusted(server: MetricsServer, pair: SelfSigned) -> bool:
    headers = {"Authorization": "Bearer good"}
    async with aiohttp.ClientSession() as session:
        try:
            url = f"https://{server.address}/metrics"
            async with session.get(url, headers=headers, ssl=trusting(pair), server_hostname=NAME) as reply:
                return reply.status == 200
        except aiohttp.ClientConnectorCertificateError:
            return False


def put(directory: Path, pair: SelfSigned) -> None:
    (directory / CERTIFICATE_FILE).write_bytes(pair.certificate)
    (directory / KEY_FILE).write_bytes(pair.key)


async def test_who_may_see_them_gets_the_metrics() -> None:
    async with serving() as server:
        status, text, headers = await get(server, token="good")
    assert status == 200
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert {"leader_election_master_status", "process_cpu_seconds"} <= {
        family.name for family in text_string_to_metric_families(text)
    }


@pytest.mark.parametrize(
    ("token", "status", "words"),
    [
        ("", 401, "no bearer token"),
        ("forged", 401, "whose token"),
        ("poor", 403, "may not get /metrics"),
        ("away", 503, "later"),
    ],
)
async def test_others_are_told_why_not_and_see_nothing(token: str, status: int, words: str) -> None:
    async with serving() as server:
        got, text, headers = await get(server, token=token)
    assert got == status
    assert words in text
    assert "# HELP" not in text
    assert headers["Connection"] == "close", "a stranger keeps a place"
    assert ("WWW-Authenticate" in headers) is (status == 401)
    assert ("Retry-After" in headers) is (status == 503)


async def test_which_paths_there_are_is_told_to_those_let_in_only() -> None:
    async with serving() as server:
        assert (await get(server, "/other", token="good"))[0] == 404
        assert (await get(server, "/other", token="poor"))[0] == 403


async def test_without_tls_nothing_is_said() -> None:
    async with serving() as server, aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(f"http://{server.address}/metrics", headers={"Authorization": "Bearer good"})


async def test_one_peer_gets_its_share_of_the_connections() -> None:
    tls = ssl.create_default_context()
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    async with serving() as server:
        held = [await asyncio.open_connection(*server.address, ssl=tls) for _ in range(CONNECTIONS_SHARE)]
        with pytest.raises(aiohttp.ClientConnectionError):
            await get(server, token="good")
        for _, writer in held:
            writer.close()
            await writer.wait_closed()


async def test_a_taken_port_is_an_error_that_names_it() -> None:
    async with serving() as first:
        second = MetricsServer(first.address, MetricsCertificate(NAME, None), Gate(answer))
        with pytest.raises(OSError, match=str(first.address.port)):
            await second.start()


async def test_our_own_certificate_names_the_program_and_is_made_anew_in_time() -> None:
    made = issue(NAME, NOW)
    parsed = x509.load_pem_x509_certificate(made.certificate)
    names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [NAME]
    assert NOW < made.renewal < parsed.not_valid_after_utc
    certificate = MetricsCertificate(NAME, None)
    certificate.look(NOW)
    first = certificate.handshakes._inner
    certificate.look(NOW + LIFETIME / 2)
    assert certificate.handshakes._inner is first, "a new one before it was time"
    certificate.look(NOW + LIFETIME * 0.7)
    assert certificate.handshakes._inner is not first, "the old one until its end"


async def test_a_mounted_certificate_is_served_and_its_successor_from_when_it_is_there(tmp_path: Path) -> None:
    one, other = issue(NAME, NOW), issue(NAME, NOW + timedelta(minutes=1))
    put(tmp_path, one)
    async with serving(directory=tmp_path) as server:
        assert await is_trusted(server, one)
        put(tmp_path, other)
        server.certificate.look(NOW)
        assert await is_trusted(server, other)
        (tmp_path / KEY_FILE).write_bytes(one.key)
        server.certificate.look(NOW)
        assert await is_trusted(server, other), "a pair that does not match drove out the one in use"


async def test_a_mounted_certificate_may_lack_the_end_of_its_last_line(tmp_path: Path) -> None:
    made = issue(NAME, NOW)
    put(tmp_path, made._replace(certificate=made.certificate.rstrip()))
    async with serving(directory=tmp_path) as server:
        assert await is_trusted(server, made)


async def test_a_mounted_certificate_that_is_missing_is_not_replaced_by_another(tmp_path: Path) -> None:
    async with serving(directory=tmp_path) as server:
        with pytest.raises(aiohttp.ClientError):
            await get(server, token="good")
        put(tmp_path, issue(NAME, NOW))
        server.certificate.look(NOW)
        assert (await get(server, token="good"))[0] == 200
