"""What each outcome of a reconciler leads to, and how a controller stops."""

import asyncio
import itertools
import logging
from collections.abc import Awaitable, Callable

import pytest

from controller.runtime.errors import Conflict, Forbidden, Terminal, Throttled, Unavailable
from controller.runtime.limiter import RateLimiter
from controller.runtime.metrics import REGISTRY
from controller.runtime.reconciler import DONE, Controller, Result, shown
from tests.unit.virtual_time import run_virtual

Key = tuple[str, str]
KEY: Key = ("default", "phi-3")


def value(metric: str, controller: str, **labels: str) -> float:
    """The present value of a metric of that controller."""
    return REGISTRY.get_sample_value(metric, {"controller": controller, **labels}) or 0.0


def results(controller: str) -> dict[str, float]:
    """Counts of all results of that controller."""
    names = ("success", "error", "requeue", "requeue_after")
    return {name: value("controller_runtime_reconcile_total", controller, result=name) for name in names}


async def moments_of_runs(
    name: str, outcomes: list[Result | BaseException], *, seconds: float, deadline: float = 60.0
) -> list[float]:
    """When KEY ran during `seconds`, each run ending as the list says and later ones with DONE."""
    ran: list[float] = []

    async def reconcile(key: Key) -> Result:
        assert key == KEY
        ran.append(round(asyncio.get_running_loop().time(), 3))
        outcome = outcomes.pop(0) if outcomes else DONE
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    await running(name, reconcile, seconds=seconds, deadline=deadline)
    return ran


async def running(
    name: str, reconcile: Callable[[Key], Awaitable[Result]], *, seconds: float, deadline: float = 60.0
) -> None:
    """Runs a controller with KEY enqueued for `seconds`, then cancels it."""
    limiter: RateLimiter[Key] = RateLimiter(base=1.0, cap=60.0)
    controller = Controller(name, reconcile, limiter=limiter, deadline=deadline)
    controller.enqueue(KEY)
    task = asyncio.create_task(controller.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    ("outcome", "expected", "result"),
    [
        (DONE, [0], {"success": 1}),
        (Result(requeue_after=30), [0, 30], {"requeue_after": 1, "success": 1}),
        (Result(requeue_after=0), [0, 1], {"requeue": 1, "success": 1}),
        (Conflict("stale", status=409), [0, 1], {"requeue": 1, "success": 1}),
        (Forbidden("no role", status=403), [0, 1], {"error": 1, "success": 1}),
        (ValueError("defect"), [0, 1], {"error": 1, "success": 1}),
        (asyncio.CancelledError(), [0, 1], {"error": 1, "success": 1}),
        (Throttled("busy", status=429, retry_after=17), [0, 17], {"error": 1, "success": 1}),
        (Unavailable("down", status=503, retry_after=None), [0, 1], {"error": 1, "success": 1}),
        (Terminal("unknown preset"), [0], {"error": 1}),
    ],
    ids=[
        "done",
        "requeue-after",
        "requeue-soon",
        "conflict",
        "api-error",
        "defect",
        "inner-cancellation",
        "throttled",
        "unavailable",
        "terminal",
    ],
)
def test_each_outcome_leads_to_its_next_run(
    outcome: Result | BaseException, expected: list[float], result: dict[str, float], request: pytest.FixtureRequest
) -> None:
    name = request.node.name
    assert run_virtual(moments_of_runs(name, [outcome], seconds=100)) == expected
    assert {key: count for key, count in results(name).items() if count} == result


def test_failures_back_off_and_one_success_forgets_them() -> None:
    outcomes: list[Result | BaseException] = [OSError("1"), OSError("2"), Result(requeue_after=10), OSError("3")]
    ran = run_virtual(moments_of_runs("backing-off", outcomes, seconds=100))
    assert ran == [0, 1, 3, 13, 14], "1 s and 2 s of back-off, then 10 s as asked, then 1 s again"


def test_a_run_past_its_deadline_is_cut_off_counted_and_retried() -> None:
    async def stuck(key: Key) -> Result:
        await asyncio.sleep(1000)
        return DONE

    run_virtual(running("stuck", stuck, seconds=20, deadline=5))
    assert value("controller_runtime_reconcile_timeouts_total", "stuck") == 3, "at 0, 6 and 13 s"
    assert value("controller_runtime_reconcile_panics_total", "stuck") == 0


def test_a_timeout_inside_the_reconciler_is_an_ordinary_error() -> None:
    run_virtual(moments_of_runs("inner", [TimeoutError("cloud")], seconds=5))
    assert value("controller_runtime_reconcile_timeouts_total", "inner") == 0
    assert value("controller_runtime_reconcile_panics_total", "inner") == 1


