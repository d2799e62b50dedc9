"""The reviewed data files: sound against their schemas, and right where it is known that sources are wrong."""

import copy
import math
from typing import Any

import jsonschema
import pytest

from controller.api.workspace import Runtime
from controller.catalog import Catalog, Cloud, KvQuality, Lifecycle, Preset, PresetStatus, Sku, load_catalog
from controller.catalog.__main__ import SCHEMAS, main
from controller.catalog.loader import DATA, PRESETS_FILE, SKU_FILES, read_data
from controller.catalog.sku import DECIMAL_GB_IN_GIB

AZURE = SKU_FILES[Cloud.AZURE]


@pytest.fixture
def catalog() -> Catalog:
    return load_catalog()


def presets() -> list[Preset]:
    known = load_catalog()
    return [known.presets[name.lower()] for name in known.preset_names]


def preset(name: str) -> Preset:
    found = load_catalog().preset(name)
    assert found is not None, f"{name} is not in the catalogue"
    return found


def sku(name: str) -> Sku:
    found = load_catalog().sku(name)
    assert found is not None, f"{name} is not in the catalogue"
    return found


def schema_errors(stem: str, data: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(read_data(f"{SCHEMAS[stem]}.schema"))
    return [error.json_path for error in validator.iter_errors(data)]


@pytest.mark.parametrize("stem", list(SCHEMAS))
def test_the_files_are_valid_against_their_schemas(stem: str) -> None:
    jsonschema.Draft202012Validator.check_schema(read_data(f"{SCHEMAS[stem]}.schema"))
    assert schema_errors(stem, read_data(stem)) == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"gpu_count": 0}, "$.skus[0].gpu_count"),
        ({"vendor": "intel"}, "$.skus[0].vendor"),
        ({"lifecycle": "retired", "retirement_date": "soon"}, "$.skus[0].retirement_date"),
        ({"lifecycle": "current"}, "$.skus[0].retirement_date"),
        ({"surprise": 1}, "$.skus[0]"),
        ({"alias_of": "Standard_NC12"}, "$.skus[0].alias_of"),
    ],
)
def test_the_schema_notices_a_bad_size(change: dict[str, Any], path: str) -> None:
    data = copy.deepcopy(read_data(AZURE))
    data["skus"][0] |= change
    assert path in schema_errors(AZURE, data), f"the schema accepts {change}"


@pytest.mark.parametrize(
    ("name", "change", "path"),
    [
        ("phi-4", {"gated": "perhaps"}, ".gated"),
        ("phi-4", {"successor": "phi-3"}, ".successor"),
        ("phi-4", {"editions": []}, ".editions"),
        ("phi-4", {"hf_repo": "phi-4"}, ".hf_repo"),
        ("phi-4", {"surprise": 1}, ""),
        ("falcon-7b", {"runnable": False}, ".editions"),
    ],
)
def test_the_schema_notices_a_bad_preset(name: str, change: dict[str, Any], path: str) -> None:
    data = copy.deepcopy(read_data(PRESETS_FILE))
    index = next(index for index, entry in enumerate(data["presets"]) if entry["name"] == name)
    data["presets"][index] |= change
    assert f"$.presets[{index}]{path}" in schema_errors(PRESETS_FILE, data), f"the schema accepts {change}"


def test_a_removed_preset_names_its_successor() -> None:
    data = copy.deepcopy(read_data(PRESETS_FILE))
    del data["presets"][0]["successor"]
    assert schema_errors(PRESETS_FILE, data) == ["$.presets[0]"]


@pytest.mark.parametrize("stem", list(SKU_FILES.values()))
def test_each_size_stands_on_one_line_so_that_diffs_read_well(stem: str) -> None:
    lines = (DATA / f"{stem}.json").read_text().splitlines()
    entries = [line for line in lines if line.startswith("    {")]
    assert len(entries) == len(read_data(stem)["skus"])


def test_the_check_prints_what_the_catalogue_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    assert capsys.readouterr().out == (
        "catalogue: 73 presets (60 active, 11 removed, 2 unreleased), sizes: 124 azure, 93 aws, 10 arc; "
        "1576 list prices\n"
    )


def test_unmeasured_memory_is_rated_below_every_measured_device(catalog: Catalog) -> None:
    for size in (*catalog.skus.values(), *catalog.elsewhere.values()):
        if size.gpu_memory_reported_mib is None or size.gpu_memory_gib is None:
            continue
        measured = size.gpu_memory_reported_mib / 1024 / size.gpu_memory_gib
        assert DECIMAL_GB_IN_GIB < measured <= 1, f"{size.name} shows {measured:.1%} of its nominal memory"


