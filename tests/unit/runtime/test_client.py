"""Requests under faults: what is sent, what is sent again, and what the caller is told."""

import asyncio
import socket
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from controller.api.json import Json
from controller.api.resources import CONFIG_MAPS, NODES, PODS, Resource
from controller.runtime import errors
from controller.runtime.client import Client
from controller.runtime.watch import WatchEvent
from tests.unit.runtime.scripted_server import (
    ScriptedServer,
    answer,
    cut,
    line,
    page,
    silence,
    status,
    stream,
)

BODY: Json = {"metadata": {"name": "a", "namespace": "ns"}, "data": {"k": "v"}}
BUSY = {"Retry_After": "0"}


async def test_every_request_carries_who_we_are(server: ScriptedServer, client: Client) -> None:
    server.script(answer({"kind": "ConfigMap"}))
    await client.get(CONFIG_MAPS, "a", namespace="ns")
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("GET", "/api/v1/namespaces/ns/configmaps/a")
    assert seen.headers["User-Agent"] == "kaito-test/1"
    assert seen.headers["Authorization"] == "Bearer first"
    assert seen.headers["Accept-Encoding"] == "identity"


async def test_writes_go_out_in_the_form_their_name_says(server: ScriptedServer, client: Client) -> None:
    server.script(*[answer({})] * 6)
    operations: list[Json] = [{"op": "test", "path": "/data/k", "value": "v"}]
    await client.apply(CONFIG_MAPS, BODY, manager="me")
    await client.apply(CONFIG_MAPS, BODY, manager="me", subresource="status", force=False)
    await client.merge(CONFIG_MAPS, "a", {"data": {"gone": None}}, namespace="ns")
    await client.json_patch(CONFIG_MAPS, "a", operations, namespace="ns")
    await client.replace(CONFIG_MAPS, BODY)
    await client.delete(CONFIG_MAPS, "a", namespace="ns", uid="u", grace_seconds=0)
    apply, status_apply, merge, json_patch, replace, delete = server.seen
    assert apply.headers["Content-Type"] == "application/apply-patch+yaml"
    assert apply.query == {"fieldManager": "me", "force": "true"}
    assert apply.body == {"apiVersion": "v1", "kind": "ConfigMap", **BODY}
    assert status_apply.path.endswith("/configmaps/a/status")
    assert status_apply.query == {"fieldManager": "me"}
    assert merge.headers["Content-Type"] == "application/merge-patch+json"
    assert merge.body == {"data": {"gone": None}}, "null deletes a key and must not be dropped"
    assert json_patch.headers["Content-Type"] == "application/json-patch+json"
    assert json_patch.body == operations
    assert (replace.method, replace.body) == ("PUT", BODY)
    assert delete.body["preconditions"] == {"uid": "u"}
    assert delete.body["gracePeriodSeconds"] == 0


async def test_an_eviction_is_posted_to_the_pod_and_its_429_is_an_answer(
    server: ScriptedServer, client: Client
) -> None:
    server.script(status(429, "TooManyRequests", "disruption budget", **BUSY))
    with pytest.raises(errors.Throttled, match="disruption budget"):
        await client.create(PODS, BODY, subresource="eviction", name="a")
    assert [seen.path for seen in server.seen] == ["/api/v1/namespaces/ns/pods/a/eviction"]


async def test_a_failure_under_a_status_of_success_is_a_failure(server: ScriptedServer, client: Client) -> None:
    failure = {"kind": "Status", "status": "Failure", "code": 500, "message": "more than one PodDisruptionBudget"}
    server.script(answer(failure, status=201), answer({"kind": "Status", "status": "Success"}, status=201))
    with pytest.raises(errors.Unavailable, match="more than one PodDisruptionBudget"):
        await client.create(PODS, BODY, subresource="eviction", name="a")
    assert (await client.create(PODS, BODY, subresource="eviction", name="a"))["status"] == "Success"


