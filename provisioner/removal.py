"""The removal of one agent pool, for those who know that it may go."""

from controller.runtime.logs import get_logger
from provisioner.calls import Aborts
from provisioner.errors import CloudError, ErrorKind
from provisioner.pools import CANCELING, DELETING
from provisioner.snapshot import PoolApi, Snapshot

log = get_logger(__name__)

_NOT_NOW = frozenset({ErrorKind.THROTTLED, ErrorKind.UNAVAILABLE, ErrorKind.PERMISSION})


async def remove_pool(api: PoolApi, snapshot: Snapshot, aborts: Aborts, name: str, *, abort: bool) -> bool:
    """Has the cloud remove a pool; one that is still being made is stopped first and removed by a later call.

    Returns:
        Whether the removal itself was asked for.

    Raises:
        CloudError: the cloud does neither now.
    """
    if abort and await _abort(api, name):
        aborts.note(name)
        snapshot.mark(name, CANCELING)
        return False
    await api.delete(name, ignore_disruption_budgets=True)
    log.info("removal of agent pool %s asked for", name)
    snapshot.mark(name, DELETING)
    return True


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
