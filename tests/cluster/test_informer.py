"""Informers against the real API server: what they hold equals what a list says."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from controller.api.json import Json, Key, key_of, labels_of, metadata_of, name_of
from controller.api.resources import CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS, Resource
from controller.runtime.cache import Informer
from controller.runtime.client import Client
from tests.cluster.harness import eventually
from tests.faults.proxy import Action, CutStream, Drop, FaultProxy, Reply, Rule

DEADLINE = 30.0


def config_map(namespace: str, name: str, **labels: str) -> Json:
    metadata = {"name": name, "namespace": namespace, "labels": {"made-by": "test", **labels}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


@asynccontextmanager
async def running(*informers: Informer) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(informer.run()) for informer in informers]
    try:
        for informer in informers:
            await asyncio.wait_for(informer.wait_synced(), DEADLINE)
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(holds: Callable[[], bool], what: str) -> None:
    """Waits until the informer has caught up; lag is normal, staying behind is not."""

    async def check() -> str:
        return "" if holds() else f"not yet so: {what}"

    await eventually(check, DEADLINE)


def by_key(objects: list[Json]) -> dict[Key, Json]:
    return {key_of(obj): obj for obj in objects}


async def catches_up(client: Client, informer: Informer, namespace: str, labels: str = "made-by=test") -> None:
    listed = by_key((await client.list(CONFIG_MAPS, namespace=namespace, labels=labels)).items)
    await until(lambda: by_key(informer.values()) == listed, f"the cache equals the list of {sorted(listed)}")


async def test_the_cache_equals_the_list_after_every_kind_of_change(client: Client, namespace: str) -> None:
    for name in "abc":
        await client.create(CONFIG_MAPS, config_map(namespace, name))
    informer = Informer(client, CONFIG_MAPS, namespace=namespace, labels="made-by=test")
    told: list[tuple[str, str]] = []
    async with running(informer):
        await catches_up(client, informer, namespace)
        informer.on_change(lambda old, new: told.append((name_of(old or {}), name_of(new or {}))))
        assert sorted(told) == [("", "a"), ("", "b"), ("", "c")], "a late handler hears of what is there"
        await client.create(CONFIG_MAPS, config_map(namespace, "d"))
        await client.merge(CONFIG_MAPS, "a", {"data": {"k": "1"}}, namespace=namespace)
        await client.delete(CONFIG_MAPS, "b", namespace=namespace)
        await catches_up(client, informer, namespace)
        assert told[3:] == [("", "d"), ("a", "a"), ("b", "")]


async def test_a_recreated_object_is_never_mistaken_for_the_old_one(client: Client, namespace: str) -> None:
    informer = Informer(client, CONFIG_MAPS, namespace=namespace, labels="made-by=test")
    async with running(informer):
        for _ in range(5):
            await client.create(CONFIG_MAPS, config_map(namespace, "a"))
            await client.delete(CONFIG_MAPS, "a", namespace=namespace)
        last = await client.create(CONFIG_MAPS, config_map(namespace, "a"))
        await until(lambda: informer.get("a", namespace) == last, "the cache holds the last incarnation")


async def test_selectors_divide_the_objects_and_a_changed_label_moves_one(client: Client, namespace: str) -> None:
    red, blue = (Informer(client, CONFIG_MAPS, namespace=namespace, labels=f"color={it}") for it in ("red", "blue"))
    await client.create(CONFIG_MAPS, config_map(namespace, "a", color="red"))
    await client.create(CONFIG_MAPS, config_map(namespace, "b", color="blue"))
    async with running(red, blue):
        await catches_up(client, red, namespace, "color=red")
        await catches_up(client, blue, namespace, "color=blue")
        await client.merge(CONFIG_MAPS, "a", {"metadata": {"labels": {"color": "blue"}}}, namespace=namespace)
        await until(lambda: red.values() == [], "the object left the first selection")
        await until(lambda: len(blue.values()) == 2, "the object entered the second selection")


def slim(obj: Json) -> Json:
    metadata = metadata_of(obj)
    kept = {key: metadata[key] for key in ("name", "namespace", "uid", "resourceVersion", "labels") if key in metadata}
    return {"apiVersion": obj["apiVersion"], "kind": obj["kind"], "metadata": kept}


async def test_slim_objects_are_found_by_their_index(client: Client, namespace: str) -> None:
    informer = Informer(
        client,
        CONFIG_MAPS,
        namespace=namespace,
        transform=slim,
        indexes={"color": lambda obj: [labels_of(obj)["color"]] if "color" in labels_of(obj) else []},
    )
    async with running(informer):
        await client.create(CONFIG_MAPS, config_map(namespace, "a", color="red"))
        await client.create(CONFIG_MAPS, config_map(namespace, "b", color="red"))
        await until(lambda: len(informer.by_index("color", "red")) == 2, "both are red")
        assert all("managedFields" not in metadata_of(obj) for obj in informer.values())
        await client.merge(CONFIG_MAPS, "a", {"metadata": {"labels": {"color": "blue"}}}, namespace=namespace)
        await until(lambda: [name_of(obj) for obj in informer.by_index("color", "blue")] == ["a"], "one turned blue")
        assert [name_of(obj) for obj in informer.by_index("color", "red")] == ["b"]


THINGS = Resource("informer.example", "v1", "things", "Thing", namespaced=False)


async def test_a_kind_installed_later_is_found(client: Client) -> None:
    informer = Informer(client, THINGS)
    task = asyncio.create_task(informer.run())
    try:
        await until(lambda: not informer.served, "the kind is reported as missing")
        names = {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}
        schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
        versions = [{"name": "v1", "served": True, "storage": True, "schema": schema}]
        spec = {"group": "informer.example", "names": names, "scope": "Cluster", "versions": versions}
        await client.create(
            CUSTOM_RESOURCE_DEFINITIONS, {"metadata": {"name": "things.informer.example"}, "spec": spec}
        )
        await asyncio.wait_for(informer.wait_synced(), DEADLINE)
        assert informer.served
        await client.create(THINGS, {"apiVersion": THINGS.api_version, "kind": "Thing", "metadata": {"name": "a"}})
        await until(lambda: informer.get("a") is not None, "the first object arrives")
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await client.delete(CUSTOM_RESOURCE_DEFINITIONS, "things.informer.example")


EXPIRED_EVENT: Json = {
    "type": "ERROR",
    "object": {"kind": "Status", "status": "Failure", "reason": "Expired", "code": 410, "message": "too old"},
}


@pytest.mark.parametrize(
    "action",
    [
        Drop(),
        Reply(429, "TooManyRequests", retry_after=1),
        Reply(410, "Expired"),
        Reply(500, "InternalError"),
        CutStream(2),
        CutStream(2, torn=True),
        CutStream(1, last_event=EXPIRED_EVENT),
    ],
    ids=["dropped", "429", "410", "500", "cut", "torn", "410 as event"],
)
async def test_the_cache_comes_right_after_a_fault(
    client: Client, namespace: str, fault_proxy: FaultProxy, proxied_kubeconfig: Path, action: Action
) -> None:
    rule = Rule(action, path="configmaps.*watch=true", times=2)
    fault_proxy.add(rule)
    async with await Client.connect(user_agent="kaito-tests", kubeconfig=proxied_kubeconfig) as faulty:
        informer = Informer(faulty, CONFIG_MAPS, namespace=namespace, labels="made-by=test")
        async with running(informer):
            for name in "abcdef":
                await client.create(CONFIG_MAPS, config_map(namespace, name))
            await client.delete(CONFIG_MAPS, "b", namespace=namespace)
            await catches_up(client, informer, namespace)
    assert rule.hits > 0, "no watch met the fault, so nothing was proved"
