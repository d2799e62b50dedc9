"""The one mutable place: holds the world, the live scenario and the request counters, and saves them."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from controller.api.json import Json
from hack.aks_simulator import answers, bodies, faults, progress, storage, throttle
from hack.aks_simulator.answers import Answer, Call
from hack.aks_simulator.context import Context
from hack.aks_simulator.errors import arm, throttled
from hack.aks_simulator.faults import Effects
from hack.aks_simulator.scenario import Cut, Delay, Headers, Reply, Scenario, first_effects, parse_scenario
from hack.aks_simulator.settings import Settings
from hack.aks_simulator.sizes import Sizes
from hack.aks_simulator.values import World

log = logging.getLogger(__name__)

_ARRIVAL_EFFECTS: Final = (Reply, Cut, Delay, Headers)
_COUNTED_POOLS: Final = 1000


@dataclass(frozen=True, slots=True)
class Count:
    """What a request is counted under: operation, pool (empty for none), and HTTP status or `cut`."""

    operation: str
    pool: str
    outcome: str


class Simulator:
    """One simulated AKS cluster.

    Attributes:
        settings: what it was told at start.
        world: the state; replaced as a whole, never changed in place.
        scenario: the live scenario.
        changed: set whenever a request or a new scenario may have given the Nodes something to follow.
    """

    def __init__(
        self,
        settings: Settings,
        sizes: Sizes,
        scenario: Scenario,
        *,
        state_file: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Start afresh, or where the state file left off.

        Raises:
            OSError: the state file cannot be read or written.
            ValueError: the state file is not one.
        """
        self.settings = settings
        self.scenario = scenario
        self.changed = asyncio.Event()
        self._sizes = sizes
        self._initial = scenario
        self._state_file = state_file
        self._clock = clock
        self._counts: Counter[Count] = Counter()
        self._buckets: dict[str, throttle.Bucket] = {}
        self.world = storage.first_world(self.context())
        self._load()

    def context(self) -> Context:
        """The surroundings of a decision taken now."""
        return Context(self.settings, self.scenario, self._sizes, self._clock())

    def advance(self) -> World:
        """Let time do its work and return the world as it is now."""
        self.update(progress.advance(self.world, self.context()))
        return self.world

    def update(self, world: World) -> None:
        """Make this the world, and save it if it differs."""
        if world is not self.world and world != self.world:
            self.world = world
            self._save()

    def arrive(self, call: Call) -> Effects:
        """The scenario's rules that act on a request; those about the transport count as used."""
        subject = answers.subject_of(self.advance(), call)
        effects = first_effects(self.scenario.rules, subject, self.world.uses)
        self.update(faults.spend(self.world, [rule for kind, rule in effects.items() if kind in _ARRIVAL_EFFECTS]))
        return effects

    def execute(self, call: Call, effects: Effects, authorization: str) -> Answer:
        """Carry out a request.

        Raises:
            RefusalError: as Azure would refuse.
        """
        faults.refuse_by_rule(effects)
        self._check_bearer(authorization)
        self._throttle(call)
        world, answer = answers.answer(self.advance(), self.context(), call, effects)
        self.update(world)
        if answer.operation:
            self.changed.set()
        return answer

    def count(self, operation: str, pool: str, outcome: str) -> None:
        """Record a request and how it ended. Beyond 1,000 pool names the pool is no longer told apart."""
        known = any(entry.pool == pool for entry in self._counts) or len(self._counts) < _COUNTED_POOLS
        self._counts[Count(operation, pool.lower() if known else "", outcome)] += 1
        self._save()

    def replace_scenario(self, document: Any) -> None:
        """Make a document the live scenario; the uses of rules that stay are kept.

        Raises:
            ScenarioError: the document is not a scenario; the old one stays.
        """
        scenario = parse_scenario(document)
        self.advance()
        self.scenario = scenario
        uses = {rule: used for rule, used in self.world.uses.items() if rule in scenario.rule_ids}
        self.world = replace(self.world, uses=uses)
        self._save()
        self.changed.set()

    def reset(self) -> None:
        """Back to the start: only the system pool, no operations, counters at zero, the first scenario."""
        self.scenario = self._initial
        self._counts.clear()
        self._buckets.clear()
        self.world = storage.first_world(self.context())
        self._save()
        self.changed.set()

    def report(self) -> Json:
        """Pools, operations and request counters, for tests and people."""
        requests: Json = {}
        by_pool: Json = {}
        for entry, number in sorted(self._counts.items(), key=lambda item: str(item[0])):
            _add(requests, (entry.operation, entry.outcome), number)
            if entry.pool:
                _add(by_pool, (entry.pool, entry.operation, entry.outcome), number)
        return bodies.state_body(self.advance(), self.settings) | {"requests": requests, "requests_by_pool": by_pool}

    def _check_bearer(self, authorization: str) -> None:
        wanted = self.scenario.bearer
        scheme, _, token = authorization.partition(" ")
        if wanted and (scheme.lower() != "bearer" or not token or wanted not in {"*", token}):
            raise arm(
                401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing or wrong."
            )

    def _throttle(self, call: Call) -> None:
        if not self.scenario.throttling:
            return
        name, rate = throttle.bucket_of(call.target.operation, call.target.pool)
        self._buckets[name], seconds = throttle.draw(self._buckets.get(name), rate, self._clock())
        if seconds:
            raise throttled(self.settings.subscription, call.target.operation, seconds)

    def _save(self) -> None:
        if self._state_file:
            document = {
                "world": storage.dump_world(self.world),
                "initial": self._initial.document,
                "scenario": self.scenario.document,
                "counts": [[entry.operation, entry.pool, entry.outcome, n] for entry, n in self._counts.items()],
            }
            storage.save(self._state_file, document)

    def _load(self) -> None:
        document = storage.load(self._state_file) if self._state_file else None
        if document is None:
            self._save()
            return
        try:
            self.world = storage.parse_world(document["world"])
            if document["initial"] == self._initial.document:
                self.scenario = parse_scenario(document["scenario"])
            self._counts.update({Count(*entry[:3]): entry[3] for entry in document["counts"]})
        except (KeyError, TypeError) as error:
            raise ValueError(f"{self._state_file} is not a state file of this simulator: {error!r}") from error
        log.info("resumed %d pools from %s", len(self.world.pools), self._state_file)


def _add(table: Json, path: tuple[str, ...], number: int) -> None:
    *parents, last = path
    for key in parents:
        table = table.setdefault(key, {})
    table[last] = table.get(last, 0) + number
