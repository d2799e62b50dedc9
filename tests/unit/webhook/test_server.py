"""The HTTPS server: real connections, and everything a stranger may try on them."""

import asyncio
import ssl
from collections.abc import AsyncIterator

import pytest

from controller.runtime.metrics import REGISTRY
from tests.unit.planning.manifests import example
from tests.unit.webhook.place import BROKEN, JSON_TYPE, MUTATE, VALIDATE, Place, running
from tests.unit.webhook.reviews import encoded, patch_of, response_of, review
from webhook.server import MAX_BODY, SMALL_BODY, Limits


@pytest.fixture
async def site() -> AsyncIterator[Place]:
    async with running() as made:
        yield made


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_a_review_is_answered_and_counted(site: Place) -> None:
    allowed = {"operation": "CREATE", "verdict": "allowed", "reason": ""}
    requests = {"webhook": VALIDATE, "code": "200"}
    before = counted("kaito_admission_verdicts_total", **allowed)
    served = counted("controller_runtime_webhook_requests_total", **requests)
    status, body = await site.post(VALIDATE, encoded(review(example())))
    assert (status, response_of(body)["allowed"]) == (200, True)
    assert counted("kaito_admission_verdicts_total", **allowed) == before + 1
    assert counted("controller_runtime_webhook_requests_total", **requests) == served + 1


async def test_a_refusal_is_counted_under_its_reason(site: Place) -> None:
    refused = {"operation": "CREATE", "verdict": "refused", "reason": "CountInvalid"}
    before = counted("kaito_admission_verdicts_total", **refused)
    _, body = await site.post(MUTATE, encoded(review(example(resource__count=0))))
    assert response_of(body)["status"]["code"] == 422
    assert counted("kaito_admission_verdicts_total", **refused) == before + 1


async def test_defaults_travel_as_a_patch(site: Place) -> None:
    _, body = await site.post(MUTATE, encoded(review(example(resource__instanceType=None))))
    assert patch_of(response_of(body))[0]["value"] == "Standard_NC4as_T4_v3"


@pytest.mark.parametrize(
    ("body", "headers", "status", "says"),
    [
        (b"{", JSON_TYPE, 400, b"not JSON"),
        (b'{"a": "\xff"}', JSON_TYPE, 400, b"not UTF-8"),
        (b"[" * 200_000, JSON_TYPE, 400, b"nested too deeply"),
        (encoded(review(example())), {"Content-Type": "text/plain"}, 400, b"application/json"),
        (b"\x1f\x8b\x08", {**JSON_TYPE, "Content-Encoding": "gzip"}, 400, b"not UTF-8"),
        (b" " * (MAX_BODY + 1), JSON_TYPE, 413, b"at most"),
    ],
    ids=["no JSON", "no UTF-8", "deep", "content type", "compressed", "too large"],
)
async def test_what_is_no_review_is_a_client_error(
    site: Place, body: bytes, headers: dict[str, str], status: int, says: bytes
) -> None:
    code, text = await site.post(MUTATE, body, headers)
    assert code == status
    assert says in text


async def test_a_body_of_the_largest_size_is_read(site: Place) -> None:
    question = encoded(review(example()))
    status, _ = await site.post(VALIDATE, question + b" " * (MAX_BODY - len(question)))
    assert status == 200


@pytest.mark.parametrize(("method", "path", "status"), [("GET", MUTATE, 405), ("POST", "/other", 404)])
async def test_nothing_else_is_served(site: Place, method: str, path: str, status: int) -> None:
    url = f"https://127.0.0.1:{site.server.address.port}{path}"
    async with site.session.request(method, url) as answer:
        assert answer.status == status


async def test_a_defect_is_an_error_without_a_traceback_and_is_counted(site: Place) -> None:
    before = counted("controller_runtime_webhook_panics_total")
    status, text = await site.post(BROKEN, encoded(review(example())))
    assert (status, text) == (500, b"the review could not be answered\n")
    assert counted("controller_runtime_webhook_panics_total") == before + 1


def head(length: int) -> bytes:
    """The start of a review whose body is still to come."""
    fields = f"Host: x\r\nContent-Type: application/json\r\nContent-Length: {length}"
    return f"POST {VALIDATE} HTTP/1.1\r\n{fields}\r\n\r\n".encode()


async def status_becomes(site: Place, wanted: int) -> bool:
    for _ in range(200):
        status, _ = await site.post(VALIDATE, encoded(review(example())))
        if status == wanted:
            return True
        await asyncio.sleep(0.01)
    return False


async def test_a_peer_with_too_many_slow_bodies_is_told_to_come_back_and_recovers() -> None:
    async with running(Limits(readers_share=1)) as site:
        _, writer = await site.connect()
        writer.write(head(10))
        assert await status_becomes(site, 503), "the first body never came, so it must hold its peer's only place"
        writer.close()
        assert await status_becomes(site, 200), "with its connection the place must be free again"


