"""Which model server a preset is run with, and in which number format."""

from dataclasses import dataclass
from typing import Final

from controller.api.workspace import Runtime
from controller.catalog import Preset, Sku

VLLM_CAPABILITY: Final = 8.0
"""CUDA capability from which vLLM is chosen unasked: bfloat16 and its fast attention kernels start there."""

HALF: Final = "float16"
"""The number format every supported GPU computes in."""


@dataclass(frozen=True, slots=True)
class RuntimeChoice:
    """A model server and why it was chosen.

    Attributes:
        runtime: the model server.
        dtype: the number format to start it with.
        why: one clause for people.
    """

    runtime: Runtime
    dtype: str
    why: str


def choose_runtime(wish: Runtime | None, preset: Preset, sku: Sku | None) -> RuntimeChoice:
    """The user's wish where the preset can do it, else vLLM on GPUs of capability 8.0 and newer, else Transformers.

    Args:
        wish: what the user asked for; None without a wish.
        preset: the model.
        sku: the machine size; None where the nodes' size is not in the catalogue.
    """
    dtype = preset.dtype if sku is not None and sku.bf16 else HALF
    if wish is not None and wish in preset.runtimes:
        return RuntimeChoice(wish, dtype, "asked for by annotation")
    capability = sku.compute_capability if sku is not None else None
    if Runtime.VLLM in preset.runtimes and capability is not None and capability >= VLLM_CAPABILITY:
        return RuntimeChoice(Runtime.VLLM, dtype, f"CUDA capability {capability} is {VLLM_CAPABILITY} or newer")
    if Runtime.TRANSFORMERS in preset.runtimes:
        found = "unknown" if capability is None else f"{capability}"
        return RuntimeChoice(Runtime.TRANSFORMERS, dtype, f"CUDA capability is {found}, vLLM is for {VLLM_CAPABILITY}")
    return RuntimeChoice(next(iter(preset.runtimes)), dtype, "the only runtime of the preset")
