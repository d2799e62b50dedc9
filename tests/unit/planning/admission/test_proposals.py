"""What refusals offer instead: sizes in words, and always whole."""

import pytest

from controller.api.messages import MAX_FIXES, TEXT_LIMIT, Problem
from controller.api.reasons import Reason
from controller.api.workspace import parse_workspace
from controller.catalog import Cloud, Lifecycle, load_catalog
from controller.planning.admission.findings import Subject
from controller.planning.admission.proposals import describe, proposals, single_node
from controller.planning.admission.validation import validate
from controller.planning.site import Site
from controller.planning.sizing import SERVE
from tests.unit.planning.manifests import example
from tests.unit.planning.sizing.examples import PRESETS, sku

CATALOG = load_catalog()
SITE = Site(CATALOG)
A100, H100 = "Standard_NC24ads_A100_v4", "Standard_ND96isr_H100_v5"
SMALL = frozenset({"standard_nv6ads_a10_v5"})

SIZES = ("", "Standard_D4s_v5", "Standard_NC6_v3", "Standard_NV6ads_A10_v5", "Standard_ND96isr_MI300X_v5", "g5.xlarge",
         "Standard_NC6", "Standard_NC320ds_xl_RTXPRO6000BSE_v6")  # fmt: skip
"""Wrong in different ways: missing, without GPU, misspelt, too small, of another vendor, another cloud, too old."""


def subject(site: Site = SITE, preset: str = "phi-3-mini-4k-instruct", size: str = "") -> Subject:
    obj = example(inference__preset__name=preset, resource__instanceType=size)
    return Subject(parse_workspace(obj), obj, site)


def test_one_node_is_told_with_gpus_memory_and_dated_price() -> None:
    size = sku(A100)
    assert describe(size, price=SITE.price(size)) == f"{A100} (1 GPU, 80 GiB, $3.67/h list price of 2026-06, eastus)"


def test_of_several_nodes_everything_is_told_for_all_together() -> None:
    size = sku(H100)
    assert describe(size, 2, SITE.price(size)) == (
        f"2 x {H100} (in all 16 GPUs, 1280 GiB, $196.64/h list price of 2026-06, eastus)"
    )


def test_without_a_price_the_processors_are_told() -> None:
    assert describe(sku(H100)) == f"{H100} (8 GPUs, 640 GiB, 96 vCPU)"


def test_unknown_memory_is_not_told_as_none_at_all() -> None:
    assert (
        describe(sku("Standard_NC32ds_xl_RTXPRO6000BSE_v6")) == "Standard_NC32ds_xl_RTXPRO6000BSE_v6 (1 GPU, 32 vCPU)"
    )


def test_the_cheapest_comes_first_and_every_price_has_its_date() -> None:
    assert proposals(subject()) == (
        "use Standard_NC4as_T4_v3 (1 GPU, 16 GiB, $0.53/h list price of 2026-06, eastus)",
        "use Standard_NC24lds_xl_RTXPRO6000BSE_v6 (1 GPU, 24 GiB, $1.13/h list price of 2026-06, eastus)",
        "use Standard_NV36ads_A10_v5 (1 GPU, 24 GiB, $3.20/h list price of 2026-06, eastus)",
    )


def test_in_another_cloud_its_own_sizes_and_prices_are_offered() -> None:
    offers = proposals(subject(Site(CATALOG.at(Cloud.AWS))))
    assert offers
    assert all("list price of 2026-07, us-east-1" in offer for offer in offers)


def test_where_no_allowed_size_does_the_administrator_can_help() -> None:
    smaller, ask = proposals(subject(Site(CATALOG, allowed=SMALL)))
    assert smaller == "choose a smaller model"
    assert ask == (
        "have Standard_NC4as_T4_v3 (1 GPU, 16 GiB, $0.53/h list price of 2026-06, eastus) allowed by your administrator"
    )


@pytest.mark.parametrize(
    ("site", "says"),
    [
        (SITE, "Standard_NV6ads_A10_v5"),
        (Site(CATALOG, allowed=frozenset({A100.lower()})), A100),
        (Site(CATALOG, allowed=frozenset({"standard_nc6s_v3"})), "Standard_NC6s_v3"),
    ],
    ids=["the cheapest", "of those allowed", "even if it retires"],
)
def test_where_no_model_is_known_one_size_is_the_example(site: Site, says: str) -> None:
    assert proposals(subject(site, "no-such-model")) == (f"set it to a GPU size such as {says}",)


def test_where_there_are_no_sizes_none_is_named() -> None:
    assert proposals(subject(Site(CATALOG.at(Cloud.ARC), allowed=SMALL), "x")) == ("set it to a GPU size of arc",)


def test_what_must_run_alone_is_offered_single_nodes_only() -> None:
    assert all(" x " not in offer for offer in single_node(subject(preset="llama-3.3-70b-instruct")))
    assert "on a single node" in single_node(subject(Site(CATALOG, allowed=SMALL)))[0]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("region", ["", "germanywestcentral", "nowhere"])
def test_refusals_are_short_and_what_they_offer_is_whole_for_every_preset(size: str, region: str) -> None:
    site = Site(CATALOG, region=region)
    for name in CATALOG.preset_names:
        obj = example(inference__preset__name=name, resource__instanceType=size)
        for problem in validate(obj, site).problems:
            assert len(problem.text) <= TEXT_LIMIT
            assert "…" not in problem.text, problem.text
            assert not missing_without_need(problem), problem.text


def missing_without_need(problem: Problem) -> list[str]:
    """The fixes that are not told although there is room for them."""
    fixes = problem.fixes[:MAX_FIXES]
    room = TEXT_LIMIT - len(problem.text) - len("; or ")
    return [fix for fix in fixes if fix not in problem.text and len(fix) <= room]


@pytest.mark.parametrize("lifecycle", [Lifecycle.ANNOUNCED, Lifecycle.RETIRED, Lifecycle.PREVIEW_NAME])
def test_a_size_that_is_not_current_is_never_offered_and_can_be_named_with_a_warning(lifecycle: Lifecycle) -> None:
    known = [size for size in CATALOG.skus.values() if size.lifecycle is lifecycle and size.gpu_memory_gib]
    assert known
    for size in known:
        obj = example(resource__instanceType=size.name)
        found = validate(obj, SITE)
        assert any(warning.startswith(size.name) for warning in found.warnings), f"nothing is told about {size.name}"
        assert Reason.INSTANCE_TYPE_UNKNOWN not in {problem.reason for problem in found.problems}
    offered = {found.sku.name for model in PRESETS for found in SITE.suggestions(model, SERVE)}
    assert not offered & {size.name for size in known}