def busy_then(reply: Any) -> list[Any]:
    return [status(429, "TooManyRequests", **BUSY), status(503, "ServiceUnavailable", **BUSY), reply]


async def test_a_busy_server_is_asked_again(server: ScriptedServer, client: Client) -> None:
    server.script(*busy_then(answer({"n": 1})), *busy_then(answer({"n": 2})), *busy_then(answer({"n": 3})))
    assert await client.get(NODES, "a") == {"n": 1}
    assert await client.apply(CONFIG_MAPS, BODY, manager="me") == {"n": 2}
    assert await client.create(CONFIG_MAPS, BODY) == {"n": 3}


async def test_a_compare_and_set_is_never_sent_twice(server: ScriptedServer, client: Client) -> None:
    server.script(*[status(429, "TooManyRequests", **BUSY)] * 2)
    with pytest.raises(errors.Throttled):
        await client.replace(CONFIG_MAPS, BODY)
    with pytest.raises(errors.Throttled):
        await client.merge(CONFIG_MAPS, "a", {"metadata": {"resourceVersion": "3"}}, namespace="ns")
    assert len(server.seen) == 2


async def test_the_servers_wish_never_outlasts_the_deadline(server: ScriptedServer, client: Client) -> None:
    server.script(status(429, "TooManyRequests", Retry_After="3600"))
    async with asyncio.timeout(60):
        with pytest.raises(errors.Throttled) as caught:
            await client.get(NODES, "a", timeout=5)
    assert caught.value.retry_after == 3600, "the caller decides when to come back"


async def test_a_server_that_says_nothing_is_left_at_the_deadline(server: ScriptedServer, client: Client) -> None:
    server.script(*[silence] * 9)
    with pytest.raises(errors.Unavailable) as caught:
        await client.get(NODES, "a", timeout=0.2)
    assert caught.value.reason == errors.TIMED_OUT


async def test_a_connection_gone_silent_leaves_time_for_an_attempt_on_another(
    server: ScriptedServer, client: Client
) -> None:
    server.script(silence, answer({"n": 1}))
    assert await client.get(NODES, "a", timeout=2) == {"n": 1}


async def test_a_server_that_asks_to_come_back_at_once_is_not_hammered(server: ScriptedServer, client: Client) -> None:
    server.script(*[status(429, "TooManyRequests", **BUSY)] * 100)
    with pytest.raises(errors.Throttled):
        await client.get(NODES, "a", timeout=1)
    assert 1 < len(server.seen) <= 5, "the pause between attempts doubles from 0.05 s or more"


async def on_a_connection_that_died_in_the_pool(server: ScriptedServer, client: Client) -> None:
    """The next request goes out on a used connection and the server cuts it; a further one would be answered."""
    server.script(answer({}), cut, answer({"n": 1}))
    await client.get(NODES, "a")
    server.seen.clear()


async def test_a_replace_on_a_dead_connection_is_the_callers_to_repeat(server: ScriptedServer, client: Client) -> None:
    await on_a_connection_that_died_in_the_pool(server, client)
    with pytest.raises(errors.Unavailable) as caught:
        await client.replace(CONFIG_MAPS, BODY)
    assert caught.value.reason == errors.LOST
    assert len(server.seen) == 1, "it may have been executed"


async def test_a_delete_on_a_dead_connection_is_repeated_for_one_object_only(
    server: ScriptedServer, client: Client
) -> None:
    await on_a_connection_that_died_in_the_pool(server, client)
    with pytest.raises(errors.Unavailable):
        await client.delete(CONFIG_MAPS, "a", namespace="ns")
    assert len(server.seen) == 1, "a second one might hit a namesake"
    await client.delete(CONFIG_MAPS, "a", namespace="ns", uid="u")


