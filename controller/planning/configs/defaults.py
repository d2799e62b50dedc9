"""The training configuration of a Workspace that names none, and the file it is handed over in."""

from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final

import yaml

from controller.planning.configs.training import (
    ARGUMENTS,
    COLLATOR,
    DATASET,
    DEFAULT_OUTPUT,
    LORA,
    MODEL,
    QUANTIZATION,
    ROOT,
    TrainingConfig,
)
from controller.planning.sizing import TuningMethod

RANK: Final = 8
"""Rank and scale of an adapter nobody described. Source: kaito-project/kaito's training templates."""


def default_training(method: TuningMethod, half: str = "bfloat16") -> TrainingConfig:
    """The configuration of a run nobody described.

    Args:
        method: LoRA or QLoRA.
        half: the number format of two bytes to compute in; GPUs below CUDA capability 8.0 have no bfloat16.
    """
    four_bits = {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_compute_dtype": half,
        "bnb_4bit_use_double_quant": True,
    }
    sections: dict[str, dict[str, Any]] = {
        MODEL: {"torch_dtype": half, "local_files_only": True, "device_map": "auto"},
        QUANTIZATION: four_bits if method is TuningMethod.QLORA else {"load_in_4bit": False},
        LORA: {"r": RANK, "lora_alpha": RANK, "lora_dropout": 0.0},
        ARGUMENTS: {
            "output_dir": DEFAULT_OUTPUT,
            "ddp_find_unused_parameters": False,
            "save_strategy": "no",
            "per_device_train_batch_size": 1,
        },
        DATASET: {"shuffle_dataset": True, "train_test_split": 1},
        COLLATOR: {"mlm": True},
    }
    return TrainingConfig(MappingProxyType({name: MappingProxyType(keys) for name, keys in sections.items()}))


def completed(config: TrainingConfig, method: TuningMethod, *, half: str, checkpointing: bool) -> TrainingConfig:
    """A configuration with what its author left out and the sum of its size counts on. What is written stays.

    LoRA is counted with weights of two bytes, which the program would load in four. QLoRA recomputes activations by
    itself, LoRA only when told; without the other way of doing so its frozen layers would pass no gradients on.

    Args:
        config: what the user asks for.
        method: LoRA or QLoRA.
        half: the number format of two bytes to compute in.
        checkpointing: whether the run fits only where activations are computed again.
    """
    if method is not TuningMethod.LORA:
        return config
    model, run = dict(config.sections.get(MODEL, {})), dict(config.sections.get(ARGUMENTS, {}))
    if model.get("torch_dtype") is None:
        model["torch_dtype"] = half
    if checkpointing and run.get("gradient_checkpointing") is None:
        run["gradient_checkpointing"] = True
    if run.get("gradient_checkpointing") and run.get("gradient_checkpointing_kwargs") is None:
        run["gradient_checkpointing_kwargs"] = '{"use_reentrant": false}'
    return replace(config, sections=MappingProxyType({**config.sections, MODEL: model, ARGUMENTS: run}))


def reading(config: TrainingConfig, path: str) -> TrainingConfig:
    """A configuration that reads the data at a path below /mnt, unless its author or nobody says where they are."""
    data = config.sections.get(DATASET, {})
    if not path or data.get("dataset_path"):
        return config
    return replace(config, sections=MappingProxyType({**config.sections, DATASET: {**data, "dataset_path": path}}))


def render_training(config: TrainingConfig) -> str:
    """The file the training program reads: the same text for the same configuration, keys nobody set left out.

    Results go to the absolute path that is mounted, whatever the user's spelling of it.
    """
    sections = {
        name: {key: value for key, value in keys.items() if value is not None} for name, keys in config.sections.items()
    }
    sections[ARGUMENTS] = {**sections.get(ARGUMENTS, {}), "output_dir": config.output_dir}
    text: str = yaml.safe_dump({ROOT: sections}, sort_keys=True, allow_unicode=True)
    return text