@pytest.mark.parametrize(
    ("name", "gpus", "total_gib"),
    [
        # The size pages print the memory of one device, or an odd sum, in the column of totals.
        ("Standard_ND96amsr_A100_v4", 8, 640),
        ("Standard_ND128isr_NDR_GB200_v6", 4, 768),
        ("Standard_ND128isr_GB300_v6", 4, 1152),
        ("Standard_ND96isr_MI300X_v5", 8, 1536),
        ("Standard_NC16_A2", 2, 32),
        # The size API counts a slice as a whole GPU: its memory is that of the slice.
        ("Standard_NV6ads_A10_v5", 1, 4),
        ("Standard_NC24lds_xl_RTXPRO6000BSE_v6", 1, 24),
        ("g6f.xlarge", 1, 3),
        # Devices are counted, not cards: an M60 card carries two.
        ("Standard_NV24", 4, 32),
        ("Standard_NC6s_v3", 1, 16),
    ],
)
def test_figures_that_sources_get_wrong(name: str, gpus: int, total_gib: float) -> None:
    assert (sku(name).gpu_count, sku(name).gpu_memory_total_gib) == (gpus, total_gib)


@pytest.mark.parametrize(
    ("name", "mib"),
    [
        ("Standard_NV36ads_A10_v5", 23028),
        ("Standard_NC4as_T4_v3", 15360),
        ("Standard_ND96isr_H100_v5", 81559),
        ("Standard_NC40ads_H100_v5", 95830),
        ("Standard_ND96isr_H200_v5", 143771),
        ("Standard_ND128isr_NDR_GB200_v6", 189471),
        # The same device, although that cloud's API converts the nominal figure decimally.
        ("g4dn.xlarge", 15360),
        ("p5.48xlarge", 81559),
    ],
)
def test_a_gb_is_no_gib_so_what_the_driver_shows_is_recorded(name: str, mib: int) -> None:
    assert sku(name).gpu_memory_reported_mib == mib


def test_a_price_meter_name_points_to_the_deployable_size() -> None:
    assert sku("Standard_ND96asr_A100_v4").alias_of == "Standard_ND96asr_v4"


def test_sizes_that_kaito_invented_are_said_not_to_exist() -> None:
    assert sku("g3s.4xlarge").lifecycle is Lifecycle.NONEXISTENT


@pytest.mark.parametrize(("name", "date"), [("Standard_NC6s_v3", "2025-09-30"), ("Standard_NC24rs_v3", "2025-03-31")])
def test_the_retirement_of_the_v100_sizes_is_recorded(name: str, date: str) -> None:
    size = sku(name)
    assert (size.lifecycle, size.retirement_date, size.retiring) == (Lifecycle.RETIRED, date, True)
    assert date in size.notes


def test_the_kv_figure_of_every_preset_is_the_sum_over_its_layers() -> None:
    for each in presets():
        facts = each.architecture
        if facts.attention == "MLA":
            assert facts.kv_lora_rank is not None, each.name
            assert facts.qk_rope_head_dim is not None, each.name
            expected = 2 * (facts.kv_lora_rank + facts.qk_rope_head_dim) * facts.layers
        else:
            expected = 2 * 2 * facts.kv_heads * facts.head_dim * facts.layers
        assert each.kv_bytes_per_token == expected, each.name


@pytest.mark.parametrize(
    ("name", "weights_gib", "kv_bytes"),
    [
        # KAITO had 8,192 and 1,966,080 for two models of one architecture.
        ("falcon-40b", 77.9, 122_880),
        ("falcon-40b-instruct", 77.9, 122_880),
        # KAITO counted full attention instead of one latent vector per token.
        ("deepseek-r1-0528", 641.3, 70_272),
        ("deepseek-v3-0324", 641.3, 70_272),
        # KAITO derived the head's width from the hidden size, and counts the weights twice.
        ("gpt-oss-20b", 12.8, 49_152),
        ("gpt-oss-120b", 60.77, 73_728),
        # KAITO wrote decimal gigabytes, and 2.5 and 1.3 times the KV cache.
        ("gemma-3-4b-instruct", 8.01, 139_264),
        ("gemma-3-27b-instruct", 51.1, 507_904),
        # KAITO counted the weights twice.
        ("ministral-3-3b-instruct", 4.35, 106_496),
        ("ministral-3-14b-instruct", 14.65, 163_840),
    ],
)
def test_the_figures_kaito_gets_wrong_are_right(name: str, weights_gib: float, kv_bytes: int) -> None:
    assert (preset(name).weights_gib, preset(name).kv_bytes_per_token) == (weights_gib, kv_bytes)