async def test_nobody_listening_is_unreachable(server: ScriptedServer, client: Client) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        server.point_at(reserved.getsockname()[1])
        async with await Client.connect(user_agent="kaito-test/1", kubeconfig=server.kubeconfig) as lonely:
            with pytest.raises(errors.Unavailable) as caught:
                await lonely.replace(CONFIG_MAPS, BODY, timeout=0.4)
    assert caught.value.reason == errors.UNREACHABLE


async def test_a_create_whose_reply_was_lost_finds_its_own_object(server: ScriptedServer, client: Client) -> None:
    stored = BODY | {"immutable": False}
    server.script(cut, status(409, "AlreadyExists"), answer(stored))
    assert await client.create(CONFIG_MAPS, BODY) == stored
    assert [seen.method for seen in server.seen] == ["POST", "POST", "GET"]


async def test_a_create_whose_reply_was_lost_does_not_adopt_a_namesake(server: ScriptedServer, client: Client) -> None:
    server.script(cut, status(409, "AlreadyExists"), answer(BODY | {"data": {"k": "other"}}))
    with pytest.raises(errors.AlreadyExists):
        await client.create(CONFIG_MAPS, BODY)


async def test_a_create_that_may_not_be_read_back_says_that_it_was_repeated(
    server: ScriptedServer, client: Client
) -> None:
    server.script(cut, status(409, "AlreadyExists"), status(403, "Forbidden"))
    with pytest.raises(errors.AlreadyExists) as caught:
        await client.create(CONFIG_MAPS, BODY)
    assert caught.value.repeated


async def test_a_create_and_its_reading_back_share_one_deadline(server: ScriptedServer, client: Client) -> None:
    server.script(status(503, "ServiceUnavailable", Retry_After="1"), status(409, "AlreadyExists"), *[silence] * 9)
    started = asyncio.get_running_loop().time()
    with pytest.raises(errors.Unavailable):
        await client.create(CONFIG_MAPS, BODY, timeout=1.5)
    assert asyncio.get_running_loop().time() - started < 2.5, "the second request was given a whole timeout of its own"


async def test_a_create_refused_at_once_is_not_read_back(server: ScriptedServer, client: Client) -> None:
    server.script(status(409, "AlreadyExists"))
    with pytest.raises(errors.AlreadyExists):
        await client.create(CONFIG_MAPS, BODY)
    assert len(server.seen) == 1


async def test_a_create_with_a_generated_name_is_sent_once(server: ScriptedServer, client: Client) -> None:
    server.script(cut)
    with pytest.raises(errors.Unavailable):
        await client.create(CONFIG_MAPS, {"metadata": {"generateName": "a-", "namespace": "ns"}})
    assert len(server.seen) == 1


async def test_an_apply_whose_connection_broke_is_sent_again(server: ScriptedServer, client: Client) -> None:
    server.script(cut, answer({"n": 1}))
    assert await client.apply(CONFIG_MAPS, BODY, manager="me") == {"n": 1}


async def test_a_rotated_token_is_read_and_used_at_once(server: ScriptedServer, client: Client) -> None:
    server.script(answer({}), status(401, "Unauthorized"), answer({"n": 2}))
    await client.get(NODES, "a")
    server.token_file.write_text("second\n")
    assert await client.replace(CONFIG_MAPS, BODY) == {"n": 2}, "401 comes before anything is done: any verb may repeat"
    assert [seen.headers["Authorization"] for seen in server.seen] == ["Bearer first"] * 2 + ["Bearer second"]


async def test_a_token_that_did_not_change_is_not_tried_again(server: ScriptedServer, client: Client) -> None:
    server.script(status(401, "Unauthorized"))
    with pytest.raises(errors.Unauthorized):
        await client.get(NODES, "a")
    assert len(server.seen) == 1


async def test_a_token_file_that_vanished_keeps_the_present_token(server: ScriptedServer, client: Client) -> None:
    server.script(answer({}), status(401, "Unauthorized"))
    await client.get(NODES, "a")
    server.token_file.write_text("")
    with pytest.raises(errors.Unauthorized):
        await client.get(NODES, "a")


