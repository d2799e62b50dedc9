"""Which model server, in which number format."""

import dataclasses

import pytest

from controller.api.workspace import Runtime
from controller.catalog import load_catalog
from controller.planning.runtimes import choose_runtime

CATALOG = load_catalog()
PHI = CATALOG.presets["phi-3-mini-4k-instruct"]


@pytest.mark.parametrize(
    ("wish", "size", "runtime", "dtype"),
    [
        # A V100 has no bfloat16: Transformers in float16.
        (None, "Standard_NC6s_v3", Runtime.TRANSFORMERS, "float16"),
        (None, "Standard_NC4as_T4_v3", Runtime.TRANSFORMERS, "float16"),
        (None, "Standard_NC24ads_A100_v4", Runtime.VLLM, "bfloat16"),
        (None, "Standard_NV36ads_A10_v5", Runtime.VLLM, "bfloat16"),
        # A wish comes first.
        (Runtime.VLLM, "Standard_NC6s_v3", Runtime.VLLM, "float16"),
        (Runtime.TRANSFORMERS, "Standard_NC24ads_A100_v4", Runtime.TRANSFORMERS, "bfloat16"),
        # Nodes of a size that is not in the catalogue.
        (None, "unknown", Runtime.TRANSFORMERS, "float16"),
        (Runtime.VLLM, "unknown", Runtime.VLLM, "float16"),
    ],
)
def test_choice(wish: Runtime | None, size: str, runtime: Runtime, dtype: str) -> None:
    choice = choose_runtime(wish, PHI, CATALOG.sku(size))
    assert (choice.runtime, choice.dtype) == (runtime, dtype), choice.why


@pytest.mark.parametrize("only", list(Runtime))
@pytest.mark.parametrize("wish", [None, *Runtime])
def test_what_the_preset_cannot_do_is_never_chosen(only: Runtime, wish: Runtime | None) -> None:
    limited = dataclasses.replace(PHI, runtimes={only: PHI.runtimes[only]})
    for size in ("Standard_NC6s_v3", "Standard_NC24ads_A100_v4"):
        assert choose_runtime(wish, limited, CATALOG.sku(size)).runtime is only


def test_the_choice_says_why() -> None:
    assert choose_runtime(None, PHI, CATALOG.sku("Standard_NC6s_v3")).why == "CUDA capability is 7.0, vLLM is for 8.0"
    assert choose_runtime(Runtime.VLLM, PHI, None).why == "asked for by annotation"