def test_how_far_the_kv_figures_can_be_trusted_is_recorded() -> None:
    counts = {quality: sum(each.kv_quality is quality for each in presets()) for quality in KvQuality}
    assert counts == {KvQuality.EXACT: 43, KvQuality.UPPER_BOUND: 26, KvQuality.UNKNOWN: 4}


def test_disk_and_time_follow_from_the_weights() -> None:
    for each in presets():
        assert each.disk_gib == math.ceil(each.weights_gib + 80), each.name
        minutes = math.ceil(15 + 0.3 * each.weights_gib)
        assert each.readiness_timeout_minutes == min(180, max(30, minutes)), each.name


def test_whether_a_token_is_needed_is_recorded_where_anybody_knows() -> None:
    gated = {each.name for each in presets() if each.gated}
    assert {"llama-3.1-8b-instruct", "llama-3.3-70b-instruct", "gemma-3-27b-instruct", "llama-2-7b"} <= gated
    assert sum(each.gated is None for each in presets()) == 41


def test_a_preset_dropped_by_kaito_still_runs_and_names_its_successor() -> None:
    dropped = [each for each in presets() if each.status is PresetStatus.REMOVED]
    assert len(dropped) == 11
    for each in dropped:
        assert each.runnable, each.name
        assert each.runtimes, each.name
        assert preset(each.successor).status is PresetStatus.ACTIVE, each.name


def test_a_preset_never_released_cannot_run() -> None:
    unreleased = [each for each in presets() if each.status is PresetStatus.UNRELEASED]
    assert {each.name for each in unreleased} == {"phi-3-small-8k-instruct", "phi-3-small-128k-instruct"}
    assert not any(each.runnable or each.runtimes or each.alternatives for each in unreleased)


def test_llama_2_comes_in_the_users_image_and_in_as_many_pieces_as_gpus() -> None:
    for name, pieces in (("llama-2-7b", 1), ("llama-2-13b-chat", 2), ("llama-2-70b", 8)):
        each = preset(name)
        assert (each.image, each.fixed_gpus, each.download) == (None, pieces, False)
        assert each.runtimes[Runtime.TRANSFORMERS].launch_params["nproc_per_node"] == str(pieces)


def test_the_phi_3_image_is_the_last_one_that_carries_its_weights() -> None:
    phi = preset("phi-3-mini-4k-instruct")
    assert phi.image_reference == "mcr.microsoft.com/aks/kaito/kaito-phi-3-mini-4k-instruct:0.1.1"
    assert (phi.port, phi.health_path, phi.disk_gib, phi.download) == (5000, "/health", 88, False)


@pytest.mark.parametrize(
    ("name", "size", "runtime", "image"),
    [
        ("phi-3-mini-4k-instruct", "Standard_NC6s_v3", None, "kaito-phi-3-mini-4k-instruct:0.1.1"),
        ("phi-3-mini-4k-instruct", "Standard_ND96isr_H100_v5", None, "kaito-phi-3-mini-4k-instruct:0.1.1"),
        ("phi-3-mini-4k-instruct", "Standard_NC24lds_xl_RTXPRO6000BSE_v6", None, "kaito-base:0.5.0"),
        ("phi-4", "Standard_NC4as_T4_v3", None, "kaito-phi-4:0.1.1"),
        ("phi-4", "Standard_NC24ads_A100_v4", None, "kaito-base:0.5.0"),
        ("phi-4-mini-instruct", "Standard_NC24ads_A100_v4", Runtime.VLLM, "kaito-base:0.5.0"),
        ("phi-4-mini-instruct", "Standard_NC24ads_A100_v4", Runtime.TRANSFORMERS, "kaito-phi-4-mini-instruct:0.1.1"),
        ("llama-3.1-8b-instruct", "Standard_NC4as_T4_v3", None, "kaito-base:0.0.2"),
        ("falcon-7b", "Standard_NC6s_v3", None, "kaito-falcon-7b:0.1.1"),
        # Nothing has code for a K80: the preset stays what it is, and whoever asks sees that.
        ("phi-4", "Standard_NC6", None, "kaito-base:0.5.0"),
    ],
)
def test_the_image_is_the_first_with_code_for_the_gpu(
    name: str, size: str, runtime: Runtime | None, image: str
) -> None:
    served = preset(name).on(sku(size), runtime)
    assert served.image_reference == f"mcr.microsoft.com/aks/kaito/{image}"
    if image != "kaito-base:0.5.0" or size != "Standard_NC6":
        assert any(spec.supports(sku(size).compute_capability) for spec in served.runtimes.values())


