"""What users may write in inference_config.yaml, and what they are told when it is wrong."""

import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.planning.configs import InferenceConfig, parse_inference
from controller.planning.configs.document import MAX_CHARACTERS, MAX_ENTRIES, MAX_KEYS
from controller.planning.configs.inference import server_keys
from controller.planning.configs.remarks import MAX_FAULTS
from controller.planning.configs.schema import Key

PUBLISHED = """
    # Maximum number of steps to find the max available seq len fitting in the GPU memory.
    max_probe_steps: 6

    vllm:
      cpu-offload-gb: 0
      gpu-memory-utilization: 0.95
      swap-space: 4
      max-model-len: 131072
      tensor-parallel-size: 2

      max-seq-len-to-capture: 8192
      num-scheduler-steps: 1
      enable-chunked-prefill: true
"""


def flags(text: str) -> dict[str, object]:
    parsed = parse_inference(textwrap.dedent(text))
    assert parsed.faults == (), "a document without faults was expected"
    return dict(parsed.config.flags)


def faults(text: str) -> list[tuple[int, str, str, str]]:
    found = parse_inference(textwrap.dedent(text)).faults
    return [(fault.line, fault.path, fault.what, fault.why) for fault in found]


def test_the_published_example_of_kaito_is_understood() -> None:
    parsed = parse_inference(textwrap.dedent(PUBLISHED))
    assert parsed.faults == ()
    assert parsed.config.max_probe_steps == 6
    assert parsed.config.max_model_len == 131072
    assert parsed.config.memory_percent == 95
    assert parsed.config.tensor_parallel_size == 2
    assert parsed.config.lines["max-model-len"] == 9


@pytest.mark.parametrize("text", ["", "# nothing yet", "vllm:", "vllm: {}", "max_probe_steps:"])
def test_nothing_asks_for_nothing(text: str) -> None:
    parsed = parse_inference(text)
    assert (parsed.config, parsed.faults, parsed.cautions) == (InferenceConfig(), (), ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("vllm: {max-model-len: 4096}", {"max-model-len": 4096}),
        ('vllm: {max-model-len: "4096"}', {"max-model-len": 4096}),
        ("vllm: {max_model_len: 4096.0}", {"max-model-len": 4096}),
        ("vllm: {max-model-len: auto}", {"max-model-len": "auto"}),
        ('vllm: {gpu-memory-utilization: "0.9"}', {"gpu-memory-utilization": 0.9}),
        ("vllm: {enforce-eager: true}", {"enforce-eager": True}),
        ("vllm: {enforce-eager: }", {"enforce-eager": True}),
        ('vllm: {enforce_eager: "False"}', {"enforce-eager": False}),
        ("vllm: {no-enable-prefix-caching: }", {"enable-prefix-caching": False}),
        ("vllm: {no_enable_prefix_caching: false}", {"enable-prefix-caching": True}),
        ("vllm: {served-model-name: 7}", {"served-model-name": "7"}),
        ("vllm: {rope-theta: 1e6}", {"rope-theta": 1e6}),
        ("""vllm: {hf-overrides: '{"a": 1}'}""", {"hf-overrides": '{"a": 1}'}),
        ("vllm: {compilation-config: 3}", {"compilation-config": "3"}),
        (
            "vllm: {compilation-config.pass_config.fuse_allreduce_rms: false}",
            {"compilation-config.pass_config.fuse_allreduce_rms": "False"},
        ),
    ],
)
def test_values_are_read_as_the_server_reads_them(text: str, expected: dict[str, object]) -> None:
    assert flags(text) == expected


