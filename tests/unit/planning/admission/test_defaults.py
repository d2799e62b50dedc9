"""What is filled in where the author said nothing."""

import copy
import dataclasses
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api import labels
from controller.api.json import Json
from controller.catalog import Capacity, Catalog, Cloud, Price, load_catalog
from controller.catalog.prices import price_key
from controller.planning.admission.defaults import apply_defaults, defaults
from controller.planning.admission.validation import validate
from controller.planning.site import Site
from controller.planning.sizing import SERVE
from tests.unit.planning.manifests import changed, example, manifests

CATALOG = load_catalog()
A100 = "Standard_NC24ads_A100_v4"
H100 = "Standard_NC40ads_H100_v5"
SMALL = "Standard_NV6ads_A10_v5"
TUNING: Json = {
    "preset": {"name": "phi-3-mini-4k-instruct"},
    "method": "qlora",
    "input": {"image": "example.com/data:1"},
    "output": {"image": "example.com/adapter:1", "imagePushSecret": "push"},
}


def filled(obj: Json, *, auto_provision: bool = True, old: Json | None = None, catalog: Catalog = CATALOG) -> Json:
    operations, _ = defaults(obj, Site(catalog, auto_provision), old=old)
    return apply_defaults(obj, operations)


def size_and_count(obj: Json) -> tuple[object, object]:
    return obj["resource"].get("instanceType"), obj["resource"].get("count")


def test_the_cheapest_current_size_that_fits_is_chosen_and_told() -> None:
    operations, warnings = defaults(example(resource__instanceType=None), Site(CATALOG))
    assert operations == [
        {"op": "add", "path": "/resource/instanceType", "value": "Standard_NC4as_T4_v3"},
        {"op": "add", "path": "/resource/count", "value": 1},
    ]
    assert warnings == (
        (
            "resource.instanceType set to Standard_NC4as_T4_v3 (1 GPU, 16 GiB, $0.53/h list price of 2026-06, eastus): "
            "the cheapest current size that fits phi-3-mini-4k-instruct"
        ),
    )


def test_where_no_price_is_known_the_smallest_size_is_chosen() -> None:
    _, (warning,) = defaults(example(resource__instanceType=None), Site(CATALOG, region="nowhere"))
    assert warning == (
        "resource.instanceType set to Standard_NC4as_T4_v3 (1 GPU, 16 GiB, 4 vCPU): "
        "the smallest current size that fits phi-3-mini-4k-instruct"
    )


def test_the_choice_is_made_among_the_allowed_sizes() -> None:
    site = Site(CATALOG, allowed=frozenset({"standard_nc24ads_a100_v4", "standard_nc40ads_h100_v5"}))
    operations, (warning,) = defaults(example(resource__instanceType=None), site)
    assert operations[0]["value"] == "Standard_NC24ads_A100_v4"
    assert "the cheapest allowed size that fits" in warning


@pytest.mark.parametrize(
    ("sizes", "chosen", "why"),
    [
        pytest.param(f"{H100},{A100}", H100, "first size", id="order"),
        pytest.param(f"{SMALL},{A100.lower()}", A100, "first size", id="the first is too small"),
        pytest.param(SMALL, "Standard_NC4as_T4_v3", "cheapest current size", id="none fits"),
        pytest.param("Standard_Unknown,,", "Standard_NC4as_T4_v3", "cheapest current size", id="none is known"),
    ],
)
def test_the_choice_follows_the_list_of_sizes_the_user_gave(sizes: str, chosen: str, why: str) -> None:
    """What is filled in must not be what the list is refused for afterwards."""
    listing = example(resource__instanceType=None, metadata__annotations={labels.INSTANCE_TYPES: sizes})
    operations, (warning,) = defaults(listing, Site(CATALOG))
    assert operations[0]["value"] == chosen
    assert why in warning


def test_where_no_allowed_size_fits_nothing_is_chosen() -> None:
    site = Site(CATALOG, allowed=frozenset({"standard_nv6ads_a10_v5"}))
    assert defaults(example(resource__instanceType=None), site) == ([], ())


def test_a_price_of_the_installation_decides() -> None:
    cheap = {price_key(Cloud.AZURE, A100, "eastus", Capacity.ON_DEMAND): Price(0.01, "2026-10", "eastus", "ours")}
    site = Site(dataclasses.replace(CATALOG, own_prices=cheap), region="eastus")
    operations, (warning,) = defaults(example(resource__instanceType=None), site)
    assert operations[0]["value"] == A100
    assert "$0.01/h list price of 2026-10, eastus" in warning


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        pytest.param({}, "Standard_NC4as_T4_v3", id="served"),
        pytest.param({"inference__preset__name": "falcon-40b"}, "Standard_NC48ads_A100_v4", id="a larger model"),
        pytest.param({"inference": None, "tuning": TUNING}, "Standard_NC4as_T4_v3", id="qlora"),
        pytest.param({"inference": None, "tuning": {**TUNING, "method": "lora"}}, "Standard_NC4as_T4_v3", id="lora"),
    ],
)
def test_the_size_follows_what_the_model_is_used_for(changes: dict[str, Json], size: str) -> None:
    filled_in = filled(example(resource__instanceType=None, **changes))
    assert size_and_count(filled_in) == (size, 1)


