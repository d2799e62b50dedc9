"""Events as the real API server stores them and kubectl shows them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from controller.api.json import Json
from controller.api.resources import CONFIG_MAPS, EVENTS, NAMESPACES
from controller.runtime.client import Client
from controller.runtime.events import CLUSTER_NAMESPACE, NOTE_BYTES, Recorder
from controller.runtime.metrics import EVENT_DROPS, REGISTRY
from tests.cluster.harness import Cluster


@pytest.fixture
async def recorder(client: Client) -> AsyncIterator[Recorder]:
    """A recorder at work."""
    made = Recorder(client, controller="kaito-tests", instance="pod-1")
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    await asyncio.wait([task])


@pytest.fixture
async def subject(client: Client, namespace: str) -> Json:
    """An object things happen to."""
    return await client.create(
        CONFIG_MAPS,
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "subject", "namespace": namespace}},
    )


async def events_about(client: Client, subject: Json, namespace: str) -> list[Json]:
    uid = subject["metadata"]["uid"]
    listed = await client.list(EVENTS, namespace=namespace)
    return [event for event in listed.items if event["regarding"].get("uid") == uid]


def dropped() -> dict[str, float | None]:
    return {cause: REGISTRY.get_sample_value("kaito_events_dropped_total", {"cause": cause}) for cause in EVENT_DROPS}


async def test_repeats_are_one_event_with_a_count(
    client: Client, recorder: Recorder, subject: Json, namespace: str, cluster: Cluster
) -> None:
    before = dropped()
    for _ in range(7):
        recorder.event(subject, type="Warning", reason="QuotaExceeded", note="0 of 6 vCPU left", action="Provision")
        await asyncio.sleep(0.05)
    await recorder.flush(10)
    (event,) = await events_about(client, subject, namespace)
    assert event["series"]["count"] == 7
    assert (event["type"], event["reason"], event["action"]) == ("Warning", "QuotaExceeded", "Provision")
    assert (event["reportingController"], event["reportingInstance"]) == ("kaito-tests", "pod-1")
    assert dropped() == before
    described = await cluster.kubectl("describe", "configmap", "subject", "-n", namespace)
    assert "0 of 6 vCPU left" in described, described
    assert "x7" in described, described


async def test_a_long_note_is_cut_to_what_the_api_takes(
    client: Client, recorder: Recorder, subject: Json, namespace: str
) -> None:
    recorder.event(subject, type="Normal", reason="Long", note="größe " * 500)
    await recorder.flush(10)
    (event,) = await events_about(client, subject, namespace)
    assert NOTE_BYTES - 3 <= len(event["note"].encode()) <= NOTE_BYTES
    assert event["note"].endswith("…")


async def test_an_event_about_a_cluster_scoped_object_names_a_related_one(
    client: Client, recorder: Recorder, subject: Json, namespace: str
) -> None:
    scope = await client.get(NAMESPACES, namespace)
    recorder.event(scope, type="Normal", reason="Filled", note="has a config map", related=subject)
    await recorder.flush(10)
    (event,) = await events_about(client, scope, CLUSTER_NAMESPACE)
    assert event["related"]["name"] == "subject"


async def test_an_event_deleted_on_the_server_comes_back_with_its_count(
    client: Client, recorder: Recorder, subject: Json, namespace: str
) -> None:
    for _ in range(2):
        recorder.event(subject, type="Normal", reason="Again", note="and again")
        await recorder.flush(10)
    (event,) = await events_about(client, subject, namespace)
    await client.delete(EVENTS, event["metadata"]["name"], namespace=namespace)
    recorder.event(subject, type="Normal", reason="Again", note="and again")
    await recorder.flush(10)
    (event,) = await events_about(client, subject, namespace)
    assert event["series"]["count"] == 3


async def test_an_event_the_api_refuses_is_counted_and_forgotten(
    client: Client, recorder: Recorder, subject: Json, namespace: str
) -> None:
    before = dropped()["refused"] or 0.0
    recorder.event(subject, type="Loud", reason="Wrong", note="neither Normal nor Warning")
    recorder.event(subject, type="Normal", reason="Right", note="comes through")
    await recorder.flush(10)
    assert [event["reason"] for event in await events_about(client, subject, namespace)] == ["Right"]
    assert dropped()["refused"] == before + 1
