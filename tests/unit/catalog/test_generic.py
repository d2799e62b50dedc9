"""A model the catalogue does not know, sized by its own facts."""

import dataclasses
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.workspace import Runtime
from controller.catalog import load_catalog
from controller.catalog.checks import preset_faults
from controller.catalog.generic import FactsError, ModelFacts, facts_faults, generic_preset
from controller.catalog.loader import load_engines

FACTS = ModelFacts(
    weights_bytes=16_060_522_496, layers=32, attention_heads=32, kv_heads=8, head_dim=128, max_context=8192
)


def test_an_unknown_model_is_served_as_kaito_serves_it() -> None:
    preset = generic_preset("acme/Tiny-8B", FACTS, load_engines())
    assert (preset.name, preset.hf_repo, preset.family) == ("acme/Tiny-8B", "acme/Tiny-8B", "acme")
    assert (preset.kv_bytes_per_token, preset.disk_gib, preset.readiness_timeout_minutes) == (131_072, 95, 30)
    assert (preset.tensor_parallel, preset.distributed, preset.download, preset.gated) == (True, True, True, None)
    vllm = preset.runtimes[Runtime.VLLM]
    assert (vllm.run_params["model"], vllm.run_params["served-model-name"]) == ("acme/Tiny-8B", "tiny-8b")


def test_its_code_runs_only_when_that_is_asked_for() -> None:
    def flags(facts: ModelFacts) -> set[str]:
        return set(generic_preset("acme/tiny", facts, load_engines()).runtimes[Runtime.VLLM].run_params)

    assert "trust-remote-code" not in flags(FACTS)
    assert "trust-remote-code" in flags(dataclasses.replace(FACTS, remote_code=True))


@pytest.mark.parametrize(
    ("change", "attention", "kv_bytes"),
    [
        ({"kv_heads": 0}, "MHA", 2 * 32 * 128 * 32 * 2),
        ({"kv_heads": 1}, "MQA", 2 * 1 * 128 * 32 * 2),
        ({"head_dim": 0, "hidden_size": 2048}, "GQA", 2 * 8 * 64 * 32 * 2),
        ({"kv_lora_rank": 512, "qk_rope_head_dim": 64}, "MLA", (512 + 64) * 32 * 2),
    ],
)
def test_attention_follows_from_the_heads(change: dict[str, Any], attention: str, kv_bytes: int) -> None:
    preset = generic_preset("acme/tiny", dataclasses.replace(FACTS, **change), load_engines())
    assert (preset.architecture.attention, preset.kv_bytes_per_token) == (attention, kv_bytes)


@pytest.mark.parametrize(
    ("repo", "change", "says"),
    [
        ("tiny", {}, "'tiny' is no Hugging Face repository"),
        ("acme/tiny/x", {}, "no Hugging Face repository"),
        ("acme/tiny", {"layers": 0}, "layers is 0, below 1"),
        ("acme/tiny", {"kv_heads": 5}, "32 attention_heads cannot share 5 kv_heads evenly"),
        ("acme/tiny", {"head_dim": 0}, "neither head_dim nor hidden_size is given"),
        ("acme/tiny", {"head_dim": 0, "hidden_size": 100}, "does not divide into 32 heads; give head_dim"),
        ("acme/tiny", {"kv_lora_rank": 512}, "kv_lora_rank and qk_rope_head_dim go together"),
        ("acme/tiny", {"full_attention_layers": 33}, "more than the 32 layers"),
        ("acme/tiny", {"sliding_window": 128}, "sliding_window needs full_attention_layers"),
        ("acme/tiny", {"dtype": "float8"}, "dtype is 'float8'"),
        ("acme/tiny", {"revision": "main"}, "no commit of 40 hexadecimal digits"),
        ("acme/tiny", {"weights_bytes": 2**43}, "more than a node's disk"),
    ],
)
def test_facts_that_cannot_be_right(repo: str, change: dict[str, Any], says: str) -> None:
    with pytest.raises(FactsError, match=re.escape(says)):
        generic_preset(repo, dataclasses.replace(FACTS, **change), load_engines())


def test_all_faults_are_told_together() -> None:
    faults = tuple(facts_faults("tiny", dataclasses.replace(FACTS, layers=0, dtype="x")))
    assert len(faults) == 3, faults


def test_the_rules_give_for_a_known_model_what_the_catalogue_has() -> None:
    known = load_catalog().preset("ibm-granite/granite-4.1-8b")
    assert known is not None
    net = known.architecture
    facts = ModelFacts(
        weights_bytes=int(known.weights_gib * 2**30), layers=net.layers, attention_heads=net.attention_heads,
        kv_heads=net.kv_heads, head_dim=net.head_dim, hidden_size=net.hidden_size, max_context=known.max_context,
    )  # fmt: skip
    derived = generic_preset(known.hf_repo, facts, load_engines())
    for field in ("kv_bytes_per_token", "disk_gib", "readiness_timeout_minutes", "distributed", "image", "dtype"):
        assert getattr(derived, field) == getattr(known, field), field


@given(
    weights=st.integers(1, 4000 * 2**30), layers=st.integers(1, 200), groups=st.integers(1, 16),
    kv_heads=st.integers(1, 128), head_dim=st.integers(1, 512), context=st.integers(1, 2**21),
)  # fmt: skip
def test_what_passes_the_rules_contradicts_itself_nowhere(
    weights: int, layers: int, groups: int, kv_heads: int, head_dim: int, context: int
) -> None:
    facts = ModelFacts(weights, layers, kv_heads * groups, kv_heads, context, head_dim)
    assert list(preset_faults(generic_preset("acme/tiny", facts, load_engines()))) == []
