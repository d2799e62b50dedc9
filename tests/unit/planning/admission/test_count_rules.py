"""How many nodes: what is written, what is needed, and who wins in which version."""

from typing import Any

import pytest

from controller.api.json import Json
from controller.api.reasons import Reason
from controller.catalog import load_catalog
from controller.planning.admission.validation import Findings, validate, validate_stored, validate_update
from controller.planning.site import Site
from tests.unit.planning.manifests import changed, example

SITE = Site(load_catalog())
ALPHA, BETA = "kaito.sh/v1alpha1", "kaito.sh/v1beta1"
VERSIONS = (ALPHA, BETA)
SEVERAL = (
    "llama-3.3-70b-instruct takes 2 nodes of Standard_NC48ads_A100_v4; Standard_NC288lds_xl_RTXPRO6000BSE_v6 "
    "(2 GPUs, 192 GiB, $11.00/h list price of 2026-06, eastus) holds it on one"
)
BYPASS = {"kaito.sh/bypass-resource-checks": ""}


def large(version: str, count: int | None, **changes: Any) -> Json:
    """A Llama of 131 GiB, which takes two nodes of two A100."""
    return example(
        apiVersion=version,
        resource__count=count,
        resource__instanceType="Standard_NC48ads_A100_v4",
        inference__preset={"name": "llama-3.3-70b-instruct", "presetOptions": {"modelAccessSecret": "hf-token"}},
        **changes,
    )


def reasons(found: Findings) -> list[Reason]:
    return [problem.reason for problem in found.problems]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("count", [None, 2, 3, 6])
def test_none_or_enough_is_accepted_and_one_node_is_recommended(version: str, count: int | None) -> None:
    assert validate(large(version, count), SITE) == Findings(warnings=(SEVERAL,))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("count", [0, -1, 1001])
def test_what_is_no_number_of_nodes_is_refused_in_both_versions(version: str, count: int) -> None:
    assert reasons(validate(large(version, count), SITE)) == [Reason.COUNT_INVALID]


def test_too_few_are_refused_in_v1alpha1_with_the_number_and_the_sum() -> None:
    (problem,) = validate(large(ALPHA, 1), SITE).problems
    assert problem.text.startswith(
        "resource.count is 1 and llama-3.3-70b-instruct takes 2 nodes of Standard_NC48ads_A100_v4: "
        "on one it needs 69.63 GiB on each of 2 GPUs (67.02 weights + 0.31 KV cache of 2048 tokens + 2.30 runtime) "
        "and gets 67.20 GiB on each (80.00 usable x 84%). "
        "Fix: set it to 2; or leave it out to have it computed; or use Standard_"
    )
    assert problem.text.endswith("(CountTooSmall)")


def test_too_few_are_kept_in_v1beta1_with_a_warning_and_the_need_is_used() -> None:
    told = (
        "resource.count is 1 and llama-3.3-70b-instruct takes 2 nodes of Standard_NC48ads_A100_v4: "
        "so many are used, status.targetNodeCount tells the number"
    )
    assert validate(large(BETA, 1), SITE) == Findings(warnings=(told, SEVERAL))


@pytest.mark.parametrize("version", VERSIONS)
def test_who_overrules_the_sums_gets_what_is_written(version: str) -> None:
    found = validate(large(version, 1, metadata__annotations=BYPASS), SITE)
    assert found.problems == ()
    assert any("accepted because" in text and "(CountTooSmall)" in text for text in found.warnings), found.warnings


@pytest.mark.parametrize("version", VERSIONS)
def test_a_change_that_needs_more_nodes_is_warned_of_whichever_version_it_is_written_in(version: str) -> None:
    fits = large(version, 1, metadata__annotations=BYPASS)
    found = validate_update(fits, changed(fits, "metadata.annotations", {}), SITE)
    assert found.problems == ()
    assert any("so many are used" in text for text in found.warnings), found.warnings


@pytest.mark.parametrize("version", VERSIONS)
def test_a_stored_number_never_makes_a_workspace_invalid(version: str) -> None:
    assert validate_stored(large(version, 1), SITE).problems == ()


@pytest.mark.parametrize(("count", "refused"), [(None, []), (1, []), (2, [Reason.COUNT_INVALID])])
def test_tuning_runs_on_one_node(count: int | None, refused: list[Reason]) -> None:
    tuning = {
        "preset": {"name": "phi-3-mini-4k-instruct"},
        "method": "qlora",
        "input": {"urls": ["https://example.com/data.parquet"]},
        "output": {"image": "registry.example.com/out/adapter:1", "imagePushSecret": "push-secret"},
    }
    assert reasons(validate(example(resource__count=count, inference=None, tuning=tuning), SITE)) == refused


def test_a_pod_template_has_the_nodes_it_asks_for() -> None:
    template = {"spec": {"containers": [{"name": "main", "image": "example.io/serve:1"}]}}
    assert validate(example(resource__count=3, inference={"template": template}), SITE).problems == ()


@pytest.mark.parametrize("version", ["v1alpha1", "v1beta1"])
def test_no_number_is_asked_for_of_a_size_that_is_refused(version: str) -> None:
    obj = example(
        apiVersion=f"kaito.sh/{version}",
        inference__preset__name="llama-3.3-70b-instruct",
        resource__instanceType="Standard_NC6s_v3",
        resource__count=1,
    )
    found = validate(obj, SITE)
    assert Reason.GPU_NOT_SUPPORTED in [problem.reason for problem in found.problems]
    assert not [text for text in (*(each.text for each in found.problems), *found.warnings) if "nodes of" in text]
