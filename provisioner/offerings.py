"""The offerings a claim allows: size, zone and way of paying, in the order in which they are to be tried.

The order is the user's: sizes as listed; for each of them capacity types as listed; for each of those zones as listed.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Final

from controller.api import labels
from controller.api.claims import Claim, Requirement
from controller.api.messages import quote
from controller.api.quantity import parse_quantity
from provisioner.errors import ErrorKind, Fault
from provisioner.requirements import (
    OS_SKU,
    PLACEMENT_SCOPE,
    POOL_MODE,
    SCALE_SET_PRIORITY,
    SKU_CPU,
    SKU_GPU_COUNT,
    SKU_GPU_MANUFACTURER,
    SKU_GPU_NAME,
    SKU_MEMORY,
    SKU_NAME,
    holds,
    requirements_of,
    words,
)
from provisioner.sizes import Size, Sizes, has_gpus, size_of

ON_DEMAND: Final = "on-demand"
SPOT: Final = "spot"
RESERVED: Final = "reserved"

MAX_OFFERINGS: Final = 300
"""Combinations that are looked at; a claim that allows more is served from the first ones."""

_SIZE_PATTERN: Final = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_ZONE_PATTERN: Final = re.compile(r"(?P<region>[a-z0-9]+)-(?P<number>[1-9])")
_ZONES: Final = ("1", "2", "3")
_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Offering:
    """One thing the cloud may be asked for.

    Attributes:
        size: VM size.
        zone: number of the availability zone; empty for a VM bound to none.
        capacity_type: `on-demand`, `spot` or `reserved`.
    """

    size: str
    zone: str = ""
    capacity_type: str = ON_DEMAND

    @property
    def text(self) -> str:
        """The offering for people."""
        extra = [f"zone {self.zone}"] if self.zone else []
        extra += [self.capacity_type] if self.capacity_type != ON_DEMAND else []
        return f"{self.size} ({', '.join(extra)})" if extra else self.size


NOTHING: Final = Offering("")
"""Stands for an offering nothing is known of."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where pools are made, and what all of them share.

    Attributes:
        location: the cloud's region; empty where it is not known.
        subnet_id: the subnet of the nodes unless a claim names another; empty for the cluster's own.
        tags: Azure tags of every pool.
    """

    location: str = ""
    subnet_id: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the node's labels depend on besides the offering.

    Attributes:
        place: where pools are made.
        sizes: what is known of sizes.
        os_sku: the nodes' operating system, as AKS spells it.
        labels: what every node of the claim is labelled with.
        reservation: whether the claim names a capacity reservation.
    """

    place: Place
    sizes: Sizes
    os_sku: str
    labels: Mapping[str, str]
    reservation: bool


def offerings_of(claim: Claim, terms: Terms) -> tuple[Offering, ...] | Fault:
    """The offerings the claim allows, best first, or why there is none."""
    required = requirements_of(claim)
    sizes = _unique(_listed(required, labels.INSTANCE_TYPE) or _listed(required, SKU_NAME))
    if not sizes:
        return _invalid(f"spec.requirements has no In requirement on {labels.INSTANCE_TYPE}")
    for size in sizes:
        if not _SIZE_PATTERN.fullmatch(size):
            return _invalid(f"spec.requirements: {labels.INSTANCE_TYPE} {quote(size, 63)} cannot be a label's value")
    zones = _zones(required, terms.place)
    if isinstance(zones, Fault):
        return zones
    chosen = [Offering(*each) for each in _combined(sizes, zones, _capacity_types(required, terms))]
    return _fitting(claim, required, chosen, terms)


def _combined(
    sizes: Iterable[str], zones: Iterable[str], capacity_types: Iterable[str]
) -> Iterable[tuple[str, str, str]]:
    every = ((size, zone, paid) for size, paid, zone in product(sizes, capacity_types, zones))
    return (each for each, _ in zip(every, range(MAX_OFFERINGS), strict=False))


def _fitting(
    claim: Claim, required: tuple[Requirement, ...], offerings: list[Offering], terms: Terms
) -> tuple[Offering, ...] | Fault:
    if lack := _unmet_request(claim, offerings, terms.sizes):
        return _invalid(lack)
    left = [each for each in offerings if not _lacking(claim, size_of(terms.sizes, each.size))]
    for requirement in required:
        facts = {each: _facts(each, terms) for each in left}
        if requirement.key not in KNOWN_KEYS and labels.is_cloud_label(requirement.key):
            return _invalid(f"spec.requirements: {words(requirement)}: no agent pool can promise that label")
        fitting = [each for each in left if holds(requirement, facts[each].get(requirement.key))]
        if not fitting:
            return _invalid(f"spec.requirements: {words(requirement)}: {_shown(left, facts, requirement.key)}")
        left = fitting
    if lack := _too_few(required, left, terms):
        return _invalid(lack)
    return tuple(left)


def _too_few(required: tuple[Requirement, ...], offerings: list[Offering], terms: Terms) -> str:
    """Which requirement wants more values to choose from than there are, in words; empty for none."""
    for requirement in required:
        values = {_facts(each, terms).get(requirement.key) for each in offerings} - {None}
        if len(values) < requirement.min_values:
            cause = f"minValues {requirement.min_values} and only {len(values)} to choose from"
            return f"spec.requirements: {words(requirement)}: {cause}"
    return ""


