"""Where the installation allows some sizes only, nodes are made of no others."""

import pytest

from controller.api.reasons import Reason
from controller.catalog import load_catalog
from controller.planning.admission.validation import validate, validate_update
from controller.planning.site import Site
from tests.unit.planning.manifests import changed, example

CATALOG = load_catalog()
T4, A100 = "Standard_NC4as_T4_v3", "Standard_NC24ads_A100_v4"
SITE = Site(CATALOG, allowed=frozenset({A100.lower()}))


def test_another_size_is_refused_with_those_that_are_allowed() -> None:
    (problem,) = validate(example(resource__instanceType=T4), SITE).problems
    assert problem.text == (
        f"resource.instanceType {T4} is not allowed: this installation makes nodes of 1 size and it is none of them. "
        f"Fix: use {A100} (1 GPU, 80 GiB, $3.67/h list price of 2026-06, eastus) (InstanceTypeNotAllowed)"
    )


@pytest.mark.parametrize(
    ("size", "site"),
    [(A100, SITE), (A100.upper(), SITE), (T4, Site(CATALOG)), (T4, Site(CATALOG, False, allowed=SITE.allowed))],
    ids=["allowed", "in other letters", "no list", "existing nodes"],
)
def test_accepted(size: str, site: Site) -> None:
    assert Reason.INSTANCE_TYPE_NOT_ALLOWED not in [
        problem.reason for problem in validate(example(resource__instanceType=size), site).problems
    ]


def test_what_was_let_in_under_a_longer_list_keeps_its_nodes() -> None:
    stored = example(resource__instanceType=T4, metadata__resourceVersion="7")
    assert validate(stored, SITE).problems == ()
    assert validate_update(stored, changed(stored, "metadata.labels", {"a": "b"}), SITE).problems == ()


def test_a_size_that_is_set_later_is_judged_too() -> None:
    stored = example(resource__instanceType=None, metadata__resourceVersion="7")
    (problem,) = validate_update(stored, changed(stored, "resource.instanceType", T4), SITE).problems
    assert problem.reason is Reason.INSTANCE_TYPE_NOT_ALLOWED


def test_a_size_on_the_list_that_is_no_longer_offered_is_still_a_way_out() -> None:
    site = Site(load_catalog(), allowed=frozenset({"standard_nc6s_v3"}))
    (problem,) = validate(example(resource__instanceType="Standard_NC24ads_A100_v4"), site).problems
    assert "makes nodes of 1 size and" in problem.why
    assert problem.fixes[0].startswith("use Standard_NC6s_v3 (")
