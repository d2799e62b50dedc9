"""What a Workspace uses its model for, as far as its manifest and its configuration say."""

from typing import Final

from controller.api.workspace import Workspace
from controller.planning.configs.inference import EMPTY, InferenceConfig
from controller.planning.configs.lookup import inference_config, training_config, tuning_method
from controller.planning.configs.training import MODEL, TrainingConfig
from controller.planning.site import Site
from controller.planning.sizing import Precision, TuningMethod, TuningUse, Use
from controller.planning.sizing.use import ADAPTER_RANK

FOUR_BITS: Final = frozenset({"bitsandbytes"})
"""Ways of vLLM to quantise plain weights to four bits while they are loaded."""

EIGHT_BITS: Final = frozenset(
    {
        "deepspeedfp", "experts_int8", "fp8", "fp8_per_block", "fp8_per_channel", "fp8_per_tensor",
        "int8_per_channel_weight_only", "mxfp8", "ptpc_fp8",
    }
)  # fmt: skip
"""Ways of vLLM to quantise plain weights to eight bits while they are loaded."""

_FULL: Final = ("float", "float32")


def use_for(workspace: Workspace, site: Site) -> Use:
    """What is asked of the model: the model server and adapters to serve, or the training run.

    Args:
        workspace: the Workspace.
        site: the installation, which knows the configuration the Workspace names.
    """
    if workspace.tuning is not None:
        run = training_config(workspace, site)
        method = tuning_method(workspace)
        return Use(tuning=TuningUse(method, batch=run.batch, rank=run.rank, base=_base(method, run)))
    adapters = len(workspace.inference.adapters) if workspace.inference is not None else 0
    config = inference_config(workspace, site)
    if config is EMPTY:
        return Use(runtime=workspace.runtime_wish, adapters=adapters)
    return Use(
        context=config.max_model_len,
        runtime=workspace.runtime_wish,
        precision=_precision(workspace, site, config),
        cache_precision=_cache_precision(config.word("kv-cache-dtype")),
        adapters=(config.number("max-loras") or adapters) if adapters else 0,
        adapter_rank=config.number("max-lora-rank") or ADAPTER_RANK,
        percent=config.memory_percent,
        tensor=config.tensor_parallel_size,
    )


def _base(method: TuningMethod, run: TrainingConfig) -> Precision:
    """The number format of the frozen weights of a training run."""
    if method is TuningMethod.QLORA:
        return Precision.FP8 if run.quantizes == ("load_in_8bit",) else Precision.AUTO
    return Precision.FLOAT32 if run.value(MODEL, "torch_dtype") in _FULL else Precision.AUTO


def _precision(workspace: Workspace, site: Site, config: InferenceConfig) -> Precision:
    """The number format of the weights. Those that are quantised already stay as they are."""
    preset = site.catalog.preset(workspace.preset.name) if workspace.preset is not None else None
    if preset is not None and preset.quantization:
        return Precision.AUTO
    way = config.word("quantization")
    if way in FOUR_BITS:
        return Precision.NF4
    if way in EIGHT_BITS:
        return Precision.FP8
    return Precision.FLOAT32 if config.word("dtype") in _FULL else Precision.AUTO


def _cache_precision(word: str) -> Precision:
    """The number format of the KV cache; formats narrower than eight bits count as eight, an upper bound."""
    if word in ("", "auto"):
        return Precision.AUTO
    return Precision.FLOAT16 if word in ("float16", "bfloat16") else Precision.FP8
