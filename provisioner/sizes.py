"""What is known of VM sizes: enough to tell whether a size meets what a claim requires."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from controller.catalog import load_catalog

_MIB_IN_GIB: Final = 1024
_NAME: Final = re.compile(r"standard_[a-z]+\d+(?:-\d+)?(?P<features>[a-z]*)(?:_|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Size:
    """One VM size. Empty and 0 stand for what is not known, save for the GPUs: a size without has 0.

    Attributes:
        name: Azure's spelling.
        arch: as in the label `kubernetes.io/arch`.
        vcpu: virtual CPUs.
        memory_mib: memory in MiB.
        family: the quota family its vCPUs count against.
        vendor: of its GPUs, such as `nvidia`.
        gpu_model: such as `NVIDIA A100`.
        gpu_resource: the extended resource its nodes show.
        gpu_count: how many of it.
    """

    name: str
    arch: str = ""
    vcpu: int = 0
    memory_mib: int = 0
    family: str = ""
    vendor: str = ""
    gpu_model: str = ""
    gpu_resource: str = ""
    gpu_count: int = 0


Sizes = Mapping[str, Size]
"""Sizes by lower-case name: Azure compares names without regard to case."""


def catalogue_sizes() -> Sizes:
    """Every size of the catalogue."""
    return {
        name: Size(
            sku.name,
            sku.arch,
            sku.vcpu or 0,
            round((sku.memory_gib or 0) * _MIB_IN_GIB),
            sku.quota_family or "",
            sku.vendor if sku.gpu_count else "",
            sku.gpu_model if sku.gpu_count else "",
            sku.gpu_resource if sku.gpu_count else "",
            sku.gpu_count,
        )
        for name, sku in load_catalog().skus.items()
    }


def size_of(sizes: Sizes, name: str) -> Size:
    """What is known of a size; of one that is in no catalogue, what its name tells.

    In Azure's naming convention a `p` among the features stands for an Arm CPU, and family N for GPUs
    (Microsoft Learn, "VM naming conventions").
    """
    known = sizes.get(name.lower())
    if known is not None:
        return known
    match = _NAME.match(name)
    arch = "" if match is None else "arm64" if "p" in match["features"].lower() else "amd64"
    return Size(name, arch)


def has_gpus(sizes: Sizes, name: str) -> bool:
    """Whether a size has GPUs; of one that is in no catalogue, its family tells."""
    return size_of(sizes, name).gpu_count > 0 or name.lower().startswith("standard_n")