async def test_a_body_that_does_not_arrive_is_given_up() -> None:
    async with running(Limits(arrival=0.5)) as site:
        reader, writer = await site.connect()
        writer.write(head(SMALL_BODY + 1) + b"{")
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"did not arrive" in answer


async def test_a_connection_whose_request_does_not_come_to_an_end_is_closed_and_one_without_any_is_kept() -> None:
    """The API server opens more connections than it needs, and may use one for the first time much later."""
    async with running(Limits(arrival=0.5)) as site:
        kept, later = await site.connect()
        reader, writer = await site.connect()
        writer.write(b"POST / HTTP/1.1\r\nHost:")
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await asyncio.wait_for(_read_or_fail(reader), 10)
        writer.close()
        body = encoded(review(example()))
        later.write(head(len(body)) + body)
        assert (await asyncio.wait_for(kept.readline(), 10)).startswith(b"HTTP/1.1 200")
        later.close()


async def test_a_peer_that_says_nothing_before_tls_is_hung_up_on() -> None:
    async with running(Limits(arrival=0.1)) as site:
        reader, writer = await asyncio.open_connection("127.0.0.1", site.server.address.port)
        with pytest.raises(ConnectionError):
            await asyncio.wait_for(_read_or_fail(reader), 10)
        writer.close()


async def test_connections_that_come_and_go_take_no_places() -> None:
    async with running(Limits(connections_share=2)) as site:
        for _ in range(10):
            _, writer = await asyncio.open_connection("127.0.0.1", site.server.address.port)
            writer.close()
            await writer.wait_closed()
            await asyncio.sleep(0.01)
        assert await status_becomes(site, 200), "ten closed connections must not shut out the eleventh"


async def test_an_answer_that_nobody_takes_is_given_up() -> None:
    """The peer asks and asks without reading, until the sockets are full; then the server hangs up."""
    async with running(Limits(arrival=0.2)) as site:
        _, writer = await site.connect()
        transport = writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        try:
            async with asyncio.timeout(200):
                with pytest.raises((ConnectionError, ssl.SSLError)):
                    await _ask_for_ever(writer)
        finally:
            transport.abort()


async def _ask_for_ever(writer: asyncio.StreamWriter) -> None:
    body = encoded(review(example(resource__count=0)))
    while True:
        writer.write(head(len(body)) + body)
        await writer.drain()
        await asyncio.sleep(0)


async def test_an_answer_during_the_drain_asks_the_caller_to_leave(site: Place) -> None:
    url = f"https://127.0.0.1:{site.server.address.port}"
    site.server.drain()
    for path in (VALIDATE, "/other"):
        async with site.session.post(url + path, data=encoded(review(example())), headers=JSON_TYPE) as answer:
            assert answer.headers.get("Connection") == "close", path


async def test_the_end_waits_for_callers_to_close_idle_connections(site: Place) -> None:
    reader, writer = await site.connect()
    site.server.drain()
    leaving = asyncio.create_task(site.server.until_left(100.0))
    body = encoded(review(example()))
    writer.write(head(len(body)) + body)
    answer = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert answer.startswith(b"HTTP/1.1 200"), "an idle connection is served until its caller has left"
    writer.close()
    await asyncio.wait_for(leaving, 10)


async def test_the_end_does_not_wait_for_ever(site: Place, caplog: pytest.LogCaptureFixture) -> None:
    _, writer = await site.connect()
    await site.server.until_left(0.01)
    await site.server.stop()
    writer.close()
    assert "1 connections are still held" in caplog.text


async def test_what_is_no_http_is_counted_and_nothing_of_it_logged(
    site: Place, caplog: pytest.LogCaptureFixture
) -> None:
    before = counted("kaito_webhook_malformed_requests_total")
    reader, writer = await site.connect()
    writer.write(head(-5))
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    assert b" 400 Bad Request" in answer
    assert counted("kaito_webhook_malformed_requests_total") == before + 1
    assert caplog.text == ""


async def _read_or_fail(reader: asyncio.StreamReader) -> None:
    if not await reader.read():
        raise ConnectionError("closed")


async def _connect_and_read(site: Place) -> None:
    reader, _ = await site.connect()
    await _read_or_fail(reader)


@pytest.mark.parametrize("limits", [Limits(connections=0), Limits(connections_share=0)], ids=["all", "one peer"])
async def test_connections_beyond_the_limit_are_closed_before_tls(limits: Limits) -> None:
    before = counted("kaito_webhook_connections_refused_total")
    async with running(limits) as site:
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await _connect_and_read(site)
    assert counted("kaito_webhook_connections_refused_total") == before + 1


async def test_after_the_stop_nobody_listens(site: Place) -> None:
    _, writer = await site.connect()
    await site.server.stop()
    writer.close()
    assert not site.server.listening
    with pytest.raises(ConnectionRefusedError):
        await site.connect()
