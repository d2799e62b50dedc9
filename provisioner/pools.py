"""Agent pools as typed values, and who owns one.

Field names: AKS REST reference, agent pools. Labels and naming follow Azure/gpu-provisioner, so that a cluster can
change from one to the other without remaking its nodes.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

from controller.api import labels
from controller.api.claims import MACHINE, Claim
from controller.api.json import Json
from controller.api.messages import shorten
from provisioner.errors import Fault, classify
from provisioner.nodes import Node
from provisioner.offerings import NOTHING, ON_DEMAND, RESERVED, SPOT, Offering
from provisioner.times import label_time

NAME_PATTERN: Final = re.compile(r"[a-z][a-z0-9]{0,11}")
"""Names AKS takes for a Linux pool."""

CLAIM_UID_TAG: Final = "kaito-claim-uid"
CLAIM_KIND_TAG: Final = "kaito-claim-kind"
ATTEMPT_TAG: Final = "kaito-launch-attempt"
REQUESTED_TAG: Final = "kaito-launch-requested"

CREATING: Final = "Creating"
CANCELING: Final = "Canceling"
DELETING: Final = "Deleting"
_POWER_CHANGES: Final = ("Stopping", "Starting")
_OWNERS: Final = (
    (labels.WORKSPACE, labels.WORKSPACE_NAMESPACE),
    (labels.RAG_ENGINE, labels.RAG_ENGINE_NAMESPACE),
)
_OWNER_KEYS: Final = (labels.WORKSPACE_UID, *chain(*_OWNERS))
_UNKNOWN: Final = "Unknown"


@dataclass(frozen=True, slots=True)
class Pool:
    """One agent pool as last seen.

    Attributes:
        name: also the name of the claim it was made for.
        state: provisioningState in the cloud's own word.
        fault: why the pool failed, where it did and says so.
        image: version of the nodes' image.
        offering: size, zone and way of paying.
        etag: changes with every change of the pool, those that nothing here depends on among them.
        stopped: whether somebody stopped the pool, so that it has no nodes for now.
        count: machines the pool is to have.
    """

    name: str
    state: str
    offering: Offering = NOTHING
    labels: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    fault: Fault | None = None
    image: str = ""
    stopped: bool = False
    count: int = 1
    etag: str = field(default="", compare=False)

    @property
    def vm_size(self) -> str:
        """The size of its nodes."""
        return self.offering.size

    @property
    def succeeded(self) -> bool:
        """Whether the last operation on the pool ended well."""
        return self.state == "Succeeded"

    @property
    def failed(self) -> bool:
        """Whether the last operation ended badly and the pool still stands."""
        return self.state in ("Failed", "Canceled")

    @property
    def settled(self) -> bool:
        """Whether the pool is to have working nodes: it is not stopped, and no operation is under way on it.

        One that failed counts: an upgrade that went wrong days ago leaves the nodes as they are.
        """
        return (self.succeeded or self.failed) and not self.stopped

    @property
    def deleting(self) -> bool:
        """Whether the pool is on its way out."""
        return self.state == DELETING

    @property
    def paused(self) -> bool:
        """Whether the pool is stopped, or on its way there or back: its nodes go, and others come."""
        return self.stopped or self.state in _POWER_CHANGES

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
    def claim_kind(self) -> str:
        """Kind of that claim; pools made before there were several were made for Machines."""
        return self.tags.get(CLAIM_KIND_TAG) or MACHINE.resource.kind

    @property
    def by_kaito(self) -> bool:
        """Whether the pool looks like one of KAITO's; gpu-provisioner's do too, and serve NodeClaims that live on."""
        marks = (labels.WORKSPACE, labels.RAG_ENGINE, labels.CREATION_TIMESTAMP)
        return labels.MACHINE_TYPE in self.labels and any(mark in self.labels for mark in marks)


def parse_pool(obj: object) -> Pool:
    """The typed view of an agent pool's JSON.

    What is not of the type it should be counts as absent: one odd field, of one pool, must hide neither it nor others.

    Raises:
        ValueError: it has no name, so that it cannot be told what it is.
    """
    found = _object(obj)
    name = _text(found.get("name")) or _text(found.get("id")).rpartition("/")[2]
    if not name:
        raise ValueError(f"no agent pool with a name: {shorten(repr(obj), 200)}")
    properties = _object(found.get("properties"))
    error = _object(properties.get("status")).get("provisioningError")
    state = properties.get("provisioningState")
    return Pool(
        name=name,
        state=_text(state) or ("Succeeded" if state is None else _UNKNOWN),
        offering=_offering(properties),
        labels=_texts(properties.get("nodeLabels")),
        tags=_texts(properties.get("tags")),
        fault=classify(0, error) if error else None,
        image=_text(properties.get("nodeImageVersion")),
        stopped=_object(properties.get("powerState")).get("code") == "Stopped",
        count=count if isinstance(count := properties.get("count"), int) else 1,
        etag=_text(properties.get("eTag")),
    )


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> dict[str, str]:
    return {str(key): text for key, text in _object(value).items() if isinstance(text, str)}


def _offering(properties: Json) -> Offering:
    listed = properties.get("availabilityZones")
    zones = [str(zone) for zone in listed] if isinstance(listed, list) else []
    paid = SPOT if properties.get("scaleSetPriority") == "Spot" else ON_DEMAND
    if properties.get("capacityReservationGroupID"):
        paid = RESERVED
    return Offering(_text(properties.get("vmSize")), zones[0] if len(zones) == 1 else "", paid)


def belongs(pool: Pool, claim: Claim, nodes: Iterable[Node] = ()) -> bool:
    """Whether the pool was made for this claim, or for an earlier one of the same name and Workspace.

    `az aks nodepool update` replaces all tags, or all labels, of a pool: any one of its marks tells whose it is.

    Args:
        pool: the pool.
        claim: the claim.
        nodes: of the pool; the very node the claim stands for tells as much as a mark.
    """
    if pool.name != claim.name:
        return False
    if pool.claim_uid == claim.uid and claim.uid:
        return True
    if not pool.claim_uid and (born_together(pool, claim) or any(_is_its_node(node, claim) for node in nodes)):
        return True
    return any(
        claim.labels.get(name)
        and pool.labels.get(name) == claim.labels[name]
        and pool.labels.get(namespace) == claim.labels.get(namespace)
        and _compatible(pool.labels, claim.labels, labels.WORKSPACE_UID)
        for name, namespace in _OWNERS
    )


def born_together(pool: Pool, claim: Claim) -> bool:
    """Whether the pool's label states the moment of the claim's creation and names no other owner than the claim's."""
    same = pool.labels.get(labels.CREATION_TIMESTAMP) == label_time(claim.creation_time) and claim.creation_time
    return bool(same) and all(_compatible(pool.labels, claim.labels, key) for key in _OWNER_KEYS)


