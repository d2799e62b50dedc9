"""What users may write in training_config.yaml, and what they are told when it is wrong."""

import textwrap
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.planning.configs import TrainingConfig, completed, default_training, parse_training, render_training
from controller.planning.configs.remarks import MAX_FAULTS
from controller.planning.configs.training import ROOT, output_path
from controller.planning.sizing import TuningMethod

PUBLISHED = """
    training_config:
      ModelConfig:
        torch_dtype: "bfloat16"
        local_files_only: true
        device_map: "auto"
      QuantizationConfig:
        load_in_4bit: true
        bnb_4bit_quant_type: "nf4"
        bnb_4bit_compute_dtype: "bfloat16"
        bnb_4bit_use_double_quant: true
      LoraConfig:
        r: 16
        lora_alpha: 8
        lora_dropout: 0.0
        target_modules: [q_proj, k_proj, v_proj, o_proj]
      TrainingArguments:
        output_dir: "/mnt/results"
        save_strategy: "epoch"
        per_device_train_batch_size: 2
        ddp_find_unused_parameters: false
      DataCollator:
        mlm: true
      DatasetConfig:
        shuffle_dataset: true
        train_test_split: 1
"""


def sections(text: str) -> dict[str, dict[str, Any]]:
    parsed = parse_training(textwrap.dedent(text))
    assert parsed.faults == (), "a document without faults was expected"
    return {name: dict(keys) for name, keys in parsed.config.sections.items()}


def in_section(name: str, keys: str) -> str:
    return f"training_config:\n  {name}: {keys}\n"


def test_the_published_example_of_kaito_is_understood() -> None:
    parsed = parse_training(textwrap.dedent(PUBLISHED))
    assert (parsed.faults, parsed.cautions) == ((), ())
    assert (parsed.config.rank, parsed.config.batch) == (16, 2)
    assert parsed.config.output_dir == "/mnt/results"
    assert parsed.config.quantizes == ("load_in_4bit",)
    assert parsed.config.lines["LoraConfig.r"] == 13


def test_what_is_left_out_is_as_the_libraries_have_it() -> None:
    config = parse_training("training_config: {}").config
    assert (config.rank, config.batch, config.output_dir, config.quantizes) == (8, 8, "/mnt/results", ())


def test_a_batch_the_program_halves_until_it_fits_needs_room_for_one_example() -> None:
    text = "training_config: {TrainingArguments: {auto_find_batch_size: true, per_device_train_batch_size: 32}}"
    assert parse_training(text).config.batch == 1


def test_lora_is_handed_over_as_it_was_counted() -> None:
    config = completed(
        parse_training("training_config: {}").config, TuningMethod.LORA, half="float16", checkpointing=True
    )
    assert config.value("ModelConfig", "torch_dtype") == "float16"
    assert config.value("TrainingArguments", "gradient_checkpointing") is True
    assert config.value("TrainingArguments", "gradient_checkpointing_kwargs") == '{"use_reentrant": false}'
    parsed = parse_training(render_training(config))
    assert (parsed.faults, parsed.cautions) == ((), ()), "what we add passes our own rules"


@pytest.mark.parametrize(
    ("text", "method", "checkpointing"),
    [
        ("training_config: {ModelConfig: {torch_dtype: float32}}", TuningMethod.LORA, False),
        (
            (
                "training_config: {ModelConfig: {torch_dtype: float32}, "
                "TrainingArguments: {gradient_checkpointing: false}}"
            ),
            TuningMethod.LORA,
            True,
        ),
        ("training_config: {QuantizationConfig: {load_in_4bit: true}}", TuningMethod.QLORA, True),
    ],
)
def test_what_is_written_is_handed_over_as_it_is(text: str, method: TuningMethod, checkpointing: bool) -> None:
    asked = parse_training(text).config
    found = completed(asked, method, half="bfloat16", checkpointing=checkpointing)
    assert {name: keys for name, keys in found.sections.items() if keys} == asked.sections


@pytest.mark.parametrize(
    ("name", "keys", "expected"),
    [
        ("TrainingArguments", "{learning_rate: 5e-5}", {"learning_rate": 5e-5}),
        ("TrainingArguments", '{per_device_train_batch_size: "4"}', {"per_device_train_batch_size": 4}),
        ("TrainingArguments", "{report_to: [wandb, tensorboard]}", {"report_to": ["wandb", "tensorboard"]}),
        ("TrainingArguments", "{report_to: wandb}", {"report_to": "wandb"}),
        ("LoraConfig", "{layers_to_transform: [0, '1']}", {"layers_to_transform": [0, 1]}),
        ("QuantizationConfig", "{load_in_4bit: }", {"load_in_4bit": None}),
        ("QuantizationConfig", '{load_in_4bit: "true"}', {"load_in_4bit": True}),
        ("QuantizationConfig", "", {}),
    ],
)
def test_values_are_read_as_the_program_reads_them(name: str, keys: str, expected: dict[str, object]) -> None:
    assert sections(in_section(name, keys)) == {name: expected}


