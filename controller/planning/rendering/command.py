"""The command that starts a model server.

Flags come from three places. How the model is spread over GPUs stands whatever else is written, as do the model and the
port, which never come out of a configuration. Then come the user's flags, then those of the catalogue.
"""

from dataclasses import replace
from typing import Final

from controller.api.workspace import Runtime
from controller.catalog import RuntimeSpec
from controller.planning.configs.flags import CPU_CACHE, offloads
from controller.planning.rendering.parts import literal
from controller.planning.target import Serving

_CONTEXT: Final = "max-model-len"
_MEMORY: Final = "gpu-memory-utilization"
_EXECUTOR: Final = "distributed-executor-backend"
_OFF: Final = "no-"


def server_command(serving: Serving, *, adapters: int = 0) -> list[str]:
    """The command line, without a shell: a number format the GPU computes in, and every GPU put to use.

    Args:
        serving: what is served.
        adapters: how many LoRA adapters are served beside the model.
    """
    spec = serving.preset.runtimes[serving.runtime.runtime]
    flags = {spec.dtype_param: serving.runtime.dtype} if spec.dtype_param else {}
    if serving.runtime.runtime is Runtime.VLLM:
        flags |= {"enable-lora": "", "max-loras": str(adapters)} if adapters else {}
        flags |= {**_room(serving, spec), **_wished(serving), **_spread(serving, spec)}
        # A flag switched off by the user replaces the one that switches it on.
        kept = {flag: value for flag, value in spec.run_params.items() if f"{_OFF}{flag}" not in flags}
        spec = replace(spec, run_params=kept)
    return list(spec.argv(flags))


def _room(serving: Serving, spec: RuntimeSpec) -> dict[str, str]:
    """The memory and the context the sum of the size counts on.

    A release that cannot look for the longest context itself takes the model's own and does not start where that has
    no room.
    """
    flags = {_MEMORY: f"{serving.percent / 100:.2f}"} if serving.percent else {}
    return {**flags, _CONTEXT: str(serving.context)} if serving.context and _CONTEXT not in spec.run_params else flags


def _wished(serving: Serving) -> dict[str, str]:
    return {flag: literal(value) for flag, value in serving.flags.items()}


def _spread(serving: Serving, spec: RuntimeSpec) -> dict[str, str]:
    layout = serving.layout
    sizes = {
        "tensor-parallel-size": layout.tensor,
        "pipeline-parallel-size": layout.pipeline,
        "data-parallel-size": layout.data,
    }
    flags = {flag: str(size) for flag, size in sizes.items() if size > 1}
    if serving.nodes > 1:
        flags[_EXECUTOR] = "ray"
    # Each copy, stage or slice would take its share of the memory that they all have together.
    if (serving.nodes > 1 or layout.data > 1 or serving.sliced) and offloads(spec):
        flags[CPU_CACHE] = "0"
    return flags
