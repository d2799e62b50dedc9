"""Carrying out what was decided: one call outside, and what it brought to light."""

from dataclasses import replace

from controller.api import labels
from controller.api.claims import parse_claim
from controller.api.json import Json, metadata_of
from controller.api.resources import NODES
from controller.runtime.client import Client
from controller.runtime.errors import Conflict, NotFound
from controller.runtime.events import Recorder
from controller.runtime.logs import fields, get_logger
from provisioner import metrics
from provisioner.calls import Aborts, Pauses
from provisioner.errors import CloudError, ErrorKind, Fault
from provisioner.eviction import drain_node
from provisioner.history import Failure, failure_of, one_more
from provisioner.holds import Unavailable
from provisioner.nodes import Node, parse_node, slim_claim
from provisioner.pools import Pool
from provisioner.quota import Quotas
from provisioner.removal import remove_pool
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
    Observed,
    PatchClaim,
    PatchNode,
    RecordFailure,
    ReleaseClaim,
)
from provisioner.texts import explain
from provisioner.times import rfc3339

log = get_logger(__name__)


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
        aborts: told of creations that were stopped.
        quotas: asked before a pool is.
        unavailable: told of offerings that fail, and of those tried again.
    """

    def __init__(
        self,
        client: Client,
        api: PoolApi,
        snapshot: Snapshot,
        recorder: Recorder,
        pauses: Pauses[Fault],
        aborts: Aborts,
        quotas: Quotas,
        unavailable: Unavailable,
    ) -> None:
        self._client = client
        self._api = api
        self._snapshot = snapshot
        self._recorder = recorder
        self._pauses, self._aborts = pauses, aborts
        self._quotas, self._unavailable = quotas, unavailable
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
            case DrainNode(name):
                drain = await drain_node(self._client, name, seen.now)
                return replace(seen, drained={**seen.drained, name: drain})
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
                return await self._confirm(seen)
            case DeletePool(abort):
                return await self._delete(seen, abort=abort)

    async def _create(self, seen: Observed, action: CreatePool) -> Observed:
        name, offering = seen.claim.name, action.offering
        size = size_of(seen.sizes, offering.size)
        if (shortage := await self._quotas.shortage(offering, size)) is not None:
            return await self._failed(seen, action, shortage)
        self._unavailable.trying(offering, seen.sizes, seen.now)
        try:
            pool = await self._ask(seen, action)
        except CloudError as error:
            if error.kind is ErrorKind.EXISTS:
                return await self._existing(seen)
            if error.fault.transient:
                raise
            return await self._failed(seen, action, _about_the_cluster(error.fault))
        log.info("agent pool asked for", extra=fields(size=offering.text, attempt=action.attempt))
        self._quotas.spend(offering, size)
        self._snapshot.learn(name, pool)
        return replace(seen, pool=pool, confirmed_gone=False)

    async def _ask(self, seen: Observed, action: CreatePool) -> Pool:
        """The request itself, unless those on their way already fill the cluster."""
        if self._snapshot.count() + len(self._asking) >= seen.policy.pool_limit:
            raise CloudError(Fault(ErrorKind.CONFLICT, "", "the last free agent pools are being asked for"))
        self._asking.add(seen.claim.name)
        try:
            return await self._api.create(seen.claim.name, action.body)
        finally:
            self._asking.discard(seen.claim.name)

    async def _failed(self, seen: Observed, action: CreatePool, fault: Fault) -> Observed:
        before, time = failure_of(seen.claim), rfc3339(seen.now)
        failure = one_more(before, action.attempt, fault, action.offering, time=time, sizes=seen.sizes)
        return await self._record(seen, failure)

    async def _existing(self, seen: Observed) -> Observed:
        """The pool that stood in the way; Azure may name one whose removal has not come to its end everywhere."""
        found = await self._confirm(seen)
        if found.pool is None:
            raise CloudError(Fault(ErrorKind.CONFLICT, "", "the name is taken and yet there is no such pool"))
        return found

    async def _confirm(self, seen: Observed) -> Observed:
        name = seen.claim.name
        try:
            pool = await self._api.get(name)
        except CloudError as error:
            if error.kind is not ErrorKind.POOL_NOT_FOUND:
                raise
            self._snapshot.learn(name, None)
            return replace(seen, pool=None, confirmed_gone=True)
        self._snapshot.learn(name, pool)
        return replace(seen, pool=pool, confirmed_gone=False)

    async def _delete(self, seen: Observed, *, abort: bool) -> Observed:
        name = seen.claim.name
        await remove_pool(self._api, self._snapshot, self._aborts, name, abort=abort)
        return replace(seen, pool=self._aborts.view(self._snapshot.get(name)))

    async def _patch_claim(self, seen: Observed, metadata: Json, *, guarded: bool) -> Observed:
        guard = {"resourceVersion": metadata_of(seen.stored).get("resourceVersion")} if guarded else {}
        patch = {"metadata": {**metadata, **guard}}
        return with_claim(seen, await self._client.merge(seen.claim.kind.resource, seen.claim.name, patch))

    async def _record(self, seen: Observed, failure: Failure) -> Observed:
        reason, what = failure.fault.reason, failure.offering.text
        metrics.LAUNCH_FAILURES.labels(reason).inc()
        log.warning(
            "launch failed: %s", failure.text, extra=fields(reason=reason, attempts=failure.attempts, size=what)
        )
        after = await self._patch_claim(
            seen, {"annotations": {labels.LAUNCH_FAILURE: failure.as_text()}}, guarded=False
        )
        self._unavailable.learn(failure.holds)
        note = explain(failure.fault, f"Attempt {failure.attempts} with {what} failed")
        self._recorder.event(seen.stored, type="Warning", reason=reason, note=note, action="Launch")
        return replace(after, holds=self._unavailable.view())

    async def _patch_node(self, seen: Observed, name: str, patch: Json) -> Observed:
        try:
            node = parse_node(await self._client.merge(NODES, name, patch))
        except NotFound:
            return _with_node(seen, name, None)
        finalizers = patch["metadata"].get("finalizers")
        if finalizers is not None and labels.TERMINATION_FINALIZER not in finalizers:
            metrics.NODES_TERMINATED.inc()
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
        metrics.CLAIMS_TERMINATED[seen.claim.kind.resource.plural].inc()
        log.info("claim let go, nothing is left of it")


def _about_the_cluster(fault: Fault) -> Fault:
    """A request to make a pool cannot fail for want of that pool: what was not found is the cluster."""
    return replace(fault, kind=ErrorKind.CLUSTER_NOT_FOUND) if fault.kind is ErrorKind.POOL_NOT_FOUND else fault


def _with_node(seen: Observed, name: str, node: Node | None) -> Observed:
    others = tuple(known for known in seen.nodes if known.name != name)
    return replace(seen, nodes=others if node is None else (*others, node))
