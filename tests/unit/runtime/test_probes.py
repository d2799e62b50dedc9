"""Probes and metrics over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from controller.runtime.options import Address
from controller.runtime.probes import Check, ProbeServer, report

LOCAL = Address("127.0.0.1", 0)


@asynccontextmanager
async def serving(live: dict[str, Check], ready: dict[str, Check]) -> AsyncIterator[ProbeServer]:
    server = ProbeServer(metrics=LOCAL, health=LOCAL, live=live, ready=ready)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def fetch(address: Address | None, path: str, accept: str = "") -> tuple[int, str, str]:
    """Status, body and content type."""
    headers = {"Accept": accept} if accept else {}
    async with aiohttp.ClientSession() as session, session.get(f"http://{address}{path}", headers=headers) as answer:
        return answer.status, await answer.text(), answer.headers["Content-Type"]


async def test_probes_answer_ok_or_name_the_failing_check() -> None:
    ready: dict[str, Check] = {"informer nodes": lambda: "waiting for the first list", "certificate": lambda: ""}
    async with serving({}, ready) as server:
        assert (await fetch(server.health, "/healthz"))[:2] == (200, "ok\n")
        status, text, _ = await fetch(server.health, "/readyz")
        assert status == 500
        assert text == "[-] informer nodes: waiting for the first list\nfailed\n"
        ready["informer nodes"] = lambda: ""
        assert (await fetch(server.health, "/readyz"))[0] == 200, "checks are asked at each request"


async def test_verbose_lists_all_checks() -> None:
    checks: dict[str, Check] = {"a": lambda: "", "b": lambda: "broken"}
    async with serving(checks, {}) as server:
        text = (await fetch(server.health, "/healthz?verbose"))[1]
    assert text == "[+] a: ok\n[-] b: broken\nfailed\n"


def test_a_check_that_raises_is_a_failed_check() -> None:
    def defect() -> str:
        raise KeyError("x")

    healthy, text = report({"defect": defect}, verbose=False)
    assert not healthy
    assert "[-] defect: KeyError('x')" in text


async def test_metrics_come_in_the_format_asked_for() -> None:
    async with serving({}, {}) as server:
        _, plain, content_type = await fetch(server.metrics, "/metrics")
        assert content_type.startswith("text/plain; version=0.0.4")
        names = {family.name for family in parse_text(plain)}
        assert {"leader_election_master_status", "workqueue_depth", "process_cpu_seconds"} <= names
        _, modern, content_type = await fetch(server.metrics, "/metrics", "application/openmetrics-text;version=1.0.0")
        assert content_type.startswith("application/openmetrics-text")
        families = parse_openmetrics(modern)  # type: ignore[no-untyped-call]
        assert {family.name for family in families} == names


async def test_metrics_and_probes_do_not_leak_onto_each_others_address() -> None:
    async with serving({}, {}) as server:
        assert (await fetch(server.health, "/metrics"))[0] == 404
        assert (await fetch(server.metrics, "/healthz"))[0] == 404


async def test_an_address_left_out_is_not_served() -> None:
    server = ProbeServer(metrics=None, health=None, live={}, ready={})
    await server.start()
    assert (server.metrics, server.health) == (None, None)
    await server.stop()


async def test_a_taken_port_is_an_error_that_names_it_and_leaves_nothing_open() -> None:
    async with serving({}, {}) as first:
        assert first.health is not None
        second = ProbeServer(metrics=LOCAL, health=first.health, live={}, ready={})
        with pytest.raises(OSError, match=str(first.health.port)):
            await second.start()
        with pytest.raises(aiohttp.ClientConnectionError):
            await fetch(second.metrics, "/metrics")
