"""The loop around the lifecycle: look, decide, act, show.

The key is a name that claim, agent pool and the pool's label on nodes share, so that everything about one instance is
worked on by one worker at a time.
"""

from dataclasses import replace
from datetime import datetime
from typing import Final

from controller.api.claims import Claim, ClaimKind, parse_claim
from controller.api.conditions import TRUE, Condition
from controller.api.json import Json, name_of
from controller.api.labels import PROVISIONER_MANAGER
from controller.api.reasons import Reason
from controller.runtime.cache import Informer
from controller.runtime.client import Client
from controller.runtime.errors import ApiError, Conflict, NotFound, is_final
from controller.runtime.events import Recorder
from controller.runtime.logs import fields, get_logger
from controller.runtime.reconciler import DONE, Result
from provisioner import metrics
from provisioner.calls import Pauses
from provisioner.claims import Claims, is_gone, ours
from provisioner.errors import Fault
from provisioner.garbage import Collector
from provisioner.health import Health
from provisioner.history import failure_of
from provisioner.holds import Unavailable
from provisioner.lifecycle import decide
from provisioner.nodes import POOL_INDEX, parse_node, slim_claim
from provisioner.offerings import Place
from provisioner.performer import Performer, with_claim
from provisioner.policy import Policy
from provisioner.pools import REQUESTED_TAG, Pool
from provisioner.quota import Quotas
from provisioner.refusal import Refusal, refusal_of, refused
from provisioner.repair import has_lost_gpus, repair
from provisioner.replacements import Replacements
from provisioner.requested import Answers
from provisioner.setbacks import Removals
from provisioner.sizes import Sizes
from provisioner.snapshot import PoolApi, Snapshot
from provisioner.status import events_for, new_status, phases_over
from provisioner.steps import (
    Action,
    CloudAction,
    CreatePool,
    DeleteClaim,
    Fleet,
    Observed,
    OnClaim,
    PatchClaim,
    Step,
    earliest,
)
from provisioner.times import now
from provisioner.verdict import is_failure

log = get_logger(__name__)

_ACTIONS_PER_RUN: Final = 16
_PAUSE_BETWEEN_RUNS: Final = 1.0


