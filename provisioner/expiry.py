"""Claims that are older than they may become, where the provisioner is told to mind it.

The CRD of NodeClaims gives every claim 720 hours unless it says `Never` (kubernetes-sigs/karpenter core v1): minding it
by default would take each GPU node away after thirty days.
"""

from contextlib import suppress

from controller.api.reasons import Reason
from controller.runtime.options import duration
from provisioner.steps import DeleteClaim, Observed
from provisioner.times import parse_time


def expires_in(seen: Observed) -> float | None:
    """Seconds until the claim is too old, negative once it is; None when it never is."""
    claim = seen.claim
    if not seen.policy.expiry or seen.rival or (created := parse_time(claim.creation_time)) is None:
        return None
    with suppress(ValueError):
        return duration(claim.expire_after) - (seen.now - created).total_seconds()
    return None


def expired(seen: Observed) -> DeleteClaim | None:
    """The end of a claim that is too old; None while it is not."""
    rest = expires_in(seen)
    if rest is None or rest > 0:
        return None
    return DeleteClaim(Reason.EXPIRED, f"The claim is older than its expireAfter of {seen.claim.expire_after}")
