"""What users add to the catalogue: what is right works, what is wrong is left out with its line."""

import dataclasses
import json
import textwrap
from collections.abc import Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.api.workspace import Runtime
from controller.catalog import Catalog, Cloud, Lifecycle, Preset, load_catalog
from controller.catalog.codec import encode_preset, encode_sku
from controller.catalog.overrides import (
    MAX_CHARACTERS,
    MAX_ENTRIES,
    MAX_MESSAGE,
    PRESETS_DOCUMENT,
    PRICES_DOCUMENT,
    SIZES_DOCUMENT,
    Merged,
    OverrideProblem,
    merging,
)
from tests.docs.snippets import yaml_blocks

CATALOG = load_catalog()


def merge(catalog: Catalog, documents: Mapping[str, str]) -> Merged:
    *_, last = merging(catalog, documents)
    return last


def problems(source: str, text: str) -> list[tuple[int, str]]:
    merged, found = merge(CATALOG, {source: textwrap.dedent(text)})
    assert merged == CATALOG, "something of a document with nothing right in it was taken"
    assert {problem.source for problem in found} <= {source}
    return [(problem.line, problem.message) for problem in found]


def test_without_documents_nothing_changes() -> None:
    assert merge(CATALOG, {}) == (CATALOG, ())
    assert merge(CATALOG, {PRESETS_DOCUMENT: "", SIZES_DOCUMENT: "# nothing yet\n", PRICES_DOCUMENT: "prices: []"}) == (
        CATALOG,
        (),
    )
    assert merge(CATALOG, {PRICES_DOCUMENT: "prices:\n# - {size: Standard_NC6s_v3}\n"}) == (CATALOG, ())


def test_a_known_preset_keeps_what_the_entry_does_not_name() -> None:
    merged, found = merge(CATALOG, {PRESETS_DOCUMENT: "presets: [{name: PHI-4, disk_gib: 200}]"})
    before, after = CATALOG.preset("phi-4"), merged.preset("microsoft/phi-4")
    assert found == ()
    assert before is not None
    assert after == dataclasses.replace(before, disk_gib=200)
    assert merged.preset_names != ()
    assert set(merged.presets) == set(CATALOG.presets)


NEW_PRESET = """
    presets:
    - name: acme/tiny-7b
      weights_gib: 13.5
      max_context: 8192
      license: acme
      architecture: {model_class: LlamaForCausalLM, layers: 32, attention_heads: 32, kv_heads: 8, head_dim: 128}
"""


def test_a_new_preset_needs_only_its_own_facts() -> None:
    merged, found = merge(CATALOG, {PRESETS_DOCUMENT: textwrap.dedent(NEW_PRESET)})
    preset = merged.preset("ACME/Tiny-7B")
    assert found == ()
    assert preset is not None
    assert (preset.kv_bytes_per_token, preset.disk_gib, preset.license) == (131_072, 94, "acme")
    assert preset.runtimes[Runtime.VLLM].run_params["model"] == "acme/tiny-7b"
    assert merged.preset("phi-4") is CATALOG.preset("phi-4")


def test_a_size_can_be_added_changed_and_priced() -> None:
    documents = {
        SIZES_DOCUMENT: """
instance_types:
- {name: standard_nc6S_v3, lifecycle: current, retirement_date: ""}
- {name: Standard_Mine, vendor: nvidia, gpu_model: NVIDIA L4 24GB, gpu_count: 2, gpu_memory_gib: 24,
   compute_capability: 8.9, vcpu: 16, memory_gib: 110}
- {name: mine.xlarge, cloud: aws, vendor: nvidia, gpu_model: NVIDIA L4 24GB, gpu_count: 1, gpu_memory_gib: 24,
   compute_capability: 8.9, vcpu: 4, memory_gib: 16}
""",
        PRICES_DOCUMENT: """
prices:
- {size: Standard_Mine, region: eastus, usd_per_hour: 1.25, as_of: 2026-10-01}
- {size: Standard_NC6s_v3, region: eastus, usd_per_hour: 0.9, as_of: 2026-10, source: our contract, capacity: spot}
""",
    }
    merged, found = merge(CATALOG, documents)
    assert found == ()
    old, mine, abroad = (merged.sku(name) for name in ("Standard_NC6s_v3", "standard_mine", "mine.xlarge"))
    assert old is not None
    assert mine is not None
    assert abroad is not None
    assert (old.lifecycle, old.retirement_date, old.vcpu) == (Lifecycle.CURRENT, "", 6)
    assert (mine.cloud, abroad.cloud, "mine.xlarge" in merged.skus) == (Cloud.AZURE, Cloud.AWS, False)
    price = merged.price(mine, "eastus")
    assert price is not None
    assert price.text == "$1.25/h list price of 2026-10-01, eastus"
    assert merged.price(old, "eastus") == CATALOG.price(old, "eastus"), "a spot price is not an on-demand price"


