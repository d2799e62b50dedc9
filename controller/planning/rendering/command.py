"""The command that starts a model server.

Flags come from three places. How the model is spread over GPUs stands whatever else is written, as do the model and the
port, which never come out of a configuration. Then come the user's flags, then those of the catalogue.
"""

from dataclasses import replace
from typing import Final

from controller.api.workspace import Runtime
from controller.planning.target import Serving

_OVER_NODES: Final = {"distributed-executor-backend": "ray", "kaito-kv-cache-cpu-memory-utilization": "0"}
"""What vLLM needs where nodes share a copy; KV cache is not kept in their memory. Source: kaito-project/kaito."""

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
        flags |= {**serving.flags, **_spread(serving)}
        # A flag switched off by the user replaces the one that switches it on.
        kept = {flag: value for flag, value in spec.run_params.items() if f"{_OFF}{flag}" not in flags}
        spec = replace(spec, run_params=kept)
    return list(spec.argv(flags))


def _spread(serving: Serving) -> dict[str, str]:
    layout = serving.layout
    sizes = {
        "tensor-parallel-size": layout.tensor,
        "pipeline-parallel-size": layout.pipeline,
        "data-parallel-size": layout.data,
    }
    flags = {flag: str(size) for flag, size in sizes.items() if size > 1}
    return {**flags, **_OVER_NODES} if serving.nodes > 1 else flags
