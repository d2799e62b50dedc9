"""Usage and limits of virtual CPUs: per quota family, per region, and for spot."""

from collections import Counter
from typing import Final

from controller.api.json import Json
from hack.aks_simulator.context import Context
from hack.aks_simulator.errors import Cause
from hack.aks_simulator.sizes import VmSize
from hack.aks_simulator.values import World

REGIONAL: Final = "cores"
SPOT: Final = "lowPriorityCores"

_QUOTA_NAMES: Final = {REGIONAL: "Total Regional Cores", SPOT: "LowPriorityCores"}


def used(world: World, context: Context) -> Counter[str]:
    """Virtual CPUs in use by bucket: quota families, `lowPriorityCores`, and `cores` for everything.

    A VM counts from the moment it is asked for until it is gone; spot VMs count in their own bucket only.
    """
    usage: Counter[str] = Counter()
    for pool in world.pools.values():
        size = context.sizes[pool.vm_size.lower()]
        cores = size.vcpu * sum(not vm.gone for vm in pool.vms)
        for bucket in _buckets(size, pool.properties):
            usage[bucket] += cores
    return usage


def limit(context: Context, bucket: str) -> int:
    """The vCPU limit of a bucket."""
    quota = context.scenario.quota
    if bucket == REGIONAL:
        return quota.regional_limit
    return quota.spot_limit if bucket == SPOT else quota.families.get(bucket, quota.default_limit)


def shortage(world: World, context: Context, size: VmSize, properties: Json, vms: int) -> str:
    """The first bucket that has no room for so many more VMs, or an empty string."""
    usage = used(world, context)
    for bucket in _buckets(size, properties):
        if vms > 0 and usage[bucket] + size.vcpu * vms > limit(context, bucket):
            return bucket
    return ""


def precheck_text(world: World, context: Context, bucket: str, requested: int) -> str:
    """What the AKS check before the operation says."""
    remaining = max(limit(context, bucket) - used(world, context)[bucket], 0)
    return (
        f"Insufficient vcpu quota requested {requested}, remaining {remaining} for family {bucket} "
        f"for region {context.settings.location}."
    )


def operation_cause(world: World, context: Context, bucket: str, requested: int) -> Cause:
    """What the compute layer says when it finds out during the operation."""
    name = _QUOTA_NAMES.get(bucket, f"{bucket} Cores")
    usage, maximum = used(world, context)[bucket], limit(context, bucket)
    message = (
        f"Operation could not be completed as it results in exceeding approved {name} quota. Additional details - "
        f"Deployment Model: Resource Manager, Location: {context.settings.location}, Current Limit: {maximum}, "
        f"Current Usage: {usage}, Additional Required: {requested}, (Minimum) New Limit Required: {usage + requested}."
    )
    return Cause("OperationNotAllowed", message)


def usage_items(world: World, context: Context) -> list[Json]:
    """The Compute usage list: one entry for the region, one for spot, one for each family offered."""
    usage = used(world, context)
    families = sorted({size.family for size in context.sizes.values() if size.family})
    labels = {REGIONAL: "Total Regional vCPUs", SPOT: "Total Regional Spot vCPUs"}
    return [
        {
            "name": {"value": bucket, "localizedValue": labels.get(bucket, f"{bucket} vCPUs")},
            "currentValue": usage[bucket],
            "limit": limit(context, bucket),
            "unit": "Count",
        }
        for bucket in (REGIONAL, SPOT, *families)
    ]


def _buckets(size: VmSize, properties: Json) -> tuple[str, ...]:
    if properties.get("scaleSetPriority") == "Spot":
        return (SPOT,)
    return (size.family, REGIONAL) if size.family else (REGIONAL,)