REFUSED = {
    "no root": ("a: 1", 1, "training_config", "is missing"),
    "nothing": ("", 1, "training_config", "is missing"),
    "no sections": ("training_config: 7", 1, "training_config", 'is "7"'),
    "an unknown section": ("training_config:\n  Optimizer: {}\n", 2, "training_config.Optimizer", "is no key"),
    "no section": (in_section("LoraConfig", "7"), 2, "training_config.LoraConfig", 'is "7"'),
    "an unknown key": (in_section("LoraConfig", "{rank: 8}"), 2, "training_config.LoraConfig.rank", "is no key"),
    "a key of another release": (
        in_section("TrainingArguments", "{max_seq_length: 512}"),
        2,
        "training_config.TrainingArguments.max_seq_length",
        "is no key",
    ),
    "text for yes": (
        in_section("QuantizationConfig", '{load_in_4bit: "yes"}'),
        2,
        "training_config.QuantizationConfig.load_in_4bit",
        'is "yes"',
    ),
    "both": (
        in_section("QuantizationConfig", "{load_in_4bit: true, load_in_8bit: true}"),
        2,
        "training_config.QuantizationConfig.load_in_8bit",
        "are both true",
    ),
    "no rank": (in_section("LoraConfig", "{r: 0}"), 2, "training_config.LoraConfig.r", 'is "0"'),
    "no number": (in_section("LoraConfig", "{r: x}"), 2, "training_config.LoraConfig.r", 'is "x"'),
    "a map": (
        in_section("TrainingArguments", "{lr_scheduler_kwargs: {a: 1}}"),
        2,
        "training_config.TrainingArguments.lr_scheduler_kwargs",
        "is a map",
    ),
    "what takes maps only": (
        in_section("LoraConfig", "{rank_pattern: '{}'}"),
        2,
        "training_config.LoraConfig.rank_pattern",
        "cannot be used",
    ),
    "all the data and more": (
        in_section("DatasetConfig", "{train_test_split: 1.5}"),
        2,
        "training_config.DatasetConfig.train_test_split",
        'is "1.5"',
    ),
}


@pytest.mark.parametrize(("text", "line", "path", "what"), REFUSED.values(), ids=REFUSED)
def test_refused(text: str, line: int, path: str, what: str) -> None:
    (fault,) = parse_training(text).faults
    assert (fault.line, fault.path) == (line, path)
    assert what in fault.what
    assert fault.fixes


@pytest.mark.parametrize(
    "path", ["../etc", "..", ".", "/", "", "../mntx", "/mnt", "/mnt/config", "/mnt/data/x", "a/../.."]
)
def test_results_stay_where_they_are_kept(path: str) -> None:
    (fault,) = parse_training(in_section("TrainingArguments", f"{{output_dir: '{path}'}}")).faults
    assert fault.path == "training_config.TrainingArguments.output_dir"


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("/mnt/results", "/mnt/results"),
        ("/mnt/./a//b", "/mnt/a/b"),
        ("results", "/mnt/results"),
        ("/results", "/mnt/results"),
        ("/mntx", "/mnt/mntx"),
        ("/mnt/database", "/mnt/database"),
    ],
)
def test_where_results_go(written: str, path: str) -> None:
    parsed = parse_training(in_section("TrainingArguments", f"{{output_dir: {written}}}"))
    assert parsed.faults == ()
    assert parsed.config.output_dir == path == output_path(written)
    assert [caution.path[-10:] for caution in parsed.cautions] == (
        [] if written.startswith("/mnt/") else ["output_dir"]
    )


def test_keys_that_deserve_a_word() -> None:
    text = in_section("ModelConfig", "{trust_remote_code: true, load_in_4bit: false}")
    (caution,) = parse_training(text).cautions
    assert (caution.path, caution.what) == (
        "training_config.ModelConfig.trust_remote_code",
        "runs Python code that comes with the weights",
    )


@settings(max_examples=200)
@given(
    st.text(max_size=200)
    | st.text("{}[]:,-*&!|>'\"\n ab1", max_size=60).map(lambda text: f"training_config:\n  LoraConfig:\n    {text}")
)
def test_every_text_gets_an_answer(text: str) -> None:
    parsed = parse_training(text)
    assert len(parsed.faults) <= MAX_FAULTS
    assert all(fault.line >= 1 and fault.what for fault in parsed.faults)


@pytest.mark.parametrize("method", TuningMethod)
@pytest.mark.parametrize("half", ["bfloat16", "float16"])
def test_our_defaults_pass_our_own_rules_and_survive_being_written(method: TuningMethod, half: str) -> None:
    config = default_training(method, half)
    parsed = parse_training(render_training(config))
    assert (parsed.faults, parsed.cautions) == ((), ())
    assert parsed.config.sections == config.sections
    assert bool(parsed.config.quantizes) is (method is TuningMethod.QLORA)


def test_what_is_handed_over_names_the_path_that_is_mounted_and_nothing_empty() -> None:
    bits = "QuantizationConfig: {load_in_4bit: , load_in_8bit: true}"
    text = f"training_config: {{{bits}, TrainingArguments: {{output_dir: x}}}}"
    written = yaml.safe_load(render_training(parse_training(text).config))
    assert written == {
        ROOT: {"QuantizationConfig": {"load_in_8bit": True}, "TrainingArguments": {"output_dir": "/mnt/x"}}
    }
    assert yaml.safe_load(render_training(TrainingConfig()))[ROOT] == {
        "TrainingArguments": {"output_dir": "/mnt/results"}
    }
