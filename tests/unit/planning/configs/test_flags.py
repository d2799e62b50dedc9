"""What reaches the command line of the model server."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.workspace import Runtime
from controller.catalog import RuntimeSpec, load_catalog
from controller.planning.configs import dropped_flags, parse_inference, user_flags
from controller.planning.configs.flags import knows, releases
from controller.planning.configs.inference import flag_key, server_keys
from tests.unit.planning.configs.test_inference import sample


def spec(version: str, **run_params: str) -> RuntimeSpec:
    return RuntimeSpec("python3", {}, "/main.py", run_params, "dtype", 7.0, 12.0, version=version)


OLD, NEW, UNKNOWN = spec("0.8.5"), spec("0.25.1"), spec("")
TOOLS = spec("0.8.5", **{"enable-auto-tool-choice": ""})


def servers() -> Iterator[tuple[str, RuntimeSpec]]:
    """Every way the catalogue starts vLLM, with the preset."""
    for preset in load_catalog().presets.values():
        for runtimes in (preset.runtimes, *(edition.runtimes for edition in preset.alternatives)):
            if Runtime.VLLM in runtimes:
                yield preset.name, runtimes[Runtime.VLLM]


@pytest.mark.parametrize(
    ("text", "server", "expected"),
    [
        ("vllm: {max-model-len: 4096}", OLD, {"max-model-len": "4096"}),
        ("vllm: {enforce-eager: true}", OLD, {"enforce-eager": ""}),
        ("vllm: {enforce-eager: false}", OLD, {}),
        ("vllm: {enforce-eager: false}", NEW, {"no-enforce-eager": ""}),
        ("vllm: {swap-space: 4}", OLD, {"swap-space": "4"}),
        ("vllm: {swap-space: 4}", NEW, {}),
        ("vllm: {swap-space: 4}", UNKNOWN, {"swap-space": "4"}),
        ("vllm: {async-scheduling: true}", OLD, {}),
        ("vllm: {port: 1, model: a, download-dir: b}", NEW, {}),
        ("vllm: {nobody-knows: 1}", NEW, {}),
        ("vllm: {nobody-knows: 1}", UNKNOWN, {"nobody-knows": "1"}),
        ("max_probe_steps: 6", OLD, {"kaito-max-probe-steps": "6"}),
        ("kv_cache_cpu_memory_utilization: 0.25", OLD, {}),
        ("kv_cache_cpu_memory_utilization: 0.25", NEW, {"kaito-kv-cache-cpu-memory-utilization": "0.25"}),
        ("vllm: {compilation-config.level: 3}", NEW, {"compilation-config.level": "3"}),
    ],
)
def test_the_command_line(text: str, server: RuntimeSpec, expected: dict[str, str]) -> None:
    assert user_flags(parse_inference(text).config, server) == expected


def test_what_a_model_cannot_do_is_not_asked_of_it() -> None:
    hybrid = spec("0.25.1", **{"kaito-kv-cache-cpu-memory-utilization": "0"})
    assert user_flags(parse_inference("kv_cache_cpu_memory_utilization: 0.5").config, hybrid) == {}


@pytest.mark.parametrize(
    ("text", "server", "names"),
    [
        ("vllm: {swap-space: 4, num-scheduler-steps: 1, dtype: half}", NEW, ["swap-space", "num-scheduler-steps"]),
        ("vllm: {swap-space: 4}", OLD, []),
        ("vllm: {enable-auto-tool-choice: false}", OLD, []),
        ("vllm: {enable-auto-tool-choice: false}", TOOLS, ["enable-auto-tool-choice"]),
        ("vllm: {port: 1}", NEW, []),
    ],
)  # fmt: skip
def test_what_is_left_out_is_told(text: str, server: RuntimeSpec, names: list[str]) -> None:
    assert list(dropped_flags(parse_inference(text).config, server)) == names


def test_the_releases_of_our_images_are_those_whose_flags_are_known() -> None:
    held = {server.version for _, server in servers()}
    assert held == releases(), "every image's release of vLLM needs its column in the table of flags"


def test_the_catalogue_itself_uses_flags_the_table_knows() -> None:
    for name, server in servers():
        for flag in server.run_params:
            key = flag_key(flag)
            assert flag.startswith("kaito-") or (key is not None and knows(key, server.version)), f"{name}: {flag}"


@given(st.sets(st.sampled_from(sorted(server_keys())), max_size=12), st.sampled_from([OLD, NEW, UNKNOWN]))
def test_a_flag_is_passed_on_or_owned_or_told_to_be_left_out(names: set[str], server: RuntimeSpec) -> None:
    usable = sorted(name for name in names if not server_keys()[name].refused)
    config = parse_inference(
        "vllm:\n" + "".join(f"  {name}: '{sample(server_keys()[name])}'\n" for name in usable)
    ).config
    passed, dropped = user_flags(config, server), set(dropped_flags(config, server))
    for name in usable:
        owned = bool(server_keys()[name].owned)
        assert (name in passed) + (name in dropped) + owned == 1, name
