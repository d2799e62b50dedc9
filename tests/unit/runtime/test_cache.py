"""What readers and handlers of an informer may rely upon, their own mistakes included."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest

from controller.api.json import Json, labels_of, metadata_of, name_of
from controller.api.resources import PODS
from controller.runtime.cache import Informer
from tests.unit.runtime.model_server import ModelServer
from tests.unit.virtual_time import run_virtual


@asynccontextmanager
async def synced(informer: Informer) -> AsyncIterator[None]:
    task = asyncio.create_task(informer.run())
    await informer.wait_synced()
    yield
    assert not task.done(), "a mistake of a reader must not end the informer"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def names(objects: Iterable[Json]) -> list[str]:
    return sorted(map(name_of, objects))


def slim(obj: Json) -> Json:
    return {"metadata": {key: metadata_of(obj)[key] for key in ("name", "namespace", "resourceVersion")}}


def chokes_on_bad(obj: Json) -> Json:
    if name_of(obj) == "bad":
        raise KeyError("spec")
    return slim(obj)


def color(obj: Json) -> Iterable[str]:
    return [labels_of(obj)["color"]]  # KeyError for an object without one


def test_objects_are_read_by_name_and_index() -> None:
    async def scenario() -> None:
        server = ModelServer()
        server.put("a", color="red")
        informer = Informer(server, PODS, indexes={"color": color})
        assert (informer.name, informer.synced, informer.values()) == ("pods", False, [])
        async with synced(informer):
            assert informer.get("a", "ns") == server.objects["a"]
            assert informer.get("a") is None, "the namespace is part of the key"
            assert names(informer.by_index("color", "red")) == ["a"]
            server.put("a", color="blue")
            await asyncio.sleep(1)
            assert informer.by_index("color", "red") == []

    run_virtual(scenario())


def test_handlers_have_heard_everything_when_synced_turns_true() -> None:
    async def scenario() -> None:
        server = ModelServer()
        server.put("a")
        informer = Informer(server, PODS)
        heard: list[tuple[str, bool]] = []
        informer.on_change(lambda _, new: heard.append((name_of(new or {}), informer.synced)))
        async with synced(informer):
            assert heard == [("a", False)]

    run_virtual(scenario())


def test_a_late_handler_hears_of_the_present_objects_and_then_like_all_others() -> None:
    async def scenario() -> None:
        server = ModelServer()
        server.put("a")
        informer = Informer(server, PODS)
        async with synced(informer):
            heard: list[tuple[Json | None, Json | None]] = []
            informer.on_change(lambda old, new: heard.append((old, new)))
            present = server.objects["a"]
            assert heard == [(None, present)]
            server.delete("a")
            await asyncio.sleep(1)
            assert heard[1:] == [(present, None)]

    run_virtual(scenario())


def test_the_transform_shapes_first_state_and_events_alike() -> None:
    async def scenario() -> None:
        server = ModelServer()
        server.put("first", color="red")
        informer = Informer(server, PODS, transform=slim)
        async with synced(informer):
            server.put("second", color="red")
            await asyncio.sleep(1)
            assert [sorted(metadata_of(obj)) for obj in informer.values()] == [
                ["name", "namespace", "resourceVersion"]
            ] * 2

    run_virtual(scenario())


def test_one_odd_object_does_not_blind_us_for_the_others(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        server = ModelServer()
        for name in ("bad", "good"):
            server.put(name)
        informer = Informer(server, PODS, transform=chokes_on_bad, indexes={"color": color})
        async with synced(informer):
            server.put("later", color="red")
            await asyncio.sleep(1)
            assert names(informer.values()) == ["bad", "good", "later"]
            assert informer.get("bad", "ns") == server.objects["bad"], "it is kept whole"
            assert informer.by_index("color", "red") == [], "the transform dropped the label, the index is empty"

    with caplog.at_level(logging.ERROR):
        run_virtual(scenario())
    assert "pods: the transform failed on ('ns', 'bad')" in caplog.text
    assert "pods: index color failed on ('ns', 'good')" in caplog.text


def test_a_handler_that_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    def fails(old: Json | None, new: Json | None) -> None:
        raise RuntimeError("a bug of its own")

    async def scenario() -> list[str]:
        server = ModelServer()
        informer = Informer(server, PODS, name="gpu-pods")
        heard: list[str] = []
        informer.on_change(fails)
        informer.on_change(lambda _, new: heard.append(name_of(new or {})))
        async with synced(informer):
            server.put("a")
            server.put("b")
            await asyncio.sleep(1)
        return heard

    assert run_virtual(scenario()) == ["a", "b"]
    assert "gpu-pods: a handler failed on ('ns', 'a')" in caplog.text
