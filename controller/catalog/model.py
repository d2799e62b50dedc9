"""The catalogue's values: a model that can be served, a machine size that can serve it.

All memory figures are GiB (2**30 bytes) unless the name says otherwise.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from controller.api.labels import AMD_GPU, NVIDIA_GPU
from controller.api.workspace import Runtime

DECIMAL_GB_IN_GIB: Final = 10**9 / 2**30
"""What remains of a vendor's gigabyte when it is meant decimally.

Drivers report 93.7 % (A10, T4) to 100 % (A100) of the nominal figure; this is below all of them, so an unmeasured
device is never overrated.
"""

_MIB_IN_GIB: Final = 1024
_BF16_CAPABILITY: Final = 8.0


class Lifecycle(StrEnum):
    """Where a machine size stands with its cloud."""

    CURRENT = "current"
    PREVIOUS = "previous"
    ANNOUNCED = "announced"
    RETIRED = "retired"
    PREVIEW_NAME = "preview-name"
    UNDOCUMENTED = "undocumented"
    ALIAS = "alias"


@dataclass(frozen=True, slots=True)
class Sku:
    """One Azure VM size with GPUs.

    Attributes:
        name: the size as the cloud spells it, such as `Standard_NC6s_v3`.
        series: the family of sizes in the cloud's documentation.
        quota_family: the name under which vCPU quota is counted; None when unknown.
        vendor: `nvidia` or `amd`.
        gpu_model: product name of the device.
        gpu_count: devices visible in the VM; 0 when unknown.
        gpu_fraction: `1/6` when a device is a slice of a GPU, else empty.
        gpu_memory_gib: nominal memory of one visible device; None when unknown.
        gpu_memory_reported_mib: MiB the driver shows for one device; None when nobody measured it.
        compute_capability: CUDA compute capability; None for AMD.
        vcpu: virtual CPUs; None when unknown.
        memory_gib: system memory; None when unknown.
        temp_disk_gib: temporary disk; None when unknown or absent.
        local_nvme: whether local NVMe disks exist; None when unknown.
        arch: CPU architecture as in the label `kubernetes.io/arch`.
        lifecycle: where the size stands with its cloud.
        retirement_date: announced or past retirement as YYYY-MM-DD, else empty.
        driver_installed: whether AKS installs the GPU driver on Linux nodes of this size.
        alias_of: the deployable size when this name is not one, else empty.
        notes: disagreements between sources and other things worth knowing.
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

    @property
    def gpu_resource(self) -> str:
        """The extended resource its device plugin advertises on nodes."""
        return AMD_GPU if self.vendor == "amd" else NVIDIA_GPU

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


@dataclass(frozen=True, slots=True)
class Architecture:
    """The facts of a transformer that decide what it needs.

    Attributes:
        model_class: class name in the model's configuration.
        attention: MHA, GQA, MQA or MLA.
        layers, hidden_size, attention_heads, kv_heads, head_dim: as in the model's configuration.
    """

    model_class: str
    attention: str
    layers: int
    hidden_size: int
    attention_heads: int
    kv_heads: int
    head_dim: int


@dataclass(frozen=True, slots=True)
class Image:
    """A container image of the catalogue."""

    registry: str
    repository: str
    tag: str

    @property
    def reference(self) -> str:
        """`registry/repository:tag`."""
        return f"{self.registry}/{self.repository}:{self.tag}"


@dataclass(frozen=True, slots=True)
class RuntimeSpec:
    """How one model server is started in the preset's image.

    Attributes:
        base_command: the launcher, words separated by blanks.
        launch_params: flags of the launcher itself.
        main_file: the server's path inside the image.
        run_params: flags of the server; empty text means a flag without value.
        dtype_param: the flag that names the number format.
        min_capability, max_capability: CUDA compute capabilities the image holds code for, both included.
    """

    base_command: str
    launch_params: Mapping[str, str]
    main_file: str
    run_params: Mapping[str, str]
    dtype_param: str
    min_capability: float
    max_capability: float

    def argv(self, overrides: Mapping[str, str] = MappingProxyType({})) -> tuple[str, ...]:
        """The command line, `overrides` replacing or adding flags of the server. Flags stand in alphabetical order."""
        return (
            *self.base_command.split(),
            *_flags(self.launch_params),
            self.main_file,
            *_flags({**self.run_params, **overrides}),
        )


@dataclass(frozen=True, slots=True)
class Preset:
    """A model that can be served by name.

    Attributes:
        name: the short name, lower case.
        aliases: other accepted spellings; letter case does not matter.
        family: model family.
        hf_repo: Hugging Face repository of the weights.
        hf_revision: the pinned commit of that repository.
        license: SPDX-like identifier.
        gated: whether the weights need an access approval.
        parameters_b: parameters in billions.
        weights_gib: size of the weight files.
        kv_bytes_per_token: bytes of KV cache per token over all layers.
        max_context: longest context in tokens.
        architecture: facts of the network.
        dtype: number format of the weights.
        disk_gib: disk a node needs for image, weights and scratch.
        readiness_timeout_minutes: how long loading may take before it counts as failed.
        tensor_parallel: whether the model can be split over the GPUs of one node.
        distributed: whether it can be split over several nodes.
        image: the published image, which carries the weights.
        gpu_vendor: whose GPUs the image has code for.
        arch: CPU architecture the image is built for.
        port: HTTP port of the server in the image.
        health_path: its health endpoint.
        runtimes: how to start each model server the image holds.
    """

    name: str
    aliases: tuple[str, ...]
    family: str
    hf_repo: str
    hf_revision: str
    license: str
    gated: bool
    parameters_b: float
    weights_gib: float
    kv_bytes_per_token: int
    max_context: int
    architecture: Architecture
    dtype: str
    disk_gib: int
    readiness_timeout_minutes: int
    tensor_parallel: bool
    distributed: bool
    image: Image
    gpu_vendor: str
    arch: str
    port: int
    health_path: str
    runtimes: Mapping[Runtime, RuntimeSpec]

    @property
    def names(self) -> tuple[str, ...]:
        """Every accepted spelling, the short name first."""
        return (self.name, *self.aliases)


def _flags(params: Mapping[str, str]) -> Iterable[str]:
    return (f"--{name}={value}" if value else f"--{name}" for name, value in sorted(params.items()))
