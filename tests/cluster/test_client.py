"""The client's verbs on the real API server: what it does, and which error says what."""

import asyncio
from contextlib import aclosing
from pathlib import Path

import pytest

from controller.api.json import Json, metadata_of, name_of, uid_of
from controller.api.resources import CONFIG_MAPS, DEPLOYMENTS, NODES, PODS, Resource
from controller.runtime import errors
from controller.runtime.client import Client
from controller.runtime.reflector import INITIAL_END
from controller.runtime.watch import ADDED, BOOKMARK, DELETED, MODIFIED, WatchEvent
from tests.faults.proxy import Drop, FaultProxy, Reply, Rule


def config_map(namespace: str, name: str = "a", **data: str) -> Json:
    metadata = {"name": name, "namespace": namespace, "labels": {"made-by": "test"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def deployment(namespace: str) -> Json:
    template = {
        "metadata": {"labels": {"app": "a"}},
        "spec": {"containers": [{"name": "main", "image": "pause"}]},
    }
    spec = {"replicas": 0, "selector": {"matchLabels": {"app": "a"}}, "template": template}
    return {"metadata": {"name": "a", "namespace": namespace}, "spec": spec}


def version(obj: Json) -> str:
    return str(metadata_of(obj)["resourceVersion"])


async def test_an_object_lives_from_create_to_delete(client: Client, namespace: str) -> None:
    created = await client.create(CONFIG_MAPS, config_map(namespace, k="1"))
    assert await client.get(CONFIG_MAPS, "a", namespace=namespace) == created
    created["data"] = {"k": "2"}
    replaced = await client.replace(CONFIG_MAPS, created)
    assert replaced["data"] == {"k": "2"}
    await client.delete(CONFIG_MAPS, "a", namespace=namespace)
    with pytest.raises(errors.NotFound):
        await client.get(CONFIG_MAPS, "a", namespace=namespace)
    with pytest.raises(errors.NotFound):
        await client.delete(CONFIG_MAPS, "a", namespace=namespace)


async def test_a_name_is_taken_once(client: Client, namespace: str) -> None:
    await client.create(CONFIG_MAPS, config_map(namespace))
    with pytest.raises(errors.AlreadyExists):
        await client.create(CONFIG_MAPS, config_map(namespace))


async def test_a_stale_version_loses_whatever_the_verb(client: Client, namespace: str) -> None:
    stale = await client.create(CONFIG_MAPS, config_map(namespace))
    await client.merge(CONFIG_MAPS, "a", {"data": {"k": "new"}}, namespace=namespace)
    with pytest.raises(errors.Conflict):
        await client.replace(CONFIG_MAPS, stale)
    patch = {"metadata": {"resourceVersion": version(stale)}, "data": {"k": "mine"}}
    with pytest.raises(errors.Conflict):
        await client.merge(CONFIG_MAPS, "a", patch, namespace=namespace)
    applied = config_map(namespace, k="mine")
    applied["metadata"]["resourceVersion"] = version(stale)
    with pytest.raises(errors.Conflict):
        await client.apply(CONFIG_MAPS, applied, manager="test")


async def test_a_merge_patch_deletes_with_null(client: Client, namespace: str) -> None:
    await client.create(CONFIG_MAPS, config_map(namespace, gone="1", kept="2"))
    merged = await client.merge(CONFIG_MAPS, "a", {"data": {"gone": None}}, namespace=namespace)
    assert merged["data"] == {"kept": "2"}


async def test_apply_owns_what_it_states_and_gives_up_what_it_leaves_out(client: Client, namespace: str) -> None:
    first = await client.apply(CONFIG_MAPS, config_map(namespace, a="1", b="2"), manager="test")
    again = await client.apply(CONFIG_MAPS, config_map(namespace, a="1", b="2"), manager="test")
    assert version(first) == version(again), "an apply without change writes nothing"
    less = await client.apply(CONFIG_MAPS, config_map(namespace, a="1"), manager="test")
    assert less["data"] == {"a": "1"}


async def test_apply_takes_a_field_from_another_owner_only_by_force(client: Client, namespace: str) -> None:
    await client.apply(CONFIG_MAPS, config_map(namespace, a="theirs"), manager="other")
    with pytest.raises(errors.Conflict) as caught:
        await client.apply(CONFIG_MAPS, config_map(namespace, a="ours"), manager="test", force=False)
    assert [cause.field for cause in caught.value.causes] == [".data.a"]
    taken = await client.apply(CONFIG_MAPS, config_map(namespace, a="ours"), manager="test")
    assert taken["data"] == {"a": "ours"}


async def test_a_status_apply_leaves_the_spec_alone(client: Client, namespace: str) -> None:
    await client.create(DEPLOYMENTS, deployment(namespace))
    condition = {"type": "Custom", "status": "True", "reason": "Test", "message": "hello"}
    body: Json = {"metadata": {"name": "a", "namespace": namespace}, "spec": {"replicas": 5}}
    body["status"] = {"conditions": [condition]}
    after = await client.apply(DEPLOYMENTS, body, manager="test", subresource="status")
    assert after["spec"]["replicas"] == 0
    assert condition in [{key: each[key] for key in condition if key in each} for each in after["status"]["conditions"]]


async def test_a_json_patch_goes_through_only_if_its_test_holds(client: Client, namespace: str) -> None:
    await client.create(CONFIG_MAPS, config_map(namespace, k="1"))

    def operations(expected: str) -> list[Json]:
        return [
            {"op": "test", "path": "/data/k", "value": expected},
            {"op": "replace", "path": "/data/k", "value": "2"},
        ]

    with pytest.raises(errors.Invalid):
        await client.json_patch(CONFIG_MAPS, "a", operations("other"), namespace=namespace)
    patched = await client.json_patch(CONFIG_MAPS, "a", operations("1"), namespace=namespace)
    assert patched["data"] == {"k": "2"}


async def test_delete_hits_only_the_object_that_was_seen(client: Client, namespace: str) -> None:
    seen = await client.create(CONFIG_MAPS, config_map(namespace))
    await client.delete(CONFIG_MAPS, "a", namespace=namespace)
    await client.create(CONFIG_MAPS, config_map(namespace))
    with pytest.raises(errors.Conflict):
        await client.delete(CONFIG_MAPS, "a", namespace=namespace, uid=uid_of(seen))
    assert await client.get(CONFIG_MAPS, "a", namespace=namespace)


async def test_an_invalid_object_names_its_fields(client: Client, namespace: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        await client.create(CONFIG_MAPS, config_map(namespace, name="Not-A-Name"))
    assert [cause.field for cause in caught.value.causes] == ["metadata.name"]


async def test_a_kind_nobody_installed_is_not_found(client: Client) -> None:
    with pytest.raises(errors.NotFound):
        await client.list(Resource("nobody.example", "v1", "things", "Thing", namespaced=False))


async def test_a_pod_is_evicted_through_its_subresource(client: Client, namespace: str) -> None:
    spec = {"containers": [{"name": "main", "image": "pause"}]}
    pod = await client.create(PODS, {"metadata": {"name": "a", "namespace": namespace}, "spec": spec})
    eviction: Json = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a", "namespace": namespace}}
    eviction["deleteOptions"] = {"preconditions": {"uid": uid_of(pod)}}
    await client.create(PODS, eviction, subresource="eviction", name="a")

    async def gone() -> None:
        while True:
            try:
                found = await client.get(PODS, "a", namespace=namespace)
            except errors.NotFound:
                return
            if metadata_of(found).get("deletionTimestamp"):
                return
            await asyncio.sleep(0.1)

    await asyncio.wait_for(gone(), 20)


async def test_pages_add_up_to_the_list(client: Client, namespace: str) -> None:
    for number in range(7):
        await client.create(CONFIG_MAPS, config_map(namespace, name=f"n{number}"))
    paged = await client.list(CONFIG_MAPS, namespace=namespace, labels="made-by=test", page_size=3)
    whole = await client.list(CONFIG_MAPS, namespace=namespace, labels="made-by=test", page_size=0)
    assert paged.items == whole.items
    assert [name_of(item) for item in paged.items] == [f"n{number}" for number in range(7)]
    assert {(item["apiVersion"], item["kind"]) for item in paged.items} == {("v1", "ConfigMap")}


async def test_selectors_choose(client: Client, namespace: str) -> None:
    await client.create(CONFIG_MAPS, config_map(namespace, name="a"))
    await client.create(CONFIG_MAPS, config_map(namespace, name="b"))
    by_field = await client.list(CONFIG_MAPS, namespace=namespace, fields="metadata.name=b")
    by_label = await client.list(CONFIG_MAPS, namespace=namespace, labels="made-by in (test, other)")
    assert [name_of(item) for item in by_field.items] == ["b"]
    assert [name_of(item) for item in by_label.items] == ["a", "b"]


async def watched(client: Client, namespace: str, *, seconds: float, since: str) -> list[WatchEvent]:
    stream = client.watch(
        CONFIG_MAPS,
        namespace=namespace,
        labels="made-by=test",
        timeout_seconds=seconds,
        resource_version=since,
    )
    async with aclosing(stream) as events:
        return [event async for event in events]


async def test_a_watch_tells_all_that_happened_since_its_version(client: Client, namespace: str) -> None:
    start = (await client.list(CONFIG_MAPS, namespace=namespace)).resource_version
    await client.create(CONFIG_MAPS, config_map(namespace))
    await client.merge(CONFIG_MAPS, "a", {"data": {"k": "1"}}, namespace=namespace)
    await client.delete(CONFIG_MAPS, "a", namespace=namespace)
    events = await watched(client, namespace, seconds=2, since=start)
    assert [event.type for event in events if event.type != BOOKMARK] == [ADDED, MODIFIED, DELETED]


async def test_a_version_the_server_never_reached_is_answered_with_silence(client: Client, namespace: str) -> None:
    """Why a reflector reads everything again after a long stream without so much as a bookmark."""
    silent = asyncio.create_task(watched(client, namespace, seconds=3, since="999999999999"))
    spoken = asyncio.create_task(watched(client, namespace, seconds=3, since=""))
    await client.create(CONFIG_MAPS, config_map(namespace))
    assert BOOKMARK in [event.type for event in await spoken], "a stream in good health ends with a bookmark"
    assert await silent == []


async def test_the_present_state_can_be_streamed(client: Client, namespace: str) -> None:
    await client.create(CONFIG_MAPS, config_map(namespace, name="a"))
    await client.create(CONFIG_MAPS, config_map(namespace, name="b"))
    names: list[str] = []
    stream = client.watch(CONFIG_MAPS, namespace=namespace, labels="made-by=test", initial_events=True)
    async with asyncio.timeout(20), aclosing(stream) as events:
        async for event in events:
            if event.type == BOOKMARK:
                assert metadata_of(event.object)["annotations"][INITIAL_END] == "true"
                break
            names.append(name_of(event.object))
    assert sorted(names) == ["a", "b"]


async def test_two_hundred_requests_share_the_pool(client: Client) -> None:
    answers = await asyncio.gather(*(client.list(NODES) for _ in range(200)))
    assert len(answers) == 200


async def test_a_create_whose_reply_is_lost_is_done_once_and_known_as_ours(
    namespace: str, fault_proxy: FaultProxy, proxied_kubeconfig: Path
) -> None:
    fault_proxy.add(Rule(Drop(after_forwarding=True), method="POST"))
    async with await Client.connect(user_agent="kaito-tests", kubeconfig=proxied_kubeconfig) as faulty:
        created = await faulty.create(CONFIG_MAPS, config_map(namespace, k="1"))
        assert await faulty.get(CONFIG_MAPS, "a", namespace=namespace) == created
        fault_proxy.add(Rule(Drop(after_forwarding=True), method="POST"))
        with pytest.raises(errors.AlreadyExists):
            await faulty.create(CONFIG_MAPS, config_map(namespace, k="another"))


async def test_an_apply_meets_throttling_and_a_lost_reply_and_gets_through(
    namespace: str, fault_proxy: FaultProxy, proxied_kubeconfig: Path
) -> None:
    fault_proxy.add(Rule(Reply(429, "TooManyRequests", retry_after=1), method="PATCH"))
    fault_proxy.add(Rule(Drop(after_forwarding=True), method="PATCH"))
    async with await Client.connect(user_agent="kaito-tests", kubeconfig=proxied_kubeconfig) as faulty:
        applied = await faulty.apply(CONFIG_MAPS, config_map(namespace, k="1"), manager="test")
    assert applied["data"] == {"k": "1"}
