"""The page of presets: one table per status, the derivation of every KV figure, what is corrected and why."""

from collections.abc import Iterable
from typing import Final

from controller.catalog import KvQuality, Preset, PresetStatus, load_catalog
from controller.catalog.model import Edition
from hack.docs.markdown import notes, number, page, table

_HEADER: Final = ("name", "also", "licence", "gated", "weights GiB", "KV B/token", "context", "disk GiB", "runs from")
_MARKS: Final = {KvQuality.EXACT: "", KvQuality.UPPER_BOUND: " ≤", KvQuality.UNKNOWN: " ?"}
_INTRO: Final = """# Presets

Every model KAITO has named, v0.0.1 to v0.12.0, and what it needs. A Workspace names one in `inference.preset.name` or
`tuning.preset.name`, in any letter case and by any of its names. The figures stand in
`controller/catalog/data/presets.json`; `python -m controller.catalog` checks them.

- *weights*: the files that are loaded, in GiB (2^30 bytes).
- *KV*: bytes of KV cache per token over all layers at two bytes an element. ≤ marks an upper bound: some layers keep
  less than the whole context. ? marks a model whose layout is not published; its figure is used as an upper bound too.
- *gated*: the weights need an access approval at Hugging Face; ? means that nobody recorded it.
- *runs from*: the images in order of preference. The first that has code for the GPU is taken; *weights inside* means
  that nothing is downloaded at start."""


def presets_page() -> str:
    """The text of docs/reference/presets.md."""
    catalog = load_catalog()
    presets = [catalog.presets[name.lower()] for name in catalog.preset_names]
    by_status = {status: [preset for preset in presets if preset.status is status] for status in PresetStatus}
    active, removed, unreleased = (
        by_status[status] for status in (PresetStatus.ACTIVE, PresetStatus.REMOVED, PresetStatus.UNRELEASED)
    )
    return page(
        _INTRO,
        f"## Active ({len(active)})",
        _table(active),
        f"## Removed by KAITO ({len(removed)})",
        "They are accepted with a warning, because an image or the weights are still there.",
        _table(removed, successor=True),
        f"## Never released ({len(unreleased)})",
        "They are refused: no image was ever published.",
        table(("name", "use instead"), ((preset.name, preset.successor) for preset in unreleased)),
        "## Tuning",
        _tuning(presets),
        "## Where the figures come from",
        _derivations(presets),
        "## Notes",
        notes({f"`{preset.name}`": preset.notes for preset in presets}),
    )


def _table(presets: Iterable[Preset], *, successor: bool = False) -> str:
    header = (*_HEADER, "use instead") if successor else _HEADER
    return table(header, ((*_row(preset), preset.successor) if successor else _row(preset) for preset in presets))


def _row(preset: Preset) -> tuple[str, ...]:
    return (
        f"`{preset.name}`",
        ", ".join(f"`{alias}`" for alias in preset.aliases),
        preset.license,
        {True: "yes", False: "no", None: "?"}[preset.gated],
        number(preset.weights_gib),
        number(preset.kv_bytes_per_token, 0) + _MARKS[preset.kv_quality],
        number(preset.max_context, 0),
        number(preset.disk_gib, 0),
        ", ".join(_edition(edition) for edition in (_own(preset), *preset.alternatives)),
    )


def _own(preset: Preset) -> Edition:
    return Edition(preset.image, preset.download, preset.distributed, preset.runtimes)


def _edition(edition: Edition) -> str:
    servers = " or ".join(runtime.value for runtime in edition.runtimes)
    if edition.image is None:
        return f"your own image ({servers})"
    inside = "" if edition.download else ", weights inside"
    return f"`{edition.image.repository}:{edition.image.tag}` ({servers}{inside})"


def _tuning(presets: Iterable[Preset]) -> str:
    rows = (
        (
            f"`{preset.name}`",
            ", ".join(preset.tuning.methods),
            f"`{preset.tuning.image.repository}:{preset.tuning.image.tag}`",
            ", ".join(f"{method} {number(gib)} GiB" for method, gib in preset.tuning.stated_memory_gib.items() if gib),
        )
        for preset in presets
        if preset.tuning is not None
    )
    return table(("name", "methods", "image", "memory KAITO states per method"), rows)


def _derivations(presets: Iterable[Preset]) -> str:
    rows = (
        (
            f"`{preset.name}`",
            preset.architecture.model_class,
            preset.architecture.attention,
            preset.architecture.kv_derivation,
            preset.kv_quality.value,
            preset.quantization or preset.dtype,
            number(preset.parameters_b),
        )
        for preset in presets
    )
    return table(("name", "class", "attention", "KV bytes per token", "quality", "weights", "parameters, 10⁹"), rows)
