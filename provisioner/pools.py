"""Agent pools as typed values, who owns one, and what to ask for on behalf of a claim.

Field names: AKS REST reference, agent pools. Labels and naming follow Azure/gpu-provisioner, so that a cluster can
change from one to the other without remaking its nodes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from controller.api import labels
from controller.api.claims import Claim
from controller.api.json import Json
from controller.api.messages import quote
from controller.api.quantity import ceil_gib
from provisioner.errors import ErrorKind, Fault, classify
from provisioner.times import label_time, rfc3339

NAME_PATTERN: Final = re.compile(r"[a-z][a-z0-9]{0,11}")
"""Names AKS takes for a Linux pool."""

_SIZE_PATTERN: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")

CLAIM_UID_TAG: Final = "kaito-claim-uid"
ATTEMPT_TAG: Final = "kaito-launch-attempt"
REQUESTED_TAG: Final = "kaito-launch-requested"

CREATING: Final = "Creating"
CANCELING: Final = "Canceling"
DELETING: Final = "Deleting"

_DISK_LIMITS_GIB: Final = (30, 2048)
_DISK_KEYS: Final = ("storage", "ephemeral-storage")
_IMAGE_FAMILIES: Final[Mapping[str, str]] = {"azurelinux": "AzureLinux", "ubuntu": "Ubuntu"}


@dataclass(frozen=True, slots=True)
class Pool:
    """One agent pool as last seen.

    Attributes:
        name: also the name of the claim it was made for.
        state: provisioningState in the cloud's own word.
        fault: why the pool failed, where it did and says so.
    """

    name: str
    state: str
    vm_size: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    fault: Fault | None = None

    @property
    def succeeded(self) -> bool:
        """Whether the last operation on the pool ended well."""
        return self.state == "Succeeded"

    @property
    def failed(self) -> bool:
        """Whether the last operation ended badly and the pool still stands."""
        return self.state in ("Failed", "Canceled")

    @property
    def deleting(self) -> bool:
        """Whether the pool is on its way out."""
        return self.state == DELETING

    @property
    def attempt(self) -> int:
        """Number of the launch that asked for this pool; 0 when the pool does not say."""
        text = self.tags.get(ATTEMPT_TAG, "")
        return int(text) if text.isdecimal() and len(text) < 10 else 0

    @property
    def claim_uid(self) -> str:
        """UID of the claim this provisioner made the pool for; empty for a pool of anybody else."""
        return self.tags.get(CLAIM_UID_TAG, "")

    @property
    def by_kaito(self) -> bool:
        """Whether the pool looks like one of KAITO's; gpu-provisioner's do too, and serve NodeClaims that live on."""
        owner = labels.WORKSPACE in self.labels or labels.RAG_ENGINE in self.labels
        return owner and labels.MACHINE_TYPE in self.labels


def parse_pool(obj: Json) -> Pool:
    """The typed view of an agent pool's JSON."""
    properties = obj.get("properties") or {}
    error = (properties.get("status") or {}).get("provisioningError")
    state = str(properties.get("provisioningState") or "Succeeded")
    return Pool(
        name=str(obj.get("name") or ""),
        state=state,
        vm_size=str(properties.get("vmSize") or ""),
        labels=properties.get("nodeLabels") or {},
        tags=properties.get("tags") or {},
        fault=classify(0, error) if error else None,
    )


def belongs(pool: Pool, claim: Claim) -> bool:
    """Whether the pool was made for this claim, or for an earlier one of the same name and Workspace."""
    if pool.name != claim.name:
        return False
    if pool.claim_uid == claim.uid and claim.uid:
        return True
    return any(
        claim.labels.get(name)
        and pool.labels.get(name) == claim.labels[name]
        and pool.labels.get(namespace) == claim.labels.get(namespace)
        and _compatible(pool.labels, claim.labels, labels.WORKSPACE_UID)
        for name, namespace in (
            (labels.WORKSPACE, labels.WORKSPACE_NAMESPACE),
            (labels.RAG_ENGINE, labels.RAG_ENGINE_NAMESPACE),
        )
    )


def _compatible(one: Mapping[str, str], other: Mapping[str, str], key: str) -> bool:
    return key not in one or key not in other or one[key] == other[key]