def _is_its_node(node: Node, claim: Claim) -> bool:
    """Whether the claim registered the node, and names its instance as its own."""
    return node.owned_by(claim.uid) and bool(node.provider_id) and node.provider_id == claim.provider_id


def _compatible(one: Mapping[str, str], other: Mapping[str, str], key: str) -> bool:
    return key not in one or key not in other or one[key] == other[key]


def subject(claim: Claim) -> str:
    """How every message about a launch begins, which makes it recognisable as ours."""
    return f"Agent pool {claim.name} "


def family_labels(claim: Claim) -> dict[str, str]:
    """The labels that say whose kind of node it is; what the claim is labelled with comes first.

    A NodeClaim's node names its node pool and node class (kubernetes-sigs/karpenter core), by default KAITO's.
    """
    if claim.node_class is None:
        names = claim.required_values(labels.PROVISIONER_NAME) or ("default",)
        return {labels.PROVISIONER_NAME: names[0]}
    names = claim.required_values(labels.NODE_POOL) or ("kaito",)
    node_class = claim.node_class
    return {labels.NODE_POOL: names[0], f"{node_class.group}/{node_class.kind.lower()}": node_class.name}


def reserved_label(key: str) -> bool:
    """Whether AKS refuses the key among a pool's labels; `node.kubernetes.io/` and the like are reserved with it."""
    return labels.is_cloud_label(key)
