"""The proxy that makes a real API server misbehave does what it is told, and nothing else."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import yaml

from tests.cluster.harness import Cluster
from tests.faults.proxy import CutStream, Delay, Drop, FaultProxy, Reply, Rule


def server_and_token(kubeconfig: Path) -> tuple[str, str]:
    config = yaml.safe_load(kubeconfig.read_text())
    token = Path(config["users"][0]["user"]["tokenFile"]).read_text()
    return config["clusters"][0]["cluster"]["server"], token


@pytest.fixture
async def session(cluster: Cluster, proxied_kubeconfig: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """A client that goes through the proxy with a service account's token."""
    server, token = server_and_token(proxied_kubeconfig)
    tls = ssl.create_default_context(cafile=cluster.layout.certificate("ca"))
    async with aiohttp.ClientSession(
        server,
        headers={"Authorization": f"Bearer {token}"},
        connector=aiohttp.TCPConnector(ssl=tls),
    ) as opened:
        yield opened


def config_map(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}


async def create(session: aiohttp.ClientSession, namespace: str, name: str) -> int:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    async with session.post(path, json=config_map(name)) as response:
        return response.status


async def exists(cluster: Cluster, namespace: str, name: str) -> bool:
    listing = await cluster.get("configmaps", "-n", namespace)
    return name in [item["metadata"]["name"] for item in listing["items"]]


async def test_without_rules_it_is_transparent(
    session: aiohttp.ClientSession, namespace: str, fault_proxy: FaultProxy
) -> None:
    assert await create(session, namespace, "plain") == 201
    assert await create(session, namespace, "plain") == 409, "answers of the API server must pass unchanged"
    assert [seen.code for seen in fault_proxy.seen] == [201, 409]


async def test_kubectl_works_through_it_with_a_token(
    cluster: Cluster, namespace: str, proxied_kubeconfig: Path
) -> None:
    answer = await cluster.kubectl(f"--kubeconfig={proxied_kubeconfig}", "auth", "whoami", "-o", "json")

    assert json.loads(answer)["status"]["userInfo"]["username"] == f"system:serviceaccount:{namespace}:default"


async def test_a_reply_comes_in_the_servers_place_and_only_as_often_as_asked(
    session: aiohttp.ClientSession, namespace: str, cluster: Cluster, fault_proxy: FaultProxy
) -> None:
    rule = fault_proxy.add(Rule(Reply(429, "TooManyRequests", retry_after=2), method="POST", path="configmaps"))

    async with session.post(f"/api/v1/namespaces/{namespace}/configmaps", json=config_map("x")) as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "2")
        assert (await response.json())["reason"] == "TooManyRequests"
    assert not await exists(cluster, namespace, "x"), "the API server must not have seen a refused request"

    assert await create(session, namespace, "x") == 201, "one time was asked for"
    assert rule.hits == 1


async def test_skipped_requests_pass_first(
    session: aiohttp.ClientSession, namespace: str, fault_proxy: FaultProxy
) -> None:
    fault_proxy.add(Rule(Reply(500), method="POST", skip=1, times=None))

    codes = [await create(session, namespace, f"n{number}") for number in range(3)]
    fault_proxy.heal()

    assert codes == [201, 500, 500]
    assert await create(session, namespace, "healed") == 201


async def test_a_dropped_request_leaves_no_trace(
    session: aiohttp.ClientSession, namespace: str, cluster: Cluster, fault_proxy: FaultProxy
) -> None:
    fault_proxy.add(Rule(Drop(), method="POST"))

    with pytest.raises(aiohttp.ClientError):
        await create(session, namespace, "dropped")

    assert not await exists(cluster, namespace, "dropped")


async def test_a_lost_reply_hides_a_request_that_was_done(
    session: aiohttp.ClientSession, namespace: str, cluster: Cluster, fault_proxy: FaultProxy
) -> None:
    fault_proxy.add(Rule(Drop(after_forwarding=True), method="POST"))

    with pytest.raises(aiohttp.ClientError):
        await create(session, namespace, "done")

    assert await exists(cluster, namespace, "done")


async def test_a_delayed_request_is_done_late(
    session: aiohttp.ClientSession, namespace: str, cluster: Cluster, fault_proxy: FaultProxy
) -> None:
    rule = fault_proxy.add(Rule(Delay(3600), method="POST"))
    creating = asyncio.ensure_future(create(session, namespace, "late"))
    while not rule.hits:  # noqa: ASYNC110 - the rule is a plain record
        await asyncio.sleep(0.01)
    assert not await exists(cluster, namespace, "late"), "a delayed request reached the API server at once"

    creating.cancel()
    fault_proxy.heal()
    fault_proxy.add(Rule(Delay(0.05), method="POST"))
    assert await create(session, namespace, "late") == 201


async def watch(session: aiohttp.ClientSession, namespace: str) -> list[bytes]:
    """The lines of a watch until it ends or is cut."""
    lines: list[bytes] = []
    path = f"/api/v1/namespaces/{namespace}/configmaps?watch=true&timeoutSeconds=20&resourceVersion=0"
    async with session.get(path) as response:
        with contextlib.suppress(aiohttp.ClientError):
            while line := await response.content.readline():
                lines.append(line)
    return lines


async def test_a_watch_ends_after_so_many_lines_with_the_event_asked_for(
    session: aiohttp.ClientSession, namespace: str, fault_proxy: FaultProxy
) -> None:
    gone = {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}
    fault_proxy.add(Rule(CutStream(1, last_event=gone), path="watch=true"))

    # Every namespace holds kube-root-ca.crt, so one line comes by itself.
    lines = [json.loads(line) for line in await watch(session, namespace)]

    assert [line["type"] for line in lines] == ["ADDED", "ERROR"]
    assert lines[1]["object"]["code"] == 410


async def test_a_torn_watch_ends_in_the_middle_of_a_line(
    session: aiohttp.ClientSession, namespace: str, fault_proxy: FaultProxy
) -> None:
    await create(session, namespace, "one")
    fault_proxy.add(Rule(CutStream(1, torn=True), path="watch=true"))

    lines = await watch(session, namespace)

    assert json.loads(lines[0])["type"] == "ADDED"
    assert all(not line.endswith(b"\n") for line in lines[1:]), "the last line must not be complete"
