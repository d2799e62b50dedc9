"""The removal of one agent pool, for those who know that it may go."""

from http import HTTPStatus

from controller.runtime.logs import get_logger
from provisioner.errors import CloudError, ErrorKind, Fault
from provisioner.pools import CANCELING, CREATING, DELETING, Pool
from provisioner.setbacks import Removals
from provisioner.snapshot import PoolApi, Snapshot

log = get_logger(__name__)

_NOT_NOW = frozenset({ErrorKind.THROTTLED, ErrorKind.UNAVAILABLE, ErrorKind.PERMISSION})


async def remove_pool(api: PoolApi, snapshot: Snapshot, removals: Removals, pool: Pool, *, abort: bool) -> bool:
    """Has the cloud remove a pool; one that is still being made is stopped first and removed by a later call.

    Only the pool as it was seen is removed, and only a creation is stopped: one that another replica has since removed,
    or made anew, is looked at again instead. One that goes on changing in what means nothing here is left for a while.

    Returns:
        Whether the removal itself was asked for.

    Raises:
        CloudError: the cloud does neither now.
    """
    name = pool.name
    if abort:
        fresh = await look(api, snapshot, name)
        if fresh is None or fresh.state != CREATING:
            return False
        if await _abort(api, name):
            removals.aborts.note(name)
            snapshot.mark(name, CANCELING)
            return False
        pool = fresh
    if not await _delete(api, name, etag=pool.etag):
        # What was read while nothing was awaited may be minutes old; a change that means nothing here costs one try.
        fresh = await look(api, snapshot, name)
        if fresh is None or fresh != pool:
            return False
        if not await _delete(api, name, etag=fresh.etag):
            fault = Fault(ErrorKind.CONFLICT, "PreconditionFailed", "the pool changes faster than it is read")
            raise CloudError(fault, status=HTTPStatus.PRECONDITION_FAILED)
    log.info("removal of agent pool %s asked for", name)
    removals.asked(pool)
    snapshot.mark(name, DELETING)
    return True


async def _delete(api: PoolApi, name: str, *, etag: str) -> bool:
    """Whether the removal was taken; a pool that has changed since it had that eTag is left as it is."""
    try:
        await api.delete(name, etag=etag, ignore_disruption_budgets=True)
    except CloudError as error:
        if error.kind is not ErrorKind.EXISTS:
            raise
        log.info("agent pool %s has changed since it was read: %s", name, error)
        return False
    return True


async def look(api: PoolApi, snapshot: Snapshot, name: str) -> Pool | None:
    """The pool as the cloud itself has it now; None when it says there is none.

    Raises:
        CloudError: the cloud does not say.
    """
    try:
        pool = await api.get(name)
    except CloudError as error:
        if error.kind is not ErrorKind.POOL_NOT_FOUND:
            raise
        snapshot.learn(name, None)
        return None
    snapshot.learn(name, pool)
    return pool


async def _abort(api: PoolApi, name: str) -> bool:
    """Whether a creation is being stopped; one that ended by itself meanwhile leaves a pool to remove."""
    try:
        await api.abort(name)
    except CloudError as error:
        if error.kind in _NOT_NOW:
            raise
        log.info("nothing to abort: %s", error)
        return False
    return True