REFUSED = {
    "no number": (
        "vllm: {max-model-len: abc}",
        "vllm.max-model-len",
        'is "abc"',
        "a whole number of at least 1, or auto",
    ),
    "no context": ("vllm: {max-model-len: 0}", "vllm.max-model-len", 'is "0"', "of at least 1"),
    "too much": (
        "vllm: {gpu-memory-utilization: 1.5}",
        "vllm.gpu-memory-utilization",
        '"1.5"',
        "above 0 and at most 1",
    ),
    "nothing": ("vllm: {gpu-memory-utilization: 0}", "vllm.gpu-memory-utilization", '"0"', "above 0"),
    "no number a machine holds": (f'vllm: {{seed: "{"9" * 30}"}}', "vllm.seed", "999", "a whole number"),
    "empty": ("vllm: {max-num-seqs: }", "vllm.max-num-seqs", "is empty", "a whole number"),
    "a list": ("vllm: {max-num-seqs: [1]}", "vllm.max-num-seqs", "is a list", "one value on its command line"),
    "a map": ("vllm: {hf-overrides: {a: 1}}", "vllm.hf-overrides", "is a map", "one value on its command line"),
    "no word": ("vllm: {dtype: float8}", "vllm.dtype", '"float8"', "one of auto, half, float16, bfloat16"),
    "no flag": ("vllm: {max-model-length: 1}", "vllm.max-model-length", "is no key of vLLM", "ends at start"),
    "no flag to turn off": ("vllm: {no-max-model-len: }", "vllm.no-max-model-len", "is no key of vLLM", ""),
    "no sub-keys": ("vllm: {dtype.a: 1}", "vllm.dtype.a", "is no key of vLLM", ""),
    "no JSON": ("vllm: {hf-overrides: x}", "vllm.hf-overrides", 'is "x"', "JSON in quotes"),
    "no yes or no": ("vllm: {enforce-eager: maybe}", "vllm.enforce-eager", '"maybe"', "true or false"),
    "twice": ("vllm: {max-model-len: 1, max_model_len: 2}", "vllm.max_model_len", "is set twice", "dashes and under"),
    "on and off": ("vllm: {enforce-eager: , no-enforce-eager: }", "vllm.no-enforce-eager", "is set twice", ""),
    "no TLS": ("vllm: {ssl-certfile: /x}", "vllm.ssl-certfile", "cannot be used", "plain HTTP"),
    "no flags": ("vllm: [a]", "vllm", "is a list", "a map of flags"),
    "no steps": ("max_probe_steps: -1", "max_probe_steps", 'is "-1"', "of at least 0"),
    "no share": ("kv_cache_cpu_memory_utilization: 2", "kv_cache_cpu_memory_utilization", 'is "2"', "at most 1"),
}


@pytest.mark.parametrize(("text", "path", "what", "why"), REFUSED.values(), ids=REFUSED)
def test_refused(text: str, path: str, what: str, why: str) -> None:
    ((line, found_path, found_what, found_why),) = faults(text)
    assert (line, found_path) == (1, path)
    assert what in found_what
    assert why in found_why


def test_every_fault_has_its_line_and_the_nearest_name() -> None:
    parsed = parse_inference("vllm:\n  max-num-seqs: 5\n  enable-chunked-prefil: true\n  quantization: bitsandbyte\n")
    first, second = parsed.faults
    assert (first.line, first.fixes[0]) == (3, "use enable-chunked-prefill")
    assert (second.line, second.fixes[0]) == (4, "use bitsandbytes")
    assert parsed.config.flags == {"max-num-seqs": 5}, "what is right is understood all the same"


@pytest.mark.parametrize(
    ("text", "path", "what"),
    [
        ("vllm: {port: 8000}", "vllm.port", "is not used"),
        ("vllm: {model: other/model}", "vllm.model", "is not used"),
        ("vllm: {trust-remote-code: true}", "vllm.trust-remote-code", "runs Python code"),
        ("vllm: {api-key: secret}", "vllm.api-key", "readable by everybody"),
        ("transformers: {}", "transformers", "is not used"),
    ],
)
def test_cautions(text: str, path: str, what: str) -> None:
    parsed = parse_inference(text)
    assert parsed.faults == ()
    (caution,) = parsed.cautions
    assert caution.path == path
    assert what in caution.what
    assert "secret" not in f"{caution.what} {caution.why}", "values of the user's are not repeated"


