"""What becomes of the user's flags on the command line of the model server."""

from collections.abc import Iterator
from typing import Final

from controller.catalog import RuntimeSpec
from controller.planning.configs.inference import Flag, InferenceConfig, flag_key, server_keys
from controller.planning.configs.schema import Key

_PROBE_STEPS: Final = "kaito-max-probe-steps"

CPU_CACHE: Final = "kaito-kv-cache-cpu-memory-utilization"
"""The flag of KAITO's server for the share of the node's free memory that KV cache may take."""

_CPU_CACHE_MARK: Final = "performance-mode"
"""A flag as young as KAITO's option to keep KV cache in the memory of the CPU."""


def user_flags(config: InferenceConfig, spec: RuntimeSpec) -> dict[str, str]:
    """The user's flags for the command line, without dashes in front; empty text means a flag without value.

    They go before those of the catalogue. What the operator owns is left out (the model, its place on disk, the port,
    how the work is spread over nodes), and so is what the release of the server does not know.

    Args:
        config: what the user asks for.
        spec: how the server is started, which tells its release.
    """
    flags: dict[str, str] = {}
    for name, value in config.flags.items():
        key = flag_key(name)
        if key is not None and not key.owned and knows(key, spec.version):
            flags |= _spelt(name, value, key, spec.version)
    if not spec.version:
        flags |= config.unknown
    if config.max_probe_steps is not None:
        flags[_PROBE_STEPS] = str(config.max_probe_steps)
    cache = config.kv_cache_cpu_memory_utilization
    if cache is not None and offloads(spec) and CPU_CACHE not in spec.run_params:
        flags[CPU_CACHE] = f"{cache:g}"
    return flags


def offloads(spec: RuntimeSpec) -> bool:
    """Whether the server keeps KV cache in half of the node's free memory unless told otherwise."""
    return bool(spec.version) and knows(server_keys()[_CPU_CACHE_MARK], spec.version)


def dropped_flags(config: InferenceConfig, spec: RuntimeSpec) -> Iterator[str]:
    """The flags that are left out because the release of the server has no word for them."""
    for name, value in config.flags.items():
        key = flag_key(name)
        if key is None or key.owned:
            continue
        if not knows(key, spec.version) or (value is False and spec.version in key.switch and name in spec.run_params):
            yield name


def knows(key: Key, release: str) -> bool:
    """Whether a release of the server knows a flag; True where the release or its flags are not known."""
    return not key.releases or release not in releases() or release in key.releases


def releases() -> frozenset[str]:
    """The releases of the server whose flags are known."""
    return frozenset(release for key in server_keys().values() for release in key.releases)


def _spelt(name: str, value: Flag, key: Key, release: str) -> dict[str, str]:
    if not isinstance(value, bool):
        return {name: str(value)}
    if value:
        return {name: ""}
    return {} if release in key.switch else {f"no-{name}": ""}
