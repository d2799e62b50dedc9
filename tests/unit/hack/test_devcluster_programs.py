"""Our programs run as the manifests describe them, except for what must differ locally."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hack.devcluster import manifests, programs, stages
from hack.devcluster.balancer import Balancer
from hack.devcluster.layout import Layout
from hack.devcluster.ports import LOOPBACK, Ports
from hack.devcluster.request import Request, Scope

WEBHOOKS = {
    "kind": "MutatingWebhookConfiguration",
    "metadata": {"name": "kaito-webhook"},
    "webhooks": [{"clientConfig": {"service": {"name": "w", "namespace": "n", "path": "/mutate"}, "caBundle": "QQ=="}}],
}
DEPLOYMENT = {
    "kind": "Deployment",
    "metadata": {"name": "kaito-provisioner"},
    "spec": {
        "template": {
            "spec": {
                "containers": [
                    {
                        "command": ["kaito-provisioner"],
                        "args": ["--log-format=json", "--azure-credential=workload-identity", "--workers=8"],
                        "env": [
                            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                            {"name": "GOMAXPROCS", "value": "2"},
                            {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                        ],
                    }
                ]
            }
        }
    },
}


def test_webhooks_are_called_by_url_and_everything_else_stays() -> None:
    local = manifests.localized([WEBHOOKS], "https://127.0.0.1:9443")

    assert local[0]["webhooks"][0]["clientConfig"] == {"url": "https://127.0.0.1:9443/mutate", "caBundle": "QQ=="}
    assert "service" in WEBHOOKS["webhooks"][0]["clientConfig"], "the rendered objects must not be changed"  # type: ignore[index]


def test_deployments_describe_programs_and_are_not_applied() -> None:
    objects: list[dict[str, Any]] = [DEPLOYMENT, WEBHOOKS]

    assert [item["kind"] for item in manifests.localized(objects, "")] == ["MutatingWebhookConfiguration"]
    assert manifests.deployments(objects) == {"kaito-provisioner": DEPLOYMENT}


def test_a_replica_has_the_manifests_arguments_with_local_addresses_and_cloud(tmp_path: Path) -> None:
    program = next(item for item in programs.PROGRAMS if item.name == "kaito-provisioner")
    with Ports() as ports:
        around = programs.Surroundings(Request("/binaries", speed=2.0), ports, "https://127.0.0.1:7777")
        component = programs.replica(program, DEPLOYMENT, 1, Layout(tmp_path), around)

    assert component.name == "kaito-provisioner-1"
    assert "--workers=8" in component.argv, "arguments of the manifests must be kept"
    assert "--log-format=json" not in component.argv, "what differs locally must be replaced, not repeated"
    assert "--azure-credential=none" in component.argv
    assert "--azure-endpoint=https://127.0.0.1:7777" in component.argv
    assert "--arm-poll-interval=500ms" in component.argv, "twice the speed is half the interval"
    assert f"--metrics-bind-address={LOOPBACK}:{component.ports['metrics']}" in component.argv
    assert component.environment == {"POD_NAME": "kaito-provisioner-1", "GOMAXPROCS": "2"}


def test_only_the_webhook_serves_more_than_probes_and_metrics(tmp_path: Path) -> None:
    ports_of = {}
    with Ports() as ports:
        around = programs.Surroundings(Request("/binaries"), ports, "")
        for program in programs.PROGRAMS:
            ports_of[program.name] = set(programs.replica(program, DEPLOYMENT, 0, Layout(tmp_path), around).ports)

    assert [name for name, names in ports_of.items() if "serving" in names] == [programs.WEBHOOK]


def test_scopes_start_the_programs_they_name() -> None:
    names = {scope: [program.name for program in programs.programs_of(scope)] for scope in Scope}

    assert names[Scope.CONTROL_PLANE] == []
    assert names[Scope.WEBHOOK] == ["kaito-webhook"]
    assert names[Scope.ALL] == ["kaito-webhook", "kaito-controller", "kaito-provisioner"]


flags = st.sampled_from(["a", "b", "c", "d"])


@given(st.lists(flags, unique=True), st.dictionaries(flags, st.text("xyz", min_size=1)))
def test_each_flag_is_given_once_and_local_values_win(declared: list[str], local: dict[str, str]) -> None:
    merged = programs.local_arguments([f"--{flag}=declared" for flag in declared], local)

    values = dict(argument.removeprefix("--").split("=") for argument in merged)
    assert len(values) == len(merged)
    assert values == dict.fromkeys(declared, "declared") | local


async def serve(answer: bytes, port: int) -> asyncio.Server:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer + await reader.read())
        writer.close()

    return await asyncio.start_server(reply, LOOPBACK, port)


@contextlib.asynccontextmanager
async def balancing(port: int, backends: list[int]) -> AsyncIterator[None]:
    running = asyncio.ensure_future(
        Balancer((LOOPBACK, port), lambda: [(LOOPBACK, backend) for backend in backends]).run()
    )
    await asyncio.sleep(0)
    try:
        yield
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running


async def ask(port: int) -> bytes:
    for _ in range(100):
        try:
            reader, writer = await asyncio.open_connection(LOOPBACK, port)
            break
        except ConnectionRefusedError:
            await asyncio.sleep(0.01)
    writer.write(b"?")
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def test_the_balancer_takes_turns_and_passes_both_directions() -> None:
    with Ports() as ports:
        front, *backs = (ports.take() for _ in range(3))
        servers = [await serve(name, port) for name, port in zip((b"a", b"b"), backs, strict=True)]
        async with balancing(front, backs):
            answers = [await ask(front) for _ in range(4)]
        for server in servers:
            server.close()

    assert sorted(answers) == [b"a?", b"a?", b"b?", b"b?"]


async def test_the_balancer_passes_over_a_backend_that_is_gone() -> None:
    with Ports() as ports:
        front, gone, alive = ports.take(), ports.take(), ports.take()
        server = await serve(b"alive", alive)
        async with balancing(front, [gone, alive]):
            answers = [await ask(front) for _ in range(3)]
        server.close()

    assert answers == [b"alive?"] * 3


async def test_without_a_ready_backend_the_connection_ends_at_once() -> None:
    with Ports() as ports:
        front = ports.take()
        async with balancing(front, []):
            # Ended or reset, as the kernel happens to tell the client; never answered, never left waiting.
            with contextlib.suppress(ConnectionResetError):
                assert await ask(front) == b""


def stage(name: str, speed: float = 1.0) -> dict[str, Any]:
    return next(item["spec"] for item in stages.kwok_stages(speed) if item["metadata"]["name"] == name)


def test_stage_names_are_unique() -> None:
    names = [item["metadata"]["name"] for item in stages.kwok_stages(1.0)]

    assert len(names) == len(set(names))


def test_of_a_node_kwok_only_refreshes_the_heartbeat() -> None:
    nodes = [item for item in stages.kwok_stages(1.0) if item["spec"]["resourceRef"]["kind"] == "Node"]

    assert [item["metadata"]["name"] for item in nodes] == ["node-heartbeat"]
    template = nodes[0]["spec"]["steps"][0]["patch"]["template"]
    assert "status:" not in template, "readiness belongs to who made the Node"


def test_every_pod_stage_says_whether_the_pod_lives() -> None:
    for item in stages.kwok_stages(1.0):
        keys = [entry["jq"]["key"] for entry in item["spec"]["selector"]["matchExpressions"]]
        assert ".metadata.deletionTimestamp" in keys, f"{item['metadata']['name']} would play on a Pod being deleted"


@pytest.mark.parametrize("name", ["pod-started", "pod-ready", "pod-complete", "pod-delete", "pod-crash", "pod-restart"])
def test_the_speed_divides_every_wait(name: str) -> None:
    expression = stage(name, speed=4.0)["delay"]["durationFrom"]["jq"]["expression"]

    assert "/ 4.0" in expression, f"{name} does not follow the speed: {expression}"
