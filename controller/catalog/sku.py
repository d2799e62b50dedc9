"""Machine sizes with GPUs, of every cloud in the catalogue.

All memory figures are GiB (2**30 bytes) unless the name says otherwise. None means that nobody knows.
"""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from controller.api.labels import AMD_GPU, NVIDIA_GPU

DECIMAL_GB_IN_GIB: Final = 10**9 / 2**30
"""What remains of a vendor's gigabyte when it is meant decimally.

Drivers report 93.7 % (A10, T4) to 100 % (A100) of the nominal figure; this is below all of them, so an unmeasured
device is never overrated.
"""

_MIB_IN_GIB: Final = 1024
_BF16_CAPABILITY: Final = 8.0


_NEURON: Final = "aws.amazon.com/neuron"
_RESOURCES: Final = MappingProxyType({"nvidia": NVIDIA_GPU, "amd": AMD_GPU, "aws": _NEURON})


class Cloud(StrEnum):
    """Where machines of a size are made."""

    AZURE = "azure"
    AWS = "aws"
    ARC = "arc"


class Lifecycle(StrEnum):
    """Where a machine size stands with its cloud."""

    CURRENT = "current"
    PREVIOUS = "previous"
    ANNOUNCED = "announced"
    RETIRED = "retired"
    PREVIEW_NAME = "preview-name"
    UNDOCUMENTED = "undocumented"
    ALIAS = "alias"
    NONEXISTENT = "nonexistent"


@dataclass(frozen=True, slots=True)
class Sku:
    """One machine size with GPUs or other accelerators.

    Attributes:
        name: the size as the cloud spells it, such as `Standard_NC6s_v3`.
        series: the family of sizes in the cloud's documentation.
        quota_family: the name under which vCPU quota is counted; None when unknown.
        vendor: `nvidia` or `amd` for GPUs; `aws` or `qualcomm` for accelerators no model server here has code for.
        gpu_model: product name of the device.
        gpu_count: devices visible in the VM; 0 when unknown.
        gpu_fraction: `1/6` when a device is a slice of a GPU, else empty.
        gpu_memory_gib: nominal memory of one visible device; None when unknown.
        gpu_memory_reported_mib: MiB the driver shows for one device; None when nobody measured it.
        compute_capability: CUDA compute capability; None for what is not NVIDIA's.
        vcpu: virtual CPUs; None when unknown.
        memory_gib: system memory; None when unknown.
        temp_disk_gib: temporary disk; None when unknown or absent.
        local_nvme: whether local NVMe disks exist; None when unknown.
        arch: CPU architecture as in the label `kubernetes.io/arch`.
        lifecycle: where the size stands with its cloud.
        retirement_date: announced or past retirement as YYYY-MM-DD, else empty.
        driver_installed: whether the cloud's Kubernetes service brings the GPU driver on Linux nodes of this size.
        alias_of: the deployable size when this name is not one, else empty.
        notes: disagreements between sources and other things worth knowing.
        cloud: where such machines are made.
    """

    name: str
    series: str
    quota_family: str | None
    vendor: str
    gpu_model: str
    gpu_count: int
    gpu_fraction: str
    gpu_memory_gib: float | None
    gpu_memory_reported_mib: int | None
    compute_capability: float | None
    vcpu: int | None
    memory_gib: float | None
    temp_disk_gib: float | None
    local_nvme: bool | None
    arch: str
    lifecycle: Lifecycle
    retirement_date: str
    driver_installed: bool
    alias_of: str
    notes: str
    cloud: Cloud = Cloud.AZURE

    @property
    def gpu_resource(self) -> str:
        """The extended resource its device plugin advertises on nodes; empty where none is known."""
        return _RESOURCES.get(self.vendor, "")

    @property
    def bf16(self) -> bool:
        """Whether the GPU computes in bfloat16 natively: CUDA capability 8.0 or newer. Not recorded for AMD."""
        return self.compute_capability is not None and self.compute_capability >= _BF16_CAPABILITY

    @property
    def gpu_memory_total_gib(self) -> float | None:
        """Nominal GPU memory of the whole VM; None when count or memory is unknown."""
        if self.gpu_memory_gib is None or not self.gpu_count:
            return None
        return self.gpu_memory_gib * self.gpu_count

    @property
    def gpu_memory_usable_gib(self) -> float | None:
        """Memory of one device a program can count on.

        What the driver reports where somebody measured it, else the nominal figure read as decimal gigabytes.
        """
        if self.gpu_memory_reported_mib is not None:
            return self.gpu_memory_reported_mib / _MIB_IN_GIB
        if self.gpu_memory_gib is None:
            return None
        return self.gpu_memory_gib * DECIMAL_GB_IN_GIB

    @property
    def retiring(self) -> bool:
        """Whether the cloud has retired the size or announced that it will."""
        return self.lifecycle in (Lifecycle.RETIRED, Lifecycle.ANNOUNCED)
