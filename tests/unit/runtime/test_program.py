"""The life of a process as far as it needs no API server: probes, deaths, signals, bounded ends."""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from controller.api.resources import PODS
from controller.runtime import tasks
from controller.runtime.cache import Informer
from controller.runtime.election import Elector
from controller.runtime.metrics import LOOP_LAG
from controller.runtime.options import Address, CommonOptions
from controller.runtime.program import Program, watch_lag
from tests.unit.runtime.lease_world import TIMING, Connection, LeaseServer, on_stage
from tests.unit.virtual_time import run_virtual

ROOT = Path(__file__).parents[3]
LOCAL = Address("127.0.0.1", 0)


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Iterator[Path]:
    """A configuration whose API server does not answer: its port belongs to a socket that never listens."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        port = deaf.getsockname()[1]
        path = tmp_path / "kubeconfig"
        path.write_text(
            textwrap.dedent(f"""
                apiVersion: v1
                kind: Config
                current-context: test
                clusters: [{{name: test, cluster: {{server: "http://127.0.0.1:{port}"}}}}]
                users: [{{name: test, user: {{}}}}]
                contexts: [{{name: test, context: {{cluster: test, user: test}}}}]
            """)
        )
        yield path


def options(kubeconfig: Path, *, leader_elect: bool = True, grace: float = 5.0) -> CommonOptions:
    return CommonOptions(
        kubeconfig=kubeconfig,
        identity="test-0",
        metrics=LOCAL,
        health=LOCAL,
        leader_elect=leader_elect,
        shutdown_grace=grace,
    )


async def forever() -> None:
    await asyncio.Event().wait()


async def probe(program: Program, path: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{program.probes.health}{path}") as answer:
        return answer.status, await answer.text()


async def started(program: Program) -> asyncio.Task[int]:
    """Runs the program until its probes answer."""
    running = asyncio.create_task(program.run())
    async with asyncio.timeout(20):
        while program.probes.health == LOCAL:  # noqa: ASYNC110 - the real port is known once it listens
            await asyncio.sleep(0.01)
    return running


async def test_guarded_metrics_are_served_beside_the_probes_and_tell_that_nobody_can_be_asked(kubeconfig: Path) -> None:
    guarded = replace(options(kubeconfig), metrics_secure=True)
    async with Program("kaito-test", guarded) as program:
        running = await started(program)
        assert program.secure_metrics is not None
        url = f"https://{program.secure_metrics.address}/metrics"
        headers = {"Authorization": "Bearer unknown"}
        async with aiohttp.ClientSession() as session:
            async with session.get(url, ssl=False) as reply:
                assert reply.status == 401
            async with session.get(url, headers=headers, ssl=False) as reply:
                assert (reply.status, "cannot be asked" in await reply.text()) == (503, True)
        program.stop()
        assert await running == 0
        assert program.probes.metrics is None, "they are served in the open as well"


async def test_a_stop_fails_readiness_while_tasks_finish_and_ends_with_0(kubeconfig: Path) -> None:
    seen: list[tuple[int, str]] = []
    async with Program("kaito-test", options(kubeconfig)) as program:

        async def serve() -> None:
            try:
                await forever()
            finally:
                seen.append(await probe(program, "/readyz"))
                seen.append(await probe(program, "/healthz"))

        program.task("serve", serve)
        running = await started(program)
        assert await probe(program, "/readyz") == (200, "ok\n")
        program.stop()
        assert await running == 0
    assert seen == [(500, "[-] shutdown: shutting down\nfailed\n"), (200, "ok\n")]


async def test_an_informer_that_cannot_sync_keeps_the_program_unready_and_its_work_waiting(kubeconfig: Path) -> None:
    ran = False
    async with Program("kaito-test", options(kubeconfig)) as program:

        async def work() -> None:
            nonlocal ran
            ran = True
            await forever()

        program.informer(Informer(program.client, PODS))
        program.task("work", work)
        running = await started(program)
        status, text = await probe(program, "/readyz")
        program.stop()
        assert await running == 0
    assert (status, text) == (500, "[-] informer pods: waiting for the first list\nfailed\n")
    assert not ran, "work began on an empty cache"


async def test_an_informer_that_is_not_needed_holds_nothing_up(kubeconfig: Path) -> None:
    ran = asyncio.Event()
    async with Program("kaito-test", options(kubeconfig)) as program:

        async def work() -> None:
            ran.set()
            await forever()

        informer = program.informer(Informer(program.client, PODS), needed=False)
        program.task("work", work)
        running = await started(program)
        async with asyncio.timeout(20):
            await ran.wait()
        status, _ = await probe(program, "/readyz")
        assert not informer.synced
        program.stop()
        assert await running == 0
    assert status == 200


async def test_two_informers_of_one_name_are_a_mistake(kubeconfig: Path) -> None:
    async with Program("kaito-test", options(kubeconfig)) as program:
        program.informer(Informer(program.client, PODS))
        with pytest.raises(ValueError, match="two informers are called 'pods'"):
            program.informer(Informer(program.client, PODS, namespace="other"))


async def fail() -> None:
    raise KeyError("pool")


async def end() -> None:
    return


@pytest.mark.parametrize(
    ("death", "words"), [(fail, "ending: garbage failed: 'pool'"), (end, "ending: garbage ended although nobody")]
)
async def test_a_task_that_dies_ends_the_program_by_name(
    death: Callable[[], Awaitable[None]], words: str, kubeconfig: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Program("kaito-test", options(kubeconfig)) as program:
        program.task("garbage", death)
        program.task("other", forever)
        assert await program.run() == 1
    critical = [record.getMessage() for record in caplog.records if record.levelname == "CRITICAL"]
    assert len(critical) == 1
    assert critical[0].startswith(words)


async def test_without_election_leader_work_runs_at_once_and_one_death_ends_it(
    kubeconfig: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with Program("kaito-test", options(kubeconfig, leader_elect=False)) as program:
        assert program.leading
        program.lead("workspaces", forever)
        program.lead("garbage", fail)
        assert await program.run() == 1
    assert "garbage failed" in caplog.text


async def test_a_standby_that_reaches_no_api_server_stops_cleanly(kubeconfig: Path) -> None:
    async with Program("kaito-test", options(kubeconfig)) as program:
        program.lead("workspaces", fail)
        running = await started(program)
        assert await probe(program, "/healthz?verbose") == (200, "[+] leader election: ok\nok\n")
        assert not program.leading
        program.stop()
        assert await running == 0


async def test_a_task_longer_than_the_grace_is_cut_off_and_named(
    kubeconfig: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def slow() -> None:
        try:
            await forever()
        finally:
            await forever()

    async with Program("kaito-test", options(kubeconfig, grace=0.1)) as program:
        program.task("slow", slow)
        running = await started(program)
        program.stop()
        assert await running == 1
    assert "cut off after the grace of 0.1 s: slow" in caplog.text


async def test_an_error_while_stopping_is_not_lost(kubeconfig: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def clumsy() -> None:
        try:
            await forever()
        finally:
            await fail()

    async with Program("kaito-test", options(kubeconfig)) as program:
        program.task("clumsy", clumsy)
        running = await started(program)
        program.stop()
        assert await running == 1
    assert "clumsy failed while stopping" in caplog.text


async def stubborn() -> None:
    """Leader work that no cancellation ends for an hour."""
    until = asyncio.get_running_loop().time() + 3600
    while (left := until - asyncio.get_running_loop().time()) > 0:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(left)


async def fail_later() -> None:
    await asyncio.sleep(20)
    raise KeyError("pool")


@pytest.mark.parametrize("trouble", ["outage", "outage while stopping", "death of another part"])
def test_leader_work_that_ignores_its_end_ends_with_the_process_before_another_leads(
    trouble: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        loop, connection = asyncio.get_running_loop(), Connection(LeaseServer())
        exits: list[tuple[float, int]] = []
        monkeypatch.setattr(os, "_exit", lambda code: exits.append((loop.time(), code)))
        program = Program("kaito-test", CommonOptions(identity="a"))
        elector = Elector(connection, name="stage", namespace="test", identity="a", timing=TIMING)
        program.lead("stubborn", stubborn)
        if trouble == "death of another part":
            program.lead("pools", fail_later)
        work = tasks.start({"leader election": lambda: program._lead(elector)})
        await asyncio.sleep(10)
        if trouble != "death of another part":
            connection.fault = "hang"
        if trouble == "outage while stopping":
            await program._shut_down(work, None)
        ended_tasks, _ = await asyncio.wait(work)
        assert all(task.cancelled() or task.exception() is not None for task in ended_tasks)
        ((ended, code),) = exits
        renewed = connection.server.history[-1][0]
        assert code == 1
        assert ended <= renewed + TIMING.safe, "it went on for longer than the lease"
        assert connection.server.spec["holderIdentity"] == "a", "a lease given back would have let another one begin"

    on_stage(scenario)


def test_the_lag_metric_shows_work_that_blocks_the_loop() -> None:
    async def scenario() -> float:
        watching = asyncio.create_task(watch_lag())
        await asyncio.sleep(2.5)
        loop = asyncio.get_running_loop()
        loop._jumping.now += 3  # type: ignore[attr-defined]  # as if a callback had taken 3 s
        await asyncio.sleep(2)
        watching.cancel()
        value = LOOP_LAG.collect()
        return next(iter(value)).samples[0].value

    assert run_virtual(scenario()) == pytest.approx(2.5)


# What needs a process of its own: signals and exit codes.

PROLOGUE = """
import asyncio, contextlib, sys
from pathlib import Path
from controller.runtime import logs
from controller.runtime.options import Address, CommonOptions
from controller.runtime.program import Program, run_program