async def test_a_proxys_page_is_no_object(server: ScriptedServer, client: Client) -> None:
    server.script(page(), page(502))
    with pytest.raises(errors.Unavailable, match="Bad Gateway"):
        await client.replace(CONFIG_MAPS, BODY)
    with pytest.raises(errors.Unavailable, match="Bad Gateway"):
        await client.get(NODES, "a")


def chunk_of_list(*names: str, token: str = "", version: str = "7") -> Any:
    metadata = {"resourceVersion": version, "continue": token}
    return answer({"metadata": metadata, "items": [{"metadata": {"name": name}} for name in names] or None})


async def test_a_list_follows_its_pages_and_names_the_kind(server: ScriptedServer, client: Client) -> None:
    server.script(chunk_of_list("a", "b", token="t"), chunk_of_list("c"))
    listed = await client.list(NODES, labels="gpu=true", page_size=2)
    assert [item["metadata"]["name"] for item in listed.items] == ["a", "b", "c"]
    assert {(item["apiVersion"], item["kind"]) for item in listed.items} == {("v1", "Node")}
    assert listed.resource_version == "7"
    first, second = (seen.query for seen in server.seen)
    assert first == {"labelSelector": "gpu=true", "limit": "2"}
    assert second == first | {"continue": "t"}


async def test_a_list_that_outlived_its_token_starts_over_in_one_piece(server: ScriptedServer, client: Client) -> None:
    server.script(chunk_of_list("a", token="t"), status(410, "Expired"), chunk_of_list("b", version="9"))
    listed = await client.list(NODES, page_size=1)
    assert [item["metadata"]["name"] for item in listed.items] == ["b"], "pages of two versions must not be mixed"
    assert listed.resource_version == "9"
    assert "limit" not in server.seen[-1].query


async def test_an_empty_list_may_be_null(server: ScriptedServer, client: Client) -> None:
    server.script(chunk_of_list())
    assert (await client.list(NODES)).items == []


async def collect(client: Client, **options: Any) -> list[WatchEvent]:
    async with aclosing(client.watch(NODES, **options)) as events:
        return [event async for event in events]


async def test_a_watch_asks_for_bookmarks_and_an_end(server: ScriptedServer, client: Client) -> None:
    server.script(stream(), stream())
    await collect(client, fields="metadata.name=a", resource_version="5", timeout_seconds=7)
    await collect(client, initial_events=True)
    plain, initial = (seen.query for seen in server.seen)
    assert plain == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "timeoutSeconds": "7",
        "fieldSelector": "metadata.name=a",
        "resourceVersion": "5",
    }
    assert initial["sendInitialEvents"] == "true"
    assert initial["resourceVersionMatch"] == "NotOlderThan"
    assert 180 <= int(initial["timeoutSeconds"]) <= 300


async def test_events_arrive_however_the_network_cuts_them(server: ScriptedServer, client: Client) -> None:
    whole = line("ADDED", {"n": 1}) + b"\n" + line("MODIFIED", {"n": 2})
    server.script(stream(*(whole[start : start + 5] for start in range(0, len(whole), 5))))
    assert await collect(client) == [WatchEvent("ADDED", {"n": 1}), WatchEvent("MODIFIED", {"n": 2})]


async def test_an_object_of_five_mebibytes_arrives(server: ScriptedServer, client: Client) -> None:
    server.script(stream(line("ADDED", {"data": "x" * (5 << 20)})))
    (event,) = await collect(client)
    assert len(event.object["data"]) == 5 << 20