def test_what_is_switched_off_needs_no_caution() -> None:
    assert parse_inference("vllm: {trust-remote-code: false}").cautions == ()


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("vllm:\n  a: &x 1\n  b: *x\n", 3, "aliases are not allowed"),
        ("vllm:\n  dtype: auto\n  dtype: half\n", 3, "the key 'dtype' occurs twice"),
        ("vllm: {\n", 2, "cannot be read"),
        ("- a\n", 1, "not a mapping"),
        ("a: 1\n---\nb: 1\n", 2, "more than one document"),
        ("vllm: !!python/object/apply:os.system [x]\n", 1, "cannot be read"),
        ("[" * 100, 1, "nested more than"),
        ("a" * (MAX_CHARACTERS + 1), 1, f"it has {MAX_CHARACTERS + 1} characters"),
        ("," * (MAX_ENTRIES + 1), 1, f"it has {MAX_ENTRIES + 1} lines and commas"),
        (f"vllm: {{seed: 0{'7' * 5000}}}", 1, "a number is too large"),
        ("? [a]\n: b\n", 1, "cannot be read"),
        ("~: b\n", 1, "the key None is not text"),
        (f"vllm: {{{', '.join(f'a{n}: 1' for n in range(MAX_KEYS + 1))}}}", 1, f"has {MAX_KEYS + 1} keys"),
    ],
)
def test_documents_that_cannot_be_read(text: str, line: int, what: str) -> None:
    ((found_line, _, found, _),) = faults(text)
    assert found_line == line
    assert what in found


def test_only_the_first_faults_are_told() -> None:
    assert len(faults("vllm:\n" + "".join(f"  a{n}: 1\n" for n in range(MAX_KEYS)))) == MAX_FAULTS


def test_the_same_text_is_read_once() -> None:
    text = "vllm: {max-num-seqs: 7}"
    assert parse_inference(text) is parse_inference(text)


@pytest.mark.parametrize("number", ["9" * 400, f"-{'9' * 4000}", "9" * 5000, "1e400", "nan"])
@pytest.mark.parametrize("flag", ["seed", "max-model-len", "gpu-memory-utilization"])
def test_a_number_in_quotes_may_be_longer_than_any_machine_counts(flag: str, number: str) -> None:
    ((_, path, _, why),) = faults(f"vllm: {{{flag}: '{number}'}}")
    assert path == f"vllm.{flag}"
    assert why.startswith("it must be a")


@settings(max_examples=200)
@given(st.text(max_size=200) | st.text("{}[]:,-*&!|>'\"\n ab1", max_size=60))
def test_every_text_gets_an_answer(text: str) -> None:
    parsed = parse_inference(text)
    assert len(parsed.faults) <= MAX_FAULTS
    assert all(fault.line >= 1 and fault.what for fault in parsed.faults)


def sample(key: Key) -> object:
    """A value the key allows."""
    schema = key.schema
    if "enum" in schema:
        return schema["enum"][0]
    least: int = schema.get("minimum") or 0
    values = {"integer": least, "boolean": True, "number": least + 0.5}
    return "{}" if key.holds_json else values.get(key.types[0], "x")


@pytest.mark.parametrize("name", server_keys())
def test_every_flag_takes_what_it_says_it_takes_quoted_or_not(name: str) -> None:
    key, value = server_keys()[name], sample(server_keys()[name])
    if key.refused:
        assert parse_inference(f"vllm: {{{name}: {value!r}}}").faults != ()
        return
    plain = flags(f"vllm: {{{name}: {value!r}}}" if isinstance(value, str) else f"vllm: {{{name}: {value}}}")
    assert plain == {name: value}
    assert flags(f'vllm: {{{name.replace("-", "_")}: "{value}"}}') == plain, "quotes change nothing"
