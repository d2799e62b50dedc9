"""Wherever the provisioner is killed, in whatever weather: the end is the same, nothing leaks, nothing is doubled."""

import asyncio
import os
import random
import time
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass

import pytest

from controller.api.claims import MACHINE, NODE_CLAIM, ClaimKind
from controller.api.json import Json
from controller.runtime.client import Client
from tests.cluster.harness import Cluster
from tests.cluster.provisioner_parts import account, install_node_claims
from tests.faults.cells import Stage, cell, staged
from tests.faults.cloud import Account
from tests.faults.gate import Boundary, is_reading
from tests.faults.histories import Outcome, history, plan_of
from tests.system.conftest import LONG

KINDS = (MACHINE, NODE_CLAIM)
RECORDINGS = 3
TRIES = 4
SAMPLE = 20
AT_ONCE = int(os.environ.get("KAITO_CELLS", "0")) or 6 * (os.cpu_count() or 1)
"""Cells share one process: more of them at once than it can drive would only see one another's pauses."""
FIRST_SEED = int(os.environ.get("KAITO_SEED", "1"))
HISTORIES = int(os.environ.get("KAITO_HISTORIES", "1000" if LONG else "40"))


@pytest.fixture
async def stage(cluster: Cluster, crds: None, client: Client, namespace: str) -> AsyncIterator[Stage]:
    await install_node_claims(cluster)
    async with staged(client, await account(cluster, namespace), namespace) as made:
        yield made


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one claim, from its creation to nothing left.

    Attributes:
        calls: all that the first process said.
        portrait: how everything looked once the claim was Ready.
        made: what the cloud agreed to.
        died: whether the first process met its end.
    """

    calls: tuple[str, ...]
    portrait: Json
    made: Account
    died: bool


async def run(stage: Stage, kind: ClaimKind, end: Boundary | None = None, *, like: Run | None = None) -> Run:
    """One claim's life, the first process ending at a boundary."""
    async with cell(stage) as made:
        running = asyncio.create_task(made.run([end] if end else []))
        name = await made.ask(kind)
        await made.until(lambda: made.unready(name), "never Ready")
        if like is not None:
            wanted = like.portrait
            await made.until(lambda: "" if made.portrait(name) == wanted else "another portrait", "never the same")
        portrait = made.portrait(name)
        await made.give_up(name)
        await made.until(made.left, "never gone")
        first = made.lives[0]
        await made.until(lambda: "a call is under way" if first.under_way else "", "never silent")
        died = first.shut.is_set()
        if died:
            await made.until(made.unread, "the next process never looked")
        made.end()
        await running
        assert made.left() == "", f"a process that began when all was over left {made.left()}"
        return Run(tuple(first.calls), portrait, made.cloud.accounts[name], died)


def boundaries(calls: Iterable[str]) -> set[Boundary]:
    """The moments before and after each call; what only reads is as good the second time as the first."""
    found: set[Boundary] = set()
    counts: dict[str, int] = {}
    for call in calls:
        counts[call] = counts.get(call, 0) + 1
        if counts[call] == 1 or not is_reading(call):
            found |= {Boundary(call, counts[call], after) for after in (False, True)}
    return found


def is_deed(call: str) -> bool:
    """Whether a call changes more than what is told of a claim: each of these has to come, in every good run."""
    return not (is_reading(call) or call.startswith("POST events") or "/status" in call)


def chosen(found: Iterable[Boundary]) -> list[Boundary]:
    """Every boundary in a long run; in a short one those of all deeds, and some of the others."""
    ordered = sorted(found, key=lambda each: each.text)
    others = [each for each in ordered if not is_deed(each.call)]
    some = others if LONG else random.Random(FIRST_SEED).sample(others, min(SAMPLE, len(others)))
    return [each for each in ordered if is_deed(each.call)] + some


@pytest.mark.timeout(3600 if LONG else 600)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.resource.plural)
async def test_a_kill_before_and_after_every_call_leads_to_the_same_end(stage: Stage, kind: ClaimKind) -> None:
    begun = time.monotonic()
    recorded = await asyncio.gather(*(run(stage, kind) for _ in range(RECORDINGS)))
    undisturbed = recorded[0]
    found = [boundaries(each.calls) for each in recorded]
    certain, possible = set.intersection(*found), chosen(set.union(*found))
    gate = asyncio.Semaphore(AT_ONCE)
    assert undisturbed.made == Account(good=1, removals=1)
    assert all(each.portrait == undisturbed.portrait for each in recorded)

    async def killed(end: Boundary) -> tuple[Boundary, Run | str]:
        """The run that was cut; repeated where the moment did not come, which timing decides for some calls."""
        done: Run | str = ""
        for _ in range(TRIES):
            async with gate:
                try:
                    done = await run(stage, kind, end, like=undisturbed)
                except AssertionError as error:
                    return end, str(error)
            if done.died or not is_deed(end.call):
                break
        return end, done

    results = dict(await asyncio.gather(*map(killed, possible)))
    wrong = [f"killed {end.text}: {done}" for end, done in results.items() if isinstance(done, str)]
    lives = {end: done for end, done in results.items() if not isinstance(done, str)}
    wrong += [f"killed {end.text}: {done.made}" for end, done in lives.items() if done.made != undisturbed.made]
    missed = {end for end, done in lives.items() if not done.died}
    seconds = time.monotonic() - begun
    print(f"figure: {kind.resource.plural}: {len(results)} boundaries, {len(missed)} missed, {seconds:.0f} s")
    assert not wrong, "\n".join([f"{len(wrong)} of {len(results)}; one pool is to be made and removed", *wrong[:10]])
    assert not [end.text for end in missed & certain if is_deed(end.call)], "these moments never came"


@pytest.mark.timeout(3600 if LONG else 600)
async def test_no_history_leaks_or_doubles_a_pool(stage: Stage) -> None:
    begun, gate = time.monotonic(), asyncio.Semaphore(AT_ONCE)

    done: list[int] = []

    async def lived(seed: int) -> Outcome:
        async with gate:
            outcome = await history(stage, plan_of(seed, long=LONG))
        done.append(seed)
        if LONG and len(done) % 100 == 0:
            print(f"figure: {len(done)} of {HISTORIES} histories after {time.monotonic() - begun:.0f} s", flush=True)
        if outcome.wrong:
            print(f"figure: seed {seed}: {outcome.wrong}", flush=True)
        return outcome

    outcomes = await asyncio.gather(*(lived(FIRST_SEED + number) for number in range(HISTORIES)))
    seconds, claims = time.monotonic() - begun, sum(each.claims for each in outcomes)
    deaths, faults = sum(each.deaths for each in outcomes), sum(each.faults for each in outcomes)
    print(
        f"figure: {len(outcomes)} histories of {claims} claims in {seconds:.0f} s: {deaths} processes ended early, "
        f"{faults} calls failed; longest {max(each.seconds for each in outcomes):.0f} s"
    )
    wrong = [f"seed {each.seed}: {each.wrong}" for each in outcomes if each.wrong]
    assert not wrong, "\n".join(wrong)