def test_a_pod_template_says_nothing_of_what_it_needs() -> None:
    obj = example(resource__instanceType=None, inference={"template": {"spec": {"containers": []}}})
    assert size_and_count(filled(obj)) == (None, 1)


def test_in_v1beta1_the_deprecated_count_is_not_filled_in() -> None:
    assert size_and_count(filled(example(resource__instanceType=None, apiVersion="kaito.sh/v1beta1"))) == (
        "Standard_NC4as_T4_v3",
        None,
    )


def test_a_size_is_chosen_that_does_with_the_nodes_asked_for() -> None:
    """Where no size holds the model alone, one that needs more nodes than the user wants is not chosen."""
    big = dataclasses.replace(CATALOG.presets["deepseek-r1-0528"], weights_gib=1500.0, alternatives=())
    site = Site(dataclasses.replace(CATALOG, presets={big.name: big}))
    free = example(resource__instanceType=None, inference__preset__name=big.name)
    nodes = {found.sku.name: found.nodes for found in site.suggestions(big, SERVE)}
    assert len(set(nodes.values())) > 1, "the sizes offered take the same number of nodes"
    least = min(nodes.values())
    chosen = filled(changed(free, "resource.count", least), catalog=site.catalog)["resource"]["instanceType"]
    assert nodes[chosen] == least


@pytest.mark.parametrize("empty", [None, ""])
def test_an_empty_size_counts_as_absent(empty: str | None) -> None:
    assert size_and_count(filled(example(resource__instanceType=empty))) == ("Standard_NC4as_T4_v3", 1)


def test_what_the_author_wrote_stays() -> None:
    assert size_and_count(filled(example(resource__count=3))) == ("Standard_NC6s_v3", 3)


def test_the_count_is_what_the_model_needs_on_that_size() -> None:
    big = dataclasses.replace(CATALOG.presets["phi-3-mini-4k-instruct"], weights_gib=100.0, distributed=True)
    catalog = Catalog({big.name: big}, CATALOG.skus)
    obj = example(resource__instanceType="Standard_NC24ads_A100_v4")
    assert size_and_count(filled(obj, catalog=catalog)) == ("Standard_NC24ads_A100_v4", 2)


def test_on_existing_nodes_nothing_is_chosen_and_the_count_follows_from_them_later() -> None:
    assert size_and_count(filled(example(resource__instanceType=None), auto_provision=False)) == (None, None)


@pytest.mark.parametrize("name", ["no-such-model", ""])
def test_without_a_known_preset_nothing_is_filled_in(name: str) -> None:
    obj = example(resource__instanceType=None, inference__preset__name=name)
    assert size_and_count(filled(obj)) == (None, None)


@pytest.mark.parametrize("obj", [example(resource=None), example(resource=7), example(resource__count="x")])
def test_a_manifest_too_broken_to_read_is_left_alone(obj: Json) -> None:
    assert defaults(obj, Site(CATALOG)) == ([], ())


def test_replacing_an_object_by_the_manifest_it_was_made_from_is_no_change() -> None:
    written = example(resource__instanceType=None)
    stored = filled(written)
    assert filled(written, old=stored) == stored


def test_on_existing_nodes_a_size_that_is_taken_away_stays_away() -> None:
    """There nobody filled it in, and the rules allow to remove it."""
    stored = example()
    written = example(resource__instanceType=None)
    assert filled(written, old=stored, auto_provision=False) == written


def test_an_update_fills_nothing_that_was_left_out_before() -> None:
    stored = example(resource__instanceType=None)
    assert filled(changed(stored, "metadata.labels", {"a": "b"}), old=stored)["resource"] == stored["resource"]


@given(manifests(), st.booleans())
def test_filling_in_twice_changes_nothing_more(obj: Json, auto_provision: bool) -> None:
    once = filled(obj, auto_provision=auto_provision)
    assert filled(once, auto_provision=auto_provision) == once


@given(manifests(), st.randoms(use_true_random=False))
def test_the_order_of_fields_does_not_matter(obj: Json, random: Random) -> None:
    assert defaults(shuffled(obj, random), Site(CATALOG)) == defaults(obj, Site(CATALOG))


def shuffled(value: Any, random: Random) -> Any:
    if not isinstance(value, dict):
        return value
    keys = list(value)
    random.shuffle(keys)
    return {key: shuffled(value[key], random) for key in keys}


@given(manifests())
def test_nothing_the_author_wrote_is_changed(obj: Json) -> None:
    before = copy.deepcopy(obj)
    after = filled(obj)
    assert obj == before, "the manifest itself was edited"
    if isinstance(obj.get("resource"), dict):
        written = {key: value for key, value in obj["resource"].items() if value not in (None, "")}
        assert {key: after["resource"][key] for key in written} == written


@given(manifests())
def test_a_manifest_that_was_filled_in_and_passed_passes_again(obj: Json) -> None:
    once = filled(obj)
    if not validate(once, Site(CATALOG)).problems:
        assert validate(filled(once), Site(CATALOG)).problems == ()