def _shown(offerings: list[Offering], facts: Mapping[Offering, Mapping[str, str]], key: str) -> str:
    values = _unique(facts[each].get(key, "none") for each in offerings)
    return f"{offerings[0].size} and the like offer {', '.join(values[:3])}"


KNOWN_KEYS: Final = frozenset(
    {
        labels.INSTANCE_TYPE,
        labels.ARCH,
        labels.OS,
        labels.ZONE,
        labels.REGION,
        labels.ACCELERATOR,
        SCALE_SET_PRIORITY,
        POOL_MODE,
        OS_SKU,
        SKU_NAME,
        SKU_CPU,
        SKU_MEMORY,
        SKU_GPU_COUNT,
        SKU_GPU_NAME,
        SKU_GPU_MANUFACTURER,
        PLACEMENT_SCOPE,
        labels.CAPACITY_TYPE,
        labels.MACHINE_TYPE,
    }
)
"""Keys whose value on a node is known beforehand; nobody else may set them."""


def _facts(offering: Offering, terms: Terms) -> dict[str, str]:
    """The labels a node of the offering would carry, as far as they are known."""
    size, place = size_of(terms.sizes, offering.size), terms.place
    facts = {
        labels.INSTANCE_TYPE: size.name,
        SKU_NAME: size.name,
        labels.ARCH: size.arch,
        labels.OS: "linux",
        labels.REGION: place.location,
        labels.ZONE: f"{place.location}-{offering.zone}" if offering.zone else "",
        labels.CAPACITY_TYPE: offering.capacity_type,
        labels.MACHINE_TYPE: "gpu" if has_gpus(terms.sizes, offering.size) else "cpu",
        PLACEMENT_SCOPE: "zonal" if offering.zone else "regional",
        SCALE_SET_PRIORITY: SPOT if offering.capacity_type == SPOT else "",
        POOL_MODE: "user",
        OS_SKU: terms.os_sku,
        SKU_CPU: str(size.vcpu or ""),
        SKU_MEMORY: str(size.memory_mib or ""),
        SKU_GPU_COUNT: str(size.gpu_count or ""),
        SKU_GPU_NAME: size.gpu_model.replace(" ", "-"),
        SKU_GPU_MANUFACTURER: size.vendor,
        labels.ACCELERATOR: "nvidia" if size.vendor == "nvidia" else "",
    }
    return {**terms.labels, **{key: value for key, value in facts.items() if value}}


def _capacity_types(required: tuple[Requirement, ...], terms: Terms) -> tuple[str, ...]:
    """Those listed, in that order; otherwise pay as you go, from the reservation where the claim names one."""
    known = (ON_DEMAND, SPOT, *((RESERVED,) if terms.reservation else ()))
    listed = _listed(required, labels.CAPACITY_TYPE)
    if listed:
        return tuple(each for each in _unique(listed) if each in known) or known
    default = RESERVED if terms.reservation else ON_DEMAND
    asked = any(each.key in (labels.CAPACITY_TYPE, SCALE_SET_PRIORITY) for each in required)
    return (default, *(each for each in known if each != default)) if asked else (default,)


def _zones(required: tuple[Requirement, ...], place: Place) -> tuple[str, ...] | Fault:
    """Numbers of the zones listed, or of all if some requirement is about zones; the empty one binds to no zone."""
    if not any(each.key in (labels.ZONE, PLACEMENT_SCOPE) for each in required):
        return ("",)
    if not place.location:
        return _invalid(f"spec.requirements: {labels.ZONE} needs the provisioner's option --azure-location")
    numbers = []
    for value in _listed(required, labels.ZONE):
        match = _ZONE_PATTERN.fullmatch(value)
        if match is None or match["region"] != place.location.lower():
            return _invalid(f"spec.requirements: {labels.ZONE} {quote(value, 63)} is no zone like {place.location}-1")
        numbers.append(match["number"])
    return ("", *(_unique(numbers) or _ZONES))


def _listed(required: tuple[Requirement, ...], key: str) -> tuple[str, ...]:
    return next((each.values for each in required if each.key == key and each.operator == "In"), ())


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    first: dict[str, str] = {}
    for value in values:
        first.setdefault(value.lower(), value)
    return tuple(first.values())


def _unmet_request(claim: Claim, offerings: list[Offering], sizes: Sizes) -> str:
    """Which request none of the sizes can meet, in words; empty when there is one for each."""
    lacks = [_lacking(claim, size_of(sizes, each.size)) for each in offerings]
    return "" if not all(lacks) else lacks[0]


def _lacking(claim: Claim, size: Size) -> str:
    """What the size has too little of; sizes of which little is known are left to the node's own word."""
    offered = {"cpu": size.vcpu, "memory": size.memory_mib * _MIB}
    if size.gpu_resource:
        offered[size.gpu_resource] = size.gpu_count
    for name, has in offered.items():
        try:
            wanted = parse_quantity(claim.requests.get(name, "0"))
        except ValueError as error:
            return f"spec.resources.requests.{name}: {error}"
        if has and wanted > has:
            return f"spec.resources.requests.{name}={claim.requests[name]} is more than a {size.name} has"
    return ""


def _invalid(text: str) -> Fault:
    return Fault(ErrorKind.INVALID, "", text)