def test_terminal_errors_and_defects_have_counters_of_their_own() -> None:
    run_virtual(moments_of_runs("counted", [KeyError("x"), Terminal("y")], seconds=50))
    assert value("controller_runtime_reconcile_panics_total", "counted") == 1
    assert value("controller_runtime_terminal_reconcile_errors_total", "counted") == 1
    assert value("controller_runtime_reconcile_errors_total", "counted") == 2


def test_a_failure_is_logged_once_with_key_and_run(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "controller.runtime.reconciler"):
        run_virtual(moments_of_runs("logged", [Forbidden("no role", status=403)], seconds=5))
    assert [record.getMessage() for record in caplog.records] == ["reconcile failed: 403: no role"]


def test_a_conflict_is_quiet(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "controller.runtime.reconciler"):
        run_virtual(moments_of_runs("quiet", [Conflict("stale", status=409)], seconds=5))
    assert not caplog.records, "losing a race is no news"


async def led(controller: Controller[str], known: list[str], more: list[str]) -> None:
    """Leads with `known` present when it connects and `more` changing at the same moment."""
    takes: list[Callable[[str], None]] = []

    def connect(take: Callable[[str], None]) -> None:
        takes.append(take)
        for key in known:
            take(key)

    leading = asyncio.create_task(controller.lead(connect))
    await asyncio.sleep(0)
    for key in more:
        takes[0](key)
    await asyncio.sleep(100)
    leading.cancel()
    await asyncio.gather(leading, return_exceptions=True)


def test_a_new_leader_works_on_all_that_is_there_and_on_changes_first() -> None:
    ran: list[str] = []

    async def reconcile(key: str) -> Result:
        ran.append(key)
        await asyncio.sleep(1)
        return DONE

    run_virtual(led(Controller("takeover", reconcile, workers=1), ["a", "b", "c"], ["c", "new"]))
    assert ran == ["c", "new", "a", "b"]


def test_a_resync_brings_every_key_back_now_and_then() -> None:
    ran: list[float] = []

    async def reconcile(key: str) -> Result:
        assert key == "lost by its handler"
        ran.append(asyncio.get_running_loop().time())
        return DONE

    async def scenario() -> None:
        controller = Controller("resync", reconcile)
        parts = [controller.run(), controller.resync(lambda: ["lost by its handler"], period=600)]
        running = [asyncio.create_task(part) for part in parts]
        await asyncio.sleep(3600)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    run_virtual(scenario())
    assert len(ran) == 5
    assert all(600 <= later - earlier <= 720 for earlier, later in itertools.pairwise([0.0, *ran]))


async def stop_during_a_run(name: str, *, run_seconds: float, again_after: float = 1000) -> tuple[bool, float]:
    """Cancels a controller 1 s into a run, and once more later: whether the run finished, and when it all ended."""
    finished = False

    async def reconcile(key: Key) -> Result:
        nonlocal finished
        await asyncio.sleep(run_seconds)
        finished = True
        return DONE

    controller = Controller(name, reconcile, workers=1)
    controller.enqueue(KEY)
    controller.enqueue(("default", "second"))
    task = asyncio.create_task(controller.run())
    await asyncio.sleep(1)
    loop = asyncio.get_running_loop()
    task.cancel()
    loop.call_later(again_after, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task
    return finished, loop.time()


def test_cancellation_lets_the_running_reconcile_finish_and_takes_no_other_key() -> None:
    assert run_virtual(stop_during_a_run("polite", run_seconds=50)) == (True, 50)


def test_a_second_cancellation_cuts_off_at_once_and_tells_what(caplog: pytest.LogCaptureFixture) -> None:
    assert run_virtual(stop_during_a_run("urgent", run_seconds=50, again_after=2)) == (False, 3)
    assert [record.getMessage() for record in caplog.records] == ["cut off while running: default/phi-3"]


@pytest.mark.parametrize(("key", "text"), [(("ns", "name"), "ns/name"), (("", "node"), "node"), ("pool", "pool")])
def test_keys_are_shown_as_people_write_them(key: Key | str, text: str) -> None:
    assert shown(key) == text


def test_many_runs_that_wait_for_nothing_leave_turns_to_the_lease_and_the_probes() -> None:
    """A start in a full cluster finds nothing to do a thousand times; all of it in one turn would cost the lease."""

    async def scenario() -> list[int]:
        ran = 0

        async def nothing_to_do(_: Key) -> Result:
            nonlocal ran
            ran += 1
            return DONE

        controller: Controller[Key] = Controller("patient", nothing_to_do, workers=2)
        for number in range(50):
            controller.enqueue(("default", str(number)))
        task = asyncio.create_task(controller.run())
        turns = []
        while ran < 50:
            await asyncio.sleep(0)
            turns.append(ran)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return [later - before for before, later in itertools.pairwise(turns)]

    done = run_virtual(scenario())
    assert max(done) <= 2, f"between two turns of others {max(done)} keys were worked on, with 2 workers"
