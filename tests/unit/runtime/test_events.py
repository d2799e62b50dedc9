"""What a recorder writes, and how often: the bodies and the aggregation. The API's view is in tests/cluster."""

import asyncio
import re
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.json import Json
from controller.api.resources import Resource
from controller.runtime import events, metrics
from controller.runtime.errors import TIMED_OUT, AlreadyExists, ApiError, Forbidden, NotFound, Unavailable
from controller.runtime.events import Recorder, clipped, event_name
from tests.unit.virtual_time import run_virtual

WORKSPACE: Json = {
    "apiVersion": "kaito.sh/v1alpha1",
    "kind": "Workspace",
    "metadata": {"name": "phi-3", "namespace": "team", "uid": "u-1"},
}
NODE: Json = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1", "uid": "u-2"}}


class Written:
    """Stands where requests would leave: remembers them with their time, fails as told."""

    def __init__(self) -> None:
        self.creates: list[Json] = []
        self.patches: list[tuple[float, int]] = []
        self.failures: list[ApiError] = []
        self.silent = 0

    async def create(self, resource: Resource, body: Json) -> Json:
        """One event of each name; the first `silent` replies are lost on their way."""
        await self._pass()
        exists = body["metadata"]["name"] in [known["metadata"]["name"] for known in self.creates]
        if not exists:
            self.creates.append(deepcopy(body))
        if self.silent:
            self.silent -= 1
            await asyncio.sleep(10)
            raise Unavailable("no complete reply in time", reason=TIMED_OUT)
        if exists:
            raise AlreadyExists("it exists", status=409)
        return body

    async def merge(self, resource: Resource, name: str, patch: Json, *, namespace: str = "") -> Json:
        await self._pass()
        assert name == self.creates[-1]["metadata"]["name"]
        self.patches.append((round(asyncio.get_running_loop().time()), patch["series"]["count"]))
        return patch

    async def _pass(self) -> None:
        await asyncio.sleep(0.01)
        if self.failures:
            raise self.failures.pop(0)


class Stage:
    """A recorder at work."""

    def __init__(self) -> None:
        self.written = Written()
        self.recorder = Recorder(self.written, controller="kaito-controller", instance="pod-1")
        self.task = asyncio.create_task(self.recorder.run())

    def record(self, note: str = "no quota", *, regarding: Json = WORKSPACE, **values: Any) -> None:
        self.recorder.event(regarding, **{"type": "Warning", "reason": "QuotaExceeded", "note": note} | values)


def test_an_event_says_who_saw_what_on_which_object() -> None:
    async def scenario() -> Json:
        stage = Stage()
        stage.record(related=NODE, action="Provision")
        await stage.recorder.flush(5)
        (body,) = stage.written.creates
        return body

    body = run_virtual(scenario())
    assert re.fullmatch(r"phi-3\.[0-9a-f]{16}", body["metadata"].pop("name"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", body.pop("eventTime"))
    assert body == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"namespace": "team"},
        "type": "Warning",
        "reason": "QuotaExceeded",
        "action": "Provision",
        "note": "no quota",
        "regarding": {
            "apiVersion": "kaito.sh/v1alpha1",
            "kind": "Workspace",
            "namespace": "team",
            "name": "phi-3",
            "uid": "u-1",
        },
        "related": {"apiVersion": "v1", "kind": "Node", "name": "node-1", "uid": "u-2"},
        "reportingController": "kaito-controller",
        "reportingInstance": "pod-1",
    }


def test_events_about_cluster_scoped_objects_go_to_the_default_namespace() -> None:
    async def scenario() -> str:
        stage = Stage()
        stage.record(regarding=NODE)
        await stage.recorder.flush(5)
        return str(stage.written.creates[0]["metadata"]["namespace"])

    assert run_virtual(scenario()) == "default"


