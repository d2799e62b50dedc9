"""The events that tell of a deed; those that tell of a condition's change are found in the code that tells them."""

from dataclasses import dataclass
from typing import Final

from controller.api.reasons import Reason

NORMAL: Final = "Normal"
WARNING: Final = "Warning"
WORKSPACE: Final = "Workspace"
CLAIM: Final = "Machine, NodeClaim"
CONFIG_MAP: Final = "ConfigMap"


@dataclass(frozen=True, slots=True)
class Deed:
    """One event: on what, of which type, and when it is written."""

    about: str
    reason: Reason
    type: str
    when: str


DEEDS: Final = (
    Deed(WORKSPACE, Reason.MACHINE_CREATED, NORMAL, "A Machine was made for a node that is missing."),
    Deed(WORKSPACE, Reason.MACHINE_DELETED, NORMAL, "A Machine that is not needed any more was deleted."),
    Deed(WORKSPACE, Reason.NODE_CLAIM_CREATED, NORMAL, "A NodeClaim was made for a node that is missing."),
    Deed(WORKSPACE, Reason.NODE_CLAIM_DELETED, NORMAL, "A NodeClaim that is not needed any more was deleted."),
    Deed(WORKSPACE, Reason.NODE_CLAIMED, NORMAL, "A node that was there before serves the Workspace from now on."),
    Deed(WORKSPACE, Reason.NODE_RELEASED, NORMAL, "A node that was there before is free again."),
    Deed(WORKSPACE, Reason.WORKLOAD_APPLIED, NORMAL, "The workload was made or changed."),
    Deed(WORKSPACE, Reason.WORKLOAD_ADOPTED, NORMAL, "A workload that KAITO made was taken over."),
    Deed(
        WORKSPACE, Reason.OBJECT_REFUSED, WARNING, "The history did not take a revision; the model runs all the same."
    ),
    Deed(WORKSPACE, Reason.WORKSPACE_RESUMED, NORMAL, "The annotation that paused the Workspace is gone."),
    Deed(WORKSPACE, Reason.WORKSPACE_DELETED, NORMAL, "Everything made for the Workspace is gone, and so is it."),
    Deed(CONFIG_MAP, Reason.CATALOG_ENTRY_LEFT_OUT, WARNING, "An entry of `kaito-catalog` cannot be used."),
    Deed(CLAIM, Reason.INSTANCE_GONE, WARNING, "The agent pool or its node vanished; the claim is deleted."),
    Deed(CLAIM, Reason.NODE_UNHEALTHY, WARNING, "The node was not Ready for too long; the claim is deleted."),
    Deed(
        CLAIM,
        Reason.GPUS_NOT_ADVERTISED,
        WARNING,
        "The GPUs did not appear in time, or have gone; the claim is deleted.",
    ),
    Deed(CLAIM, Reason.EXPIRED, WARNING, "The claim is older than its `expireAfter`; it is deleted."),
    Deed(CLAIM, Reason.NODE_REPAIR_BLOCKED, WARNING, "A node that is not Ready or has lost GPUs is kept, and why."),
    Deed(
        CLAIM, Reason.TERMINATION_GRACE_PERIOD_EXPIRING, WARNING, "The node goes at the time named, with what is on it."
    ),
)
"""A test compares the reasons with those the programs' code hands to their recorders."""
