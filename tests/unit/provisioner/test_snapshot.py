"""One picture of the pools for everybody: how often it is taken, and what of it is news."""

import asyncio
from collections.abc import Iterable
from itertools import pairwise

from controller.api.json import Json
from provisioner.errors import CloudError, ErrorKind, Fault
from provisioner.policy import fault_delay
from provisioner.pools import Pool
from provisioner.snapshot import PoolStore, Snapshot
from tests.unit.provisioner.builders import NAME, pool
from tests.unit.virtual_time import run_virtual


class FakeCloud:
    """Answers lists from memory and notes when it was asked."""

    def __init__(self) -> None:
        self.pools: dict[str, Pool] = {}
        self.asked: list[float] = []
        self.error: CloudError | None = None
        self.outage = 0
        self.seconds = 0.0

    async def list(self) -> "list[Pool]":
        self.asked.append(asyncio.get_running_loop().time())
        pools = list(self.pools.values())
        await asyncio.sleep(self.seconds)
        if self.error:
            raise self.error
        if self.outage:
            self.outage -= 1
            raise CloudError(Fault(ErrorKind.UNAVAILABLE, "", f"operation id {self.outage}"), status=503)
        return pools

    async def get(self, name: str) -> Pool:
        return self.pools[name]

    async def create(self, name: str, body: Json) -> Pool:
        raise AssertionError(f"a snapshot only reads, and made {name}: {body}")

    async def delete(self, name: str, *, etag: str = "", ignore_disruption_budgets: bool = False) -> None:
        raise AssertionError(f"a snapshot only reads, and deleted {name}, {ignore_disruption_budgets=}")

    async def abort(self, name: str) -> None:
        raise AssertionError(f"a snapshot only reads, and stopped {name}")


class Run:
    """A snapshot at work on virtual time."""

    def __init__(self) -> None:
        self.cloud = FakeCloud()
        self.news: list[set[str]] = []
        self.snapshot = Snapshot(self.cloud, busy=4, idle=300, on_change=self._note)

    def _note(self, names: Iterable[str]) -> None:
        self.news.append(set(names))

    async def __aenter__(self) -> "Run":
        self.task = asyncio.create_task(self.snapshot.run())
        await asyncio.sleep(0.1)
        return self

    async def __aexit__(self, *failure: object) -> None:
        self.task.cancel()


def test_an_idle_picture_is_taken_rarely_and_a_watched_one_often() -> None:
    async def scenario() -> tuple[int, int]:
        async with Run() as run:
            await asyncio.sleep(900)
            idle = len(run.cloud.asked)
            run.snapshot.watch(NAME, wanted=True)
            await asyncio.sleep(40)
            return idle, len(run.cloud.asked) - idle

    idle, busy = run_virtual(scenario())
    assert idle == 4, "at the start and every 300 s"
    assert 9 <= busy <= 11, "every 4 s"


def test_many_watched_pools_cost_no_more_than_one() -> None:
    async def scenario() -> int:
        async with Run() as run:
            for number in range(500):
                run.snapshot.watch(f"p{number}", wanted=True)
            await asyncio.sleep(40)
            return len(run.cloud.asked)

    assert run_virtual(scenario()) <= 12


def test_a_newly_watched_pool_does_not_wait_for_the_idle_interval() -> None:
    async def scenario() -> float:
        async with Run() as run:
            await asyncio.sleep(50)
            run.snapshot.watch(NAME, wanted=True)
            await asyncio.sleep(1)
            return run.cloud.asked[-1]

    assert 50 <= run_virtual(scenario()) <= 51


def test_only_changed_pools_are_news() -> None:
    async def scenario() -> list[set[str]]:
        async with Run() as run:
            run.snapshot.watch(NAME, wanted=True)
            run.cloud.pools = {NAME: pool("Creating"), "other": pool(name="other")}
            await asyncio.sleep(20)
            run.cloud.pools = {NAME: pool("Succeeded"), "other": pool(name="other")}
            await asyncio.sleep(20)
            run.cloud.pools = {"other": pool(name="other")}
            await asyncio.sleep(20)
            return run.news

    assert run_virtual(scenario()) == [{NAME, "other"}, {NAME}, {NAME}]


def test_a_failing_cloud_is_asked_ever_less_and_never_before_it_allows() -> None:
    async def scenario() -> list[float]:
        run = Run()
        run.cloud.error = CloudError(Fault(ErrorKind.THROTTLED), status=429, retry_after=30)
        async with run:
            run.snapshot.watch(NAME, wanted=True)
            await asyncio.sleep(300)
            return run.cloud.asked

    asked = run_virtual(scenario())
    pauses = [after - before for before, after in pairwise(asked)]
    assert pauses
    assert min(pauses) >= 30


def test_a_failed_reading_forgets_nothing_and_tells_those_who_wait_once() -> None:
    async def scenario() -> tuple[Pool | None, list[set[str]], bool]:
        async with Run() as run:
            run.cloud.pools = {NAME: pool()}
            run.snapshot.watch(NAME, wanted=True)
            await asyncio.sleep(10)
            run.news.clear()
            run.cloud.error = CloudError(Fault(ErrorKind.CLUSTER_NOT_FOUND, "ResourceGroupNotFound"), status=404)
            await asyncio.sleep(100)
            return run.snapshot.get(NAME), run.news, run.snapshot.synced

    found, news, synced = run_virtual(scenario())
    assert found == pool(), "an unreadable cloud must never look like an empty one"
    assert news == [{NAME}]
    assert synced


