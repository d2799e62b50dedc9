"""What must agree within the catalogue beyond what a schema can say.

Every function yields one line per fault; the same checks judge the reviewed files and what users add to them.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from controller.catalog.loader import Catalog
from controller.catalog.model import Edition, KvQuality, Preset, PresetStatus, RuntimeSpec
from controller.catalog.prices import PriceTable
from controller.catalog.sku import Lifecycle, Sku

_PLAIN_WEIGHTS: Final = (1.9, 2.1)
_FP8: Final = (0.9, 1.6)
_FOUR_BIT: Final = (0.5, 0.8)
BYTES_PER_PARAMETER: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "": _PLAIN_WEIGHTS,
        "fp8": _FP8,
        "float-quantized": _FP8,
        "awq": _FOUR_BIT,
        "gptq": _FOUR_BIT,
        "mxfp4": _FOUR_BIT,
        "pack-quantized": _FOUR_BIT,
        "nvfp4-pack-quantized": _FOUR_BIT,
        "mixed_precision": _FOUR_BIT,
    }
)
"""Bytes of weight files per parameter, least and most, by quantisation.

The span of quantised weights is wide because embeddings and norms stay at two bytes, and because the parameter counts
of model names are rounded.
"""


def preset_faults(preset: Preset) -> Iterator[str]:
    """What contradicts itself in one preset."""
    yield from _attention_faults(preset)
    yield from _kv_faults(preset)
    yield from _weight_faults(preset)
    if preset.fixed_gpus is not None and preset.fixed_gpus > 1 and not preset.tensor_parallel:
        yield f"fixed_gpus is {preset.fixed_gpus}, but the model cannot be split over GPUs"
    own = Edition(preset.image, preset.download, preset.distributed, preset.runtimes)
    for edition in (own, *preset.alternatives):
        if edition.download and edition.image is None:
            yield "weights are downloaded, but there is no image to download them into"
        for spec in edition.runtimes.values():
            yield from _spec_faults(spec)
    if preset.tuning is not None:
        yield from _spec_faults(preset.tuning.spec)
        if set(preset.tuning.stated_memory_gib) != set(preset.tuning.methods):
            yield "tuning.stated_memory_gib does not name the same methods as tuning.methods"


def sku_faults(sku: Sku) -> Iterator[str]:
    """What contradicts itself in one size."""
    dated = sku.lifecycle in (Lifecycle.RETIRED, Lifecycle.ANNOUNCED)
    if dated != bool(sku.retirement_date):
        yield f"lifecycle is {sku.lifecycle}, retirement_date is {sku.retirement_date or 'missing'}"
    if (sku.lifecycle is Lifecycle.ALIAS) != bool(sku.alias_of):
        yield f"lifecycle is {sku.lifecycle}, alias_of is {sku.alias_of or 'missing'}"
    if sku.lifecycle is Lifecycle.CURRENT and sku.vendor in ("nvidia", "amd"):
        figures = {"gpu_count": sku.gpu_count, "gpu_memory_gib": sku.gpu_memory_gib, "vcpu": sku.vcpu}
        yield from (f"{name} is unknown, though the size can be had" for name, value in figures.items() if not value)
    if sku.gpu_memory_reported_mib is not None and sku.gpu_memory_gib is not None:
        share = sku.gpu_memory_reported_mib / 1024 / sku.gpu_memory_gib
        if not 0.85 <= share <= 1:
            yield f"the driver reports {share:.0%} of gpu_memory_gib; 85 % to 100 % is possible"


def catalog_faults(catalog: Catalog) -> Iterator[str]:
    """What does not fit together between entries: successors, aliases, devices of one name with different facts."""
    for name in catalog.preset_names:
        yield from successor_faults(catalog.presets[name.lower()], catalog)
    everything = (*catalog.skus.values(), *catalog.elsewhere.values())
    for sku in everything:
        if sku.alias_of and catalog.sku(sku.alias_of) is None:
            yield f"{sku.name}: alias_of {sku.alias_of} is not in the catalogue"
    yield from _device_faults(everything)


def successor_faults(preset: Preset, catalog: Catalog) -> Iterator[str]:
    """What is wrong with the preset somebody is sent to."""
    if not preset.successor:
        return
    heir = catalog.preset(preset.successor)
    if heir is None:
        yield f"{preset.name}: successor {preset.successor} is not in the catalogue"
    elif heir.status is not PresetStatus.ACTIVE:
        yield f"{preset.name}: successor {preset.successor} is {heir.status} itself"


def price_faults(prices: PriceTable, catalog: Catalog) -> Iterator[str]:
    """Prices of sizes the catalogue does not have in that cloud."""
    known = {(sku.cloud, key) for key, sku in (*catalog.skus.items(), *catalog.elsewhere.items())}
    strangers = {(cloud.value, size) for cloud, size, _, _ in prices if (cloud, size) not in known}
    yield from (f"prices of {size}, which {cloud} does not have" for cloud, size in sorted(strangers))


def _attention_faults(preset: Preset) -> Iterator[str]:
    facts = preset.architecture
    heads = facts.attention_heads
    right = {"MHA": facts.kv_heads == heads, "GQA": 1 < facts.kv_heads < heads, "MQA": facts.kv_heads == 1}
    if not right.get(facts.attention, True):
        yield f"attention {facts.attention} does not go with {facts.kv_heads} KV heads of {heads} heads"
    if heads % facts.kv_heads:
        yield f"{heads} heads cannot share {facts.kv_heads} KV heads evenly"
    if facts.full_attention_layers is not None and not facts.full_attention_layers <= facts.layers:
        yield f"full_attention_layers {facts.full_attention_layers} is more than the {facts.layers} layers"


def _kv_faults(preset: Preset) -> Iterator[str]:
    facts, stated = preset.architecture, preset.kv_bytes_per_token
    full = facts.kv_bytes_per_token
    partial = facts.full_attention_layers is not None and facts.full_attention_layers < facts.layers
    if preset.kv_quality is KvQuality.EXACT and stated != full:
        yield f"kv_bytes_per_token is {stated}, but {facts.kv_derivation} = {full}"
    elif stated > full:
        yield f"kv_bytes_per_token is {stated}, above the {full} of full attention ({facts.kv_derivation})"
    if preset.kv_quality is KvQuality.EXACT and partial:
        yield "kv_quality is exact, though some layers keep less than the whole context"


def _weight_faults(preset: Preset) -> Iterator[str]:
    if preset.disk_gib <= preset.weights_gib:
        yield f"disk_gib {preset.disk_gib} does not hold the {preset.weights_gib} GiB of weights"
    span = BYTES_PER_PARAMETER.get(preset.quantization)
    if preset.parameters_b is None or span is None:
        return
    least, most = span
    bytes_each = preset.weights_gib * 2**30 / (preset.parameters_b * 10**9)
    if not least <= bytes_each <= most:
        kind = preset.quantization or "plain"
        yield f"{bytes_each:.2f} bytes per parameter; {kind} weights have {least} to {most}"


def _spec_faults(spec: RuntimeSpec) -> Iterator[str]:
    if spec.min_capability > spec.max_capability:
        yield f"min_capability {spec.min_capability} is above max_capability {spec.max_capability}"


def _device_faults(skus: Iterable[Sku]) -> Iterator[str]:
    seen: dict[str, Sku] = {}
    for sku in skus:
        if sku.gpu_fraction or sku.gpu_memory_gib is None:
            continue
        first = seen.setdefault(sku.gpu_model, sku)
        if (first.compute_capability, first.gpu_memory_gib) != (sku.compute_capability, sku.gpu_memory_gib) and (
            first.cloud is sku.cloud
        ):
            yield f"{sku.name} and {first.name} state different facts of {sku.gpu_model}"
