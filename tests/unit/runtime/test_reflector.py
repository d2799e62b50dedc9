"""A copy that ends up right whatever the server does, without hammering it and without a word too many."""

import asyncio
import gc
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.api.json import Json, name_of
from controller.api.resources import MACHINES, PODS
from controller.runtime.cache import Informer
from controller.runtime.client import ObjectList
from controller.runtime.errors import TIMED_OUT, Unavailable
from controller.runtime.reflector import RESTART_CAUSES, Selection
from tests.unit.runtime.model_server import IN_STREAM, REFUSALS, ModelServer
from tests.unit.virtual_time import run_virtual


class Heard:
    """What handlers and observers were told."""

    def __init__(self, informer: Informer) -> None:
        self.state: dict[str, Json] = {}
        self.changes: list[tuple[str, str]] = []
        self.causes: list[str] = []
        self.sizes: list[int] = []
        informer.observer = self
        informer.on_change(self.change)

    def change(self, old: Json | None, new: Json | None) -> None:
        name = name_of(new or old or {})
        assert self.state.pop(name, None) == old, f"{name}: the past told is not the past told before"
        if new is not None:
            self.state[name] = new
        self.changes.append(("added" if old is None else "deleted" if new is None else "changed", name))

    def restarted(self, informer: str, cause: str) -> None:
        assert cause in RESTART_CAUSES
        self.causes.append(cause)

    def stored(self, informer: str, objects: int) -> None:
        self.sizes.append(objects)


def play(scenario: Callable[[ModelServer, Informer, Heard], Coroutine[Any, Any, None]]) -> None:
    """Runs an informer against the model on virtual time while the scenario acts."""

    async def run() -> None:
        server = ModelServer()
        informer = Informer(server, PODS)
        heard = Heard(informer)
        task = asyncio.create_task(informer.run())
        try:
            await scenario(server, informer, heard)
            assert not task.done(), "the loop must outlive every fault"
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    run_virtual(run())


def test_the_first_state_is_complete_before_synced() -> None:
    async def scenario(server: ModelServer, informer: Informer, heard: Heard) -> None:
        server.put("a")
        server.put("b")
        assert not informer.synced
        await informer.wait_synced()
        assert sorted(heard.state) == ["a", "b"]
        server.put("c")
        server.delete("a")
        await asyncio.sleep(1)
        assert heard.changes[2:] == [("added", "c"), ("deleted", "a")]
        assert [what for _, what in server.requests] == ["watch-list"], "one request does it all"

    play(scenario)


def test_a_server_that_cannot_stream_the_state_is_listed() -> None:
    async def scenario(server: ModelServer, informer: Informer, heard: Heard) -> None:
        server.streaming = False
        server.put("a")
        await informer.wait_synced()
        server.put("b")
        await asyncio.sleep(1)
        assert sorted(heard.state) == ["a", "b"]
        assert [what for _, what in server.requests] == ["watch-list", "list", "watch"]

    play(scenario)


def test_a_watch_that_ends_goes_on_where_it_was() -> None:
    async def scenario(server: ModelServer, informer: Informer, heard: Heard) -> None:
        await informer.wait_synced()
        server.put("a")
        server.put("b")
        await asyncio.sleep(1000)
        server.put("c")
        await asyncio.sleep(1)
        assert sorted(heard.state) == ["a", "b", "c"]
        assert server.watched_from == [""] + ["3"] * 4, "nothing is asked for twice"
        assert [what for _, what in server.requests] == ["watch-list"] + ["watch"] * 4
        assert heard.causes == ["ended"] * 4

    play(scenario)


@pytest.mark.parametrize("fault", ["expired", "too new", "expired event"])
def test_a_relist_tells_what_changed_what_went_and_nothing_else(fault: str) -> None:
    async def scenario(server: ModelServer, informer: Informer, heard: Heard) -> None:
        for name in ("same", "changed", "gone"):
            server.put(name)
        await informer.wait_synced()
        heard.changes.clear()
        server.faults += ["cut", "refused", fault] if fault in REFUSALS else [fault]
        server.put("changed")
        server.delete("gone")
        server.put("new")
        await asyncio.sleep(60)
        assert sorted(heard.changes) == [("added", "new"), ("changed", "changed"), ("deleted", "gone")]
        assert "expired" in heard.causes

    play(scenario)


