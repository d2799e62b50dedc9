"""What is filled in where the author said nothing."""

import copy
import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.api.json import Json
from controller.catalog import Catalog, load_catalog
from controller.planning.defaults import apply_defaults, defaults
from controller.planning.site import Site
from controller.planning.validation import validate
from tests.unit.planning.manifests import changed, example, manifests

CATALOG = load_catalog()


def filled(obj: Json, *, auto_provision: bool = True, old: Json | None = None, catalog: Catalog = CATALOG) -> Json:
    operations, _ = defaults(obj, Site(catalog, auto_provision), old=old)
    return apply_defaults(obj, operations)


def size_and_count(obj: Json) -> tuple[object, object]:
    return obj["resource"].get("instanceType"), obj["resource"].get("count")


def test_the_smallest_current_size_that_fits_is_chosen_and_told() -> None:
    operations, warnings = defaults(example(resource__instanceType=None), Site(CATALOG))
    assert operations == [
        {"op": "add", "path": "/resource/instanceType", "value": "Standard_NC4as_T4_v3"},
        {"op": "add", "path": "/resource/count", "value": 1},
    ]
    assert warnings == (
        (
            "resource.instanceType set to Standard_NC4as_T4_v3 (1 GPU, 16 GiB, 4 vCPU): "
            "the smallest current size that fits phi-3-mini-4k-instruct"
        ),
    )


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


def test_on_existing_nodes_no_size_is_chosen() -> None:
    assert size_and_count(filled(example(resource__instanceType=None), auto_provision=False)) == (None, 1)


@pytest.mark.parametrize("name", ["no-such-model", ""])
def test_without_a_known_preset_no_size_is_chosen(name: str) -> None:
    obj = example(resource__instanceType=None, inference__preset__name=name)
    assert size_and_count(filled(obj)) == (None, 1)


@pytest.mark.parametrize("obj", [example(resource=None), example(resource=7), example(resource__count="x")])
def test_a_manifest_too_broken_to_read_is_left_alone(obj: Json) -> None:
    assert defaults(obj, Site(CATALOG)) == ([], ())


def test_replacing_an_object_by_the_manifest_it_was_made_from_is_no_change() -> None:
    written = example(resource__instanceType=None)
    stored = filled(written)
    assert filled(written, old=stored) == stored


def test_an_update_fills_nothing_that_was_left_out_before() -> None:
    stored = example(resource__instanceType=None)
    assert filled(changed(stored, "metadata.labels", {"a": "b"}), old=stored)["resource"] == stored["resource"]


@given(manifests(), st.booleans())
def test_filling_in_twice_changes_nothing_more(obj: Json, auto_provision: bool) -> None:
    once = filled(obj, auto_provision=auto_provision)
    assert filled(once, auto_provision=auto_provision) == once


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
