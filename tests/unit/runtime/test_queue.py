"""The work queue against a naive model, and its behaviour with waiting workers."""

import asyncio
import itertools
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from controller.runtime.queue import LOW, NORMAL, PRIORITIES, QueueShutDown, WorkQueue
from tests.unit.virtual_time import VirtualLoop, run_virtual

keys = st.sampled_from(["a", "b", "c", "d"])
priorities = st.sampled_from(PRIORITIES)


class QueueAgainstModel(RuleBasedStateMachine):
    """Every operation is done on the queue and on lists anyone can check by eye."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.queue: WorkQueue[str] = WorkQueue(name="model")
        self.ready: list[str] = []
        self.dirty: dict[str, int] = {}
        self.processing: list[str] = []
        self.delayed: dict[str, float] = {}
        self.failures: dict[str, int] = {}
        self.ticks = itertools.count(1)
        self.closed = False

    def on_loop(self, action: Any) -> Any:
        async def call() -> Any:
            return action()

        return self.loop.run_until_complete(call())

    def model_add(self, key: str, priority: int) -> None:
        if self.closed or self.dirty.get(key, priority - 1) >= priority:
            return
        self.dirty[key] = priority
        if key in self.ready:
            self.ready.remove(key)
        if key not in self.processing:
            self.ready.append(key)

    def model_delay(self, key: str, due: float) -> None:
        if not self.closed:
            self.delayed[key] = min(due, self.delayed.get(key, due))

    @rule(key=keys, priority=priorities)
    def add(self, key: str, priority: int) -> None:
        self.on_loop(lambda: self.queue.add(key, priority))
        self.model_add(key, priority)

    @rule(key=keys, seconds=st.integers(1, 20))
    def add_after(self, key: str, seconds: int) -> None:
        delay = seconds + next(self.ticks) * 1e-4  # no two are due at the same moment: their order would be free
        self.model_delay(key, self.loop.time() + delay)
        self.on_loop(lambda: self.queue.add_after(key, delay))

    @rule(key=keys)
    def add_after_no_time(self, key: str) -> None:
        self.on_loop(lambda: self.queue.add_after(key, 0))
        self.model_add(key, NORMAL)

    @rule(key=keys, floor=st.integers(1, 9))
    def add_rate_limited(self, key: str, floor: int) -> None:
        at_least = floor + next(self.ticks) * 1e-4
        self.model_delay(key, self.loop.time() + at_least)
        self.failures[key] = min(self.failures.get(key, 0) + 1, 6)
        if self.failures[key] == 6:  # its back-off must stay below at_least, or the model needs the limiter's sums
            self.queue.forget(key)
            self.failures[key] = 1
        self.on_loop(lambda: self.queue.add_rate_limited(key, at_least=at_least))

    @rule(key=keys)
    def forget(self, key: str) -> None:
        self.queue.forget(key)
        self.failures[key] = 0

    @precondition(lambda self: self.ready)
    @rule()
    def get(self) -> None:
        expected = max(self.ready, key=lambda key: self.dirty[key])  # the first of the highest priority
        assert self.loop.run_until_complete(self.queue.get()) == expected
        self.ready.remove(expected)
        del self.dirty[expected]
        self.processing.append(expected)

    @precondition(lambda self: self.processing)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self.processing))
        self.on_loop(lambda: self.queue.done(key))
        self.processing.remove(key)
        if key in self.dirty and not self.closed:
            self.ready.append(key)

    @rule(seconds=st.integers(1, 15))
    def time_passes(self, seconds: int) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))
        for key, due in sorted(self.delayed.items(), key=lambda item: item[1]):
            if due <= self.loop.time():
                del self.delayed[key]
                self.model_add(key, NORMAL)

    @precondition(lambda self: len(self.processing) > 1)
    @rule()
    def shut_down(self) -> None:
        self.queue.shut_down()
        self.closed = True
        self.ready, self.dirty, self.delayed = [], {}, {}

    @invariant()
    def queue_equals_model(self) -> None:
        assert self.queue.depth == len(self.ready), f"the model has {self.ready} waiting"
        expected = {priority: sum(self.dirty[key] == priority for key in self.ready) for priority in PRIORITIES}
        assert self.queue.depths() == expected
        assert len(self.queue.running_since()) == len(self.processing)
        assert {key: self.queue.failures(key) for key in self.failures} == self.failures

    def teardown(self) -> None:
        self.queue.shut_down()
        self.loop.close()


TestQueueAgainstModel = QueueAgainstModel.TestCase
TestQueueAgainstModel.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)


def test_workers_never_share_a_key_and_no_change_is_lost() -> None:
    async def scenario() -> None:
        queue: WorkQueue[int] = WorkQueue(name="workers")
        running: set[int] = set()
        seen: dict[int, float] = {}
        changed: dict[int, float] = {}

        async def worker() -> None:
            while True:
                key = await queue.get()
                assert key not in running, f"key {key} runs twice at once"
                running.add(key)
                seen[key] = asyncio.get_running_loop().time()
                await asyncio.sleep(0.7)
                running.remove(key)
                queue.done(key)

        workers = [asyncio.create_task(worker()) for _ in range(3)]
        for step in range(200):
            key = step * 7 % 5
            changed[key] = asyncio.get_running_loop().time()
            queue.add(key)
            await asyncio.sleep(0.13)
        await asyncio.sleep(20)
        assert all(seen[key] >= moment for key, moment in changed.items()), "a change was not followed by a run"
        assert queue.depth == 0
        assert not running
        for task in workers:
            task.cancel()

    run_virtual(scenario())


def test_a_worker_cancelled_while_waiting_takes_no_key_with_it() -> None:
    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue(name="cancelled")
        first = asyncio.create_task(queue.get())
        second = asyncio.create_task(queue.get())
        await asyncio.sleep(1)
        queue.add("a")  # wakes the first worker, which is cancelled before it runs
        first.cancel()
        assert await second == "a"

    run_virtual(scenario(), until=10)


def test_real_changes_pass_the_initial_list() -> None:
    async def scenario() -> list[str]:
        queue: WorkQueue[str] = WorkQueue(name="lanes")
        for key in ("old-1", "old-2", "old-3"):
            queue.add(key, LOW)
        queue.add("new")
        queue.add("old-3")
        return [await queue.get() for _ in range(4)]

    assert run_virtual(scenario()) == ["new", "old-3", "old-1", "old-2"]


def test_an_unknown_priority_is_refused() -> None:
    async def scenario() -> None:
        WorkQueue[str](name="lanes").add("a", 7)

    with pytest.raises(ValueError, match="priority 7"):
        run_virtual(scenario())


def test_shut_down_wakes_every_waiting_worker_and_drain_waits_for_the_running_ones() -> None:
    async def scenario() -> None:
        queue: WorkQueue[str] = WorkQueue(name="ending")
        queue.add("a")
        await queue.get()
        waiting = [asyncio.create_task(queue.get()) for _ in range(3)]
        drained = asyncio.create_task(queue.drain())
        await asyncio.sleep(1)
        queue.add("a")
        queue.shut_down()
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(outcome, QueueShutDown) for outcome in outcomes), outcomes
        assert not drained.done(), "a key is still running"
        queue.done("a")
        await drained
        assert queue.depth == 0, "a key that became dirty again is left to the next process"

    run_virtual(scenario(), until=10)
