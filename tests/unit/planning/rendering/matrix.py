"""Every preset in every way it is rendered: each model server of each image, on one node and on several, and tuned."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from controller.api import labels
from controller.api.json import Json
from controller.api.workspace import Runtime
from controller.catalog import Preset, Sku
from controller.planning.rendering import Rendering
from controller.planning.runtimes import choose_runtime
from controller.planning.sizing import Use, fit
from tests.unit.planning.rendering.cases import ADAPTERS, IN, OUT, STRONG
from tests.unit.planning.rendering.kit import CATALOG, manifest, rendered, tuned

SIZES = (
    "Standard_NC6s_v3", "Standard_NC24s_v3", "Standard_NV36ads_A10_v5", "Standard_NC24ads_A100_v4",
    "Standard_NC96ads_A100_v4", "Standard_ND96isr_H100_v5", "Standard_ND96isr_H200_v5",
)  # fmt: skip
"""Sizes of each generation, the smaller first; a preset is shown on the first that holds it."""

TRAINED_ON = "Standard_ND96isr_H200_v5"
"""A size on which every preset can be tuned in both ways."""

FEW = 4
"""The most nodes a copy is shown on."""

CONFIG = "max_probe_steps: 4\nvllm: {max-model-len: 1024, enforce-eager: true, gpu-memory-utilization: 0.9}"

PLAIN, WITH_ADAPTERS, WITH_CONFIG = "plain", "adapters", "config"


@dataclass(frozen=True)
class Way:
    """One way to run a preset.

    Attributes:
        title: the way in words: what runs on how many nodes of which size.
        form: the kind of it: `vllm`, `vllm spread`, `transformers`, `lora` …, or the way it is the like of.
        variants: by what is added, the manifest and the text of the ConfigMap it names.
    """

    title: str
    form: str
    variants: dict[str, tuple[Json, str | None]]

    def render(self, variant: str) -> Rendering:
        """The objects of a variant."""
        return rendered(*self.variants[variant])


def ways(preset: Preset) -> Iterator[Way]:
    """Every way to run a preset."""
    for runtime in Runtime:
        alone, together = _sizes(preset, runtime)
        for sku in alone.values():
            yield _served(preset, runtime, sku, 1)
            yield _served(preset, runtime, sku, 2, like=f"{runtime} on {sku.name}")
        for sku, nodes in together.values():
            yield _served(preset, runtime, sku, nodes, like=f"{runtime} spread")
    if preset.tuning is not None:
        yield from _trained(preset)


def _sizes(preset: Preset, runtime: Runtime) -> tuple[dict[str, Sku], dict[str, tuple[Sku, int]]]:
    """By image, the first size on whose one node it runs, and the first of which a copy takes several nodes."""
    alone: dict[str, Sku] = {}
    together: dict[str, tuple[Sku, int]] = {}
    for name in SIZES:
        sku = CATALOG.sku(name)
        assert sku is not None
        served = preset.on(sku, runtime)
        spec = served.runtimes.get(runtime)
        if spec is None or not spec.supports(sku.compute_capability) or spec.cuda_toolkit:
            continue
        nodes = fit(preset, sku, Use(runtime=runtime, adapters=2 if spec.lora else 0)).min_nodes
        if nodes == 1:
            alone.setdefault(served.image_reference, sku)
        elif nodes is not None and nodes <= FEW:
            together.setdefault(served.image_reference, (sku, nodes))
    return alone, together


def _served(preset: Preset, runtime: Runtime, sku: Sku, nodes: int, *, like: str = "") -> Way:
    served = preset.on(sku, runtime)
    wish = {} if choose_runtime(None, preset.on(sku), sku).runtime is runtime else {labels.RUNTIME: runtime.value}

    def asked(**more: Any) -> Json:
        return manifest(sku.name, nodes, wish, inference={"preset": _preset(preset), **more})

    variants: dict[str, tuple[Json, str | None]] = {PLAIN: (asked(), None)}
    if served.runtimes[runtime].lora:
        adapters = ADAPTERS if runtime is Runtime.VLLM else STRONG
        variants[WITH_ADAPTERS] = (asked(adapters=adapters), None)
    if runtime is Runtime.VLLM:
        variants[WITH_CONFIG] = (asked(config="cm"), CONFIG)
    title = f"{runtime} on {nodes} {sku.name}" if nodes > 1 else f"{runtime} on {sku.name}"
    return Way(title, like or runtime.value, variants)


def _preset(preset: Preset) -> Json:
    if preset.image is not None:
        return {"name": preset.name}
    return {
        "name": preset.name,
        "accessMode": "private",
        "presetOptions": {"image": "registry.example.com/own:1", "imagePullSecrets": ["key"]},
    }


def _trained(preset: Preset) -> Iterator[Way]:
    assert preset.tuning is not None
    for method in preset.tuning.methods:
        spec = {"preset": {"name": preset.name}}
        from_urls, from_volume = tuned(method, **spec), tuned(method, input=IN, output=OUT, **spec)
        for obj in (from_urls, from_volume):
            obj["resource"]["instanceType"] = TRAINED_ON
        yield Way(method, method, {PLAIN: (from_urls, None), "volumes": (from_volume, None)})