def claim_is_ours(claim: Claim, pool: Pool | None) -> bool:
    """Whether the claim asks this provisioner: it carries the label of a Workspace or a RAG engine.

    One that lost the label stays ours while our finalizer holds it and a pool or our own status tells that it was.
    """
    if labels.WORKSPACE in claim.labels or labels.RAG_ENGINE in claim.labels:
        return True
    if labels.TERMINATION_FINALIZER not in claim.finalizers:
        return False
    shown = claim.conditions.get(claim.kind.launched)
    tagged = pool is not None and pool.claim_uid == claim.uid
    return tagged or (shown is not None and shown.message.startswith(subject(claim)))


def subject(claim: Claim) -> str:
    """How every message about a launch begins, which makes it recognisable as ours."""
    return f"Agent pool {claim.name} "


def unusable(claim: Claim) -> Fault | None:
    """Why no agent pool can be asked for on behalf of this claim; None when one can."""
    if not NAME_PATTERN.fullmatch(claim.name):
        return _invalid(f"metadata.name {claim.name[:63]} cannot name an AKS agent pool ({NAME_PATTERN.pattern})")
    if not claim.instance_types:
        return _invalid(f"spec.requirements has no In requirement on {labels.INSTANCE_TYPE}")
    for size in claim.instance_types:
        if not _SIZE_PATTERN.fullmatch(size):
            return _invalid(f"spec.requirements: {labels.INSTANCE_TYPE} {quote(size, 63)} cannot be a label's value")
    for key in _DISK_KEYS:
        try:
            ceil_gib(claim.requests.get(key, "0"))
        except ValueError as error:
            return _invalid(f"spec.resources.requests.{key}: {error}")
    return None


def _invalid(text: str) -> Fault:
    return Fault(ErrorKind.INVALID, "", text)


def instance_type(claim: Claim, attempts: int) -> str:
    """The instance type whose turn it is after so many failed launches; empty when the claim names none."""
    types = claim.instance_types
    return types[attempts % len(types)] if types else ""


def pool_body(claim: Claim, *, vm_size: str, gpu: bool, attempt: int, now: datetime) -> Json:
    """The body of the request for the claim's agent pool: one node.

    Args:
        claim: a claim for which `unusable` says nothing.
        vm_size: the instance type to ask for.
        gpu: whether that type has GPUs.
        attempt: number of this launch, from 1.
        now: the present moment; the launch deadline counts from it.
    """
    properties: Json = {
        "count": 1,
        "vmSize": vm_size,
        "type": "VirtualMachineScaleSets",
        "mode": "User",
        "osType": "Linux",
        "osSKU": _IMAGE_FAMILIES.get(claim.annotations.get(labels.NODE_IMAGE_FAMILY, "").lower(), "Ubuntu"),
        "nodeLabels": node_labels(claim, gpu=gpu),
        "nodeTaints": [taint.text for taint in claim.taints],
        "tags": {CLAIM_UID_TAG: claim.uid, ATTEMPT_TAG: str(attempt), REQUESTED_TAG: rfc3339(now)},
    }
    if disk := disk_gib(claim):
        properties["osDiskSizeGB"] = disk
    return {"properties": properties}


def node_labels(claim: Claim, *, gpu: bool) -> dict[str, str]:
    """Labels every node of the pool is born with: the claim's, less those AKS reserves, and the provisioner's own."""
    own = {key: value for key, value in claim.labels.items() if not reserved_label(key)}
    names = claim.required_values(labels.PROVISIONER_NAME) or ("default",)
    return {
        labels.PROVISIONER_NAME: names[0],
        **own,
        labels.MACHINE_TYPE: "gpu" if gpu else "cpu",
        labels.CREATION_TIMESTAMP: label_time(claim.creation_time),
    }


def reserved_label(key: str) -> bool:
    """Whether AKS refuses the key among a pool's labels; `node.kubernetes.io/` and the like are reserved with it."""
    return labels.is_cloud_label(key)


def disk_gib(claim: Claim) -> int:
    """Size of the system disk in GiB, rounded up and kept within what AKS takes; 0 leaves the choice to AKS."""
    wanted = max(ceil_gib(claim.requests.get(key, "0")) for key in _DISK_KEYS)
    low, high = _DISK_LIMITS_GIB
    return min(max(wanted, low), high) if wanted > 0 else 0
