"""Histories of claims in bad weather, each drawn from a seed: what fails, who is killed when, who else is at work."""

import asyncio
import random
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from controller.api.claims import MACHINE, NODE_CLAIM, ClaimKind
from controller.api.json import Json
from controller.runtime.errors import ApiError
from tests.faults.cells import PATIENCE, Cell, Stage, cell
from tests.faults.gate import Boundary, Weather, refusals

_CHANGES: Final = ("put_pool", "delete_pool", "abort_pool")
_READS: Final = ("list_pools", "get_pool", "list_usages")
_LONGEST_LAG: Final = 30.0
_LONG_LAGS: Final = 50
"""One history in so many of a long run has caches as stale as that."""


class Replicas(StrEnum):
    """Who is at work.

    One process; two of which one leads; or two that both work, as after a leader that froze and woke.
    """

    ONE = "one"
    STANDBY = "standby"
    BOTH = "both"


@dataclass(frozen=True, slots=True)
class ClaimPlan:
    """One claim: when it is asked for, and when it is given up; None for as soon as it is Ready."""

    kind: ClaimKind
    asked: float
    given_up: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """One history.

    Attributes:
        seed: gives all the rest.
        claims: what is asked of the provisioner.
        rules: the cloud's faults while the storm lasts.
        replicas: who is at work.
        ends: for each replica, at which of its calls its processes die one after the other.
        lag: seconds by which caches are late.
        rough: share of calls to the API server that fail while the storm lasts.
        cuts: share of watches that are cut.
        storm: seconds of bad weather.
        lock: what Azure locks while an operation runs.
    """

    seed: int
    claims: tuple[ClaimPlan, ...]
    rules: tuple[Json, ...]
    replicas: Replicas
    ends: tuple[tuple[Boundary, ...], ...]
    lag: float
    rough: float
    cuts: float
    storm: float
    lock: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a history.

    Attributes:
        seed: of the history.
        claims: how many there were.
        seconds: how long it took.
        deaths: processes that ended before it was over.
        faults: calls and watches the weather spoilt, the cloud's not counted.
        wrong: what should not have been; empty when all was well.
    """

    seed: int
    claims: int
    seconds: float
    deaths: int
    faults: int
    wrong: str


@dataclass(slots=True)
class Storm(Weather):
    """Bad weather until it is over."""

    plan: Plan
    chance: random.Random
    spoilt: int = 0
    over: bool = field(default=False)

    def refusal(self, label: str) -> ApiError | None:
        if self.over or self.chance.random() >= self.plan.rough:
            return None
        self.spoilt += 1
        return self.chance.choice(refusals())

    def lag(self, label: str) -> float:
        return 0.0 if self.over else self.plan.lag

    def life(self, label: str) -> int | None:
        if self.over or self.chance.random() >= self.plan.cuts:
            return None
        self.spoilt += 1
        return self.chance.randint(1, 8)


def plan_of(seed: int, *, long: bool = False) -> Plan:
    """The history of a seed; a long run also has the stalest caches."""
    chance = random.Random(seed)
    replicas = chance.choice([Replicas.ONE, Replicas.ONE, Replicas.STANDBY, Replicas.BOTH])
    stalest = long and seed % _LONG_LAGS == 0
    return Plan(
        seed=seed,
        claims=tuple(_claim(chance) for _ in range(chance.randint(1, 3))),
        rules=tuple(_rule(chance, f"rule-{number}") for number in range(chance.randint(0, 5))),
        replicas=replicas,
        ends=tuple(_ends(chance) for _ in range(1 if replicas is Replicas.ONE else 2)),
        lag=_LONGEST_LAG if stalest else chance.choice([0.0, 0.0, 0.2, 1.0, 3.0]),
        rough=chance.choice([0.0, 0.0, 0.03, 0.1]),
        cuts=chance.choice([0.0, 0.3, 0.8]),
        storm=2 * _LONGEST_LAG if stalest else chance.uniform(1.0, 5.0),
        lock=chance.choice(["pool", "pool", "cluster"]),
    )


def _claim(chance: random.Random) -> ClaimPlan:
    asked = chance.choice([0.0, chance.uniform(0.0, 2.0)])
    given_up = None if chance.random() < 0.5 else asked + chance.uniform(0.0, 1.6)
    return ClaimPlan(chance.choice([MACHINE, NODE_CLAIM]), asked, given_up)


def _ends(chance: random.Random) -> tuple[Boundary, ...]:
    return tuple(Boundary("", chance.randint(1, 70), chance.random() < 0.5) for _ in range(chance.randint(0, 3)))


def _rule(chance: random.Random, name: str) -> Json:
    operation = chance.choice(_CHANGES) if chance.random() < 0.7 else chance.choice(_READS)
    effects: list[Json] = [
        {"reply": {"status": 409, "code": "OperationNotAllowed"}},
        {"reply": {"status": 409, "code": "Conflict"}},
        {"reply": {"status": 429, "code": "TooManyRequests", "retry_after": 1}},
        {"reply": {"status": 429, "code": "SubscriptionRequestsThrottled", "retry_after": 2}},
        {
            "reply": {
                "status": chance.choice([500, 502, 503, 504]),
                "envelope": chance.choice(["flat", "error", "html"]),
            }
        },
        {"cut": "before"},
        {"cut": "after"},
        {"delay": round(chance.uniform(0.1, 1.5), 2)},
    ]
    if operation == "put_pool":
        effects += [
            {"reply": {"status": 412, "code": "PreconditionFailed"}},
            {"fail": {"cause": "AllocationFailed", "after_seconds": 4}},
            {"fail": {"cause": "AllocationFailed", "after_seconds": 4, "provisioning_error": False}},
            {"cancel": {"after_seconds": 4}},
        ]
    if operation == "delete_pool":
        effects += [{"fail": {"cause": "ScopeLocked", "after_seconds": 1}}, {"cancel": {"after_seconds": 1}}]
    return {"name": name, "match": {"operation": operation}, "times": chance.randint(1, 2), **chance.choice(effects)}


async def history(stage: Stage, plan: Plan) -> Outcome:
    """Lives one history to its end: bad weather, then good, until nothing is left of any claim."""
    loop = asyncio.get_running_loop()
    begun, patience = loop.time(), PATIENCE + 2 * plan.storm
    storm = Storm(plan, random.Random(plan.seed))
    async with cell(stage) as made:
        made.cloud.replace_scenario({"rules": list(plan.rules), "lock_scope": plan.lock})
        replicas = [_replica(made, plan, number, storm) for number in range(len(plan.ends))]
        running = [asyncio.create_task(each) for each in (*replicas, _clear_up(made, plan, storm))]
        try:
            await asyncio.gather(*(_live(made, claim, patience) for claim in plan.claims))
            await made.until(made.left, "not gone", patience)
            wrong = wrongs(made, plan)
        except AssertionError as error:
            wrong = f"{plan}\n{error}"
        deaths = len(made.lives) - len(plan.ends)
        made.end()
        running[-1].cancel()
        await asyncio.gather(*running, return_exceptions=True)
    return Outcome(plan.seed, len(plan.claims), loop.time() - begun, deaths, storm.spoilt, wrong)


async def _replica(made: Cell, plan: Plan, number: int, storm: Storm) -> None:
    elect = plan.replicas is Replicas.STANDBY
    await made.run(plan.ends[number], weather=lambda: storm, elect=elect, identity=f"replica-{number}")


async def _clear_up(made: Cell, plan: Plan, storm: Storm) -> None:
    await asyncio.sleep(plan.storm)
    storm.over = True
    made.cloud.replace_scenario({})


async def _live(made: Cell, claim: ClaimPlan, patience: float) -> None:
    await asyncio.sleep(claim.asked)
    name = await made.ask(claim.kind)
    if claim.given_up is None:
        await made.until(lambda: made.unready(name), "never Ready", patience)
    else:
        await asyncio.sleep(claim.given_up - claim.asked)
    await made.give_up(name)


def wrongs(made: Cell, plan: Plan) -> str:
    """What should not have been, in words."""
    found: list[str] = []
    for name, account in made.cloud.accounts.items():
        found += [f"{name}: {wrong}" for wrong in account.wrongs]
        pools = account.good + account.doomed
        if account.good - account.late > 1:  # a request on its way may arrive when the first pool is already gone
            found.append(f"{name}: more than one good pool was made: {account}")
        if account.removals != pools:
            found.append(f"{name}: not every pool was removed once: {account}")
    return f"{plan}\n" + "; ".join(found) if found else ""
