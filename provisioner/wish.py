"""What a claim wishes for, read from it once: the offerings it allows and the properties its agent pool is to have.

Whatever an agent pool cannot give is refused here with the field at fault; nothing a claim asks for is passed over.
Property names: AKS REST reference, agent pools.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from controller.api import labels
from controller.api.claims import Claim
from controller.api.json import Json
from controller.api.messages import quote
from controller.api.quantity import ceil_gib
from provisioner.errors import ErrorKind, Fault
from provisioner.kubelet import WishError, kubelet_properties
from provisioner.offerings import KNOWN_KEYS, RESERVED, SPOT, Offering, Place, Terms, offerings_of
from provisioner.pools import NAME_PATTERN, family_labels, reserved_label
from provisioner.requirements import requirements_of, words
from provisioner.sizes import Sizes

_DISK_LIMITS_GIB: Final = (30, 2048)
_DISK_KEYS: Final = ("storage", "ephemeral-storage")
_IMAGE_FAMILIES: Final[Mapping[str, str]] = {
    "": "Ubuntu",
    "ubuntu": "Ubuntu",
    "ubuntu2204": "Ubuntu2204",
    "ubuntu2404": "Ubuntu2404",
    "azurelinux": "AzureLinux",
    "azurelinux3": "AzureLinux3",
}
_DRIVERS: Final[Mapping[str, str]] = {"install": "Install", "none": "None"}
_MIG_PROFILES: Final[Mapping[str, str]] = {each.lower(): each for each in ("MIG1g", "MIG2g", "MIG3g", "MIG4g", "MIG7g")}
_SUBNET: Final = re.compile(
    r"/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/Microsoft\.Network"
    r"/virtualNetworks/[^/\s]+/subnets/[^/\s]+",
    re.IGNORECASE,
)
_RESERVATION: Final = re.compile(
    r"/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/Microsoft\.Compute/capacityReservationGroups/[^/\s]+",
    re.IGNORECASE,
)
_TAG_NAME: Final = re.compile(r"[^<>%&\\?/\s,=][^<>%&\\?/,=]{0,511}")
_TAG_VALUE_LIMIT: Final = 256
_OWN_TAGS: Final = "kaito-"
_MOST_TAGS: Final = 40
"""Azure takes 50; the rest is left to the provisioner's own and to what policies add."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be asked for.

    Attributes:
        offerings: what may be tried, best first; never empty.
        properties: of the agent pool, whichever offering it is of.
        labels: of the node.
        tags: Azure tags of the pool.
        reservation: id of the capacity reservation group; empty for none.
    """

    offerings: tuple[Offering, ...]
    properties: Json
    labels: Mapping[str, str]
    tags: Mapping[str, str]
    reservation: str = ""


def wish_of(claim: Claim, sizes: Sizes, place: Place) -> Wish | Fault:
    """The claim's wish, or why no agent pool can fulfil it."""
    try:
        properties, tags, reservation = _properties(claim, place), _tags(claim, place), _reservation(claim)
        own = _labels(claim)
    except WishError as error:
        return Fault(ErrorKind.INVALID, "", str(error))
    terms = Terms(place, sizes, properties["osSKU"], own, bool(reservation))
    offerings = offerings_of(claim, terms)
    if isinstance(offerings, Fault):
        return offerings
    return Wish(offerings, properties, own, tags, reservation)


def paid_as(offering: Offering, reservation: str) -> Json:
    """The properties by which an offering is paid; the price of a spot VM is never more than the regular one."""
    if offering.capacity_type == SPOT:
        return {"scaleSetPriority": "Spot", "scaleSetEvictionPolicy": "Delete", "spotMaxPrice": -1}
    return {"capacityReservationGroupID": reservation} if offering.capacity_type == RESERVED else {}


