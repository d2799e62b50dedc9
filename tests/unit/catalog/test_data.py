"""The reviewed data files: sound against their schemas, and right where it is known that sources are wrong."""

import copy
from typing import Any

import jsonschema
import pytest

from controller.api.workspace import Runtime
from controller.catalog import Catalog, Lifecycle, build_catalog, load_catalog
from controller.catalog.__main__ import main
from controller.catalog.loader import DATA, PRESETS_FILE, SKUS_FILE, read_data
from controller.catalog.model import DECIMAL_GB_IN_GIB


@pytest.fixture
def catalog() -> Catalog:
    return load_catalog()


def schema_errors(stem: str, data: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(read_data(f"{stem}.schema"))
    return [error.json_path for error in validator.iter_errors(data)]


@pytest.mark.parametrize("stem", [PRESETS_FILE, SKUS_FILE])
def test_the_files_are_valid_against_their_schemas(stem: str) -> None:
    jsonschema.Draft202012Validator.check_schema(read_data(f"{stem}.schema"))
    assert schema_errors(stem, read_data(stem)) == []


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"gpu_count": 0}, "$.skus[0].gpu_count"),
        ({"vendor": "intel"}, "$.skus[0].vendor"),
        ({"lifecycle": "retired", "retirement_date": "soon"}, "$.skus[0].retirement_date"),
        ({"surprise": 1}, "$.skus[0]"),
        ({"alias_of": "Standard_NC12"}, "$.skus[0]"),
    ],
)
def test_the_schema_notices_a_bad_entry(change: dict[str, Any], path: str) -> None:
    data = copy.deepcopy(read_data(SKUS_FILE))
    data["skus"][0] |= change
    assert path in schema_errors(SKUS_FILE, data), f"the schema accepts {change}"


def test_an_announced_retirement_has_a_date() -> None:
    data = copy.deepcopy(read_data(SKUS_FILE))
    del data["skus"][0]["retirement_date"]
    assert schema_errors(SKUS_FILE, data) == ["$.skus[0]"]


def test_each_size_stands_on_one_line_so_that_diffs_read_well() -> None:
    lines = (DATA / f"{SKUS_FILE}.json").read_text().splitlines()
    entries = [line for line in lines if line.startswith("    {")]
    assert len(entries) == len(read_data(SKUS_FILE)["skus"])


def test_the_check_prints_what_the_catalogue_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    assert capsys.readouterr().out.startswith("catalogue: 2 presets, 124 Azure GPU sizes (44 current,")


def test_unmeasured_memory_is_rated_below_every_measured_device(catalog: Catalog) -> None:
    for sku in catalog.skus.values():
        if sku.gpu_memory_reported_mib is None or sku.gpu_memory_gib is None:
            continue
        measured = sku.gpu_memory_reported_mib / 1024 / sku.gpu_memory_gib
        assert DECIMAL_GB_IN_GIB < measured <= 1, f"{sku.name} shows {measured:.1%} of its nominal memory"


def test_what_aks_can_make_new_nodes_of_is_fully_known(catalog: Catalog) -> None:
    for sku in catalog.skus.values():
        if sku.lifecycle is Lifecycle.CURRENT:
            assert sku.gpu_count >= 1, sku.name
            assert sku.gpu_memory_total_gib, sku.name
            assert sku.vcpu, sku.name
            assert sku.memory_gib, sku.name


@pytest.mark.parametrize(
    ("name", "gpus", "total_gib"),
    [
        # The size pages print the memory of one device, or an odd sum, in the column of totals.
        ("Standard_ND96amsr_A100_v4", 8, 640),
        ("Standard_ND128isr_NDR_GB200_v6", 4, 768),
        ("Standard_ND128isr_GB300_v6", 4, 1152),
        ("Standard_ND96isr_MI300X_v5", 8, 1536),
        # The size API counts a slice as a whole GPU: its memory is that of the slice.
        ("Standard_NV6ads_A10_v5", 1, 4),
        ("Standard_NC24lds_xl_RTXPRO6000BSE_v6", 1, 24),
        # Devices are counted, not cards: an M60 card carries two.
        ("Standard_NV24", 4, 32),
        ("Standard_NC6s_v3", 1, 16),
    ],
)
def test_figures_that_sources_get_wrong(catalog: Catalog, name: str, gpus: int, total_gib: float) -> None:
    sku = catalog.sku(name)
    assert sku is not None
    assert (sku.gpu_count, sku.gpu_memory_total_gib) == (gpus, total_gib)


def test_a_price_meter_name_points_to_the_deployable_size(catalog: Catalog) -> None:
    alias = catalog.sku("Standard_ND96asr_A100_v4")
    assert alias is not None
    assert alias.alias_of == "Standard_ND96asr_v4"


@pytest.mark.parametrize(("name", "date"), [("Standard_NC6s_v3", "2025-09-30"), ("Standard_NC24rs_v3", "2025-03-31")])
def test_the_retirement_of_the_v100_sizes_is_recorded(catalog: Catalog, name: str, date: str) -> None:
    sku = catalog.sku(name)
    assert sku is not None
    assert (sku.lifecycle, sku.retirement_date, sku.retiring) == (Lifecycle.RETIRED, date, True)
    assert date in sku.notes


def test_kv_cache_per_token_follows_from_the_architecture(catalog: Catalog) -> None:
    for preset in catalog.presets.values():
        facts = preset.architecture
        expected = 2 * facts.kv_heads * facts.head_dim * facts.layers * 2
        assert preset.kv_bytes_per_token == expected, preset.name
        assert facts.head_dim * facts.attention_heads == facts.hidden_size, preset.name


def test_disk_holds_the_weights_and_eighty_gib(catalog: Catalog) -> None:
    for preset in catalog.presets.values():
        assert preset.weights_gib + 80 <= preset.disk_gib < preset.weights_gib + 81, preset.name


def test_the_phi_3_image_is_the_last_one_that_carries_its_weights(catalog: Catalog) -> None:
    preset = catalog.preset("phi-3-mini-4k-instruct")
    assert preset is not None
    assert preset.image.reference == "mcr.microsoft.com/aks/kaito/kaito-phi-3-mini-4k-instruct:0.1.1"
    assert (preset.port, preset.health_path, preset.disk_gib) == (5000, "/health", 88)


def test_commands_are_those_of_the_image(catalog: Catalog) -> None:
    preset = catalog.preset("phi-3-mini-128k-instruct")
    assert preset is not None
    transformers, vllm = preset.runtimes[Runtime.TRANSFORMERS], preset.runtimes[Runtime.VLLM]
    assert transformers.argv({"torch_dtype": "float16"}) == (
        *("accelerate", "launch", "--gpu_ids=all", "--machine_rank=0", "--num_machines=1", "--num_processes=1"),
        *("/workspace/tfs/inference_api.py", "--pipeline=text-generation", "--torch_dtype=float16"),
        "--trust_remote_code",
    )
    assert vllm.argv({"tensor-parallel-size": "2"}) == (
        *("python3", "/workspace/vllm/inference_api.py", "--dtype=float16"),
        *("--served-model-name=phi-3-mini-128k-instruct", "--tensor-parallel-size=2"),
    )


def test_the_two_files_build_a_catalogue_of_their_own() -> None:
    built = build_catalog(read_data(PRESETS_FILE), read_data(SKUS_FILE))
    assert built == load_catalog()
