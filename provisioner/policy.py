"""How long is waited for what, and how soon a failed launch is repeated."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from provisioner.errors import ErrorKind

_SLOW: Final = 4.0
_BACKOFF_SCALE: Final[Mapping[ErrorKind, float]] = {
    ErrorKind.POLICY: _SLOW,
    ErrorKind.INVALID: _SLOW,
    ErrorKind.POOL_LIMIT: _SLOW,
    ErrorKind.CLUSTER_NOT_FOUND: _SLOW,
}
"""What only a person can change is tried less often; the cap is the same for all."""

FALLBACK_KINDS: Final = frozenset({ErrorKind.QUOTA, ErrorKind.SKU, ErrorKind.CAPACITY})
"""Failures that concern some offerings only, so that the next allowed one is worth an immediate attempt."""

FREE_KINDS: Final = frozenset({ErrorKind.PERMISSION, ErrorKind.POLICY, ErrorKind.CLUSTER_NOT_FOUND})
"""Refusals that come before anything is made and last until somebody mends what is outside of the claim.

They spend no budget of launches: what was mended is to be noticed within the longest pause, not hours later.
"""

_FIRST_FAULT_WAIT: Final = 2.0
_LONGEST_FAULT_WAIT: Final = 60.0


@dataclass(frozen=True, slots=True)
class Policy:
    """Deadlines and delays, all in seconds.

    Attributes:
        launch_deadline: from the request for an agent pool to the pool's success.
        request_deadline: from the request for an agent pool to the moment from which it can no longer reach the cloud.
        registration_deadline: from the pool's success to its node.
        rejoin_deadline: from the silence of a deleted node to the point where no other is awaited in its place.
        initialization_deadline: from the node's arrival to all it promised.
        drain_deadline: from a claim's deletion to the point where disruption budgets and do-not-disrupt marks no longer
            hold it up; infinite for never.
        termination_deadline: from a claim's deletion to the message that the cloud is slow.
        retry_initial: wait after the first failed launch; doubled after each further one.
        retry_max: the longest such wait.
        launch_attempts: failed launches after which a claim rests, a number.
        launch_rest: wait after each further failed launch until the claim's spec changes.
        repair_deadline: from a node's last sign of health to its replacement; 0 for never.
        gpu_replacements: nodes without their GPUs that are replaced for one owner before the next is kept, a number.
        expiry: whether a claim that is older than its expireAfter is deleted, a truth value.
        orphan_grace: age of an agent pool without a claim before it is removed.
        pool_limit: how many agent pools a cluster may have, a number (AKS quotas and limits).
    """

    launch_deadline: float = 1800.0
    request_deadline: float = 150.0
    registration_deadline: float = 1200.0
    rejoin_deadline: float = 180.0
    initialization_deadline: float = 1200.0
    drain_deadline: float = 3600.0
    termination_deadline: float = 1800.0
    retry_initial: float = 30.0
    retry_max: float = 300.0
    orphan_grace: float = 300.0
    launch_attempts: int = 20
    launch_rest: float = 3600.0
    repair_deadline: float = 900.0
    gpu_replacements: int = 1
    expiry: bool = False
    pool_limit: int = 100

    def launch_delay(self, kind: ErrorKind, failures: int) -> float:
        """Seconds to wait before what failed is tried again.

        Args:
            kind: class of the last failure.
            failures: how many there were in a row, the last one included.
        """
        return _doubled(self.retry_initial * _BACKOFF_SCALE.get(kind, 1.0), max(1, failures), self.retry_max)


def fault_delay(faults: int, retry_after: float | None) -> float:
    """Seconds to wait after a call that failed for no fault of its own; the cloud's own wish is never undercut.

    Args:
        faults: failures in a row, the last one included.
        retry_after: seconds the cloud asked for; None when it did not.
    """
    return max(_doubled(_FIRST_FAULT_WAIT, max(1, faults), _LONGEST_FAULT_WAIT), retry_after or 0.0)


def _doubled(first: float, times: int, cap: float) -> float:
    """`first` doubled `times - 1` times, at most `cap`; the exponent is bounded so that no number overflows."""
    return min(first * 2.0 ** min(times - 1, 32), cap)