logs.configure("console", "info")
health = Address("127.0.0.1", int(sys.argv[2]))
options = CommonOptions(kubeconfig=Path(sys.argv[1]), identity="x", health=health, shutdown_grace=float(sys.argv[3]))

async def ready(program):
    print("running", flush=True)
    await asyncio.Event().wait()

async def stubborn(program):
    print("running", flush=True)
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)

async def build():
    async with Program("kaito-test", options) as program:
        program.task("work", lambda: WORK(program))
        return await program.run()
"""


async def process(kubeconfig: Path, work: str, port: int = 0, grace: float = 30) -> asyncio.subprocess.Process:
    script = f"{PROLOGUE}\nWORK = {work}\nrun_program(build)"
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script, str(kubeconfig), str(port), str(grace)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )


async def ended(program: asyncio.subprocess.Process) -> tuple[int | None, list[str]]:
    """Exit code and log lines."""
    async with asyncio.timeout(60):
        _, errors = await program.communicate()
    return program.returncode, errors.decode().splitlines()


async def running_process(kubeconfig: Path, work: str, grace: float = 30) -> asyncio.subprocess.Process:
    program = await process(kubeconfig, work, grace=grace)
    assert program.stdout is not None
    assert await program.stdout.readline() == b"running\n"
    return program


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_stops_in_order_with_exit_code_0(number: signal.Signals, kubeconfig: Path) -> None:
    program = await running_process(kubeconfig, "ready")
    program.send_signal(number)
    code, lines = await ended(program)
    assert code == 0, lines
    assert [line.split(": ", 1)[1].split()[0] for line in lines[-2:]] == ["stopping", "stopped"]


async def test_a_second_signal_exits_at_once(kubeconfig: Path) -> None:
    program = await running_process(kubeconfig, "stubborn")
    program.terminate()
    assert program.stderr is not None
    while b"stopping" not in await program.stderr.readline():
        pass
    program.terminate()
    code, lines = await ended(program)
    assert code == 128 + signal.SIGTERM, "the grace of 30 s was waited for"
    assert "exiting at once" in lines[-1]


async def test_a_task_that_ignores_every_cancellation_cannot_keep_the_process(kubeconfig: Path) -> None:
    program = await running_process(kubeconfig, "stubborn", grace=0.1)
    program.terminate()
    code, lines = await ended(program)
    assert code == 1
    assert any("cut off after the grace of 0.1 s: work" in line for line in lines), lines


@pytest.mark.parametrize("configuration", [os.devnull, "/nonexistent/kubeconfig"])
async def test_an_unusable_kubeconfig_is_one_line_and_exit_code_1(configuration: str) -> None:
    code, lines = await ended(await process(Path(configuration), "ready"))
    assert code == 1
    assert len(lines) == 1, lines
    assert configuration in lines[0]


async def test_a_taken_port_is_one_line_that_names_it(kubeconfig: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, lines = await ended(await process(kubeconfig, "ready", port))
    assert code == 1
    assert len(lines) == 1, lines
    assert f"'127.0.0.1', {port}" in lines[0]
