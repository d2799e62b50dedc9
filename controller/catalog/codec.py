"""Between the values of the catalogue and the plain JSON they are reviewed in.

Decoding trusts what it is given: the schemas and checks of this package are what guards the files.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, Final

from controller.api.json import Json
from controller.api.workspace import Runtime
from controller.catalog.model import (
    Architecture,
    Edition,
    Image,
    KvQuality,
    Preset,
    PresetStatus,
    RuntimeSpec,
    Tuning,
)
from controller.catalog.sku import Cloud, Lifecycle, Sku

SKU_OPTIONAL: Final = MappingProxyType({"gpu_fraction": "", "retirement_date": "", "alias_of": "", "notes": ""})
"""Fields an entry of a size leaves out where they would be empty."""

_PRESET_VERBATIM: Final = (
    "name",
    "family",
    "hf_repo",
    "hf_revision",
    "license",
    "gated",
    "parameters_b",
    "weights_gib",
    "kv_bytes_per_token",
    "max_context",
    "dtype",
    "disk_gib",
    "readiness_timeout_minutes",
    "tensor_parallel",
    "runnable",
)
_PRESET_OPTIONAL: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "successor": "",
        "active_parameters_b": None,
        "quantization": "",
        "fixed_gpus": None,
        "gpu_vendor": "nvidia",
        "arch": "amd64",
        "port": 5000,
        "health_path": "/health",
    }
)


def decode_sku(entry: Json, cloud: Cloud) -> Sku:
    """A size from its entry.

    Raises:
        TypeError, KeyError, ValueError: a field is missing, unknown, or a word is not of its closed list.
    """
    known = {**SKU_OPTIONAL, **entry, "lifecycle": Lifecycle(entry["lifecycle"]), "gpu_count": entry["gpu_count"] or 0}
    return Sku(**known, cloud=cloud)


def encode_sku(sku: Sku) -> Json:
    """The entry of a size, without its cloud."""
    entry = {**asdict(sku), "lifecycle": sku.lifecycle.value, "gpu_count": sku.gpu_count or None}
    del entry["cloud"]
    return {key: value for key, value in entry.items() if not (key in SKU_OPTIONAL and value == "")}


def decode_preset(entry: Json, engines: Mapping[str, Json]) -> Preset:
    """A preset from its entry.

    Args:
        entry: as in the file of presets.
        engines: launch facts the entry's editions refer to by name.

    Raises:
        TypeError, KeyError, ValueError: a field is missing, unknown, or a word is not of its closed list.
    """
    placeholders = _placeholders(entry)
    first, *others = [_edition(each, engines, placeholders) for each in entry["editions"]] or [_NOTHING]
    return Preset(
        **{key: entry[key] for key in _PRESET_VERBATIM},
        **{key: entry.get(key, default) for key, default in _PRESET_OPTIONAL.items()},
        aliases=tuple(entry["aliases"]),
        architecture=Architecture(**entry["architecture"]),
        status=PresetStatus(entry["status"]),
        kv_quality=KvQuality(entry["kv_quality"]),
        image=first.image,
        download=first.download,
        distributed=first.distributed,
        runtimes=first.runtimes,
        alternatives=tuple(others),
        tuning=_tuning(entry["tuning"], engines, placeholders) if "tuning" in entry else None,
        notes=tuple(entry.get("notes", ())),
    )


def encode_preset(preset: Preset) -> Json:
    """The entry of a preset, every launch fact written out instead of referring to engines."""
    entry: Json = {key: getattr(preset, key) for key in (*_PRESET_VERBATIM, *_PRESET_OPTIONAL)}
    entry |= {
        "aliases": list(preset.aliases),
        "architecture": _without_none(asdict(preset.architecture)),
        "status": preset.status.value,
        "kv_quality": preset.kv_quality.value,
        "editions": [_edition_entry(edition) for edition in _editions(preset)],
        "notes": list(preset.notes),
    }
    if preset.tuning is not None:
        entry["tuning"] = {
            "image": asdict(preset.tuning.image),
            "methods": list(preset.tuning.methods),
            "stated_memory_gib": dict(preset.tuning.stated_memory_gib),
            "spec": _spec_entry(preset.tuning.spec),
        }
    return {key: value for key, value in entry.items() if key not in _PRESET_OPTIONAL or value not in (None, "")}


_NOTHING: Final = Edition(None, download=False, distributed=False, runtimes=MappingProxyType({}))


def _placeholders(entry: Json) -> dict[str, str]:
    own = {
        "{name}": entry["name"].rpartition("/")[2].lower(),
        "{hf_repo}": entry["hf_repo"],
        "{hf_revision}": entry["hf_revision"],
    }
    gpus = entry.get("fixed_gpus")
    return own if gpus is None else {**own, "{fixed_gpus}": str(gpus)}


def _edition(entry: Json, engines: Mapping[str, Json], placeholders: Mapping[str, str]) -> Edition:
    engine: Json = engines[entry["engine"]] if "engine" in entry else {}
    image = entry.get("image") or engine.get("image")
    runtimes = {
        Runtime(name): _spec(engine.get("runtimes", {}).get(name, {}), own, placeholders)
        for name, own in entry["runtimes"].items()
    }
    return Edition(
        image=Image(**image) if image else None,
        download=bool(entry.get("download", engine.get("download"))),
        distributed=entry["distributed"],
        runtimes=MappingProxyType(runtimes),
    )


def _tuning(entry: Json, engines: Mapping[str, Json], placeholders: Mapping[str, str]) -> Tuning:
    common = engines[entry["engine"]]["tuning"] if "engine" in entry else {}
    return Tuning(
        image=Image(**entry["image"]),
        methods=tuple(entry["methods"]),
        stated_memory_gib=MappingProxyType(dict(entry["stated_memory_gib"])),
        spec=_spec(common, entry.get("spec", {}), placeholders),
    )


def _spec(common: Json, own: Json, placeholders: Mapping[str, str]) -> RuntimeSpec:
    merged: dict[str, Any] = {**common, **own}
    for key in ("launch_params", "run_params", "env"):
        params = {**common.get(key, {}), **own.get(key, {})}
        merged[key] = MappingProxyType(dict(_resolved(params, placeholders)))
    return RuntimeSpec(**merged)


def _resolved(params: Mapping[str, str], placeholders: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    for name, value in params.items():
        if value not in placeholders:
            yield name, value
        elif placeholders[value]:
            yield name, placeholders[value]


def _editions(preset: Preset) -> tuple[Edition, ...]:
    if not preset.runtimes:
        return ()
    return (Edition(preset.image, preset.download, preset.distributed, preset.runtimes), *preset.alternatives)


def _edition_entry(edition: Edition) -> Json:
    return {
        "image": asdict(edition.image) if edition.image is not None else None,
        "download": edition.download,
        "distributed": edition.distributed,
        "runtimes": {runtime.value: _spec_entry(spec) for runtime, spec in edition.runtimes.items()},
    }


def _spec_entry(spec: RuntimeSpec) -> Json:
    mappings = {key: dict(getattr(spec, key)) for key in ("launch_params", "run_params", "env")}
    plain = ("base_command", "main_file", "dtype_param", "min_capability", "max_capability", "working_dir", "lora")
    version = {"version": spec.version} if spec.version else {}
    return {**{key: getattr(spec, key) for key in plain}, **mappings, "cuda_toolkit": spec.cuda_toolkit, **version}


def _without_none(entry: Json) -> Json:
    return {key: value for key, value in entry.items() if value is not None}