class Reconciler:
    """Brings claims, agent pools and nodes together.

    Args:
        client: the API server.
        api: the cloud.
        snapshot: the pools as last read.
        claims: of every kind.
        nodes: informer, indexed by POOL_INDEX.
        recorder: of events.
        policy: deadlines and delays.
        sizes: what is known of sizes.
        place: where pools are made.
        quotas: of the subscription.
    """

    def __init__(
        self,
        client: Client,
        api: PoolApi,
        snapshot: Snapshot,
        *,
        claims: Claims,
        nodes: Informer,
        recorder: Recorder,
        policy: Policy,
        sizes: Sizes,
        place: Place,
        quotas: Quotas,
    ) -> None:
        self._client = client
        self._snapshot = snapshot
        self._claims, self._nodes = claims, nodes
        self._recorder = recorder
        self._policy, self._sizes, self._place = policy, sizes, place
        self._pauses: Pauses[Fault] = Pauses()
        self._refusals: Pauses[Refusal] = Pauses()
        self._unmarked: Pauses[Refusal] = Pauses()
        self._removals = Removals()
        self._states: dict[str, str] = {}
        self._health, self._replacements = Health(nodes, policy.termination_deadline), Replacements()
        self._unavailable, self._answers = Unavailable(), Answers()
        self._performer = Performer(
            client, api, snapshot, recorder, self._pauses, self._removals, quotas, self._unavailable, self._answers
        )
        self._collector = Collector(client, api, snapshot, claims=claims, nodes=nodes, policy=policy)

    async def reconcile(self, name: str) -> Result:
        """One look at everything of that name, and what follows from it.

        Raises:
            ApiError: the API server refused or did not answer; everything done so far is safe to repeat.
        """
        if self._claims.unready:
            return Result(_PAUSE_BETWEEN_RUNS)
        found = self._claims.named(name)
        if not found:
            self._forget(name)
            return await self._collector.collect(name)
        pool = self._snapshot.get(name)
        claims = ours(found, pool)
        if not claims:
            self._forget(name)
            return await self._collector.collect(name) if pool is None or pool.claim_uid else DONE
        self._collector.forget(name)
        holder = f"{claims[0][0].resource.kind} {name}"
        results = [
            await self._tend(kind, obj, rival=holder if place else "") for place, (kind, obj) in enumerate(claims)
        ]
        wait = earliest([result.requeue_after for result in results])
        return DONE if wait is None else Result(wait)

    async def _tend(self, kind: ClaimKind, obj: Json, *, rival: str) -> Result:
        seen = self._observe(kind, obj, rival)
        step = decide(seen)
        if step.action is None and new_status(seen, step.conditions) is None:
            return self._settle(seen, step)
        return await self._act(kind, name_of(obj), rival)

    async def _act(self, kind: ClaimKind, name: str, rival: str) -> Result:
        """Decides anew on the live claim, since the cached one may be older than our own last write, and acts."""
        try:
            seen = self._observe(kind, await self._client.get(kind.resource, name), rival)
        except NotFound as error:
            if not is_gone(error, name):
                raise
            return DONE
        if (done := await self._advance(seen)) is None:
            return DONE
        seen, step = done
        return self._settle(await self._show(seen, step), step)

    async def _advance(self, seen: Observed) -> tuple[Observed, Step] | None:
        """Acts until nothing is left to do, or for long enough; None when the claim has been let go.

        At most one pool is asked for in one run, whatever the cloud answers.
        """
        name, created = seen.claim.name, False
        for _ in range(_ACTIONS_PER_RUN):
            step = decide(seen)
            if step.action is None:
                self._refusals.end(name)
                return seen, step
            if created and isinstance(step.action, CreatePool):
                break
            created = created or isinstance(step.action, CreatePool)
            after = await self._perform(seen, step.action)
            if after is None:
                return None
            if isinstance(after, Refusal):
                return seen, refused(seen, step, after, self._refusal_wait(name))
            seen = replace(after, now=self._now())
        return seen, replace(decide(seen), requeue_after=_PAUSE_BETWEEN_RUNS)

    async def _perform(self, seen: Observed, action: Action) -> Observed | Refusal | None:
        """What is seen after the action, or why the API server refuses it; None when the claim has been let go."""
        name, dispensable = seen.claim.name, isinstance(action, PatchClaim) and action.dispensable
        writes = not isinstance(action, CloudAction) or isinstance(action, CreatePool)
        if writes and (held := self._refusals.current(name)) is not None:
            return replace(seen, unmarked=True) if dispensable else held[0]
        if isinstance(action, DeleteClaim):
            self._health.deletes(seen.claim, action.reason)
            if action.reason is Reason.GPUS_NOT_ADVERTISED:
                self._replacements.give_up(seen.claim)
        try:
            return await self._performer.perform(seen, action)
        except ApiError as error:
            if isinstance(action, OnClaim) and is_gone(error, name):
                return None  # the claim went while we looked at it; the news of that is on its way
            if not is_final(error) and dispensable and seen.claim.deleting and not isinstance(error, Conflict):
                log.info("goes on without a note on the claim, which the next look writes: %s", error)
                return replace(seen, unmarked=True)
            if not is_final(error):
                raise
            log.warning("the API server refuses: %s", error, extra=fields(action=type(action).__name__))
            refusal = refusal_of(action, error)
            metrics.REFUSALS.labels(refusal.object).inc()
            if dispensable:
                return self._without(seen, refusal)
            self._refusals.fail(name, refusal)
            return refusal

    def _without(self, seen: Observed, refusal: Refusal) -> Observed:
        """Goes on without a note on the claim, for a while or for good; that is told."""
        self._unmarked.fail(seen.claim.name, refusal)
        self._recorder.event(seen.stored, type="Warning", reason=Reason.OBJECT_REFUSED, note=refusal.text)
        return replace(seen, unmarked=True)

    def _refusal_wait(self, name: str) -> float:
        held = self._refusals.current(name)
        return held[1] if held else _PAUSE_BETWEEN_RUNS

    def _observe(self, kind: ClaimKind, obj: Json, rival: str) -> Observed:
        name, claim, snapshot = name_of(obj), parse_claim(obj, kind), self._snapshot
        pool = None if rival else self._removals.view(snapshot.get(name))
        self._learn(claim, pool)
        nodes = () if rival else tuple(parse_node(node) for node in self._nodes.by_index(POOL_INDEX, name))
        fault, wait = self._pauses.current(name) or (None, 0.0)
        setback, setback_wait = self._removals.setback(pool) or (None, 0.0)
        seen = Observed(
            stored=slim_claim(obj),
            claim=claim,
            pool=pool,
            pools_known=snapshot.synced,
            nodes=nodes,
            now=self._now(),
            policy=self._policy,
            sizes=self._sizes,
            place=self._place,
            fault=fault,
            fault_wait=wait,
            setback=setback,
            setback_wait=setback_wait,
            blind=snapshot.fault,
            answered=self._answers.of(name),
            rival=rival,
            unmarked=self._unmarked.current(name) is not None,
            holds=self._unavailable.view(),
            pool_count=snapshot.count(),
            nodeless=0.0 if rival else self._health.nodeless(name, missed=not nodes and not _paused(pool)),
            unready=0.0 if rival else self._health.unready(name, nodes, expected=_stands(pool)),
            replaced=self._replacements.against(claim),
        )
        return seen if rival else self._with_health(seen)

    def _with_health(self, seen: Observed) -> Observed:
        """The view with what is to be seen of GPUs, and of all nodes where that matters."""
        claim = seen.claim
        lost = not claim.deleting and has_lost_gpus(seen)
        gpuless = self._health.gpuless(claim.name, lost=lost, deleting=claim.deleting)
        return replace(seen, gpuless=gpuless, fleet=self._health.fleet() if seen.unready or gpuless else Fleet())

    def _learn(self, claim: Claim, pool: Pool | None) -> None:
        """What this claim tells: of its own requests, of offerings for all others, of its owner's bad luck."""
        self._replacements.learn(claim)
        if pool is not None and (asked := pool.tags.get(REQUESTED_TAG)):
            self._answers.note(claim.name, asked)
        if (failure := failure_of(claim)) is not None:
            self._unavailable.learn(failure.holds, self._now())
        if pool is not None and pool.succeeded and (asked := pool.tags.get(REQUESTED_TAG)):
            self._unavailable.succeeded(pool.offering, self._sizes, asked, self._now())

    @staticmethod
    def _now() -> datetime:
        return now()

    async def _show(self, seen: Observed, step: Step) -> Observed:
        """Writes the status if it says something new, then tells of the change."""
        status = new_status(seen, step.conditions)
        if status is None:
            return seen
        resource, claim = seen.claim.kind.resource, seen.claim
        body = {"metadata": {"name": claim.name, "uid": claim.uid}, "status": status}
        try:
            obj = await self._client.apply(resource, body, manager=PROVISIONER_MANAGER, subresource="status")
        except NotFound:
            return seen
        self._tell(seen, step.conditions)
        return with_claim(seen, obj)

    def _tell(self, seen: Observed, conditions: tuple[Condition, ...]) -> None:
        for phase, seconds in phases_over(seen.claim, conditions, seen.now).items():
            metrics.PHASE_SECONDS.labels(phase).observe(seconds)
        failure = failure_of(seen.claim)
        for told in events_for(dict(seen.claim.conditions), conditions):
            if failure is not None and told.reason == failure.fault.reason:
                continue  # every failed attempt has an event of its own
            self._recorder.event(seen.stored, type=told.type, reason=told.reason, note=told.note)
            if told.reason == Reason.REGISTERED:
                metrics.NODES_CREATED.inc()

    def _tell_of_repair(self, seen: Observed) -> None:
        """Says why a node that is long of no use is kept; the recorder makes repeats one event."""
        if not seen.claim.deleting and (held := repair(seen).held):
            self._recorder.event(seen.stored, type="Warning", reason=Reason.NODE_REPAIR_BLOCKED, note=held)

    def _settle(self, seen: Observed, step: Step) -> Result:
        """What is left to do is to wait: for a change of the pool, of the API server's objects, or for a moment."""
        name = seen.claim.name
        if not seen.rival:
            self._snapshot.watch(name, wanted=step.watch or not self._snapshot.synced, overdue=step.overdue)
            self._count(name, state_of(seen, step.conditions))
            self._tell_of_repair(seen)
        return DONE if step.requeue_after is None else Result(max(step.requeue_after, _PAUSE_BETWEEN_RUNS))

    def _count(self, name: str, state: str) -> None:
        before = self._states.get(name)
        if before == state:
            return
        if before is not None:
            metrics.CLAIMS.labels(before).dec()
        self._states[name] = state
        metrics.CLAIMS.labels(state).inc()

    def _forget(self, name: str) -> None:
        for memory in (self._pauses, self._refusals, self._unmarked):
            memory.end(name)
        self._removals.forget(name)
        self._answers.forget(name)
        self._health.forget(name)
        self._snapshot.watch(name, wanted=False)
        if (state := self._states.pop(name, None)) is not None:
            metrics.CLAIMS.labels(state).dec()


def _stands(pool: Pool | None) -> bool:
    """Whether a pool is to have a working node: one that is stopped, or at work on itself, need not."""
    return pool is not None and pool.settled


def _paused(pool: Pool | None) -> bool:
    """Whether nobody misses the pool's node: one started again after days is not to be taken for one without a node.

    Nor is one whose start takes long: its node has all its time from when the start is over.
    """
    return pool is not None and pool.paused


def state_of(seen: Observed, conditions: tuple[Condition, ...]) -> str:
    """Where a claim stands, as one of `metrics.CLAIM_STATES`."""
    if seen.claim.deleting:
        return "deleting"
    held = {condition.type: condition.status for condition in conditions}
    kind = seen.claim.kind
    if any(map(is_failure, conditions)):
        return "failed"
    for type_, state in ((kind.initialized, "ready"), (kind.registered, "registered"), (kind.launched, "launched")):
        if held.get(type_) == TRUE:
            return state
    return "pending"