def _properties(claim: Claim, place: Place) -> Json:
    if not NAME_PATTERN.fullmatch(claim.name):
        raise WishError(f"metadata.name {claim.name[:63]} cannot name an AKS agent pool ({NAME_PATTERN.pattern})")
    marks = claim.annotations
    properties: Json = {"osSKU": _one_of(marks, labels.NODE_IMAGE_FAMILY, _IMAGE_FAMILIES)}
    if disk := disk_gib(claim):
        properties["osDiskSizeGB"] = disk
    if subnet := _matching(marks, labels.SUBNET_ID, _SUBNET) or place.subnet_id:
        properties["vnetSubnetID"] = subnet
    if labels.GPU_DRIVER in marks:
        properties["gpuProfile"] = {"driver": _one_of(marks, labels.GPU_DRIVER, _DRIVERS)}
    if labels.GPU_INSTANCE_PROFILE in marks:
        properties["gpuInstanceProfile"] = _one_of(marks, labels.GPU_INSTANCE_PROFILE, _MIG_PROFILES)
    return {**properties, **kubelet_properties(claim)}


def _one_of(marks: Mapping[str, str], key: str, known: Mapping[str, str]) -> str:
    value = marks.get(key, "")
    if value.lower() not in known:
        raise WishError(f"annotation {key} {quote(value)} is none of {', '.join(filter(None, known.values()))}")
    return known[value.lower()]


def _matching(marks: Mapping[str, str], key: str, pattern: re.Pattern[str]) -> str:
    value = marks.get(key, "")
    if value and not pattern.fullmatch(value):
        raise WishError(f"annotation {key} {quote(value)} is no id of the kind that is wanted")
    return value


def _reservation(claim: Claim) -> str:
    return _matching(claim.annotations, labels.CAPACITY_RESERVATION_GROUP_ID, _RESERVATION)


def _tags(claim: Claim, place: Place) -> dict[str, str]:
    try:
        tags = {**place.tags, **parse_tags(claim.annotations.get(labels.AZURE_TAGS, ""))}
    except ValueError as error:
        raise WishError(f"annotation {labels.AZURE_TAGS}: {error}") from error
    if len(tags) > _MOST_TAGS:
        raise WishError(f"annotation {labels.AZURE_TAGS}: {len(tags)} tags, at most {_MOST_TAGS} are taken")
    return tags


def parse_tags(text: str) -> dict[str, str]:
    """Azure tags out of `name=value,name=value`.

    Raises:
        ValueError: a pair Azure would not take, or a name of the provisioner's own.
    """
    tags = {}
    for pair in filter(None, (each.strip() for each in text.split(","))):
        name, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not _TAG_NAME.fullmatch(name) or len(value) > _TAG_VALUE_LIMIT:
            raise ValueError(f"{quote(pair)} is no tag of the form name=value")
        if name.lower().startswith(_OWN_TAGS):
            raise ValueError(f"{quote(name)}: names with {_OWN_TAGS} are the provisioner's own")
        tags[name] = value
    return tags


def _labels(claim: Claim) -> dict[str, str]:
    """The claim's labels, less those AKS reserves, and one for each requirement on a label the claim leaves open."""
    own = {**family_labels(claim), **{key: text for key, text in claim.labels.items() if not reserved_label(key)}}
    for each in requirements_of(claim):
        if each.key in own or each.key in KNOWN_KEYS or reserved_label(each.key) or _is_ours(each.key):
            continue
        if each.operator == "In" and each.values:
            own[each.key] = each.values[0]
        elif each.operator not in ("NotIn", "DoesNotExist"):
            raise WishError(f"spec.requirements: {words(each)}: the claim has no such label to give to the node")
    return own


def _is_ours(key: str) -> bool:
    """Whether a label's meaning is laid down by KAITO or Karpenter, so that a requirement cannot invent it."""
    domain = key.partition("/")[0]
    return any(domain == each or domain.endswith(f".{each}") for each in ("kaito.sh", "karpenter.sh", "azure.com"))


def disk_gib(claim: Claim) -> int:
    """Size of the system disk in GiB, rounded up and kept within what AKS takes; 0 leaves the choice to AKS.

    Raises:
        WishError: a request that is no quantity.
    """
    wanted = 0
    for key in _DISK_KEYS:
        try:
            wanted = max(wanted, ceil_gib(claim.requests.get(key, "0")))
        except ValueError as error:
            raise WishError(f"spec.resources.requests.{key}: {error}") from error
    low, high = _DISK_LIMITS_GIB
    return min(max(wanted, low), high) if wanted > 0 else 0
