"""The request for a claim's agent pool: one node of one offering."""

from datetime import datetime

from controller.api import labels
from controller.api.claims import Claim
from controller.api.json import Json
from provisioner.offerings import Offering
from provisioner.pools import ATTEMPT_TAG, CLAIM_KIND_TAG, CLAIM_UID_TAG, REQUESTED_TAG
from provisioner.times import label_time, rfc3339
from provisioner.wish import Wish, paid_as


def pool_body(claim: Claim, wish: Wish, offering: Offering, *, gpu: bool, attempt: int, now: datetime) -> Json:
    """The body that asks for the pool.

    Args:
        claim: whose pool it is.
        wish: what the claim wishes for.
        offering: the one of its offerings whose turn it is.
        gpu: whether that size has GPUs.
        attempt: number of this launch, from 1.
        now: the present moment; the launch deadline counts from it.
    """
    properties: Json = {
        "count": 1,
        "vmSize": offering.size,
        "type": "VirtualMachineScaleSets",
        "mode": "User",
        "osType": "Linux",
        **wish.properties,
        **paid_as(offering, wish.reservation),
        "nodeLabels": {
            **wish.labels,
            labels.CAPACITY_TYPE: offering.capacity_type,
            labels.MACHINE_TYPE: "gpu" if gpu else "cpu",
            labels.CREATION_TIMESTAMP: label_time(claim.creation_time),
        },
        "nodeTaints": [taint.text for taint in claim.taints],
        "tags": {
            **wish.tags,
            CLAIM_UID_TAG: claim.uid,
            CLAIM_KIND_TAG: claim.kind.resource.kind,
            ATTEMPT_TAG: str(attempt),
            REQUESTED_TAG: rfc3339(now),
        },
    }
    if offering.zone:
        properties["availabilityZones"] = [offering.zone]
    return {"properties": properties}
