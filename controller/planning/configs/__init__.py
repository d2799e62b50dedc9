"""The users' configuration files: what they may say, what they mean, and what is wrong with them.

Reading is pure and remembered by text, so that asking again costs nothing.
"""

from controller.planning.configs.defaults import completed, default_training, reading, render_training
from controller.planning.configs.flags import dropped_flags, user_flags
from controller.planning.configs.inference import INFERENCE_KEY, InferenceConfig, parse_inference
from controller.planning.configs.lookup import Named, inference_config, named_config, training_config
from controller.planning.configs.remarks import Parsed, Remark
from controller.planning.configs.training import TRAINING_KEY, TrainingConfig, parse_training

__all__ = [
    "INFERENCE_KEY",
    "TRAINING_KEY",
    "InferenceConfig",
    "Named",
    "Parsed",
    "Remark",
    "TrainingConfig",
    "completed",
    "default_training",
    "dropped_flags",
    "inference_config",
    "named_config",
    "parse_inference",
    "parse_training",
    "reading",
    "render_training",
    "training_config",
    "user_flags",
]
