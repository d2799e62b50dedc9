"""The VM sizes the simulated region offers: the product's GPU catalogue and a few CPU sizes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from controller.catalog import Lifecycle, load_catalog

Sizes = Mapping[str, "VmSize"]
"""VM sizes by lower-case name: Azure compares names without regard to case."""


@dataclass(frozen=True, slots=True)
class VmSize:
    """One VM size.

    Attributes:
        name: Azure's spelling.
        vcpu: virtual CPUs.
        memory_gib: memory in GiB.
        family: quota family its vCPUs count against.
        gpu_count: GPUs a device plugin reports, 0 for CPU sizes.
        gpu_resource: extended resource of those GPUs.
        arch: `amd64` or `arm64`.
    """

    name: str
    vcpu: int
    memory_gib: float
    family: str
    gpu_count: int = 0
    gpu_resource: str = ""
    arch: str = "amd64"

    @property
    def vendor(self) -> str:
        """`nvidia`, `amd`, or empty for CPU sizes."""
        return self.gpu_resource.partition(".")[0]


CPU_SIZES: Final = (
    VmSize("Standard_D2ds_v5", 2, 8, "standardDDSv5Family"),
    VmSize("Standard_D4ds_v5", 4, 16, "standardDDSv5Family"),
    VmSize("Standard_D8ds_v5", 8, 32, "standardDDSv5Family"),
    VmSize("Standard_D16ds_v5", 16, 64, "standardDDSv5Family"),
    VmSize("Standard_E8ds_v5", 8, 64, "standardEDSv5Family"),
)

OFFERED_ALTHOUGH_RETIRED: Final = "NCv3"
"""Azure retired this series in September 2025; the simulated region keeps it, for existing examples name it."""


def offered_sizes() -> dict[str, VmSize]:
    """Every size the simulated region offers, by lower-case name: what the real Azure sells, and the NCv3 series."""
    sizes = {size.name.lower(): size for size in CPU_SIZES}
    for sku in load_catalog().skus.values():
        sold = sku.lifecycle not in (Lifecycle.RETIRED, Lifecycle.ALIAS, Lifecycle.PREVIEW_NAME)
        if (sold or sku.series == OFFERED_ALTHOUGH_RETIRED) and sku.vcpu and sku.memory_gib:
            sizes[sku.name.lower()] = VmSize(
                sku.name,
                sku.vcpu,
                sku.memory_gib,
                sku.quota_family or "",
                sku.gpu_count,
                sku.gpu_resource if sku.gpu_count else "",
                sku.arch,
            )
    return sizes