def test_a_bad_entry_leaves_its_neighbours_working() -> None:
    text = NEW_PRESET + "    - {name: phi-4, disk_gib: big}\n    - {name: phi-4-mini-instruct, disk_gib: 99}\n"
    merged, found = merge(CATALOG, {PRESETS_DOCUMENT: textwrap.dedent(text)})
    assert found == (OverrideProblem(PRESETS_DOCUMENT, 8, "disk_gib: 'big' is not of type 'integer'"),)
    assert merged.preset("acme/tiny-7b") is not None
    assert merged.preset("phi-4") == CATALOG.preset("phi-4")
    changed = merged.preset("phi-4-mini-instruct")
    assert changed is not None
    assert changed.disk_gib == 99


EDITION = "presets:\n- name: phi-4\n  editions:\n  - {distributed: true, engine: %s}\n"

WRONG_PRESETS = [
    ("a typing error", "presets:\n- name: phi-4\n  disc_gib: 5\n", 2, "'disc_gib' was unexpected"),
    ("a wrong type, at its own line", "presets:\n- name: phi-4\n  license: mit\n  gated: maybe\n", 4, "gated: 'maybe'"),
    ("a contradiction", "presets:\n- {name: phi-4, kv_bytes_per_token: 1}\n", 2, "but 2 x 10 KV heads"),
    ("a new one without facts", "presets:\n- name: acme/x\n", 2, "needs weights_gib, max_context, architecture"),
    ("a successor that is not there", "presets:\n- {name: phi-2, successor: gpt-9}\n", 2, "gpt-9 is not in the cat"),
    ("a name of another", "presets:\n- {name: phi-4, aliases: [Falcon-7B]}\n", 2, "falcon-7b already names falcon-7b"),
    ("an engine that is not there", EDITION % "x, runtimes: {vllm: {}}", 4, "engine 'x' is not known"),
    ("a server the engine lacks", EDITION % "llama-2-private, runtimes: {vllm: {}}", 4, "llama-2-private has no vllm"),
    ("an engine that cannot tune", "presets:\n- name: phi-4\n  tuning: {engine: kaito-base-0.5.0, spec: null}\n", 3,
     "tuning.spec: is needed"),
    ("tuning by such an engine", "presets:\n- name: phi-4\n  tuning: {engine: kaito-base-0.5.0}\n", 3,
     "kaito-base-0.5.0 has no tuning"),
    ("no name", "presets:\n- {disk_gib: 5}\n", 2, "name is missing"),
    ("no mapping", "presets:\n- 5\n", 2, "the entry is not a mapping"),
    ("no list", "presets: 5\n", 1, "presets is not a list"),
    ("no document", "- 5\n", 1, "the document is not a mapping"),
    ("another key", "preset: []\n", 1, "unknown key 'preset'"),
    ("a key twice", "presets:\n- name: phi-4\n  name: phi-2\n", 3, "the key 'name' occurs twice"),
    ("no YAML", "presets:\n- {name: phi-4\n", 3, "cannot be read"),
    ("an alias", "presets:\n- &a {name: phi-4}\n- *a\n", 3, "aliases are not allowed"),
    ("deep nesting", "presets: " + "[" * 50 + "]" * 50 + "\n", 1, "nested more than"),
    ("two documents", "presets: []\n---\npresets: []\n", 2, "more than one document"),
    ("a number that is none", "presets:\n- {name: phi-4, weights_gib: .nan}\n", 2, "a number is not finite"),
    ("a key that is no text", "presets:\n- {name: phi-4, 5: 6}\n", 2, "the key 5 is not text"),
    ("a Python object", "presets:\n- !!python/object:os.system {name: x}\n", 2, "cannot be read"),
    ("text for a number", "presets:\n- {name: a/b, weights_gib: x, max_context: 1, architecture: {}}\n", 2,
     "weights_gib is not a number"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "says"), [row[1:] for row in WRONG_PRESETS], ids=[row[0] for row in WRONG_PRESETS]
)
def test_a_wrong_preset_is_left_out_with_its_line(text: str, line: int, says: str) -> None:
    ((found_line, message),) = problems(PRESETS_DOCUMENT, text)
    assert says in message
    assert found_line == line


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("instance_types:\n- {name: Standard_NC6s_v3, lifecycle: current}\n", 2, "retirement_date: not allowed beside"),
        ("instance_types:\n- {name: Standard_NC6s_v3, cloud: aws}\n", 2, "is a size of azure"),
        (
            "instance_types:\n- {name: Standard_NC6s_v3, cloud: mars}\n",
            2,
            "cloud is 'mars', not one of azure, aws, arc",
        ),
        ("instance_types:\n- name: Standard_X\n", 2, "is a required property"),
        ("instance_types:\n- name: Standard_NC6s_v3\n  vcpu: lots\n", 3, "vcpu: 'lots' is not of type"),
    ],
)
def test_a_wrong_size_is_left_out_with_its_line(text: str, line: int, says: str) -> None:
    ((found_line, message),) = problems(SIZES_DOCUMENT, text)
    assert says in message
    assert found_line == line


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ("size: Standard_X, region: eastus, usd_per_hour: 1, as_of: 2026-09", "Standard_X is in no table of sizes"),
        ("size: Standard_NC6s_v3, region: eastus, usd_per_hour: 1", "'as_of' is a required property"),
        ("size: Standard_NC6s_v3, region: eastus, usd_per_hour: -1, as_of: 2026-09", "usd_per_hour: -1 is less"),
        ("size: Standard_NC6s_v3, region: eastus, usd_per_hour: 1, as_of: lately", "as_of: 'lately'"),
        ("size: Standard_NC6s_v3, region: eastus, usd_per_hour: 1, as_of: 2026-02-30", "2026-02-30 is no date"),
        ("size: p5.48xlarge, cloud: azure, region: x, usd_per_hour: 1, as_of: 2026-09", "p5.48xlarge is a size of aws"),
    ],
)
def test_a_wrong_price_is_left_out_with_its_line(fields: str, says: str) -> None:
    ((line, message),) = problems(PRICES_DOCUMENT, f"# ours\nprices:\n- {{{fields}}}\n")
    assert says in message
    assert line == 3


