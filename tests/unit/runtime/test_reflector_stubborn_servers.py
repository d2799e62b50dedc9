"""Copies of servers that end every watch, change while they are read, or never finish what they began."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from controller.api.json import name_of
from controller.api.resources import PODS
from controller.runtime.cache import Informer
from controller.runtime.errors import TIMED_OUT, ApiError, Unavailable, from_status
from controller.runtime.watch import WatchEvent
from tests.unit.runtime.model_server import ModelServer
from tests.unit.virtual_time import run_virtual


class WatchlessServer(ModelServer):
    """Answers lists and ends every watch in the same error, after some seconds."""

    def __init__(self, error: Callable[[], ApiError | None], seconds: float) -> None:
        super().__init__()
        self._error = error
        self._seconds = seconds

    async def watch(self, *arguments: Any, initial_events: bool = False, **options: Any) -> Any:
        await asyncio.sleep(self._seconds)
        self._asked("watch-list" if initial_events else "watch")
        error = self._error()
        if error is not None:
            raise error
        yield WatchEvent("BOOKMARK", {})


def damaged_event() -> ApiError:
    error = from_status({"code": 500, "message": "unknown event"})
    error.in_stream = True
    return error


@pytest.mark.parametrize(
    ("error", "seconds", "most"),
    [
        (lambda: Unavailable("no complete reply in time", reason=TIMED_OUT), 30.0, 400.0),
        (lambda: from_status({"code": 500}), 0.01, 300.0),
        (lambda: from_status({"code": 400, "reason": "BadRequest"}), 0.01, 61.0),
        (damaged_event, 0.01, 61.0),
    ],
    ids=["silent", "500", "400", "damaged event"],
)
def test_a_watch_that_never_comes_about_does_not_leave_the_copy_as_it_is(
    error: Callable[[], ApiError], seconds: float, most: float
) -> None:
    async def run() -> None:
        server = WatchlessServer(error, seconds)
        server.put("a")
        informer = Informer(server, PODS)
        task = asyncio.create_task(informer.run())
        await informer.wait_synced()
        await asyncio.sleep(1000)
        server.put("b")
        server.delete("a")
        await asyncio.sleep(most)
        names = [name_of(obj) for obj in informer.values()]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert names == ["b"]
        assert len(server.requests) < 0.1 * (1000 + most), "and the server is not hammered for it"

    run_virtual(run())


class BusyServer(ModelServer):
    """Objects change while the first state is being streamed."""

    async def watch(self, *arguments: Any, **options: Any) -> Any:
        self.put("stays")
        self.put("goes")
        async for event in super().watch(*arguments, **options):
            if event.type == "BOOKMARK":
                gone, changed = self.objects["goes"], self.objects["stays"]
                yield WatchEvent("DELETED", gone)
                yield WatchEvent("MODIFIED", changed | {"spec": "new"})
            yield event


def test_changes_within_the_first_state_are_part_of_it() -> None:
    async def run() -> list[tuple[str, Any]]:
        informer = Informer(BusyServer(), PODS)
        task = asyncio.create_task(informer.run())
        await informer.wait_synced()
        state = [(name_of(obj), obj.get("spec")) for obj in informer.values()]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return state

    assert run_virtual(run()) == [("stays", "new")]


class StallingServer(ModelServer):
    """Opens a watch-list and never completes it."""

    async def watch(self, *arguments: Any, initial_events: bool = False, **options: Any) -> Any:
        async for event in super().watch(*arguments, initial_events=initial_events, **options):
            if initial_events:
                await asyncio.sleep(1e6)
            yield event


def test_a_first_state_that_never_completes_is_listed_instead() -> None:
    async def run() -> list[str]:
        server = StallingServer()
        server.put("a")
        informer = Informer(server, PODS)
        task = asyncio.create_task(informer.run())
        await informer.wait_synced()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return [what for _, what in server.requests][:2]

    assert run_virtual(run()) == ["watch-list", "list"]