def test_repeats_become_one_event_with_a_count_and_few_writes() -> None:
    async def scenario() -> Written:
        stage = Stage()
        for _ in range(100):
            stage.record()
            await asyncio.sleep(1)
        await stage.recorder.flush(5)
        return stage.written

    written = run_virtual(scenario())
    assert len(written.creates) == 1
    told = [count for _, count in written.patches]
    assert written.patches[:1] == [(1, 2)], "the first repeat is told at once"
    assert told[-1] == 100, "nothing is lost at the end"
    assert len(told) <= 2 + 100 / events.REFRESH_SECONDS


def test_repeats_before_the_first_write_are_part_of_it() -> None:
    async def scenario() -> Written:
        stage = Stage()
        for _ in range(5):
            stage.record()
        await stage.recorder.flush(5)
        return stage.written

    written = run_virtual(scenario())
    assert [body["series"]["count"] for body in written.creates] == [5]
    assert not written.patches


def test_a_pause_of_six_minutes_ends_a_series() -> None:
    async def scenario() -> int:
        stage = Stage()
        stage.record()
        await asyncio.sleep(events.SERIES_SECONDS + 1)
        stage.record()
        await stage.recorder.flush(5)
        return len(stage.written.creates)

    assert run_virtual(scenario()) == 2


@pytest.mark.parametrize(
    "other",
    [
        {"note": "no capacity"},
        {"reason": "SkuUnavailable"},
        {"type": "Normal"},
        {"action": "Delete"},
        {"related": NODE},
        {"regarding": WORKSPACE | {"metadata": WORKSPACE["metadata"] | {"uid": "recreated"}}},
    ],
    ids=lambda other: next(iter(other)),
)
def test_what_differs_is_an_event_of_its_own(other: dict[str, Any]) -> None:
    async def scenario() -> int:
        stage = Stage()
        stage.record()
        stage.record(**other)
        await stage.recorder.flush(5)
        return len(stage.written.creates)

    assert run_virtual(scenario()) == 2


def test_notes_that_differ_every_time_do_not_become_a_storm() -> None:
    async def scenario() -> Written:
        stage = Stage()
        for attempt in range(500):
            stage.record(f"request {attempt} failed")
            await asyncio.sleep(1)
        await stage.recorder.flush(5)
        return stage.written

    written = run_virtual(scenario())
    assert len(written.creates) == events.NOTES_LIMIT
    assert written.patches[-1][1] == 500 - events.NOTES_LIMIT + 1


def test_news_keep_coming_when_they_are_rare() -> None:
    async def scenario() -> int:
        stage = Stage()
        for phase in range(50):
            stage.record(f"phase {phase}")
            await asyncio.sleep(90)
        await stage.recorder.flush(5)
        return len(stage.written.creates)

    assert run_virtual(scenario()) == 50


def test_an_event_that_expired_on_the_server_is_written_anew() -> None:
    async def scenario() -> Written:
        stage = Stage()
        stage.record()
        await asyncio.sleep(60)
        stage.written.failures = [NotFound("gone", status=404)]
        stage.record()
        await stage.recorder.flush(5)
        return stage.written

    written = run_virtual(scenario())
    assert [body.get("series", {}).get("count") for body in written.creates] == [None, 2]
    assert written.creates[0]["metadata"]["name"] != written.creates[1]["metadata"]["name"]


def test_an_attempt_without_a_reply_is_repeated_under_the_same_name() -> None:
    async def scenario() -> Written:
        stage = Stage()
        stage.written.silent = 3
        stage.record()
        await asyncio.sleep(100)
        stage.record()
        await stage.recorder.flush(60)
        return stage.written

    written = run_virtual(scenario())
    assert len(written.creates) == 1, "the first attempt had been carried out"
    assert [count for _, count in written.patches] == [2], "and the event found is gone on with"


