"""Models, sizes and uses to ask about, known ones and arbitrary ones."""

import dataclasses

from hypothesis import strategies as st

from controller.api.workspace import Runtime
from controller.catalog import Preset, Sku, load_catalog
from controller.planning.sizing import Precision, TuningMethod, TuningUse, Use

CATALOG = load_catalog()
SIZES = tuple(CATALOG.skus.values())
PRESETS = tuple(CATALOG.presets[name.lower()] for name in CATALOG.preset_names)
V100 = "Standard_NC6s_v3"
QLORA, LORA = Use(tuning=TuningUse(TuningMethod.QLORA)), Use(tuning=TuningUse(TuningMethod.LORA))


def preset(name: str = "phi-3-mini-4k-instruct") -> Preset:
    found = CATALOG.preset(name)
    assert found is not None, name
    return found


def sku(name: str) -> Sku:
    found = CATALOG.sku(name)
    assert found is not None, name
    return found


def with_memory(size: Sku, gib: float, gpus: int = 1) -> Sku:
    """The size with that much measured memory per GPU."""
    return dataclasses.replace(size, gpu_count=gpus, gpu_memory_gib=gib, gpu_memory_reported_mib=int(gib * 1024))


models = st.builds(
    dataclasses.replace,
    st.sampled_from(PRESETS),
    weights_gib=st.floats(0.1, 2000),
    max_context=st.integers(1, 1_000_000),
    tensor_parallel=st.booleans(),
    distributed=st.booleans(),
)
sizes = st.builds(with_memory, st.sampled_from(SIZES), st.integers(1, 300), st.integers(1, 16))
contexts = st.integers(1, 1_000_000)
trainings = st.builds(
    TuningUse, st.sampled_from(TuningMethod), st.integers(1, 100_000), st.integers(1, 64), st.integers(1, 256)
)
uses = st.builds(
    Use,
    context=st.none() | contexts,
    runtime=st.none() | st.sampled_from(Runtime),
    precision=st.sampled_from(Precision),
    cache_precision=st.sampled_from([Precision.AUTO, Precision.FP8]),
    adapters=st.integers(0, 10),
    percent=st.none() | st.integers(1, 100),
    tensor=st.none() | st.integers(1, 16),
    tuning=st.none() | trainings,
)