def test_a_fault_is_told_of_once_though_its_words_vary_and_a_hiccup_not_at_all() -> None:
    async def scenario(failures: int) -> tuple[list[set[str]], Fault | None]:
        async with Run() as run:
            run.snapshot.watch(NAME, wanted=True)
            run.cloud.outage = failures
            await asyncio.sleep(4 + sum(fault_delay(number, None) for number in range(1, failures)))
            return run.news, run.snapshot.fault

    assert run_virtual(scenario(1)) == ([], None), "the next reading, 4 s later, may be good again"
    assert run_virtual(scenario(5)) == ([{NAME}], Fault(ErrorKind.UNAVAILABLE))


def test_a_pause_the_cloud_asks_for_is_told_of_at_once() -> None:
    async def scenario() -> Fault | None:
        async with Run() as run:
            run.snapshot.watch(NAME, wanted=True)
            run.cloud.error = CloudError(Fault(ErrorKind.THROTTLED), status=429, retry_after=60)
            await asyncio.sleep(5)
            return run.snapshot.fault

    assert run_virtual(scenario()) == Fault(ErrorKind.THROTTLED)


def test_ten_minutes_of_throttling_cost_ten_readings_and_end_by_themselves() -> None:
    async def scenario() -> tuple[int, Fault | None, list[set[str]]]:
        async with Run() as run:
            run.snapshot.watch(NAME, wanted=True)
            await asyncio.sleep(5)
            before = len(run.cloud.asked)
            run.cloud.error = CloudError(Fault(ErrorKind.THROTTLED), status=429, retry_after=60)
            await asyncio.sleep(600)
            asked = len(run.cloud.asked) - before
            run.cloud.error = None
            await asyncio.sleep(60)
            return asked, run.snapshot.fault, run.news

    asked, fault, news = run_virtual(scenario())
    assert asked in (10, 11), "one a minute, as the cloud asked"
    assert fault is None
    assert news == [{NAME}, {NAME}], "those who wait hear of it twice: when it begins and when it is over"


def test_a_new_etag_is_kept_and_is_no_news() -> None:
    store = PoolStore()
    store.replace([pool(etag="one")], asked_at=1.0)
    assert store.replace([pool(etag="two")], asked_at=2.0) == set()
    kept = store.get(NAME)
    assert kept is not None
    assert kept.etag == "two"


def test_what_is_late_already_is_read_less_often_unless_something_else_is_due() -> None:
    async def scenario() -> tuple[int, int]:
        async with Run() as run:
            run.snapshot.watch(NAME, wanted=True, overdue=True)
            await asyncio.sleep(300)
            late = len(run.cloud.asked)
            run.snapshot.watch("other", wanted=True)
            await asyncio.sleep(300)
            return late, len(run.cloud.asked) - late

    late, due = run_virtual(scenario())
    assert 10 <= late <= 12, "every 30 s"
    assert 74 <= due <= 76, "every 4 s"


def test_what_was_learned_after_a_list_was_asked_for_outlives_that_list() -> None:
    store = PoolStore()
    store.learn(NAME, pool("Creating"), at=5.0)
    assert store.replace([], asked_at=4.0) == set()
    assert store.get(NAME) == pool("Creating")
    assert store.replace([], asked_at=6.0) == {NAME}
    assert store.get(NAME) is None


def test_a_pool_known_to_be_gone_is_not_brought_back_by_an_older_list() -> None:
    store = PoolStore()
    store.replace([pool()], asked_at=1.0)
    assert store.learn(NAME, None, at=3.0)
    store.replace([pool()], asked_at=2.0)
    assert store.get(NAME) is None


def test_many_looks_at_once_share_lists_that_begin_after_each_of_them() -> None:
    async def scenario() -> tuple[list[float], list[Pool | None]]:
        async with Run() as run:
            run.cloud.pools = {NAME: pool()}
            run.cloud.seconds, before = 1.0, len(run.cloud.asked)
            first = asyncio.create_task(run.snapshot.fresh(NAME))
            await asyncio.sleep(0.5)
            run.cloud.pools = {}
            late = [asyncio.create_task(run.snapshot.fresh(NAME)) for _ in range(20)]
            found = await asyncio.gather(first, *late)
            return run.cloud.asked[before:], found

    asked, found = run_virtual(scenario())
    assert len(asked) == 2, "one for the first look, one for all that came while it was under way"
    assert found[0] is not None
    assert found[1:] == [None] * 20, "what was asked for before they looked says nothing to them"


def test_looks_that_share_a_list_share_its_failure() -> None:
    """A cloud that does not answer would otherwise hold up one worker after the other."""

    async def scenario() -> tuple[int, list[object]]:
        async with Run() as run:
            run.cloud.error = CloudError(Fault(ErrorKind.THROTTLED, "Throttled"), status=429)
            run.cloud.seconds, before = 30.0, len(run.cloud.asked)
            first = asyncio.create_task(run.snapshot.fresh(NAME))
            await asyncio.sleep(1)
            late = [run.snapshot.fresh(NAME) for _ in range(20)]
            found = await asyncio.gather(first, *late, return_exceptions=True)
            return len(run.cloud.asked) - before, list(found)

    asked, found = run_virtual(scenario())
    assert asked == 2
    assert all(isinstance(each, CloudError) and each.status == 429 for each in found)


def test_a_look_that_was_cut_off_says_nothing_to_the_next() -> None:
    async def scenario() -> Pool | None:
        async with Run() as run:
            run.cloud.pools, run.cloud.seconds = {NAME: pool()}, 30.0
            first = asyncio.create_task(run.snapshot.fresh(NAME))
            await asyncio.sleep(1)
            late = asyncio.create_task(run.snapshot.fresh(NAME))
            await asyncio.sleep(1)
            first.cancel()
            return await late

    assert run_virtual(scenario()) == pool()
