"""Whether a node with certain labels would meet a claim's requirements.

Operators: kubernetes-sigs/karpenter core v1, `spec.requirements`; legacy keys as its scheduler reads them.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from controller.api import labels
from controller.api.claims import Claim, Requirement

SKU_NAME: Final = "karpenter.azure.com/sku-name"
SKU_GPU_COUNT: Final = "karpenter.azure.com/sku-gpu-count"
SKU_GPU_NAME: Final = "karpenter.azure.com/sku-gpu-name"
SKU_GPU_MANUFACTURER: Final = "karpenter.azure.com/sku-gpu-manufacturer"
SKU_CPU: Final = "karpenter.azure.com/sku-cpu"
SKU_MEMORY: Final = "karpenter.azure.com/sku-memory"
PLACEMENT_SCOPE: Final = "karpenter.azure.com/placement-scope"
SCALE_SET_PRIORITY: Final = "kubernetes.azure.com/scalesetpriority"
POOL_MODE: Final = "kubernetes.azure.com/mode"
OS_SKU: Final = "kubernetes.azure.com/os-sku"
"""Keys Azure adds to Karpenter's (Azure/karpenter-provider-azure, AKS node labels)."""

_ALIASES: Final[Mapping[str, str]] = {
    "beta.kubernetes.io/instance-type": labels.INSTANCE_TYPE,
    "beta.kubernetes.io/arch": labels.ARCH,
    "beta.kubernetes.io/os": labels.OS,
    "failure-domain.beta.kubernetes.io/zone": labels.ZONE,
    "failure-domain.beta.kubernetes.io/region": labels.REGION,
}
_CASELESS: Final = frozenset({labels.INSTANCE_TYPE, SKU_NAME, SKU_GPU_NAME, SKU_GPU_MANUFACTURER, OS_SKU})
"""Keys whose values Azure compares without regard to case."""

_BOUNDS: Final = ("Gt", "Gte", "Lt", "Lte")


def requirements_of(claim: Claim) -> tuple[Requirement, ...]:
    """The claim's requirements under today's keys."""
    return tuple(replace(each, key=_ALIASES.get(each.key, each.key)) for each in claim.requirements)


def holds(requirement: Requirement, value: str | None) -> bool:
    """Whether a node whose label of the requirement's key has this value, None for no such label, meets it."""
    values, own = requirement.values, value
    if requirement.key in _CASELESS:
        values, own = tuple(each.lower() for each in values), value.lower() if value is not None else None
    match requirement.operator:
        case "In":
            return own in values
        case "NotIn":
            return own not in values
        case "Exists":
            return own is not None
        case "DoesNotExist":
            return own is None
    return requirement.operator in _BOUNDS and len(values) == 1 and _within(requirement.operator, own or "", values[0])


def _within(operator: str, value: str, bound: str) -> bool:
    if not (value.isdecimal() and bound.isdecimal() and len(value) < 20 and len(bound) < 20):
        return False
    number, limit = int(value), int(bound)
    return {"Gt": number > limit, "Gte": number >= limit, "Lt": number < limit, "Lte": number <= limit}[operator]


def words(requirement: Requirement) -> str:
    """The requirement for people: `key In [a, b]`."""
    values = f" [{', '.join(requirement.values[:3])}{', …' if len(requirement.values) > 3 else ''}]"
    return f"{requirement.key} {requirement.operator}{values if requirement.values else ''}"