def test_repeats_during_a_doubtful_attempt_are_told_once_it_is_found() -> None:
    async def scenario() -> Written:
        stage = Stage()
        stage.written.silent = 1
        stage.record()
        await asyncio.sleep(1)
        stage.record()
        await stage.recorder.flush(60)
        return stage.written

    written = run_virtual(scenario())
    assert (len(written.creates), [count for _, count in written.patches]) == (1, [2])


def dropped(cause: str) -> float:
    return metrics.REGISTRY.get_sample_value("kaito_events_dropped_total", {"cause": cause}) or 0.0


@pytest.mark.parametrize(
    ("failures", "cause"),
    [
        ([Unavailable("down")] * (events.ATTEMPTS - 1), ""),
        ([Unavailable("down")] * events.ATTEMPTS, "unreachable"),
        ([Forbidden("terminating namespace", status=403)], "refused"),
    ],
    ids=["outage-waited-out", "long-outage", "refused"],
)
def test_outages_are_waited_out_for_a_while_and_losses_counted(failures: list[ApiError], cause: str) -> None:
    async def scenario() -> Written:
        stage = Stage()
        stage.written.failures = list(failures)
        stage.record()
        await stage.recorder.flush(60)
        return stage.written

    before = {name: dropped(name) for name in metrics.EVENT_DROPS}
    written = run_virtual(scenario())
    assert len(written.creates) == (0 if cause else 1)
    lost = {name: dropped(name) - before[name] for name in metrics.EVENT_DROPS}
    assert lost == {name: float(name == cause) for name in metrics.EVENT_DROPS}


def test_a_full_queue_drops_the_newest_and_memory_stays_bounded() -> None:
    async def scenario() -> int:
        stage = Stage()
        for number in range(events.QUEUE_LIMIT + 50):
            stage.record(regarding={"kind": "Pod", "metadata": {"name": f"pod-{number}", "namespace": "team"}})
        await stage.recorder.flush(60)
        return len(stage.written.creates)

    before = dropped("overflow")
    assert run_virtual(scenario()) == events.QUEUE_LIMIT
    assert dropped("overflow") - before == 50


def test_flush_ends_at_its_timeout() -> None:
    async def scenario() -> float:
        stage = Stage()
        stage.written.failures = [Unavailable("down")] * 1000
        stage.record()
        await stage.recorder.flush(3)
        return asyncio.get_running_loop().time()

    assert run_virtual(scenario()) == 3


@given(st.text(max_size=3000))
def test_a_note_never_exceeds_the_api_and_keeps_its_beginning(note: str) -> None:
    cut = clipped(note)
    assert len(cut.encode()) <= events.NOTE_BYTES
    assert cut == note or (cut.endswith("…") and note.startswith(cut[:-1]))


@given(st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,260}[a-z0-9])?", fullmatch=True))
def test_an_event_name_is_a_valid_unique_name(name: str) -> None:
    first, second = event_name(name), event_name(name)
    assert first != second
    assert len(first) <= events.NAME_LENGTH
    assert re.fullmatch(r"[a-z0-9.-]*[a-z0-9]\.[0-9a-f]{16}", first)


def test_events_about_one_object_are_written_in_the_order_they_happened() -> None:
    async def scenario() -> list[str]:
        stage = Stage()
        for number in range(8):
            stage.record(reason=f"Step{number}")
        await stage.recorder.flush(60)
        return [body["reason"] for body in stage.written.creates]

    assert run_virtual(scenario()) == [f"Step{number}" for number in range(8)], "several writers must not overtake"


def test_one_object_whose_events_cannot_be_written_does_not_hold_up_all_others() -> None:
    async def scenario() -> set[str]:
        stage = Stage()
        stage.written.failures = [Unavailable("down")]
        for number in range(40):
            stage.record(regarding={"kind": "Pod", "metadata": {"name": f"pod-{number}", "namespace": "team"}})
        await asyncio.sleep(events.RETRY_SECONDS / 2)
        return {body["regarding"]["name"] for body in stage.written.creates}

    assert len(run_virtual(scenario())) > 20, "one writer of four waits for its second attempt"
