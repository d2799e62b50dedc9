"""Carrying out what was decided: one call outside, and what it brought to light."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Final

from controller.api import labels
from controller.api.claims import parse_claim
from controller.api.json import Json, metadata_of
from controller.api.resources import NODES
from controller.runtime.client import Client
from controller.runtime.errors import Conflict, NotFound
from controller.runtime.events import Recorder
from controller.runtime.logs import fields, get_logger
from provisioner import metrics
from provisioner.calls import Pauses
from provisioner.errors import CloudError, ErrorKind, Fault
from provisioner.eviction import drain_node
from provisioner.history import Failure, one_more
from provisioner.holds import Unavailable
from provisioner.nodes import Node, parse_node, slim_claim
from provisioner.pools import CREATING, Pool
from provisioner.quota import Quotas
from provisioner.removal import look, remove_pool
from provisioner.requested import Answers, preparation, with_request
from provisioner.setbacks import Removals
from provisioner.sizes import size_of
from provisioner.snapshot import PoolApi, Snapshot
from provisioner.steps import (
    Action,
    CloudAction,
    ConfirmPool,
    CreatePool,
    DeleteClaim,
    DeleteNode,
    DeletePool,
    DrainNode,
    LookForUsers,
    Observed,
    PatchClaim,
    PatchNode,
    RecordFailure,
    ReleaseClaim,
)
from provisioner.texts import explain
from provisioner.times import rfc3339, seconds_since
from provisioner.users import users_of

log = get_logger(__name__)

_TIMED_OUT: Final = 408
"""The one refusal that does not say whether the request was carried out."""


def with_claim(seen: Observed, obj: Json) -> Observed:
    """The same view with a newer claim."""
    return replace(seen, stored=slim_claim(obj), claim=parse_claim(obj, seen.claim.kind))


class Performer:
    """Performs actions for claims.

    Args:
        client: the API server.
        api: the cloud.
        snapshot: told what calls bring to light.
        recorder: of events.
        pauses: told of failed calls to the cloud.
        removals: told of removals that were asked for.
        quotas: asked before a pool is.
        unavailable: told of offerings that fail, and of those tried again.
        answers: told of requests for pools that are over.
    """

    def __init__(
        self,
        client: Client,
        api: PoolApi,
        snapshot: Snapshot,
        recorder: Recorder,
        pauses: Pauses[Fault],
        removals: Removals,
        quotas: Quotas,
        unavailable: Unavailable,
        answers: Answers,
    ) -> None:
        self._client = client
        self._api = api
        self._snapshot = snapshot
        self._recorder = recorder
        self._pauses, self._removals = pauses, removals
        self._quotas, self._unavailable, self._answers = quotas, unavailable, answers
        self._asking: set[str] = set()

    async def perform(self, seen: Observed, action: Action) -> Observed | None:
        """What is seen after the action; None when the claim has been let go.

        A fault of the cloud becomes part of what is seen.

        Raises:
            ApiError: the API server refused or did not answer.
        """
        match action:
            case PatchClaim(metadata, warning):
                after = await self._patch_claim(seen, metadata, guarded=True)
                if warning is not None:
                    reason, note = warning
                    self._recorder.event(seen.stored, type="Warning", reason=reason, note=note, action="Delete")
                return after
            case RecordFailure(failure):
                return await self._record(seen, failure)
            case PatchNode(name, patch):
                return await self._patch_node(seen, name, patch)
            case DeleteNode(name, uid):
                return await self._delete_node(seen, name, uid)
            case DrainNode(name, end):
                drain = await drain_node(self._client, name, seen.now, end)
                return replace(seen, drained={**seen.drained, name: drain})
            case LookForUsers(name):
                return replace(seen, users=await users_of(self._client, name))
            case DeleteClaim(reason, note):
                return await self._delete_claim(seen, reason, note)
            case ReleaseClaim():
                await self._release(seen)
                return None
        name = seen.claim.name
        try:
            after = await self._in_the_cloud(seen, action)
        except CloudError as error:
            log.info("the cloud did not do it: %s", error, extra=fields(action=type(action).__name__))
            return replace(seen, fault=error.fault, fault_wait=self._pauses.fail(name, error.fault, error.retry_after))
        self._pauses.end(name)
        return after

    async def _in_the_cloud(self, seen: Observed, action: CloudAction) -> Observed:
        match action:
            case CreatePool():
                return await self._create(seen, action)
            case ConfirmPool():
                pool = await self._snapshot.fresh(seen.claim.name)
                return replace(seen, pool=pool, confirmed=True, confirmed_gone=pool is None)
            case DeletePool(abort):
                return await self._delete(seen, abort=abort)

    async def _create(self, seen: Observed, action: CreatePool) -> Observed:
        name, offering = seen.claim.name, action.offering
        size, begun = size_of(seen.sizes, offering.size), asyncio.get_running_loop().time()
        if (shortage := await self._quotas.take(name, offering, size, self._is_settled)) is not None:
            return await self._failed(seen, action, shortage, asked=False)
        self._unavailable.trying(offering, seen.sizes, seen.now)
        with self._place_for(seen):
            notes = {labels.LAUNCH_REQUESTED: with_request(seen)}
            if row := seen.replaced.text:
                notes[labels.GPU_REPLACEMENTS] = row
            seen = await self._patch_claim(seen, {"annotations": notes}, guarded=True)
            try:
                pool = await self._ask(seen, action, begun)
            except CloudError as error:
                if error.kind is ErrorKind.EXISTS:
                    return await self._existing(seen)
                if error.fault.transient:
                    raise
                return await self._failed(seen, action, _about_the_cluster(error.fault))
        log.info("agent pool asked for", extra=fields(size=offering.text, attempt=action.attempt))
        self._snapshot.learn(name, pool)
        return replace(seen, pool=pool, confirmed_gone=False)

    @contextmanager
    def _place_for(self, seen: Observed) -> Iterator[None]:
        """Keeps a place in the cluster for the claim's pool, unless those on their way already fill it."""
        if self._snapshot.count() + len(self._asking) >= seen.policy.pool_limit:
            raise CloudError(Fault(ErrorKind.CONFLICT, "", "the last free agent pools are being asked for"))
        self._asking.add(seen.claim.name)
        try:
            yield
        finally:
            self._asking.discard(seen.claim.name)

    def _is_settled(self, name: str) -> bool:
        """Whether the pool of a claim is neither asked for at this moment nor being made."""
        pool = self._snapshot.get(name)
        return name not in self._asking and (pool is None or pool.state != CREATING)

    async def _ask(self, seen: Observed, action: CreatePool, begun: float) -> Pool:
        """The request itself, which is over once the cloud has answered it, whatever it said."""
        name, moment = seen.claim.name, rfc3339(seen.now)
        try:
            if asyncio.get_running_loop().time() - begun > preparation(seen):
                raise CloudError(Fault(ErrorKind.CONFLICT, "", "it took too long to prepare the request"), status=409)
            self._answers.begin(name, moment)
            pool = await self._api.create(name, action.body)
        except CloudError as error:
            metrics.LAUNCH_ATTEMPTS.labels(error.kind).inc()
            if 400 <= error.status < 500 and error.status != _TIMED_OUT:
                self._answers.note(name, moment)
            raise
        self._answers.note(name, moment)
        metrics.LAUNCH_ATTEMPTS.labels(metrics.ACCEPTED).inc()
        return pool

    async def _failed(self, seen: Observed, action: CreatePool, fault: Fault, *, asked: bool = True) -> Observed:
        time, attempt = rfc3339(seen.now), action.attempt if asked else None
        failure = one_more(seen.claim, attempt, fault, action.offering, time=time, sizes=seen.sizes)
        return await self._record(seen, failure)

    async def _existing(self, seen: Observed) -> Observed:
        """The pool that stood in the way; Azure may name one whose removal has not come to its end everywhere."""
        pool = await look(self._api, self._snapshot, seen.claim.name)
        if pool is None:
            raise CloudError(Fault(ErrorKind.CONFLICT, "", "the name is taken and yet there is no such pool"))
        return replace(seen, pool=pool, confirmed_gone=False)

    async def _delete(self, seen: Observed, *, abort: bool) -> Observed:
        if seen.pool is not None:
            await remove_pool(self._api, self._snapshot, self._removals, seen.pool, abort=abort)
        return replace(seen, pool=self._removals.view(self._snapshot.get(seen.claim.name)))

    async def _patch_claim(self, seen: Observed, metadata: Json, *, guarded: bool) -> Observed:
        guard = {"resourceVersion": metadata_of(seen.stored).get("resourceVersion")} if guarded else {}
        patch = {"metadata": {**metadata, **guard}}
        return with_claim(seen, await self._client.merge(seen.claim.kind.resource, seen.claim.name, patch))

    async def _record(self, seen: Observed, failure: Failure) -> Observed:
        reason, what = failure.fault.reason, failure.offering.text
        metrics.LAUNCH_FAILURES.labels(reason).inc()
        log.log(
            logging.WARNING if failure.asked else logging.INFO,
            "launch failed: %s" if failure.asked else "nothing is asked for: %s",
            failure.text,
            extra=fields(reason=reason, attempts=failure.attempts, size=what),
        )
        after = await self._patch_claim(
            seen, {"annotations": {labels.LAUNCH_FAILURE: failure.as_text()}}, guarded=False
        )
        self._unavailable.learn(failure.holds, seen.now)
        began = f"Attempt {failure.attempts} with {what} failed" if failure.asked else f"{what} was not asked for"
        note = explain(failure.fault, began)
        self._recorder.event(seen.stored, type="Warning", reason=reason, note=note, action="Launch")
        return replace(after, holds=self._unavailable.view())

    async def _patch_node(self, seen: Observed, name: str, patch: Json) -> Observed:
        try:
            node = parse_node(await self._client.merge(NODES, name, patch))
        except NotFound:
            return _with_node(seen, name, None)
        finalizers = patch["metadata"].get("finalizers")
        if finalizers is not None and labels.TERMINATION_FINALIZER not in finalizers:
            metrics.node_let_go(seconds_since(node.created, seen.now))
            return _with_node(seen, name, None)
        return _with_node(seen, name, node)

    async def _delete_node(self, seen: Observed, name: str, uid: str) -> Observed:
        try:
            await self._client.delete(NODES, name, uid=uid)
            return _with_node(seen, name, parse_node(await self._client.get(NODES, name)))
        except (NotFound, Conflict):
            return _with_node(seen, name, None)

    async def _delete_claim(self, seen: Observed, reason: str, note: str) -> Observed | None:
        resource, claim = seen.claim.kind.resource, seen.claim
        log.warning("deleting the claim: %s", note)
        try:
            await self._client.delete(resource, claim.name, uid=claim.uid)
            left = await self._client.get(resource, claim.name)
        except NotFound:
            return None
        metrics.CLAIMS_DISRUPTED[resource.plural].labels(reason).inc()
        self._recorder.event(seen.stored, type="Warning", reason=reason, note=note, action="Delete")
        return with_claim(seen, left)

    async def _release(self, seen: Observed) -> None:
        kept = [name for name in seen.claim.finalizers if name != labels.TERMINATION_FINALIZER]
        try:
            await self._patch_claim(seen, {"finalizers": kept}, guarded=True)
        except NotFound:
            return
        metrics.claim_let_go(seen.claim.kind.resource.plural, seconds_since(seen.claim.deletion_time, seen.now))
        log.info("claim let go, nothing is left of it")


def _about_the_cluster(fault: Fault) -> Fault:
    """A request to make a pool cannot fail for want of that pool: what was not found is the cluster."""
    return replace(fault, kind=ErrorKind.CLUSTER_NOT_FOUND) if fault.kind is ErrorKind.POOL_NOT_FOUND else fault


def _with_node(seen: Observed, name: str, node: Node | None) -> Observed:
    others = tuple(known for known in seen.nodes if known.name != name)
    return replace(seen, nodes=others if node is None else (*others, node))
