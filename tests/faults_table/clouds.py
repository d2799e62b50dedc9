"""Faults of the cloud, each of which concerns one size of machine, so that no two rows are in each other's way."""

from typing import Final

from controller.api.conditions import conditions_of
from controller.api.json import Json
from hack.docs.faults import FAULTS
from tests.faults_table.injection import Injection
from tests.faults_table.place import Place

_WRITE: Final = "Microsoft.ContainerService/managedClusters/agentPools/write"


def answer(status: int, code: str, message: str) -> Json:
    """An effect: agent pools are refused at once."""
    return {"reply": {"status": status, "code": code, "message": message}}


REFUSALS: Final[dict[str, tuple[str, Json]]] = {
    "size-not-available": ("Standard_NC8as_T4_v3", {"sku_unavailable": "request"}),
    "no-capacity": ("Standard_NC16as_T4_v3", {"fail": {"cause": "AllocationFailed", "after_seconds": 1}}),
    "policy": (
        "Standard_NC64as_T4_v3",
        answer(403, "RequestDisallowedByPolicy", "Resource was disallowed by policy 'no-gpus'."),
    ),
    "unauthorized": (
        "Standard_NC40ads_H100_v5",
        answer(403, "AuthorizationFailed", f"The client does not have authorization to perform action '{_WRITE}'."),
    ),
    "subnet-full": (
        "Standard_NC80adis_H100_v5",
        answer(400, "InsufficientSubnetSize", "Pre-allocated IPs 64 exceeds IPs available 12 in subnet aks-subnet."),
    ),
    "throttled": ("Standard_NV36ads_A10_v5", answer(429, "SubscriptionRequestsThrottled", "Too many requests.")),
    "cloud-down": ("Standard_NC12s_v3", answer(503, "ServiceUnavailable", "The service is unavailable.")),
    "node-never-joins": ("Standard_NC4as_T4_v3", {"node": "never_registers"}),
    "driver-missing": ("Standard_NC24s_v3", {"node": "no_gpu"}),
}
"""By fault: the size it concerns, and the effect of the simulator's rule."""

_FAMILY: Final = "StandardNCADSA100v4Family"


def _refused(fault: str, size: str, effect: Json) -> Injection:
    async def make(place: Place) -> None:
        await place.cloud.rule(fault, size, effect)
        await place.order(size=size)

    return Injection(make, lambda place: place.cloud.lift(fault), lambda place: _on_claim(place, fault))


def _on_claim(place: Place, fault: str) -> bool:
    """Whether the claim says what holds it up, in the word the Workspace is to say."""
    said = [each.reason for claim in place.machines() for each in conditions_of(claim).values()]
    return FAULTS[fault].reason in said


async def _no_quota(place: Place) -> None:
    await place.cloud.limit(_FAMILY, 0)
    await place.order(size="Standard_NC24ads_A100_v4")


INJECTIONS: Final = {
    "quota": Injection(
        _no_quota, lambda place: place.cloud.limit(_FAMILY, None), lambda place: _on_claim(place, "quota")
    ),
    **{fault: _refused(fault, size, effect) for fault, (size, effect) in REFUSALS.items()},
}