@pytest.mark.parametrize("name", ["x" * 10_000, r"a\nb\e[31m", "\\0" * 5_000], ids=["long", "control", "many"])
def test_what_is_said_of_an_entry_is_one_short_line(name: str) -> None:
    ((_, message),) = problems(PRESETS_DOCUMENT, f'presets:\n- name: "{name}"\n')
    assert len(message) <= MAX_MESSAGE
    assert message.isprintable()


def test_a_new_preset_whose_heads_share_nothing_need_not_say_so() -> None:
    network = "{layers: 32, attention_heads: 32, head_dim: 128}"
    text = f"presets: [{{name: acme/x, weights_gib: 13.5, max_context: 4096, architecture: {network}}}]"
    merged, found = merge(CATALOG, {PRESETS_DOCUMENT: text})
    assert found == ()
    preset = merged.preset("acme/x")
    assert preset is not None
    assert preset.architecture.kv_heads == 32


def test_an_empty_text_takes_a_field_away() -> None:
    """What is over is not over everywhere: a size that was retired, a preset that was dropped."""
    sizes = 'instance_types: [{name: Standard_NC6s_v3, lifecycle: current, retirement_date: ""}]'
    presets = 'presets: [{name: phi-2, status: active, successor: ""}]'
    merged, found = merge(CATALOG, {SIZES_DOCUMENT: sizes, PRESETS_DOCUMENT: presets})
    assert found == ()
    sku, preset = merged.sku("Standard_NC6s_v3"), merged.preset("phi-2")
    assert sku is not None
    assert preset is not None
    assert (sku.lifecycle, sku.retirement_date) == (Lifecycle.CURRENT, "")
    assert (preset.status, preset.successor) == ("active", "")


def test_a_price_is_for_one_thing_however_it_is_said() -> None:
    size = "size: Standard_NC6s_v3, region: eastus, as_of: 2026-09"
    text = f"prices:\n- {{{size}, usd_per_hour: 1}}\n- {{{size}, usd_per_hour: 2, capacity: on-demand}}\n"
    _, found = merge(CATALOG, {PRICES_DOCUMENT: text})
    assert found == (OverrideProblem(PRICES_DOCUMENT, 3, "the same as the entry in line 2"),)


