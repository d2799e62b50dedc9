"""The sum in words: one line for messages, all of it for people who want to know."""

import re
from decimal import Decimal

from hypothesis import given

from controller.catalog import Preset, Sku
from controller.planning.sizing import Use, fit
from tests.unit.planning.sizing.examples import QLORA, V100, models, preset, sizes, sku, uses


def test_the_line_for_messages() -> None:
    verdict = fit(preset(), sku(V100))
    terms = "7.26 weights + 0.75 KV cache of 2048 tokens + 2.30 runtime"
    assert verdict.need_text == f"10.31 GiB of GPU memory ({terms})"
    assert verdict.offer_text == "13.26 GiB (1 GPU x 15.78 usable x 84%)"


def test_with_several_gpus_the_line_is_about_each() -> None:
    verdict = fit(preset("llama-3.3-70b-instruct"), sku("Standard_NV72ads_A10_v5"))
    terms = "67.02 weights + 0.31 KV cache of 2048 tokens + 2.30 runtime"
    assert verdict.need_text == f"69.63 GiB on each of 2 GPUs ({terms})"
    assert verdict.offer_text == "18.44 GiB on each (22.49 usable x 82%)"


def test_a_misfit_by_figures_of_another_server_is_doubtful_and_says_so() -> None:
    """Transformers reserves nothing and takes less than vLLM; a 7B model ran on a V100 with KAITO."""
    for name in ("mistral-7b", "falcon-7b", "llama-2-7b-chat"):
        verdict = fit(preset(name), sku(V100))
        assert not verdict.fits
        assert not verdict.certain
        assert verdict.doubt == "what its server takes and leaves unused is an upper bound"


def test_no_leaner_server_makes_room_for_weights_that_fill_the_gpu() -> None:
    verdict = fit(preset("falcon-7b"), sku("Standard_NV12s_v3"))
    assert not verdict.fits
    assert verdict.certain


def test_too_few_gpus_for_a_model_cut_into_pieces_are_named() -> None:
    verdict = fit(preset("llama-2-13b"), sku("Standard_NC24ads_A100_v4"))
    assert verdict.need_text.startswith("15.")
    assert "on each of 2 GPUs" in verdict.need_text
    assert verdict.offer_text.endswith(" on 1 GPU only (80.00 usable x 84%)"), verdict.offer_text


def test_the_whole_sum() -> None:
    assert fit(preset("phi-3-mini-128k-instruct"), sku("Standard_NV36ads_A10_v5"), Use(adapters=1)).explain() == (
        "phi-3-mini-128k-instruct on 1 x Standard_NV36ads_A10_v5: "
        "fits, a copy takes at least 1 GPU on 1 node; spread as tensor 1, pipeline 1, data 1\n"
        "1 GPU needs 10.37 GiB:\n"
        "      7.26  weights: files of 7.12 GiB, + 2 % buffers and padding; "
        "split over tensor ranks and pipeline stages\n"
        "      0.75  KV cache of 2048 tokens: MHA: 2 x 32 KV heads x 96 x 32 layers x 2 bytes a token; "
        "split over pipeline stages and, as far as there are KV heads, over tensor ranks\n"
        "      0.06  adapter: LoRA of rank 16 on every matrix; whole on each GPU\n"
        "      2.30  runtime: CUDA context, activations and compiled kernels; whole on each GPU\n"
        "and is given 18.44 GiB:\n"
        "     24.00  nominal\n"
        "     22.49  usable, as its driver reports\n"
        "      0.82  of that, the rest absorbs fragmentation\n"
        "room for 24090 tokens of KV cache; one request can have 24090"
    )


def test_what_does_not_fit_says_what_it_would_take() -> None:
    on_two = fit(preset("deepseek-r1-0528"), sku("Standard_ND96isr_H100_v5"))
    assert "does not fit, a copy takes" in on_two.explain()
    assert "fits on no number of nodes" in fit(preset(), sku("Standard_NV6ads_A10_v5")).explain()
    assert "GPUs or their memory are unknown" in fit(preset(), sku("Standard_ND46s_H100_v5")).explain()


def test_tuning_names_its_own_terms() -> None:
    text = fit(preset(), sku(V100), QLORA).explain()
    for term in ("base model", "adapter", "gradients", "optimizer", "activations", "logits", "runtime"):
        assert f"  {term}" in text, f"{term} is missing in {text}"


def test_an_upper_bound_is_called_one() -> None:
    assert "an upper bound" in fit(preset("google/gemma-4-31B-it"), sku(V100)).explain()
    assert "an upper bound" not in fit(preset(), sku(V100)).explain()


@given(models, sizes, uses)
def test_the_terms_as_shown_add_up_to_the_sum_as_shown(model: Preset, size: Sku, use: Use) -> None:
    verdict = fit(model, size, use)
    total, *terms = [Decimal(number) for number in re.findall(r"(?:^|[(+] ?)(\d+\.\d\d) ", verdict.need_text)]
    assert len(terms) == len(verdict.load.terms), verdict.need_text
    assert sum(terms) == total, verdict.need_text
    assert abs(float(total) - verdict.needed / 2**30) <= 0.005 * len(terms) + 1e-6
    assert f"needs {total} GiB" in verdict.explain()


@given(models, sizes, uses)
def test_the_amount_given_is_the_product_shown(model: Preset, size: Sku, use: Use) -> None:
    verdict = fit(model, size, use)
    found = re.search(r"^(\d+\.\d\d) GiB.*?(\d+\.\d\d) usable x (\d+)%", verdict.offer_text)
    assert found, verdict.offer_text
    given_gib, usable, percent = map(Decimal, found.groups())
    assert abs(given_gib - usable * percent / 100) <= Decimal("0.005"), verdict.offer_text


@given(models, sizes, uses)
def test_every_verdict_can_be_told_in_a_few_words(model: Preset, size: Sku, use: Use) -> None:
    verdict = fit(model, size, use)
    assert len(verdict.need_text) + len(verdict.offer_text) < 330
    assert verdict.explain().count("\n") >= 4