def test_a_watch_that_lived_and_fell_behind_is_read_again_at_once() -> None:
    async def scenario(server: ModelServer, informer: Informer, heard: Heard) -> None:
        await informer.wait_synced()
        await asyncio.sleep(5)
        server.faults += ["expired event"]
        server.put("a")
        await asyncio.sleep(0.1)
        assert sorted(heard.state) == ["a"]

    play(scenario)


def test_history_lost_while_disconnected_is_found_by_comparison() -> None:
    async def scenario(server: ModelServer, informer: Informer, heard: Heard) -> None:
        server.put("a")
        server.put("b")
        await informer.wait_synced()
        server.faults += ["cut"]
        server.put("c")
        server.delete("a")
        server.compact()
        await asyncio.sleep(60)
        assert sorted(heard.state) == ["b", "c"], "the deletion nobody sent must be found"

    play(scenario)


def test_a_kind_that_does_not_exist_yet_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(server: ModelServer, informer: Informer, heard: Heard) -> None:
        server.faults += ["missing"] * 20
        with caplog.at_level(logging.INFO, "controller.runtime.reflector"):
            await asyncio.sleep(30)
            assert (informer.served, informer.synced) == (False, False)
            await informer.wait_synced()
        assert (informer.served, informer.synced) == (True, True)
        warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert len(warnings) == 1, "one line, not one per attempt"
        assert "does not serve pods of v1" in warnings[0].getMessage()
        gaps = [later - earlier for (earlier, _), (later, _) in zip(server.requests, server.requests[1:], strict=False)]
        assert max(gaps) <= 5.1, "a kind installed later is found within seconds"

    play(scenario)


def test_a_server_restored_from_a_backup_is_read_again_although_it_says_nothing() -> None:
    async def scenario(server: ModelServer, informer: Informer, heard: Heard) -> None:
        for name in "abc":
            server.put(name)
        await informer.wait_synced()
        server.restore()
        server.put("old")
        await asyncio.sleep(300)
        assert sorted(heard.state) == ["old"], "after at most one watch the copy must be right again"

    play(scenario)


def test_what_we_knew_is_kept_when_the_kind_vanishes() -> None:
    async def scenario(server: ModelServer, informer: Informer, heard: Heard) -> None:
        server.put("a")
        await informer.wait_synced()
        server.faults += ["cut", *["missing"] * 5]
        server.put("b")
        await asyncio.sleep(3)
        assert not informer.served
        assert [name_of(obj) for obj in informer.values()] == ["a"], "a 404 is no proof of deletion"

    play(scenario)


@pytest.mark.parametrize(
    ("faults", "forgotten"),
    [(["missing"] * 40, True), ([*["missing"] * 10, "forbidden", *["missing"] * 10], False)],
    ids=["for long", "between other faults"],
)
def test_objects_of_a_kind_that_is_gone_for_good_are_forgotten_where_asked_for(
    faults: list[str], *, forgotten: bool
) -> None:
    async def run() -> None:
        server = ModelServer()
        informer = Informer(server, PODS, keeps_unserved=60)
        heard = Heard(informer)
        server.put("a")
        task = asyncio.create_task(informer.run())
        await informer.wait_synced()
        server.faults += ["cut", *faults]
        server.put("b")
        await asyncio.sleep(400)
        assert (("deleted", "a") in heard.changes) == forgotten
        assert sorted(heard.state) == ["a", "b"], "what is there once the kind is served again is read again"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_virtual(run())