def test_of_two_entries_for_one_thing_the_second_is_left_out() -> None:
    text = "presets:\n- {name: phi-4, disk_gib: 200}\n- {name: PHI-4, disk_gib: 300}\n"
    merged, found = merge(CATALOG, {PRESETS_DOCUMENT: text})
    preset = merged.preset("phi-4")
    assert preset is not None
    assert preset.disk_gib == 200
    assert found == (OverrideProblem(PRESETS_DOCUMENT, 3, "the same as the entry in line 2"),)


def test_an_entry_that_was_left_out_does_not_stand_in_the_way_of_its_correction() -> None:
    text = "presets:\n- {name: phi-4, disk_gib: big}\n- {name: phi-4, disk_gib: 200}\n"
    merged, found = merge(CATALOG, {PRESETS_DOCUMENT: text})
    assert [problem.line for problem in found] == [2]
    changed = merged.preset("phi-4")
    assert changed is not None
    assert changed.disk_gib == 200


def test_a_document_of_another_name_is_not_passed_over_in_silence() -> None:
    merged, (problem,) = merge(CATALOG, {"preset.yaml": "presets: []"})
    assert merged == CATALOG
    assert (problem.source, problem.line) == ("preset.yaml", 1)
    assert "unknown document" in problem.message


def test_what_would_take_too_long_is_not_read() -> None:
    many = "presets:\n" + "- {name: phi-4}\n" + "- 5\n" * (MAX_ENTRIES + 10)
    _, found = merge(CATALOG, {PRESETS_DOCUMENT: many})
    assert len(found) == MAX_ENTRIES
    assert found[-1] == OverrideProblem(PRESETS_DOCUMENT, MAX_ENTRIES + 2, "1000 entries are the most")
    merged, (problem,) = merge(
        CATALOG, {PRESETS_DOCUMENT: "presets: [{name: phi-4, disk_gib: 200}]" + "#" * MAX_CHARACTERS}
    )
    assert merged == CATALOG
    assert "262144 are the most" in problem.message


def test_the_catalogue_is_whole_after_every_entry() -> None:
    entries = [{"name": name, "disk_gib": 999} for name in CATALOG.preset_names[:3]]
    answers = list(merging(CATALOG, {PRESETS_DOCUMENT: json.dumps({"presets": entries})}))
    assert [sum(preset.disk_gib == 999 for preset in presets_of(answer)) for answer in answers] == [0, 1, 2, 3]


def presets_of(answer: Merged) -> list[Preset]:
    return [answer.catalog.presets[name.lower()] for name in answer.catalog.preset_names]


@given(st.sampled_from(CATALOG.preset_names))
def test_a_whole_entry_laid_over_itself_changes_nothing(name: str) -> None:
    entry = encode_preset(CATALOG.presets[name.lower()])
    merged, found = merge(CATALOG, {PRESETS_DOCUMENT: json.dumps({"presets": [entry]})})
    assert found == ()
    assert merged == CATALOG


@given(st.sampled_from((*CATALOG.skus.values(), *CATALOG.elsewhere.values())))
def test_a_whole_size_laid_over_itself_changes_nothing(sku: object) -> None:
    assert isinstance(sku, type(next(iter(CATALOG.skus.values()))))
    merged, found = merge(CATALOG, {SIZES_DOCUMENT: json.dumps({"instance_types": [encode_sku(sku)]})})
    assert found == ()
    assert merged == CATALOG


DISKS = st.dictionaries(st.sampled_from(CATALOG.preset_names), st.integers(1000, 4096), max_size=6)


@settings(deadline=None)
@given(DISKS, st.randoms(use_true_random=False))
def test_the_order_of_entries_does_not_matter_and_twice_is_once(disks: dict[str, int], random: object) -> None:
    entries = [{"name": name, "disk_gib": disk} for name, disk in disks.items()]
    shuffled = entries[:]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, first = merge(CATALOG, {PRESETS_DOCUMENT: json.dumps({"presets": entries})})
    other, second = merge(CATALOG, {PRESETS_DOCUMENT: json.dumps({"presets": shuffled})})
    again, third = merge(one, {PRESETS_DOCUMENT: json.dumps({"presets": entries})})
    assert first == second == third == ()
    assert one == other == again


def test_the_example_of_the_documentation_is_taken_whole() -> None:
    (config_map,) = yaml_blocks("docs/how-to/catalog-overrides.md")
    merged, found = merge(CATALOG, config_map["data"])
    size, phi = merged.sku("Standard_NC99ads_L4_v9"), merged.preset("phi-4")
    assert found == ()
    assert merged.preset("acme/tiny-7b") is not None
    assert size is not None
    assert merged.price(size, "eastus") is not None
    assert phi is not None
    assert phi.disk_gib == 200
