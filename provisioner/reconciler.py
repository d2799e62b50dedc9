"""The loop around the lifecycle: look, decide, act, show.

The key is a name that claim, agent pool and the pool's label on nodes share, so that everything about one instance is
worked on by one worker at a time.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Final

from controller.api.claims import MACHINE, ClaimKind, parse_claim
from controller.api.conditions import FALSE, TRUE, Condition
from controller.api.json import Json, name_of
from controller.api.labels import PROVISIONER_MANAGER
from controller.api.reasons import Reason
from controller.runtime.cache import Informer
from controller.runtime.client import Client
from controller.runtime.errors import NotFound
from controller.runtime.events import Recorder
from controller.runtime.reconciler import DONE, Result
from provisioner import metrics
from provisioner.garbage import Collector
from provisioner.lifecycle import decide
from provisioner.nodes import POOL_INDEX, parse_node, slim_claim
from provisioner.performer import Performer, with_claim
from provisioner.policy import Policy, fault_delay
from provisioner.pools import claim_is_ours
from provisioner.snapshot import PoolApi, Snapshot
from provisioner.status import events_for, new_status
from provisioner.steps import Gpus, Observed, Step
from provisioner.times import now

_ACTIONS_PER_RUN: Final = 16
_PAUSE_BETWEEN_RUNS: Final = 1.0


class Reconciler:
    """Brings claims, agent pools and nodes together.

    Args:
        client: the API server.
        api: the cloud.
        snapshot: the pools as last read.
        claims, nodes: informers; nodes are indexed by POOL_INDEX.
        recorder: of events.
        policy: deadlines and delays.
        gpus: by lower-case instance type, what its nodes must show.
        location: the cloud's region, for messages.
    """

    def __init__(
        self,
        client: Client,
        api: PoolApi,
        snapshot: Snapshot,
        *,
        claims: Informer,
        nodes: Informer,
        recorder: Recorder,
        policy: Policy,
        gpus: Mapping[str, Gpus],
        location: str = "",
        kind: ClaimKind = MACHINE,
    ) -> None:
        self._client = client
        self._snapshot = snapshot
        self._claims, self._nodes = claims, nodes
        self._recorder = recorder
        self._policy, self._gpus, self._location, self._kind = policy, gpus, location, kind
        self._faults: Counter[str] = Counter()
        self._states: dict[str, str] = {}
        self._performer = Performer(client, api, snapshot, recorder, self._fault_wait)
        self._collector = Collector(client, api, snapshot, nodes, policy, kind)

    async def reconcile(self, name: str) -> Result:
        """One look at everything of that name, and what follows from it.

        Raises:
            ApiError: the API server refused or did not answer; everything done so far is safe to repeat.
        """
        obj = self._claims.get(name)
        if obj is None:
            self._forget(name)
            return await self._collector.collect(name)
        if not claim_is_ours(parse_claim(obj, self._kind)):
            self._forget(name)
            return DONE
        seen = self._observe(obj)
        step = decide(seen)
        if step.action is None and new_status(seen, step.conditions) is None:
            return self._settle(seen, step)
        return await self._act(name)

    async def _act(self, name: str) -> Result:
        """Decides anew on the live claim, since the cached one may be older than our own last write, and acts."""
        try:
            seen: Observed | None = self._observe(await self._client.get(self._kind.resource, name))
        except NotFound:
            return DONE
        for _ in range(_ACTIONS_PER_RUN):
            if seen is None:
                return DONE
            step = decide(seen)
            if step.action is None:
                break
            seen = await self._performer.perform(seen, step.action)
        else:
            step = replace(step, requeue_after=_PAUSE_BETWEEN_RUNS)
        if seen is None:
            return DONE
        return self._settle(await self._show(seen, step), step)

    def _observe(self, obj: Json) -> Observed:
        name = name_of(obj)
        snapshot = self._snapshot
        return Observed(
            stored=slim_claim(obj),
            claim=parse_claim(obj, self._kind),
            pool=snapshot.get(name),
            pools_known=snapshot.synced,
            nodes=tuple(parse_node(node) for node in self._nodes.by_index(POOL_INDEX, name)),
            now=self._now(),
            policy=self._policy,
            gpus=self._gpus,
            location=self._location,
            fault=None if snapshot.synced else snapshot.fault,
            fault_wait=_PAUSE_BETWEEN_RUNS if snapshot.fault else 0.0,
        )

    @staticmethod
    def _now() -> datetime:
        return now()

    async def _show(self, seen: Observed, step: Step) -> Observed:
        """Writes the status if it says something new, then tells of the change."""
        status = new_status(seen, step.conditions)
        if status is None:
            return seen
        resource, claim = self._kind.resource, seen.claim
        body = {"metadata": {"name": claim.name, "uid": claim.uid}, "status": status}
        try:
            obj = await self._client.apply(resource, body, manager=PROVISIONER_MANAGER, subresource="status")
        except NotFound:
            return seen
        self._tell(seen, step.conditions)
        return with_claim(seen, obj)

    def _tell(self, seen: Observed, conditions: tuple[Condition, ...]) -> None:
        for told in events_for(dict(seen.claim.conditions), conditions):
            self._recorder.event(seen.stored, type=told.type, reason=told.reason, note=told.note)
            if told.reason == Reason.REGISTERED:
                metrics.NODES_CREATED.inc()

    def _settle(self, seen: Observed, step: Step) -> Result:
        """What is left to do is to wait: for a change of the pool, of the API server's objects, or for a moment."""
        name = seen.claim.name
        if seen.fault is None:
            self._faults.pop(name, None)
        self._snapshot.watch(name, wanted=step.watch or not self._snapshot.synced)
        self._count(name, state_of(seen, step.conditions))
        return DONE if step.requeue_after is None else Result(max(step.requeue_after, _PAUSE_BETWEEN_RUNS))

    def _fault_wait(self, name: str, retry_after: float | None) -> float:
        self._faults[name] += 1
        return fault_delay(self._faults[name], retry_after)

    def _count(self, name: str, state: str) -> None:
        before = self._states.get(name)
        if before == state:
            return
        if before is not None:
            metrics.CLAIMS.labels(before).dec()
        self._states[name] = state
        metrics.CLAIMS.labels(state).inc()

    def _forget(self, name: str) -> None:
        self._faults.pop(name, None)
        self._snapshot.watch(name, wanted=False)
        if (state := self._states.pop(name, None)) is not None:
            metrics.CLAIMS.labels(state).dec()


def state_of(seen: Observed, conditions: tuple[Condition, ...]) -> str:
    """Where a claim stands, as one of `metrics.CLAIM_STATES`."""
    if seen.claim.deleting:
        return "deleting"
    held = {condition.type: condition.status for condition in conditions}
    kind = seen.claim.kind
    if FALSE in held.values():
        return "failed"
    for type_, state in ((kind.initialized, "ready"), (kind.registered, "registered"), (kind.launched, "launched")):
        if held.get(type_) == TRUE:
            return state
    return "pending"