def test_commands_are_those_of_the_image() -> None:
    phi = preset("phi-3-mini-128k-instruct")
    transformers, vllm = phi.runtimes[Runtime.TRANSFORMERS], phi.runtimes[Runtime.VLLM]
    assert transformers.argv({"torch_dtype": "float16"}) == (
        *("accelerate", "launch", "--gpu_ids=all", "--machine_rank=0", "--num_machines=1", "--num_processes=1"),
        *("/workspace/tfs/inference_api.py", "--pipeline=text-generation", "--torch_dtype=float16"),
        "--trust_remote_code",
    )
    assert vllm.argv({"tensor-parallel-size": "2"}) == (
        *("python3", "/workspace/vllm/inference_api.py", "--dtype=float16"),
        *("--served-model-name=phi-3-mini-128k-instruct", "--tensor-parallel-size=2"),
    )


def test_weights_that_are_fetched_are_named_in_full_and_pinned_where_a_commit_is_known() -> None:
    for each in presets():
        for spec in each.runtimes.values() if each.download else ():
            named = spec.run_params.get("model") or spec.run_params.get("pretrained_model_name_or_path")
            assert named == each.hf_repo, each.name
            assert spec.run_params.get("revision", "") == each.hf_revision, each.name


def test_no_placeholder_is_left_in_a_command() -> None:
    for each in presets():
        for edition in ((each.runtimes), *(other.runtimes for other in each.alternatives)):
            for spec in edition.values():
                assert not [word for word in spec.argv() if word.endswith("}") and "={" in word], each.name


def test_the_name_that_was_asked_for_is_the_name_it_answers_to() -> None:
    for each in presets():
        for spec in each.runtimes.values():
            served = spec.run_params.get("served-model-name") or spec.run_params.get("served_model_name")
            assert served in (None, each.name.rpartition("/")[2].lower()), each.name


@pytest.mark.parametrize(
    ("name", "tools", "reasoning"),
    [
        ("qwen2.5-coder-7b-instruct", "hermes", ""),
        ("gpt-oss-20b", "openai", "openai_gptoss"),
        # Llama and Qwen models, whatever the prefix of their names says.
        ("deepseek-r1-distill-llama-8b", "", "deepseek_r1"),
        # KAITO leaves these without a parser.
        ("phi-4-mini-instruct", "phi4_mini_json", ""),
        ("ministral-3-8b-instruct", "mistral", ""),
    ],
)
def test_tool_calls_and_reasoning_have_the_parser_of_their_model(name: str, tools: str, reasoning: str) -> None:
    vllm = preset(name).runtimes[Runtime.VLLM]
    assert (vllm.tool_call_parser, vllm.reasoning_parser) == (tools, reasoning)
    assert not vllm.run_params.get("tokenizer-mode", "").startswith("deepseek")


def test_sparse_attention_is_kept_to_gpus_its_kernels_exist_for() -> None:
    vllm = preset("deepseek-ai/DeepSeek-V3.2").runtimes[Runtime.VLLM]
    assert (vllm.min_capability, vllm.max_capability) == (9.0, 10.3)
    assert (vllm.env["VLLM_USE_DEEP_GEMM"], vllm.cuda_toolkit) == ("1", True)


def test_tuning_states_no_memory_that_nobody_stated() -> None:
    tunable = {each.name: each.tuning for each in presets() if each.tuning is not None}
    assert len(tunable) == 13
    stated = {name: dict(tuning.stated_memory_gib) for name, tuning in tunable.items()}
    assert stated.pop("falcon-7b") == {"lora": None, "qlora": 16}
    assert all(memory == {"lora": None, "qlora": None} for memory in stated.values())
    assert tunable["phi-3-mini-4k-instruct"].spec.argv()[-1] == "/workspace/tfs/fine_tuning.py"
