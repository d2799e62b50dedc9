"""What an existing node says about its GPUs, as the machine size it amounts to.

Three sources, the later ones fill in what the earlier do not say: the labels of NVIDIA's GPU feature discovery, the
catalogue's entry for the node's instance type, and the devices the node's plug-in counts.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from controller.api import labels
from controller.api.conditions import TRUE
from controller.api.json import Json, labels_of, name_of
from controller.api.quantity import count_of
from controller.catalog import Catalog, Lifecycle, Sku

_MIB_IN_GIB: Final = 1024
_AMD64: Final = "amd64"
_NVIDIA: Final = "nvidia"
_VENDORS: Final = ((labels.NVIDIA_GPU, _NVIDIA), (labels.AMD_GPU, "amd"))
_LONGEST_NUMBER: Final = 9
_TELLING: Final = (
    labels.INSTANCE_TYPE,
    labels.ARCH,
    labels.GPU_PRODUCT,
    labels.GPU_COUNT,
    labels.GPU_MEMORY_MIB,
    labels.GPU_COMPUTE_MAJOR,
    labels.GPU_COMPUTE_MINOR,
)
_CHIP: Final = re.compile(r"[A-Z]{1,2}\d{1,3}[A-Z]?", re.ASCII)
"""A word of a product name that names the chip, such as A100, T4, L40S or GB200."""

_SLICED: Final = "-MIG-"
"""What products are called by whose GPUs are all cut alike, before the profile."""

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node, reduced to what admission needs.

    Attributes:
        name: the node's name.
        labels: its labels.
        capacity: its capacity of extended resources that are GPUs, as the device plug-in counts them.
        up: whether it is Ready and takes new pods, as far as is known.
        devices: all its size follows from; equal for nodes of one kind.
    """

    name: str
    labels: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    capacity: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    up: bool = True
    devices: tuple[object, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "devices", (*map(self.labels.get, _TELLING), *self.capacity.items()))

    @property
    def instance_type(self) -> str:
        """The size its cloud made it of; empty without the label."""
        return self.labels.get(labels.INSTANCE_TYPE, "")


@dataclass(frozen=True, slots=True)
class Unknown:
    """Why a node's GPUs are not known: the label that is missing, or holds no number."""

    label: str
    value: str | None

    @property
    def text(self) -> str:
        """One clause for people."""
        return f"its label {self.label} " + ("is missing" if self.value is None else f'is "{self.value}"')


def node_facts(obj: Json) -> NodeFacts:
    """The facts of a Node object; one that has no capacity is judged by what it can allot."""
    status = obj.get("status") or {}
    capacity = status.get("capacity") or status.get("allocatable") or {}
    gpus = {key: capacity[key] for key, _ in _VENDORS if key in capacity}
    ready = next((each for each in status.get("conditions") or [] if each.get("type") == "Ready"), {"status": TRUE})
    up = ready.get("status") == TRUE and not (obj.get("spec") or {}).get("unschedulable")
    return NodeFacts(name_of(obj), labels_of(obj), gpus, up)


def kind_of(size: Sku) -> tuple[str, int, float | None]:
    """What nodes have to have in common to serve the same Workspace: model, number and memory of their GPUs."""
    return size.gpu_model, size.gpu_count, size.gpu_memory_gib


def sizes_of(nodes: Iterable[NodeFacts], catalog: Catalog) -> Iterator[tuple[NodeFacts, Sku | Unknown]]:
    """Every node with its size, as they are asked for; those of one kind are looked up once."""
    known: dict[tuple[object, ...], Sku | Unknown] = {}
    for node in nodes:
        devices = node.devices
        if devices not in known:
            known[devices] = size_of(node, catalog)
        yield node, known[devices]


def size_of(node: NodeFacts, catalog: Catalog) -> Sku | Unknown:
    """The size the node amounts to: its GPUs as it describes them, everything else as the catalogue knows it."""
    base = catalog.sku(node.instance_type)
    found = _described(node)
    if not isinstance(found, Unknown):
        product, devices, memory = found
        # No model is spread over slices, so that a pod asks for one. Source: NVIDIA, no peer-to-peer under MIG.
        count = 1 if _SLICED in product else devices
        described = base or _blank(node, product, catalog)
        gib = described.gpu_memory_gib or (memory + _MIB_IN_GIB // 2) // _MIB_IN_GIB
        return replace(described, gpu_count=count, gpu_memory_gib=gib, gpu_memory_reported_mib=memory)
    if base is not None and base.gpu_count:
        return base
    if any(key in node.labels for key in (labels.GPU_PRODUCT, labels.GPU_COUNT, labels.GPU_MEMORY_MIB)):
        return found
    for key, vendor in _VENDORS:
        if devices := count_of(dict(node.capacity), key):
            return replace(base or _blank(node, f"{vendor} GPU", catalog), vendor=vendor, gpu_count=devices)
    return found


def _described(node: NodeFacts) -> tuple[str, int, int] | Unknown:
    """Product, number of GPUs and MiB of each, as GPU feature discovery labels them."""
    product = node.labels.get(labels.GPU_PRODUCT)
    if not product:
        return Unknown(labels.GPU_PRODUCT, None)
    numbers: list[int] = []
    for key in (labels.GPU_COUNT, labels.GPU_MEMORY_MIB):
        value = node.labels.get(key)
        number = _whole(value)
        if not number:
            return Unknown(key, value)
        numbers.append(number)
    return product, numbers[0], numbers[1]


def _blank(node: NodeFacts, product: str, catalog: Catalog) -> Sku:
    """A size nobody listed, its GPUs still to be filled in."""
    return Sku(
        name=node.instance_type or product,
        series="",
        quota_family=None,
        vendor=_NVIDIA,
        gpu_model=product.replace("-", " "),
        gpu_count=0,
        gpu_fraction="",
        gpu_memory_gib=None,
        gpu_memory_reported_mib=None,
        compute_capability=_capability(node, product, catalog),
        vcpu=None,
        memory_gib=None,
        temp_disk_gib=None,
        local_nvme=None,
        arch=node.labels.get(labels.ARCH, _AMD64),
        lifecycle=Lifecycle.CURRENT,
        retirement_date="",
        driver_installed=True,
        alias_of="",
        notes="",
        cloud=catalog.cloud,
    )


def _capability(node: NodeFacts, product: str, catalog: Catalog) -> float | None:
    """CUDA compute capability by the node's own labels, else that of the same chip in the catalogue."""
    major, minor = _whole(node.labels.get(labels.GPU_COMPUTE_MAJOR)), _whole(node.labels.get(labels.GPU_COMPUTE_MINOR))
    if major:
        return float(f"{major}.{minor or 0}")
    chips = set(_CHIP.findall(product))
    known = (sku for table in (catalog.skus, catalog.elsewhere) for sku in table.values() if sku.vendor == _NVIDIA)
    return next((sku.compute_capability for sku in known if chips & set(sku.gpu_model.split())), None)


def _whole(text: str | None) -> int | None:
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > _LONGEST_NUMBER:
        return None
    return int(text)