def test_a_missing_role_is_named_with_the_rule_that_helps(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(server: ModelServer, informer: Informer, heard: Heard) -> None:
        server.faults += ["forbidden"] * 3
        await informer.wait_synced()
        (warning,) = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
        assert 'grant cluster-wide: apiGroups: [""], resources: ["pods"], verbs: ["list", "watch"]' in warning
        assert [what for _, what in server.requests] == ["watch-list"] * 4, "a list would be refused just the same"

    play(scenario)


def test_the_rule_names_group_and_namespace() -> None:
    assert Selection(MACHINES).missing_rule() == (
        'grant cluster-wide: apiGroups: ["karpenter.sh"], resources: ["machines"], verbs: ["list", "watch"]'
    )
    assert "in namespace gpu:" in Selection(PODS, "gpu").missing_rule()


def test_a_server_that_is_away_is_asked_less_and_less() -> None:
    async def scenario(server: ModelServer, informer: Informer, heard: Heard) -> None:
        server.faults += ["refused"] * 500
        await asyncio.sleep(3600)
        assert 60 <= len(server.requests) <= 130, "30 to 60 s apart once the back-off is grown"
        server.faults.clear()
        server.put("a")
        await asyncio.sleep(61)
        assert sorted(heard.state) == ["a"]

    play(scenario)


def test_streams_that_end_at_once_are_not_reopened_at_once() -> None:
    async def scenario(server: ModelServer, informer: Informer, heard: Heard) -> None:
        await informer.wait_synced()
        server.faults += ["end at once"] * 1000
        server.put("a")
        await asyncio.sleep(600)
        assert len(server.requests) < 40

    play(scenario)


def test_the_servers_wish_to_wait_is_kept() -> None:
    async def scenario(server: ModelServer, informer: Informer, heard: Heard) -> None:
        server.faults += ["busy"]
        await informer.wait_synced()
        (first, _), (second, _) = server.requests
        assert second - first >= 3

    play(scenario)


def test_a_short_outage_is_no_reason_to_read_everything_again() -> None:
    async def scenario(server: ModelServer, informer: Informer, heard: Heard) -> None:
        await informer.wait_synced()
        server.put("a")
        await asyncio.sleep(1)
        server.faults += ["cut", "refused"]
        server.put("b")
        await asyncio.sleep(60)
        assert sorted(heard.state) == ["a", "b"]
        assert [what for _, what in server.requests] == ["watch-list", "watch", "watch"]

    play(scenario)


@pytest.fixture
def frozen(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """One entry per call of gc.freeze."""
    calls: list[bool] = []
    monkeypatch.setattr(gc, "freeze", lambda: calls.append(True))
    return calls


def test_the_collector_works_on_while_a_server_says_nothing() -> None:
    class Silent(ModelServer):
        async def list(self, *_: Any, **__: Any) -> ObjectList:
            await asyncio.sleep(60)
            raise Unavailable("no complete reply in time", reason=TIMED_OUT)

    async def run() -> list[bool]:
        server = Silent()
        server.faults += ["internal"] * 1000
        task = asyncio.create_task(Informer(server, PODS).run())
        seen = []
        for _ in range(600):
            await asyncio.sleep(1)
            seen.append(gc.isenabled())
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return seen

    assert all(run_virtual(run()))


def test_the_heap_is_frozen_once_and_only_after_success(frozen: list[bool]) -> None:
    async def scenario(server: ModelServer, informer: Informer, heard: Heard) -> None:
        server.faults += ["missing"] * 20
        await asyncio.sleep(10)
        assert not frozen, "garbage of failed attempts must stay collectable"
        await informer.wait_synced()
        server.faults += ["expired event"]
        server.put("a")
        await asyncio.sleep(10)
        assert len(frozen) == 1

    play(scenario)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.sampled_from("abcd")),
        st.tuples(st.just("delete"), st.sampled_from("abcd")),
        st.tuples(st.just("compact"), st.just("")),
        st.tuples(st.just("fault"), st.sampled_from([*REFUSALS, *IN_STREAM])),
        st.tuples(st.just("wait"), st.sampled_from(["0", "0.005", "1", "7", "300"])),
    ),
    max_size=40,
)


@settings(max_examples=150, deadline=None)
@given(steps=steps, streaming=st.booleans())
def test_once_faults_stop_the_copy_equals_the_server(steps: list[tuple[str, str]], *, streaming: bool) -> None:
    async def scenario(server: ModelServer, informer: Informer, heard: Heard) -> None:
        server.streaming = streaming
        for action, what in steps:
            if action == "put":
                server.put(what)
            elif action == "delete":
                server.delete(what)
            elif action == "compact":
                server.compact()
            elif action == "fault":
                server.faults.append(what)
            else:
                await asyncio.sleep(float(what))
        server.faults.clear()
        await asyncio.sleep(400)
        assert {name_of(obj): obj for obj in informer.values()} == server.objects
        assert heard.state == server.objects, "what handlers were told adds up to the same state"
        assert informer.synced
        assert informer.served
        faults = sum(1 for action, _ in steps if action in {"fault", "compact"})
        now = asyncio.get_running_loop().time()
        assert len(server.requests) <= 6 + 3 * faults + now / 60, "the request rate is bounded"

    play(scenario)