@pytest.mark.parametrize(
    ("replies", "expected", "reason"),
    [
        (status(410, "Expired"), errors.Gone, "Expired"),
        (stream(line("ERROR", {"code": 410, "reason": "Expired"})), errors.Gone, "Expired"),
        (stream(line("ERROR", {"code": 500, "reason": "InternalError"})), errors.Unavailable, "InternalError"),
        (stream(line("ADDED", {})[:-9]), errors.Unavailable, errors.BROKEN),
        (stream(line("ADDED", {}), b'{"type', then="cut"), errors.Unavailable, errors.LOST),
        (page(), errors.Unavailable, errors.BROKEN),
        (page(502), errors.Unavailable, ""),
        (cut, errors.Unavailable, errors.LOST),
        (status(429, "TooManyRequests", **BUSY), errors.Throttled, "TooManyRequests"),
    ],
    ids=["410", "410 as event", "500 as event", "torn", "reset", "page 200", "page 502", "cut", "429"],
)
async def test_a_watch_ends_in_the_error_that_ended_it(
    server: ScriptedServer, client: Client, replies: Any, expected: type[Exception], reason: str
) -> None:
    server.script(replies)
    with pytest.raises(expected) as caught:
        await collect(client)
    assert isinstance(caught.value, errors.ApiError)
    assert caught.value.reason == reason


async def test_a_watch_whose_token_was_rotated_goes_on_with_the_new_one(server: ScriptedServer, client: Client) -> None:
    server.script(answer({}), status(401, "Unauthorized"), stream(line("ADDED", {"n": 1})))
    await client.get(NODES, "a")
    server.token_file.write_text("second\n")
    assert await collect(client) == [WatchEvent("ADDED", {"n": 1})]
    assert server.seen[-1].headers["Authorization"] == "Bearer second"


async def test_a_watch_refused_with_either_token_is_refused(server: ScriptedServer, client: Client) -> None:
    server.script(answer({}), *[status(401, "Unauthorized")] * 2)
    await client.get(NODES, "a")
    server.token_file.write_text("second\n")
    with pytest.raises(errors.Unauthorized):
        await collect(client)
    assert len(server.seen) == 3


async def test_every_attempt_is_observed_once(server: ScriptedServer) -> None:
    observed: list[tuple[str, str, int]] = []

    def observe(*, method: str, host: str, code: str, seconds: float, attempt: int) -> None:
        assert host.startswith("127.0.0.1:")
        assert seconds >= 0
        observed.append((method, code, attempt))

    server.script(status(429, **BUSY), answer({}), cut, status(404), stream(), status(410, "Expired"))
    connected = await Client.connect(user_agent="kaito-test/1", kubeconfig=server.kubeconfig, observer=observe)
    async with connected as client:
        await client.get(NODES, "a")
        with pytest.raises(errors.Unavailable):
            await client.json_patch(NODES, "a", [])
        with pytest.raises(errors.NotFound):
            await client.get(NODES, "a")
        await collect(client)
        with pytest.raises(errors.Gone):
            await collect(client)
    assert observed == [
        ("GET", "429", 0),
        ("GET", "200", 1),
        ("PATCH", "<error>", 0),
        ("GET", "404", 0),
        ("GET", "200", 0),
        ("GET", "410", 0),
    ]


async def test_a_namespaced_create_needs_its_namespace(client: Client) -> None:
    with pytest.raises(ValueError, match=r"needs metadata\.namespace"):
        await client.create(CONFIG_MAPS, {"metadata": {"name": "a"}})


async def test_names_cannot_leave_their_path_segment(server: ScriptedServer, client: Client) -> None:
    server.script(answer({}))
    await client.get(Resource("", "v1", "nodes", "Node", namespaced=False), "a?watch=true")
    assert server.seen[0].query == {}


async def test_a_wrong_kubeconfig_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(errors.SetupError, match="does not exist; give --kubeconfig"):
        await Client.connect(user_agent="x", kubeconfig=tmp_path / "none")
    broken = tmp_path / "broken"
    broken.write_text("contexts: [")
    with pytest.raises(errors.SetupError, match=r"broken is not usable"):
        await Client.connect(user_agent="x", kubeconfig=broken)
